package talk

import (
	"testing"

	"kuai/companion"
	"kuai/grad"
	"kuai/kernel/gemm"
	"kuai/mem"
	"kuai/nn"
	"kuai/par"
)

// BenchmarkStep times a step's forward and backward pass.
func BenchmarkStep(b *testing.B) {
	for _, size := range Sizes() {
		b.Run("size="+size, func(b *testing.B) {
			const tokens, length = 16 << 10, 1024
			c, err := Size(size, 8192)
			if err != nil {
				b.Fatal(err)
			}
			m, err := New(c, 1)
			if err != nil {
				b.Fatal(err)
			}
			pool := par.New(0)
			defer pool.Close()
			arena := mem.NewArena(8 << 30)
			defer arena.Close()
			batch := Batch{Rows: tokens / length, Length: length, IDs: make([]int32, tokens), Labels: make([]int32, tokens), Weights: make([]float32, tokens)}
			for i := range batch.IDs {
				batch.IDs[i], batch.Labels[i], batch.Weights[i] = int32(i*7919%8192), int32(i*104729%8192), 1
			}
			batch.Roles = make([]companion.Role, tokens)
			k := &Task{Model: m}
			tape := grad.New(pool, arena, gemm.BF16)
			params := nn.Params(m)
			defer pool.Hot()()
			for b.Loop() {
				loss, _, err := k.Loss(tape, 0, batch)
				if err != nil {
					b.Fatal(err)
				}
				tape.Backward(loss)
				tape.Reset()
				nn.ZeroGrad(params)
			}
			b.ReportMetric(float64(b.N)*tokens/b.Elapsed().Seconds(), "tokens/s")
			b.ReportMetric(float64(b.N)*tokens*c.flops(length)/b.Elapsed().Seconds()/1e9, "GFLOP/s")
		})
	}
}
