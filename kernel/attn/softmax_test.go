package attn

import (
	"fmt"
	"math/rand/v2"
	"testing"

	"kuai/internal/near"
	"kuai/kernel/gemm"
)

func TestSoftmax(t *testing.T) {
	everyISA(t, func(t *testing.T) {
		r := rand.New(rand.NewPCG(1, 2))
		for _, c := range []struct {
			s Shape
			m Mask
		}{
			{Shape{2, 1, 1, 1, 4}, Mask{}},
			{Shape{1, 13, 13, 2, 32}, Mask{Causal: true}},
			{Shape{2, 33, 33, 3, 16}, Mask{}},
			{Shape{2, 65, 7, 2, 32}, Mask{Keys: []int32{7, 3}}},
			{Shape{3, 5, 11, 2, 8}, Mask{Keys: []int32{0, 11, 1}}},
			{Shape{1, 7, 700, 1, 32}, Mask{Causal: true}},
			{Shape{1, 130, 600, 1, 64}, Mask{Keys: []int32{555}}},
			{Shape{1, 600, 600, 1, 8}, Mask{Causal: true}},
			{Shape{1, 13, 13, 2, 32}, Mask{Causal: true, Window: 5}},
			{Shape{1, 7, 700, 1, 32}, Mask{Causal: true, Window: 600}},
			{Shape{1, 700, 700, 1, 8}, Mask{Causal: true, Window: 40}},
			{Shape{1, 1300, 1300, 1, 8}, Mask{Causal: true, Window: 1100}},
		} {
			n := c.s.B * c.s.N * c.s.row()
			q, k, v := random(r, n), random(r, c.s.B*c.s.M*c.s.row()), random(r, c.s.B*c.s.M*c.s.row())
			want, wantLSE := softmaxRef(c.s, to64(q), to64(k), to64(v), c.m)
			for _, typ := range types {
				name := fmt.Sprintf("%v %v %s", c.s, c.m, typ.name)
				o, lse := nans(n), nans(c.s.B*c.s.NH*c.s.N)
				Softmax(nil, typ.typ, c.s, o, lse, q, k, v, c.m)
				near.Check(t, name+" o", o, to32(want), typ.bar)
				var finite, wantFinite []float32 // leave out the queries without keys
				for i := range lse {
					if b := i / (c.s.NH * c.s.N); c.m.keys(c.s, b) > 0 {
						finite, wantFinite = append(finite, lse[i]), append(wantFinite, float32(wantLSE[i]))
					}
				}
				near.Check(t, name+" lse", finite, wantFinite, typ.bar)
			}
		}
	})
}

func TestSoftmaxBack(t *testing.T) {
	everyISA(t, func(t *testing.T) {
		r := rand.New(rand.NewPCG(3, 4))
		for _, c := range []struct {
			s Shape
			m Mask
		}{
			{Shape{1, 3, 5, 2, 4}, Mask{}},
			{Shape{2, 9, 9, 1, 6}, Mask{Causal: true}},
			{Shape{2, 9, 9, 1, 6}, Mask{Causal: true, Window: 3}},
			{Shape{3, 4, 7, 2, 4}, Mask{Keys: []int32{5, 0, 7}}},
		} {
			n, nk := c.s.B*c.s.N*c.s.row(), c.s.B*c.s.M*c.s.row()
			q, k, v, do := random(r, n), random(r, nk), random(r, nk), random(r, n)
			want := gradient(func(x [][]float64) []float64 {
				o, _ := softmaxRef(c.s, x[0], x[1], x[2], c.m)
				return o
			}, do, q, k, v)
			o, lse := nans(n), nans(c.s.B*c.s.NH*c.s.N)
			Softmax(nil, gemm.F32, c.s, o, lse, q, k, v, c.m)
			got := [][]float32{filled(n, 1), filled(nk, 1), filled(nk, 1)}
			SoftmaxBack(nil, gemm.F32, c.s, got[0], got[1], got[2], do, o, lse, q, k, v, c.m)
			check3(t, fmt.Sprint(c.s, c.m), got, want, 2e-6)
		}
	})
}

// TestSoftmaxTiles takes several tiles of queries and of keys.
func TestSoftmaxTiles(t *testing.T) {
	everyISA(t, func(t *testing.T) {
		r := rand.New(rand.NewPCG(5, 6))
		for _, m := range []Mask{{Causal: true}, {Causal: true, Window: 530}, {Keys: []int32{1030}}} {
			s := Shape{1, 140, 1100, 1, 16}
			n, nk := s.N*s.row(), s.M*s.row()
			q, k, v, do := random(r, n), random(r, nk), random(r, nk), random(r, n)
			o, lse := nans(n), nans(s.N)
			Softmax(nil, gemm.F32, s, o, lse, q, k, v, m)
			got := [][]float32{filled(n, 1), filled(nk, 1), filled(nk, 1)}
			SoftmaxBack(nil, gemm.F32, s, got[0], got[1], got[2], do, o, lse, q, k, v, m)
			directional(t, r, func(x [][]float64) []float64 {
				o, _ := softmaxRef(s, x[0], x[1], x[2], m)
				return o
			}, do, got, q, k, v)
		}
	})
}
