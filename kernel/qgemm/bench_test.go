package qgemm

import (
	"fmt"
	"testing"
	"time"

	"kuai/kernel/peak"
	"kuai/kernel/quant"
	"kuai/mem"
	"kuai/par"
)

// BenchmarkMul reports products as shares of the peak of byte products, which
// is measured beside them, and bytes of weights a second.
func BenchmarkMul(b *testing.B) {
	for _, threads := range []int{1, 2} {
		for _, typ := range []quant.Type{quant.Q8_0, quant.Q4_0, quant.Q4_K} {
			for _, s := range [][3]int{{512, 1024, 1024}, {128, 1024, 1024}, {8, 4096, 4096}, {1, 4096, 4096}} {
				b.Run(fmt.Sprintf("%v/%dx%dx%d/%dt", typ, s[0], s[1], s[2], threads), func(b *testing.B) {
					benchmark(b, threads, typ, s[0], s[1], s[2])
				})
			}
		}
	}
}

func benchmark(b *testing.B, threads int, typ quant.Type, m, n, k int) {
	p := par.New(threads)
	defer p.Close()
	const all = 256 << 20 // of weights, so that the caches do not help
	copies := 1
	if m < 16 {
		copies = all / PackedBytes(typ, n, k)
	}
	arena := mem.NewArena(copies*PackedBytes(typ, n, k) + 1<<20)
	defer arena.Close()
	weights := make([]*Weights, copies)
	data := make([]byte, typ.Bytes(n*k))
	for i := range weights {
		weights[i] = Pack(p, arena, typ, data, n, k)
	}
	a, c := make([]float32, m*k), make([]float32, m*n)
	for i := range a {
		a[i] = float32(i % 7)
	}
	var x Activations
	jobs := []Job{{C: c, Ldc: n, X: &x}}
	defer p.Hot()()
	limit := 0.0
	if peak.Has(peak.Int8) {
		begin, done := time.Now(), 0.0
		for time.Since(begin) < 50*time.Millisecond {
			done += peak.Spin(p, peak.Int8)
		}
		limit = done / time.Since(begin).Seconds()
	}
	i := 0
	for b.Loop() {
		jobs[0].W = weights[i%copies]
		i++
		x.Quantize(p, a, k, m, k)
		MulMany(p, jobs)
	}
	perOp := b.Elapsed().Seconds() / float64(b.N)
	if limit > 0 {
		b.ReportMetric(2*float64(m*n*k)/perOp/limit, "of-peak")
	}
	b.ReportMetric(float64(weights[0].Bytes())/perOp/1e9, "GB/s")
}
