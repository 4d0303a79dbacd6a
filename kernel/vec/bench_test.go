package vec

import (
	"fmt"
	"testing"
	"time"
)

// bandwidth is the bytes a second that copy moves (read and written) through
// slices of n values: the limit that %bw refers to.
func bandwidth(n int) float64 {
	a, b := ones(n), ones(n)
	best := 0.0
	for range 5 {
		start := time.Now()
		times := max(1, 1<<22/n)
		for range times {
			copy(a, b)
		}
		best = max(best, float64(8*n*times)/time.Since(start).Seconds())
	}
	return best
}

// BenchmarkVec runs each kernel in the first-level cache and in memory; bytes
// counts the slices read and written.
func BenchmarkVec(b *testing.B) {
	for _, n := range []int{2048, 1 << 22} {
		limit := bandwidth(n)
		s := make([][]float32, 4)
		for i := range s {
			s[i] = ones(n)
		}
		h := make([]uint16, n)
		const d = 256
		w, dw := ones(d), ones(d)
		inv := ones(n / d)
		for _, op := range []struct {
			name  string
			bytes int // an element
			f     func()
		}{
			{"Add", 12, func() { Add(s[0], s[1], s[2]) }},
			{"MulAdd", 16, func() { MulAdd(s[0], s[1], s[2]) }},
			{"Axpy", 12, func() { Axpy(s[0], 0.5, s[1]) }},
			{"Dot", 8, func() { Dot(s[0], s[1]) }},
			{"Exp", 8, func() { Exp(s[3], s[1]) }},
			{"SiLU", 8, func() { SiLU(s[3], s[1]) }},
			{"SiLUBack", 16, func() { SiLUBack(s[3], s[1], s[2]) }},
			{"GELU", 8, func() { GELU(s[3], s[1]) }},
			{"GELUBack", 16, func() { GELUBack(s[3], s[1], s[2]) }},
			{"Tanh", 8, func() { Tanh(s[3], s[1]) }},
			{"SwiGLU", 6, func() { SwiGLU(s[3][:n/2], s[1], n/2048, 1024) }},
			{"Softmax256", 8, func() { Softmax(s[3], s[1], n/d, d) }},
			{"RMSNorm256", 8, func() { RMSNorm(s[3], inv, s[1], w, n/d, d, 1e-6) }},
			{"RMSNormBack256", 16, func() { RMSNormBack(s[3], dw, s[2], s[1], inv, w, n/d, d) }},
			{"Rope8x32", 8, func() { Rope(s[3], s[1], s[0][:n/8], s[2][:n/8], n/256, 8, 32) }},
			{"AdamW", 28, func() {
				AdamW(s[3], s[1], s[2], s[0], Adam{Rate: 1e-9, Beta1: 0.9, Beta2: 0.99, Eps: 1e-8, Scale: 1, Step: 5})
			}},
			{"ToBF16", 6, func() { ToBF16(h, s[1]) }},
			{"ToF16", 6, func() { ToF16(h, s[1]) }},
		} {
			b.Run(fmt.Sprintf("op=%s/n=%d", op.name, n), func(b *testing.B) {
				for _, x := range s {
					Fill(x, 0.5)
				}
				for b.Loop() {
					op.f()
				}
				perOp := b.Elapsed().Seconds() / float64(b.N)
				b.ReportMetric(perOp*1e9/float64(n), "ns/value")
				b.ReportMetric(100*float64(op.bytes*n)/perOp/limit, "%bw")
			})
		}
	}
}
