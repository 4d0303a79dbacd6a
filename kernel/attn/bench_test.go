package attn

import (
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"
	"time"

	"kuai/kernel/gemm"
	"kuai/par"
)

// product1024 is what a 1024³ product reaches with the pool, in operations a
// second: the limit that %gemm refers to.
func product1024(p *par.Pool, typ gemm.Type) float64 {
	const n = 1024
	a, b, c := make([]float32, n*n), make([]float32, n*n), make([]float32, n*n)
	best := 0.0
	for range 4 {
		start := time.Now()
		gemm.Mul(p, typ, c, n, n, n, n, gemm.View{P: a, Row: n, K: 1}, gemm.View{P: b, Row: n, K: 1}, gemm.Opt{})
		best = max(best, 2*n*n*n/time.Since(start).Seconds())
	}
	return best
}

// BenchmarkAttention runs the shapes of a small video transformer (8 heads of
// 32 in batches of 32) and a long sequence of wider heads.
func BenchmarkAttention(b *testing.B) {
	r := rand.New(rand.NewPCG(1, 1))
	for _, threads := range []int{1, 2} {
		pool := par.New(threads)
		defer pool.Close()
		for _, typ := range types {
			limit := product1024(pool, typ.typ)
			for _, s := range []Shape{{32, 112, 112, 8, 32}, {32, 448, 448, 8, 32}, {32, 448, 32, 8, 32}, {1, 1792, 1792, 8, 64}} {
				n, nk := s.B*s.N*s.row(), s.B*s.M*s.row()
				q, k, v, do := positive(r, n), positive(r, nk), random(r, nk), random(r, n)
				o, lse := make([]float32, n), make([]float32, s.B*s.NH*s.N)
				dq, dk, dv := make([]float32, n), make([]float32, nk), make([]float32, nk)
				rot, decay := rotary(s), Decays(s.NH, 0, 2)
				linear, square := s.B*s.NH*s.N*s.D*s.D, s.B*s.NH*s.N*s.M*s.D
				for _, op := range []struct {
					name string
					adds int // multiply-adds
					f    func()
				}{
					{"linear", 2 * linear, func() { Linear(pool, typ.typ, s, o, q, k, v, rot, 1) }},
					{"linearBack", 5 * linear, func() { LinearBack(pool, typ.typ, s, dq, dk, dv, do, o, q, k, v, rot, 1) }},
					{"lightning", 2*linear + linear/s.D*2*chunk, func() { Lightning(pool, typ.typ, s, o, q, k, v, decay, nil) }},
					{"lightningBack", 5*linear + linear/s.D*5*chunk, func() { LightningBack(pool, typ.typ, s, dq, dk, dv, do, q, k, v, decay, nil, nil) }},
					{"softmax", 2 * square, func() { Softmax(pool, typ.typ, s, o, lse, q, k, v, Mask{}) }},
					{"softmaxBack", 5 * square, func() { SoftmaxBack(pool, typ.typ, s, dq, dk, dv, do, o, lse, q, k, v, Mask{}) }},
				} {
					if s.M != s.N && !strings.HasPrefix(op.name, "softmax") {
						continue
					}
					b.Run(fmt.Sprintf("op=%s/type=%s/b=%d/n=%d/m=%d/d=%d/threads=%d", op.name, typ.name, s.B, s.N, s.M, s.D, threads), func(b *testing.B) {
						for b.Loop() {
							op.f()
						}
						rate := 2 * float64(op.adds) * float64(b.N) / b.Elapsed().Seconds()
						b.ReportMetric(rate/1e9, "GFLOP/s")
						b.ReportMetric(100*rate/limit, "%gemm")
					})
				}
			}
		}
	}
}
