package conv

import (
	"fmt"
	"math/rand/v2"
	"testing"
	"time"

	"kuai/kernel/gemm"
	"kuai/kernel/vec"
	"kuai/mem"
	"kuai/par"
)

// rate returns operations a second of the registers alone, over some 10 ms.
func rate(p *par.Pool, typ gemm.Type) float64 {
	ops, start := 0.0, time.Now()
	for time.Since(start) < 10*time.Millisecond {
		n := gemm.Spin(p, typ)
		if n == 0 {
			return 0
		}
		ops += n
	}
	return ops / time.Since(start).Seconds()
}

// BenchmarkConv runs the convolutions of a small video autoencoder.
func BenchmarkConv(b *testing.B) {
	r := rand.New(rand.NewPCG(5, 6))
	arena := mem.NewArena(1 << 30)
	defer arena.Close()
	for _, s := range []Shape{
		{1, 5, 32, 32, 128, 128, 3, 3, 3},
		{16, 3, 8, 8, 256, 256, 2, 3, 3},
		{16, 6, 16, 16, 128, 128, 2, 3, 3},
		{16, 12, 16, 16, 96, 96, 1, 3, 3},
		{16, 12, 64, 64, 16, 16, 1, 3, 3},
		{16, 12, 64, 64, 16, 3, 1, 3, 3},
		{1, 4, 128, 128, 32, 32, 3, 3, 3},
	} {
		x, w, y := random(r, s.pixels()*s.Cin), random(r, s.Cout*s.K()), random(r, s.pixels()*s.Cout)
		dx, dw, db := make([]float32, len(x)), make([]float32, len(w)), make([]float32, s.Cout)
		for _, typ := range []gemm.Type{gemm.F32, gemm.BF16} {
			for _, threads := range []int{1, 2} {
				p := par.New(threads)
				packed, flipped := Pack(p, typ, s, w), PackBack(p, typ, s, w)
				ops := map[string]func(){
					"forward": func() { Forward(p, arena, s, y, x, nil, packed, db) },
					"data":    func() { BackData(p, arena, s, dx, y, flipped, true) },
					"weights": func() { BackWeights(p, arena, typ, s, dw, db, x, y) },
					"pack":    func() { packed.Repack(p, w); flipped.Repack(p, w) },
				}
				for _, op := range []string{"forward", "data", "weights", "pack"} {
					flops := 2 * float64(s.pixels()) * float64(s.Cout) * float64(s.K())
					name := fmt.Sprintf("b=%d/t=%d/h=%d/c=%d-%d/kt=%d/type=%s/threads=%d/op=%s", s.B, s.T, s.H, s.Cin, s.Cout, s.KT, [...]string{"f32", "bf16"}[typ], threads, op)
					b.Run(name, func(b *testing.B) { measure(b, p, typ, flops, ops[op]) })
				}
				p.Close()
			}
		}
	}
}

// measure states the best run as a share of the best peak around it: both are
// what the neighbours leave.
func measure(b *testing.B, p *par.Pool, typ gemm.Type, flops float64, f func()) {
	b.Helper()
	f()
	best, top := time.Hour, rate(p, typ)
	mark := time.Now()
	for b.Loop() {
		start := time.Now()
		f()
		best = min(best, time.Since(start))
		if time.Since(mark) > 50*time.Millisecond {
			top = max(top, rate(p, typ))
			mark = time.Now()
		}
	}
	top = max(top, rate(p, typ))
	b.ReportMetric(0, "ns/op")
	b.ReportMetric(best.Seconds()*1e3, "ms")
	if top > 0 {
		b.ReportMetric(100*flops/best.Seconds()/top, "%peak")
	}
}

// BenchmarkDepthwise states its best rate, in bytes that must be read and
// written; a copy's is the limit.
func BenchmarkDepthwise(b *testing.B) {
	r := rand.New(rand.NewPCG(7, 8))
	arena := mem.NewArena(1 << 30)
	defer arena.Close()
	for _, s := range []Shape{
		{B: 32, T: 7, H: 8, W: 8, Cin: 640, KT: 1, KH: 3, KW: 3},
		{B: 32, T: 7, H: 8, W: 8, Cin: 640, KT: 3, KH: 1, KW: 1},
	} {
		n, nw := s.pixels()*s.Cin, s.KT*s.KH*s.KW*s.Cin
		x, w, dy := mem.Make[float32](arena, n), random(r, nw), mem.Make[float32](arena, n)
		y, dx, dw := mem.Make[float32](arena, n), mem.Make[float32](arena, n), make([]float32, nw)
		copy(x, random(r, n))
		copy(dy, x)
		clear(y)
		clear(dx)
		for _, threads := range []int{1, 2} {
			p := par.New(threads)
			run := func(op string, arrays int, f func()) {
				b.Run(fmt.Sprintf("kt=%d/kh=%d/threads=%d/op=%s", s.KT, s.KH, threads, op), func(b *testing.B) {
					best := time.Hour
					for b.Loop() {
						start := time.Now()
						f()
						best = min(best, time.Since(start))
					}
					b.ReportMetric(float64(arrays*n*4)/best.Seconds()/1e9, "GB/s")
				})
			}
			run("copy", 2, func() { p.Do(16, func(i, _ int) { copy(y[i*n/16:(i+1)*n/16], x[i*n/16:]) }) })
			run("add", 3, func() {
				p.Do(16, func(i, _ int) { vec.Acc(y[i*n/16:(i+1)*n/16], x[i*n/16:(i+1)*n/16]) })
			})
			run("forward", 2, func() { Depthwise(p, s, y, x, w) })
			run("back", 4, func() { DepthwiseBack(p, s, dx, dw, dy, x, w) })
			p.Close()
		}
	}
}
