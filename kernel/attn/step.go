package attn

import (
	"kuai/internal/check"
	"kuai/kernel/isa"
	"kuai/kernel/vec"
)

//go:generate go run -C _asm . -out ../step_amd64.s -stubs ../step_stubs_amd64.go -pkg attn

// LightningStep moves one head of lightning attention on by one position,
//
//	S = λ S + kᵀ v,   o = q S,
//
// in one pass over the state where there are instructions for it.
//
//	q, k, v, o  [D]     o must not overlap the others
//	state       [D, D]
//
// A position alone costs the reading and writing of the state; [Lightning] has
// the same result for many but needs a chunk of them to be fast.
func LightningStep(o, q, k, v, state []float32, decay float32) {
	d := len(o)
	if len(q) != d || len(k) != d || len(v) != d || len(state) != d*d {
		check.Fail("attn: step of %d values with %d, %d, %d and a state of %d", d, len(q), len(k), len(v), len(state))
	}
	if d == 0 {
		return
	}
	if isa.Now() != isa.AVX512 {
		vec.Scale(state, state, decay)
		vec.AxpyRows(state, d, k, v, 0, d)
		clear(o)
		vec.AxpyRows(o, 0, q, state, d, d)
		return
	}
	const all = 1<<16 - 1
	for c := 0; c < d; {
		switch left := d - c; {
		case left >= 128:
			lightningStep128(&o[c], &q[0], &k[0], &v[c], &state[c], d, 4*d, decay, all)
			c += 128
		case left >= 64:
			lightningStep64(&o[c], &q[0], &k[0], &v[c], &state[c], d, 4*d, decay, all)
			c += 64
		default:
			lightningStep16(&o[c], &q[0], &k[0], &v[c], &state[c], d, 4*d, decay, uint32(1)<<min(left, 16)-1)
			c += 16
		}
	}
}
