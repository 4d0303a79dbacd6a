package attn

import (
	"fmt"
	"math"
	"math/rand/v2"
	"testing"

	"kuai/internal/near"
	"kuai/kernel/gemm"
	"kuai/kernel/vec"
	"kuai/par"
)

func rotary(s Shape) Rotary {
	ac, as := make([]float32, s.N*s.D/2), make([]float32, s.N*s.D/2)
	for i := range ac {
		sin, cos := math.Sincos(float64(i) * 0.7)
		ac[i], as[i] = float32(cos), float32(sin)
	}
	r := Rotary{make([]float32, s.N*s.D), make([]float32, s.N*s.D)}
	vec.RopeTable(r.Cos, r.Sin, ac, as)
	return r
}

func TestLinear(t *testing.T) {
	everyISA(t, func(t *testing.T) {
		r := rand.New(rand.NewPCG(7, 8))
		for _, s := range []Shape{
			{2, 1, 1, 1, 4}, {2, 11, 11, 3, 8}, {1, 33, 33, 2, 32}, {1, 257, 257, 1, 64}, {1, 600, 600, 2, 32},
		} {
			n := s.B * s.N * s.row()
			q, k, v := positive(r, n), positive(r, n), random(r, n)
			for _, rot := range []Rotary{{}, rotary(s)} {
				want := to32(linearRef(s, to64(q), to64(k), to64(v), rot, 0.25))
				for _, typ := range types {
					o := nans(n)
					Linear(nil, typ.typ, s, o, q, k, v, rot, 0.25)
					near.Check(t, fmt.Sprint(s, typ.name, rot.Cos != nil), o, want, typ.bar)
				}
			}
		}
	})
}

func TestLinearBack(t *testing.T) {
	everyISA(t, func(t *testing.T) {
		r := rand.New(rand.NewPCG(9, 10))
		for _, s := range []Shape{{1, 1, 1, 1, 2}, {2, 7, 7, 2, 6}} {
			n := s.B * s.N * s.row()
			q, k, v, do := positive(r, n), positive(r, n), random(r, n), random(r, n)
			for _, rot := range []Rotary{{}, rotary(s)} {
				want := gradient(func(x [][]float64) []float64 { return linearRef(s, x[0], x[1], x[2], rot, 0.25) }, do, q, k, v)
				o := nans(n)
				Linear(nil, gemm.F32, s, o, q, k, v, rot, 0.25)
				got := [][]float32{filled(n, 1), filled(n, 1), filled(n, 1)}
				LinearBack(nil, gemm.F32, s, got[0], got[1], got[2], do, o, q, k, v, rot, 0.25)
				check3(t, fmt.Sprint(s, rot.Cos != nil), got, want, 5e-6)
			}
		}
	})
}

// TestLinearBlocks takes several blocks of positions.
func TestLinearBlocks(t *testing.T) {
	everyISA(t, func(t *testing.T) {
		r := rand.New(rand.NewPCG(19, 20))
		s := Shape{1, 530, 530, 2, 32}
		n := s.N * s.row()
		q, k, v, do := positive(r, n), positive(r, n), random(r, n), random(r, n)
		rot := rotary(s)
		o := nans(n)
		Linear(nil, gemm.F32, s, o, q, k, v, rot, 1)
		got := [][]float32{filled(n, 1), filled(n, 1), filled(n, 1)}
		LinearBack(nil, gemm.F32, s, got[0], got[1], got[2], do, o, q, k, v, rot, 1)
		directional(t, r, func(x [][]float64) []float64 { return linearRef(s, x[0], x[1], x[2], rot, 1) }, do, got, q, k, v)
	})
}

// TestWorkers checks that results do not depend on the number of workers, to
// the last bit.
func TestWorkers(t *testing.T) {
	r := rand.New(rand.NewPCG(11, 12))
	s := Shape{3, 70, 70, 3, 16}
	n := s.B * s.N * s.row()
	q, k, v, do := positive(r, n), positive(r, n), random(r, n), random(r, n)
	run := func(p *par.Pool) [][]float32 {
		o, o2, o3, lse := nans(n), nans(n), nans(n), nans(s.B*s.NH*s.N)
		g := [][]float32{filled(n, 1), filled(n, 1), filled(n, 1)}
		decay := Decays(s.NH, 0, 2)
		Linear(p, gemm.F32, s, o, q, k, v, rotary(s), 1)
		LinearBack(p, gemm.F32, s, g[0], g[1], g[2], do, o, q, k, v, rotary(s), 1)
		Softmax(p, gemm.F32, s, o2, lse, q, k, v, Mask{})
		SoftmaxBack(p, gemm.F32, s, g[0], g[1], g[2], do, o2, lse, q, k, v, Mask{})
		Lightning(p, gemm.F32, s, o3, q, k, v, decay, nil)
		LightningBack(p, gemm.F32, s, g[0], g[1], g[2], do, q, k, v, decay, nil, nil)
		return append(g, o, o2, o3, lse)
	}
	pool := par.New(3)
	defer pool.Close()
	one, three := run(nil), run(pool)
	for i, x := range one {
		near.Check(t, fmt.Sprint("result ", i), three[i], x, 0)
	}
}
