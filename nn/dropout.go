package nn

import (
	"kuai/grad"
	"kuai/internal/check"
)

// Dropout returns x with each value dropped with probability p, to the next
// 256th, and the others divided by 1-p. Which ones follows from the seed and the
// value's place alone.
//
// Source: Srivastava et al., "Dropout", JMLR 15, 2014.
func Dropout(t *grad.Tape, x *grad.Var, p float32, seed uint64) *grad.Var {
	check.True(p >= 0 && p < 1, "nn: dropout of %v", p)
	cut := uint64(p * 256)
	if cut == 0 {
		return x
	}
	scale, seed := 256/float32(256-cut), mix(seed)
	y := t.From([]*grad.Var{x}, x.Shape...)
	t.Chunks(y.Len(), func(i, j int) { keep(part(y.X, i, j, true), x.X[i:j], i, cut, scale, seed) })
	t.Then(func() {
		dy := y.Got()
		if dy == nil {
			return
		}
		if dx, fresh := t.Fresh(x); dx != nil {
			t.Chunks(len(dy), func(i, j int) { keep(part(dx, i, j, fresh), dy[i:j], i, cut, scale, seed) })
		}
	})
	return y
}

// keep adds to y what is kept of x, whose first value stands at a place, a
// multiple of 8: one random word decides for eight.
func keep(y, x []float32, at int, cut uint64, scale float32, seed uint64) {
	for i := 0; i < len(x); i += 8 {
		bits := mix(seed + uint64(at+i))
		for j := i; j < min(i+8, len(x)); j++ {
			if bits&255 >= cut {
				y[j] += scale * x[j]
			}
			bits >>= 8
		}
	}
}

// mix is the finalizer of SplitMix64.
func mix(z uint64) uint64 {
	z *= 0x9E3779B97F4A7C15
	z = (z ^ z>>30) * 0xBF58476D1CE4E5B9
	z = (z ^ z>>27) * 0x94D049BB133111EB
	return z ^ z>>31
}
