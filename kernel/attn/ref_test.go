package attn

import (
	"math"
	"math/rand/v2"
	"testing"

	"kuai/internal/near"
	"kuai/kernel/gemm"
	"kuai/kernel/isa"
)

// The twins: float64, one position at a time, on the same layout.

func random(r *rand.Rand, n int) []float32 {
	x := make([]float32, n)
	for i := range x {
		x[i] = float32(r.NormFloat64())
	}
	return x
}

func positive(r *rand.Rand, n int) []float32 {
	x := random(r, n)
	for i, v := range x {
		x[i] = max(v, 0)
	}
	return x
}

func filled(n int, v float64) []float32 {
	x := make([]float32, n)
	for i := range x {
		x[i] = float32(v)
	}
	return x
}

func nans(n int) []float32 { return filled(n, math.NaN()) }

func to64(x []float32) []float64 {
	y := make([]float64, len(x))
	for i, v := range x {
		y[i] = float64(v)
	}
	return y
}

func to32(x []float64) []float32 {
	y := make([]float32, len(x))
	for i, v := range x {
		y[i] = float32(v)
	}
	return y
}

func plus1(x []float32) []float32 {
	y := make([]float32, len(x))
	for i, v := range x {
		y[i] = v + 1
	}
	return y
}

// forEachHead calls f with the offset of each head in queries and in keys.
func forEachHead(s Shape, f func(b, h, qo, ko int)) {
	for b := range s.B {
		for h := range s.NH {
			f(b, h, b*s.N*s.row()+h*s.D, b*s.M*s.row()+h*s.D)
		}
	}
}

// softmaxRef returns o and lse.
func softmaxRef(s Shape, q, k, v []float64, m Mask) (o, lse []float64) {
	o, lse = make([]float64, len(q)), make([]float64, s.B*s.NH*s.N)
	forEachHead(s, func(b, h, qo, ko int) {
		for i := range s.N {
			p := make([]float64, m.seen(s, i, m.keys(s, b)))
			var sum float64
			for j := range p {
				if m.Window > 0 && j <= i+s.M-s.N-m.Window {
					continue
				}
				var x float64
				for e := range s.D {
					x += q[qo+i*s.row()+e] * k[ko+j*s.row()+e]
				}
				p[j] = math.Exp(x / math.Sqrt(float64(s.D)))
				sum += p[j]
			}
			lse[(b*s.NH+h)*s.N+i] = math.Log(sum)
			for j := range p {
				for e := range s.D {
					o[qo+i*s.row()+e] += p[j] / sum * v[ko+j*s.row()+e]
				}
			}
		}
	})
	return o, lse
}

// rotateRef applies the rotary embedding; sign -1 undoes it.
func rotateRef(s Shape, x []float64, r Rotary) []float64 {
	y := append([]float64(nil), x...)
	if r.Cos == nil {
		return y
	}
	for i := 0; i < len(x); i += 2 {
		at := i/s.row()%s.N*s.D + i%s.D
		c, sn := float64(r.Cos[at]), float64(r.Sin[at+1])
		y[i], y[i+1] = x[i]*c-x[i+1]*sn, x[i]*sn+x[i+1]*c
	}
	return y
}

// linearRef is the quadratic form: a weight for every pair of positions.
func linearRef(s Shape, q, k, v []float64, r Rotary, eps float64) []float64 {
	o := make([]float64, len(q))
	qr, kr := rotateRef(s, q, r), rotateRef(s, k, r)
	forEachHead(s, func(_, _, qo, _ int) {
		for i := range s.N {
			den := eps
			num := make([]float64, s.D)
			for j := range s.N {
				var w float64
				for e := range s.D {
					a, b := qo+i*s.row()+e, qo+j*s.row()+e
					den += q[a] * k[b]
					w += qr[a] * kr[b]
				}
				for e := range num {
					num[e] += w * v[qo+j*s.row()+e]
				}
			}
			for e := range num {
				o[qo+i*s.row()+e] = num[e] / den
			}
		}
	})
	return o
}

// lightningRef is the recurrence; state is changed as by Lightning.
func lightningRef(s Shape, q, k, v, decay, state []float64) []float64 {
	o := make([]float64, len(q))
	forEachHead(s, func(b, h, qo, _ int) {
		st := state[(b*s.NH+h)*s.D*s.D:]
		for i := range s.N {
			at := qo + i*s.row()
			for x := range s.D {
				for y := range s.D {
					st[x*s.D+y] = decay[h]*st[x*s.D+y] + k[at+x]*v[at+y]
					o[at+y] += q[at+x] * st[x*s.D+y]
				}
			}
		}
	})
	return o
}

// gradient returns the gradient of sum(f(xs)*dy) to each of xs, by central
// differences. f gives one slice.
func gradient(f func(xs [][]float64) []float64, dy []float32, xs ...[]float32) [][]float32 {
	in := make([][]float64, len(xs))
	for i, x := range xs {
		in[i] = to64(x)
	}
	loss := func() (sum float64) {
		for i, y := range f(in) {
			sum += y * float64(dy[i])
		}
		return sum
	}
	const h = 1e-4
	out := make([][]float32, len(xs))
	for n, x := range in {
		out[n] = make([]float32, len(x))
		for i, v := range x {
			x[i] = v + h
			up := loss()
			x[i] = v - h
			down := loss()
			x[i] = v
			out[n][i] = float32((up - down) / (2 * h))
		}
	}
	return out
}

// directional checks gradients got, which began at 1, along a random direction
// of each input, where differences to every value would take too long.
func directional(t *testing.T, r *rand.Rand, f func(xs [][]float64) []float64, dy []float32, got [][]float32, xs ...[]float32) {
	t.Helper()
	at := make([][]float64, len(xs))
	for i, x := range xs {
		at[i] = to64(x)
	}
	for i, x := range at {
		dir := random(r, len(x))
		along := func(h float64) (sum float64) {
			moved := append([][]float64(nil), at...)
			moved[i] = make([]float64, len(x))
			for j := range x {
				moved[i][j] = x[j] + h*float64(dir[j])
			}
			for j, y := range f(moved) {
				sum += y * float64(dy[j])
			}
			return sum
		}
		const h = 1e-5
		want := (along(h) - along(-h)) / (2 * h)
		var sum, norm float64
		for j, g := range got[i] {
			sum += float64(g-1) * float64(dir[j])
			norm += float64(g-1) * float64(g-1)
		}
		if d := math.Abs(sum - want); !(d <= 1e-5*math.Sqrt(norm)) {
			t.Errorf("input %d: directional derivative %v, want %v, gradient of norm %.3g", i, sum, want, math.Sqrt(norm))
		}
	}
}

// everyISA runs f under each instruction set.
func everyISA(t *testing.T, f func(t *testing.T)) {
	t.Helper()
	isa.ForEach(t, f)
}

// types are the product types with the error that each may add.
var types = []struct {
	name string
	typ  gemm.Type
	bar  float64
}{{"f32", gemm.F32, 2e-6}, {"bf16", gemm.BF16, 1e-2}}

func check3(t *testing.T, name string, got, want [][]float32, bar float64) {
	t.Helper()
	for i, part := range []string{"dq", "dk", "dv"} {
		near.Check(t, name+" "+part, got[i], plus1(want[i]), bar)
	}
}
