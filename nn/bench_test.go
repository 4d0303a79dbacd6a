package nn

import (
	"fmt"
	"math/rand/v2"
	"testing"
	"time"

	"kuai/grad"
	"kuai/kernel/gemm"
	"kuai/par"
)

// BenchmarkLinear is a layer of a video transformer, forward and backward, as
// in training: the weight has changed before each round.
func BenchmarkLinear(b *testing.B) {
	const rows, in, out = 3584, 256, 1280
	for name, typ := range map[string]gemm.Type{"f32": gemm.F32, "bf16": gemm.BF16} {
		for _, workers := range []int{1, 2} {
			b.Run(fmt.Sprintf("type=%s/threads=%d", name, workers), func(b *testing.B) {
				r := rand.New(rand.NewPCG(1, 1))
				l := NewLinear(r, in, out, false)
				data := gaussian(r, rows*in)
				pool := par.New(workers)
				b.Cleanup(pool.Close)
				step := trainingStep(b, typ, pool, []int{rows, in}, data, func(t *grad.Tape, x *grad.Var) *grad.Var {
					l.W.Changed()
					return l.Forward(t, x)
				})
				var spun, spinning float64 // operations and seconds at the peak, in turns with the layer
				for b.Loop() {
					step()
					b.StopTimer()
					begin := time.Now()
					spun += gemm.Spin(pool, typ)
					spinning += time.Since(begin).Seconds()
					b.StartTimer()
				}
				flops := 3 * 2 * float64(rows*in*out) * float64(b.N) / b.Elapsed().Seconds()
				b.ReportMetric(flops/1e9, "GFLOP/s")
				if spun > 0 {
					b.ReportMetric(100*flops/(spun/spinning), "%peak")
				}
			})
		}
	}
}

// BenchmarkLayers shows what each layer costs, forward and backward, on the
// shape of a video transformer's block: 8 clips of 448 positions.
func BenchmarkLayers(b *testing.B) {
	const batch, n, d, heads = 8, 448, 256, 8
	r := rand.New(rand.NewPCG(2, 2))
	norm, space, times := NewRMSNorm(d), NewDepthwiseConv(r, d, 1, 3, 3), NewDepthwiseConv(r, d, 3, 1, 1)
	conv, rope := NewCausalConv3D(r, d, d, 2, 3, 3), NewRope3(7, 8, 8, d/heads)
	flat, clip, split := []int{batch, n, d}, []int{batch, 7, 8, 8, d}, []int{batch, n, heads, d / heads}
	vector := func(t *grad.Tape, x *grad.Var) *grad.Var { return t.Const(x.X[:batch*d], batch, d) }
	cases := []struct {
		name  string
		shape []int
		f     func(t *grad.Tape, x *grad.Var) *grad.Var
	}{
		{"Add", flat, func(t *grad.Tape, x *grad.Var) *grad.Var { return Add(t, x, x) }},
		{"SiLU", flat, SiLU},
		{"SwiGLU", flat, SwiGLU},
		{"RMSNorm", flat, norm.Forward},
		{"Modulate", flat, func(t *grad.Tape, x *grad.Var) *grad.Var { return Modulate(t, x, vector(t, x), vector(t, x)) }},
		{"GateAdd", flat, func(t *grad.Tape, x *grad.Var) *grad.Var { return GateAdd(t, x, x, vector(t, x)) }},
		{"Split", flat, func(t *grad.Tape, x *grad.Var) *grad.Var { return Split(t, x, d/2, d/2)[0] }},
		{"Unshuffle", clip, func(t *grad.Tape, x *grad.Var) *grad.Var { return Unshuffle(t, x, 1, 2) }},
		{"DepthwiseConv/space", clip, space.Forward},
		{"DepthwiseConv/time", clip, times.Forward},
		{"CausalConv3D", clip, conv.Forward},
		{"Rope", split, rope.Apply},
		{"LinearAttention", split, func(t *grad.Tape, x *grad.Var) *grad.Var { return LinearAttention(t, x, x, x, rope) }},
		{"SoftmaxAttention", split, func(t *grad.Tape, x *grad.Var) *grad.Var { return SoftmaxAttention(t, x, x, x, nil) }},
	}
	data := gaussian(r, batch*n*d)
	for i, v := range data { // linear attention wants some positive values
		data[i] = v + 0.5
	}
	for _, c := range cases {
		b.Run(c.name, func(b *testing.B) {
			pool := par.New(2)
			b.Cleanup(pool.Close)
			step := trainingStep(b, gemm.BF16, pool, c.shape, data, c.f)
			for b.Loop() {
				step()
			}
		})
	}
}

// trainingStep returns one forward and backward of f, after it has run once.
func trainingStep(b *testing.B, typ gemm.Type, pool *par.Pool, shape []int, data []float32, f func(*grad.Tape, *grad.Var) *grad.Var) func() {
	b.Helper()
	tape := newTape(b, pool, typ)
	step := func() {
		x := tape.New(shape...)
		copy(x.X, data)
		tape.Backward(f(tape, x))
		tape.Reset()
	}
	step()
	b.Cleanup(pool.Hot())
	return step
}
