package attn

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"

	"kuai/internal/near"
)

func TestLightningStep(t *testing.T) {
	everyISA(t, func(t *testing.T) {
		r := rand.New(rand.NewPCG(19, 20))
		for _, d := range []int{1, 12, 16, 31, 33, 64, 80, 128, 130, 256} {
			s := Shape{B: 1, N: 1, M: 1, NH: 1, D: d}
			q, k, v, state := random(r, d), random(r, d), random(r, d), random(r, d*d)
			end := to64(state)
			want := to32(lightningRef(s, to64(q), to64(k), to64(v), []float64{0.75}, end))
			border := append(slices.Clone(state), nans(16)...) // nothing beyond may be touched
			o := nans(d + 16)
			LightningStep(o[:d], q, k, v, border[:d*d], 0.75)
			near.Check(t, fmt.Sprint("output of ", d), o[:d], want, 2e-6)
			near.Check(t, fmt.Sprint("state of ", d), border[:d*d], to32(end), 2e-6)
			for i := range 16 {
				if o[d+i] == o[d+i] || border[d*d+i] == border[d*d+i] {
					t.Fatalf("width %d: written past the end", d)
				}
			}
		}
	})
}

func BenchmarkLightningStep(b *testing.B) {
	const d, heads = 128, 112 // the states of a small model: more than the second cache holds
	r := rand.New(rand.NewPCG(1, 1))
	q, k, v, state, o := random(r, d), random(r, d), random(r, d), random(r, heads*d*d), make([]float32, d)
	b.SetBytes(heads * d * d * 8)
	for b.Loop() {
		for h := range heads {
			LightningStep(o, q, k, v, state[h*d*d:][:d*d], 0.9)
		}
	}
}
