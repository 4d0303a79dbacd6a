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

// benchBytes of weights go round where few rows are multiplied, so that no
// cache holds them.
const benchBytes = 192 << 20

// BenchmarkMul reports products, the rounding of their rows included, as
// shares of the rate of byte products or, for few rows, of memory; both are
// measured beside them.
func BenchmarkMul(b *testing.B) {
	for _, threads := range []int{1, 2} {
		for _, typ := range []quant.Type{quant.Q8_0, quant.Q4_0, quant.Q4_K} {
			for _, s := range [][3]int{{512, 1024, 1024}, {128, 1024, 1024}, {8, 4096, 4096}, {1, 4096, 4096}} {
				b.Run(fmt.Sprintf("type=%v/m=%d/n=%d/k=%d/threads=%d", typ, s[0], s[1], s[2], threads), func(b *testing.B) {
					benchmark(b, threads, typ, s[0], s[1], s[2], 1)
				})
			}
		}
	}
}

// BenchmarkMany is a token's products with sixteen small matrices in one go,
// as the chosen experts' gates and ups are.
func BenchmarkMany(b *testing.B) {
	for _, threads := range []int{1, 2} {
		for _, typ := range []quant.Type{quant.Q8_0, quant.Q4_0} {
			b.Run(fmt.Sprintf("type=%v/n=512/k=1024/threads=%d", typ, threads), func(b *testing.B) {
				benchmark(b, threads, typ, 1, 512, 1024, 16)
			})
		}
	}
}

// copies of a matrix, packed once.
func copies(p *par.Pool, a *mem.Arena, typ quant.Type, n, k, count int) []*Weights {
	data := make([]byte, typ.Bytes(n*k))
	first := Pack(p, a, typ, data, n, k)
	all := []*Weights{first}
	for len(all) < count {
		w := &Weights{n: n, k: k, kind: first.kind, buf: mem.Make[byte](a, len(first.buf))}
		copy(w.buf, first.buf)
		all = append(all, w)
	}
	return all
}

func benchmark(b *testing.B, threads int, typ quant.Type, m, n, k, many int) {
	p := par.New(threads)
	defer p.Close()
	arena := mem.NewArena(3*benchBytes + n*k*4)
	defer arena.Close()
	count := many
	if m < 16 {
		count = benchBytes / PackedBytes(typ, n, k) / many * many
	}
	weights := copies(p, arena, typ, n, k, count)
	a, c := make([]float32, m*k), make([]float32, many*m*n)
	for i := range a {
		a[i] = float32(i % 7)
	}
	var x Activations
	jobs := make([]Job, many)
	for i := range jobs {
		jobs[i] = Job{C: c[i*m*n:], Ldc: n, X: &x}
	}
	defer p.Hot()()
	read := mem.Make[float32](arena, benchBytes/4)
	clear(read)
	memory := rate(func() float64 { return peak.Read(p, read) })
	at := 0
	for b.Loop() {
		for i := range jobs {
			jobs[i].W = weights[at%count]
			at++
		}
		x.Quantize(p, a, k, m, k)
		MulMany(p, jobs)
	}
	perOp := b.Elapsed().Seconds() / float64(b.N)
	if peak.Has(peak.Int8) {
		b.ReportMetric(200*float64(m*n*k*many)/perOp/rate(func() float64 { return peak.Spin(p, peak.Int8) }), "%peak")
	}
	bytes := float64(weights[0].Bytes() * many)
	b.ReportMetric(bytes/perOp/1e9, "GB/s")
	b.ReportMetric(100*bytes/perOp/memory, "%bw")
}

// rate of what f says it did, a second.
func rate(f func() float64) float64 {
	f()
	begin, done := time.Now(), 0.0
	for time.Since(begin) < 60*time.Millisecond {
		done += f()
	}
	return done / time.Since(begin).Seconds()
}

// BenchmarkPack reports bytes of a file's blocks a second.
func BenchmarkPack(b *testing.B) {
	for _, typ := range []quant.Type{quant.Q8_0, quant.Q4_0, quant.Q4_K, quant.Q6_K, quant.BF16} {
		b.Run(fmt.Sprintf("type=%v", typ), func(b *testing.B) {
			const n, k = 1024, 1024
			data := make([]byte, typ.Bytes(n*k))
			arena := mem.NewArena(PackedBytes(typ, n, k) + 1<<20)
			defer arena.Close()
			b.SetBytes(int64(len(data)))
			for b.Loop() {
				mark := arena.Mark()
				Pack(nil, arena, typ, data, n, k)
				arena.Release(mark)
			}
		})
	}
}
