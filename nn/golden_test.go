package nn

import (
	"math/rand/v2"
	"testing"

	"kuai/grad"
	"kuai/internal/golden"
	"kuai/internal/near"
	"kuai/kernel/gemm"
	"kuai/kernel/isa"
)

// goldenCase is a layer of testdata/golden.py.
type goldenCase struct {
	name   string
	module any
	f      func(t *grad.Tape, x []*grad.Var, target []float32) *grad.Var
}

func goldenCases() []goldenCase {
	r := rand.New(rand.NewPCG(4, 4))
	one := func(f func(*grad.Tape, *grad.Var) *grad.Var) func(*grad.Tape, []*grad.Var, []float32) *grad.Var {
		return func(t *grad.Tape, x []*grad.Var, _ []float32) *grad.Var { return f(t, x[0]) }
	}
	qkv := func(f func(t *grad.Tape, q, k, v *grad.Var) *grad.Var) func(*grad.Tape, []*grad.Var, []float32) *grad.Var {
		return func(t *grad.Tape, x []*grad.Var, _ []float32) *grad.Var { return f(t, x[0], x[1], x[2]) }
	}
	layer := func(name string, module interface {
		Forward(*grad.Tape, *grad.Var) *grad.Var
	},
	) goldenCase {
		return goldenCase{name, module, one(module.Forward)}
	}
	table, rope := NewEmbedding(r, 6, 3), NewRope3(2, 2, 3, 8)
	head := &struct {
		W *Param `name:"weight"`
	}{newParam(5, 6)}
	return []goldenCase{
		layer("linear", NewLinear(r, 7, 5, true)),
		layer("rmsnorm", NewRMSNorm(6)),
		layer("rmsnorm_plain", NewRMSNorm(0)),
		layer("conv_2x3x3", NewCausalConv3D(r, 3, 4, 2, 3, 3)),
		layer("conv_3x3x3", NewCausalConv3D(r, 2, 3, 3, 3, 3)),
		layer("conv_1x3x3", NewCausalConv3D(r, 3, 4, 1, 3, 3)),
		layer("depthwise_space", NewDepthwiseConv(r, 3, 1, 3, 3)),
		layer("depthwise_time", NewDepthwiseConv(r, 3, 3, 1, 1)),
		{"embedding", table, func(t *grad.Tape, _ []*grad.Var, _ []float32) *grad.Var {
			return table.Forward(t, []int32{1, 5, 1, 0}, 2, 2)
		}},
		{"bag", table, func(t *grad.Tape, _ []*grad.Var, _ []float32) *grad.Var {
			return table.Bag(t, []int32{1, 5, 1, 0, 2}, []int32{0, 2, 5})
		}},
		{"silu", nil, one(SiLU)},
		{"gelu", nil, one(GELU)},
		{"tanh", nil, one(Tanh)},
		{"sigmoid", nil, one(Sigmoid)},
		{"swiglu", nil, one(SwiGLU)},
		{"modulate", nil, qkv(Modulate)},
		{"gate_add", nil, qkv(GateAdd)},
		{"add_row", nil, func(t *grad.Tape, x []*grad.Var, _ []float32) *grad.Var { return AddRow(t, x[0], x[1]) }},
		{"unshuffle", nil, one(func(t *grad.Tape, x *grad.Var) *grad.Var { return Unshuffle(t, x, 2, 2) })},
		{"shuffle", nil, one(func(t *grad.Tape, x *grad.Var) *grad.Var { return Shuffle(t, x, 2, 2) })},
		{"mean_pool", nil, one(func(t *grad.Tape, x *grad.Var) *grad.Var { return MeanPool(t, x, []int32{2, 4, 1}) })},
		{"rope", nil, one(rope.Apply)},
		{"softmax_attention", nil, qkv(func(t *grad.Tape, q, k, v *grad.Var) *grad.Var {
			return SoftmaxAttention(t, q, k, v, []int32{6, 2})
		})},
		{"causal_attention", nil, qkv(CausalAttention)},
		{"linear_attention", nil, qkv(func(t *grad.Tape, q, k, v *grad.Var) *grad.Var { return LinearAttention(t, q, k, v, rope) })},
		{"lightning_attention", nil, qkv(func(t *grad.Tape, q, k, v *grad.Var) *grad.Var {
			return LightningAttention(t, q, k, v, []float32{0.9, 0.5})
		})},
		{"charbonnier", nil, func(t *grad.Tape, x []*grad.Var, target []float32) *grad.Var {
			return Charbonnier(t, x[0], target, 0.1)
		}},
		{"edge_loss", nil, func(t *grad.Tape, x []*grad.Var, target []float32) *grad.Var { return EdgeLoss(t, x[0], target) }},
		{"cross_entropy", nil, one(func(t *grad.Tape, x *grad.Var) *grad.Var {
			return CrossEntropy(t, x, []int32{3, -1, 0, 4})
		})},
		{"kl", nil, func(t *grad.Tape, x []*grad.Var, _ []float32) *grad.Var { return KL(t, x[0], x[1]) }},
		layer("short_conv", NewShortConv(r, 4, 6)),
		{"rope_text", nil, one(NewRope(5, 8, 1000).Apply)},
		{"repeat_heads", nil, one(func(t *grad.Tape, x *grad.Var) *grad.Var { return RepeatHeads(t, x, 3) })},
		{"sigmoid_gate", nil, func(t *grad.Tape, x []*grad.Var, _ []float32) *grad.Var { return SigmoidGate(t, x[0], x[1]) }},
		{"window_attention", nil, qkv(func(t *grad.Tape, q, k, v *grad.Var) *grad.Var { return WindowAttention(t, q, k, v, 3) })},
		layer("experts", NewExperts(r, 6, 8, 4, 2)),
		{"head_loss", head, func(t *grad.Tape, x []*grad.Var, _ []float32) *grad.Var {
			return HeadLoss(t, x[0], head.W, []int32{4, 0, 1, 2, 1, 3}, []float32{1, 0.3, 0, 1, 0, 2}, 3, nil)
		}},
	}
}

// TestGolden compares outputs and all gradients with PyTorch's, under every
// instruction set.
func TestGolden(t *testing.T) {
	isa.ForEach(t, func(t *testing.T) {
		for _, c := range goldenCases() {
			t.Run(c.name, func(t *testing.T) { checkGolden(t, c) })
		}
	})
}

func checkGolden(t *testing.T, c goldenCase) {
	t.Helper()
	const bar = 1e-5
	want := golden.Load(t, "testdata/"+c.name+".safetensors")
	tape := newTape(t, nil, gemm.F32)
	fillNaN(tape)
	var params []Named
	if c.module != nil {
		params = Params(c.module)
	}
	for _, p := range params {
		copy(p.P.X, want["p."+p.Name].F32)
		p.P.Changed()
	}
	ZeroGrad(params)
	target := want["target"].F32
	if target == nil {
		target = want["x1"].F32 // of a loss
	}
	var x []*grad.Var
	for _, name := range []string{"x0", "x1", "x2"} {
		if v, ok := want[name]; ok {
			in := tape.New(v.Shape...)
			copy(in.X, v.F32)
			x = append(x, in)
		}
	}
	y := c.f(tape, x, target)
	near.Check(t, "y", y.X, want["y"].F32, bar)
	if y.Len() > 1 {
		y = MSE(tape, y, target, nil)
	}
	tape.Backward(y)
	for i, name := range []string{"d.x0", "d.x1", "d.x2"}[:len(x)] {
		if isLoss := want["target"].F32 == nil; !isLoss || i == 0 || x[i].G != nil { // a target has no gradient
			near.Check(t, name, x[i].G, want[name].F32, bar)
		}
	}
	for _, p := range params {
		if g, ok := want["d.p."+p.Name]; ok { // a bias that only chooses has none
			near.Check(t, "d."+p.Name, tape.Grad(&p.P.Var), g.F32, bar)
		}
	}
}

// fillNaN leaves NaNs in the memory that the tape will hand out.
func fillNaN(t *grad.Tape) {
	x := t.Make(1 << 16)
	nan := float32(0)
	nan /= nan
	for i := range x {
		x[i] = nan
	}
	t.Reset()
}
