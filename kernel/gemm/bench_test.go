package gemm

import (
	"fmt"
	"math/rand/v2"
	"testing"
	"time"

	"kuai/par"
)

// BenchmarkGEMM runs a square product and those of a layer 256 -> 1280 over
// 3584 rows, in the layouts of its forward (nt), of the gradient of its input
// (nn) and of its weight (tn).
func BenchmarkGEMM(b *testing.B) {
	r := rand.New(rand.NewPCG(9, 9))
	for _, s := range [][3]int{{1024, 1024, 1024}, {3584, 1280, 256}, {1280, 256, 3584}, {100_000, 32, 288}} {
		m, n, k := s[0], s[1], s[2]
		x, y, c := random(r, m*k), random(r, n*k), make([]float32, m*n)
		for _, typ := range []Type{F32, BF16} {
			for _, threads := range []int{1, 2} {
				for _, layout := range []string{"nt", "nn", "tn", "packed"} {
					av, bv := View{x, k, 1}, View{y, k, 1}
					if layout == "nn" || layout == "tn" {
						bv = View{y, 1, n}
					}
					if layout == "tn" {
						av = View{x, 1, m}
					}
					name := fmt.Sprintf("type=%s/m=%d/n=%d/k=%d/layout=%s/threads=%d", [...]string{"f32", "bf16"}[typ], m, n, k, layout, threads)
					b.Run(name, func(b *testing.B) {
						p := par.New(threads)
						defer p.Close()
						w := Pack(p, typ, bv, n, k)
						measure(b, p, typ, 2*float64(m)*float64(n)*float64(k), func() {
							if layout == "packed" {
								MulPacked(p, c, n, m, av, w, Opt{})
							} else {
								Mul(p, typ, c, n, m, n, k, av, bv, Opt{})
							}
						})
					})
				}
			}
		}
	}
}

// measure times f, and every tenth of a second the registers alone, which the
// neighbours slow down as well. The best of both make %peak.
func measure(b *testing.B, p *par.Pool, typ Type, flops float64, f func()) {
	b.Helper()
	defer p.Hot()()
	f()
	var best, peak float64
	last := time.Time{}
	for b.Loop() {
		start := time.Now()
		f()
		end := time.Now()
		best = max(best, flops/end.Sub(start).Seconds())
		if end.Sub(last) > 100*time.Millisecond {
			b.StopTimer()
			last = time.Now()
			ops := 0.0
			for range 3 {
				ops += Spin(p, typ)
			}
			peak = max(peak, ops/time.Since(last).Seconds())
			b.StartTimer()
		}
	}
	b.ReportMetric(best/1e9, "GFLOP/s")
	if peak > 0 {
		b.ReportMetric(100*best/peak, "%peak")
	}
}
