package nn

import (
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
	"testing"

	"kuai/grad"
	"kuai/internal/near"
	"kuai/kernel/gemm"
	"kuai/mem"
	"kuai/par"
)

func newTape(t testing.TB, pool *par.Pool, typ gemm.Type) *grad.Tape {
	t.Helper()
	a := mem.NewArena(1 << 28)
	t.Cleanup(a.Close)
	return grad.New(pool, a, typ)
}

func gaussian(r *rand.Rand, n int) []float32 {
	x := make([]float32, n)
	for i := range x {
		x[i] = float32(r.NormFloat64())
	}
	return x
}

// layerCase is a function of tensors and of a module's parameters.
type layerCase struct {
	name   string
	module any
	inputs [][]int // shapes
	f      func(t *grad.Tape, x []*grad.Var) *grad.Var
}

// loss is what a case is differentiated by: a mean square against a target,
// unless the case is a loss itself.
func (c *layerCase) loss(t *grad.Tape, x []*grad.Var) *grad.Var {
	y := c.f(t, x)
	if y.Len() == 1 {
		return y
	}
	return MSE(t, y, gaussian(rand.New(rand.NewPCG(9, 9)), y.Len()), nil)
}

func layerCases(r *rand.Rand) []layerCase {
	one := func(f func(*grad.Tape, *grad.Var) *grad.Var) func(*grad.Tape, []*grad.Var) *grad.Var {
		return func(t *grad.Tape, x []*grad.Var) *grad.Var { return f(t, x[0]) }
	}
	two := func(f func(t *grad.Tape, a, b *grad.Var) *grad.Var) func(*grad.Tape, []*grad.Var) *grad.Var {
		return func(t *grad.Tape, x []*grad.Var) *grad.Var { return f(t, x[0], x[1]) }
	}
	linear, plain := NewLinear(r, 7, 5, true), NewLinear(r, 7, 33, false)
	norm, conv, image := NewRMSNorm(6), NewCausalConv3D(r, 3, 4, 2, 3, 3), NewCausalConv3D(r, 5, 3, 1, 3, 3)
	copy(norm.W.X, gaussian(r, 6))
	copy(conv.B.X, gaussian(r, 4))
	space, times, table := NewDepthwiseConv(r, 5, 1, 3, 3), NewDepthwiseConv(r, 5, 3, 1, 1), NewEmbedding(r, 6, 3)
	rope := NewRope3(2, 2, 3, 8)
	clip, shape := []int{2, 3, 4, 5, 3}, []int{2, 3, 4}
	target := gaussian(r, 2*3*4*5*3)
	short, line := NewShortConv(r, 4, 6), NewRope(5, 8, 1000)
	unit, mixed, head := NewFeedForward(r, 6, 8), NewExperts(r, 6, 8, 4, 2), newParam(5, 6).normal(r, 0.5)
	copy(unit.Down.W.X, gaussian(r, unit.Down.W.Len()))
	for _, e := range mixed.Experts {
		copy(e.Down.W.X, gaussian(r, e.Down.W.Len()))
	}
	copy(mixed.Bias.X, []float32{10, -10, 0, 10}) // a choice that a small step does not change
	mixture := &struct {
		Router *Linear        `name:"router"`
		Units  []*FeedForward `name:"units"`
	}{mixed.Router, mixed.Experts}
	headModule := &struct {
		W *Param `name:"weight"`
	}{head}
	return []layerCase{
		{"Linear", linear, [][]int{{2, 3, 7}}, one(linear.Forward)},
		{"Linear without bias", plain, [][]int{{3, 7}}, one(plain.Forward)},
		{"RMSNorm", norm, [][]int{{2, 3, 6}}, one(norm.Forward)},
		{"RMSNorm without weights", nil, [][]int{{2, 3, 6}}, one(NewRMSNorm(0).Forward)},
		{"CausalConv3D", conv, [][]int{clip}, one(conv.Forward)},
		{"CausalConv3D of images", image, [][]int{{2, 2, 4, 3, 5}}, one(image.Forward)},
		{"DepthwiseConv in space", space, [][]int{{2, 3, 4, 3, 5}}, one(space.Forward)},
		{"DepthwiseConv in time", times, [][]int{{2, 3, 2, 3, 5}}, one(times.Forward)},
		{"Embedding", table, nil, func(t *grad.Tape, _ []*grad.Var) *grad.Var {
			return table.Forward(t, []int32{1, 5, 1, 0}, 2, 2)
		}},
		{"Embedding.Bag", table, nil, func(t *grad.Tape, _ []*grad.Var) *grad.Var {
			return table.Bag(t, []int32{1, 5, 1, 0, 2}, []int32{0, 2, 2, 5})
		}},
		{"Rows", nil, [][]int{{2, 3, 4}}, one(func(t *grad.Tape, x *grad.Var) *grad.Var { return Rows(t, x, []int32{4, 0, 4}) })},
		{"Point", nil, [][]int{{3, 6}, {2, 4, 6}}, two(func(t *grad.Tape, q, k *grad.Var) *grad.Var {
			return CrossEntropy(t, Point(t, q, k, []int32{1, 0, 1}, []int32{4, 2}), []int32{1, 0, -1})
		})},
		{"Add", nil, [][]int{shape, shape}, two(Add)},
		{"Add to itself", nil, [][]int{shape}, one(func(t *grad.Tape, x *grad.Var) *grad.Var { return Add(t, x, x) })},
		{"Sub", nil, [][]int{shape, shape}, two(Sub)},
		{"Mul", nil, [][]int{shape, shape}, two(Mul)},
		{"Mul by itself", nil, [][]int{shape}, one(func(t *grad.Tape, x *grad.Var) *grad.Var { return Mul(t, x, x) })},
		{"Scale", nil, [][]int{shape}, one(func(t *grad.Tape, x *grad.Var) *grad.Var { return Scale(t, x, -1.5) })},
		{"SiLU", nil, [][]int{shape}, one(SiLU)},
		{"Dropout", nil, [][]int{shape}, one(func(t *grad.Tape, x *grad.Var) *grad.Var { return Dropout(t, x, 0.3, 5) })},
		{"GELU", nil, [][]int{shape}, one(GELU)},
		{"ReLU", nil, [][]int{shape}, one(ReLU)},
		{"Tanh", nil, [][]int{shape}, one(Tanh)},
		{"Sigmoid", nil, [][]int{shape}, one(Sigmoid)},
		{"SwiGLU", nil, [][]int{shape}, one(SwiGLU)},
		{"Modulate", nil, [][]int{shape, {2, 4}, {2, 4}}, func(t *grad.Tape, x []*grad.Var) *grad.Var { return Modulate(t, x[0], x[1], x[2]) }},
		{"GateAdd", nil, [][]int{shape, shape, {2, 4}}, func(t *grad.Tape, x []*grad.Var) *grad.Var { return GateAdd(t, x[0], x[1], x[2]) }},
		{"AddRow", nil, [][]int{shape, {3, 4}}, two(AddRow)},
		{"AddRow of one", nil, [][]int{shape, {1, 4}}, two(AddRow)},
		{"Split and Concat", nil, [][]int{shape, shape}, func(t *grad.Tape, x []*grad.Var) *grad.Var {
			a := Split(t, x[0], 1, 2, 1)
			for i := range a { // the slice is the caller's
				a[i] = Reshape(t, a[i], 6, a[i].Dim(-1))
			}
			return Concat(t, a[2], SiLU(t, a[0]), x[1])
		}},
		{"SelectFrames", nil, [][]int{clip}, one(func(t *grad.Tape, x *grad.Var) *grad.Var { return SelectFrames(t, x, 1, 2) })},
		{"Reshape", nil, [][]int{shape}, one(func(t *grad.Tape, x *grad.Var) *grad.Var {
			return Add(t, Reshape(t, SiLU(t, x), 6, 4), Reshape(t, x, 6, 4))
		})},
		{"Unshuffle", nil, [][]int{{2, 4, 2, 6, 3}}, one(func(t *grad.Tape, x *grad.Var) *grad.Var {
			return SiLU(t, Unshuffle(t, x, 2, 2))
		})},
		{"Shuffle", nil, [][]int{{2, 2, 1, 3, 16}}, one(func(t *grad.Tape, x *grad.Var) *grad.Var {
			return SiLU(t, Shuffle(t, x, 2, 2))
		})},
		{"MeanPool", nil, [][]int{{3, 4, 5}}, one(func(t *grad.Tape, x *grad.Var) *grad.Var { return MeanPool(t, x, []int32{2, 4, 0}) })},
		{"Rope", nil, [][]int{{2, 12, 2, 8}}, one(rope.Apply)},
		{"SoftmaxAttention", nil, [][]int{{2, 5, 2, 8}, {2, 6, 2, 8}, {2, 6, 2, 8}}, func(t *grad.Tape, x []*grad.Var) *grad.Var {
			return SoftmaxAttention(t, x[0], x[1], x[2], []int32{6, 2})
		}},
		{"CausalAttention", nil, [][]int{{2, 5, 2, 8}, {2, 5, 2, 8}, {2, 5, 2, 8}}, func(t *grad.Tape, x []*grad.Var) *grad.Var {
			return CausalAttention(t, x[0], x[1], x[2])
		}},
		{"LinearAttention", nil, [][]int{{2, 12, 2, 8}, {2, 12, 2, 8}, {2, 12, 2, 8}}, func(t *grad.Tape, x []*grad.Var) *grad.Var {
			return LinearAttention(t, Sigmoid(t, x[0]), Sigmoid(t, x[1]), x[2], rope)
		}},
		{"LightningAttention", nil, [][]int{{2, 5, 2, 8}, {2, 5, 2, 8}, {2, 5, 2, 8}}, func(t *grad.Tape, x []*grad.Var) *grad.Var {
			return LightningAttention(t, x[0], x[1], x[2], []float32{0.9, 0.5})
		}},
		{"weighted MSE", nil, [][]int{clip}, one(func(t *grad.Tape, x *grad.Var) *grad.Var { return MSE(t, x, target, []float32{0.5, 2}) })},
		{"Charbonnier", nil, [][]int{clip}, one(func(t *grad.Tape, x *grad.Var) *grad.Var { return Charbonnier(t, x, target, 0.1) })},
		{"L1", nil, [][]int{clip}, one(func(t *grad.Tape, x *grad.Var) *grad.Var { return L1(t, x, target) })},
		{"EdgeLoss", nil, [][]int{clip}, one(func(t *grad.Tape, x *grad.Var) *grad.Var { return EdgeLoss(t, x, target) })},
		{"CrossEntropy", nil, [][]int{{4, 5}}, one(func(t *grad.Tape, x *grad.Var) *grad.Var {
			return CrossEntropy(t, x, []int32{3, -1, 0, 4})
		})},
		{"KL", nil, [][]int{shape, shape}, two(KL)},
		{"ShortConv", short, [][]int{{2, 5, 6}}, one(short.Forward)},
		{"Rope of a text", nil, [][]int{{2, 5, 2, 8}}, one(line.Apply)},
		{"RepeatHeads", nil, [][]int{{2, 3, 2, 4}}, one(func(t *grad.Tape, x *grad.Var) *grad.Var { return RepeatHeads(t, x, 3) })},
		{"ScalePositions", nil, [][]int{{2, 3, 2, 4}}, one(func(t *grad.Tape, x *grad.Var) *grad.Var {
			return ScalePositions(t, x, []float32{1, -2, 0.5})
		})},
		{"SigmoidGate", nil, [][]int{shape, shape}, two(SigmoidGate)},
		{"WindowAttention", nil, [][]int{{2, 5, 2, 8}, {2, 5, 2, 8}, {2, 5, 2, 8}}, func(t *grad.Tape, x []*grad.Var) *grad.Var {
			return WindowAttention(t, x[0], x[1], x[2], 3)
		}},
		{"FeedForward", unit, [][]int{{2, 3, 6}}, one(unit.Forward)},
		{"Experts", mixture, [][]int{{2, 3, 6}}, one(mixed.Forward)},
		{"HeadLoss", headModule, [][]int{{2, 3, 6}}, one(func(t *grad.Tape, x *grad.Var) *grad.Var {
			return HeadLoss(t, x, head, []int32{4, 0, 1, 2, 1, 3}, []float32{1, 0.3, 0, 1, 0, 2}, 3, nil)
		})},
		{"HeadLoss without a limit", headModule, [][]int{{2, 3, 6}}, one(func(t *grad.Tape, x *grad.Var) *grad.Var {
			return Scale(t, HeadLoss(t, x, head, []int32{4, 0, 1, 2, 1, 3}, []float32{1, 0.3, 0, 1, 0, 2}, 0, nil), 0.5)
		})},
		{"Checkpoint", linear, [][]int{{3, 7}}, one(func(t *grad.Tape, x *grad.Var) *grad.Var {
			return t.Checkpoint(func(t *grad.Tape, x *grad.Var) *grad.Var { return SiLU(t, linear.Forward(t, x)) }, SiLU(t, x))
		})},
	}
}

// TestGradients compares the gradient of each layer along random directions
// with finite differences.
func TestGradients(t *testing.T) {
	t.Parallel()
	for _, c := range layerCases(rand.New(rand.NewPCG(1, 1))) {
		t.Run(c.name, func(t *testing.T) {
			checkGradient(t, c)
		})
	}
}

func checkGradient(t *testing.T, c layerCase) {
	t.Helper()
	r := rand.New(rand.NewPCG(2, uint64(len(c.name))))
	tape := newTape(t, nil, gemm.F32)
	var values [][]float32 // of the inputs, then of the parameters
	for _, s := range c.inputs {
		n := 1
		for _, d := range s {
			n *= d
		}
		values = append(values, gaussian(r, n))
	}
	var params []Named
	if c.module != nil {
		params = Params(c.module)
		ZeroGrad(params)
	}
	for _, p := range params {
		values = append(values, p.P.X)
	}
	run := func(backward bool) (float64, [][]float32) {
		tape.Reset()
		x := make([]*grad.Var, len(c.inputs))
		for i, s := range c.inputs {
			x[i] = tape.New(s...)
			copy(x[i].X, values[i])
		}
		l := c.loss(tape, x)
		if !backward {
			return float64(l.X[0]), nil
		}
		tape.Backward(l)
		var g [][]float32
		for _, v := range x {
			g = append(g, slices.Clone(tape.Grad(v)))
		}
		for _, p := range params {
			g = append(g, tape.Grad(&p.P.Var))
		}
		return float64(l.X[0]), g
	}
	_, g := run(true)
	for k := range values { // each alone, so that a small gradient is seen too
		dir := gaussian(r, len(values[k]))
		var want float64
		for i := range dir {
			want += float64(g[k][i]) * float64(dir[i])
		}
		const h = 2e-3
		shift := func(by float32) float64 {
			for i := range dir {
				values[k][i] += by * dir[i]
			}
			for _, p := range params {
				p.P.Changed()
			}
			l, _ := run(false)
			return l
		}
		up := shift(h)
		down := shift(-2 * h)
		shift(h)
		got := (up - down) / (2 * h)
		if math.Abs(got-want) > 1e-2*math.Abs(want)+3e-3 || math.IsNaN(got-want) {
			t.Errorf("tensor %d: slope %v, gradient %v", k, got, want)
		}
	}
}

// TestWorkers checks that the number of workers changes no bit, on sizes that
// are shared out.
func TestWorkers(t *testing.T) {
	t.Parallel()
	r := rand.New(rand.NewPCG(3, 3))
	l1, l2, norm := NewLinear(r, 64, 96, true), NewLinear(r, 48, 64, true), NewRMSNorm(64)
	conv, depthwise, rope := NewCausalConv3D(r, 64, 64, 2, 3, 3), NewDepthwiseConv(r, 64, 3, 3, 3), NewRope3(7, 10, 10, 16)
	params := slices.Concat(Params(l1), Params(l2), Params(norm), Params(conv), Params(depthwise))
	data, gate := gaussian(r, 2*700*64), gaussian(r, 2*64)
	run := func(pool *par.Pool) [][]float32 {
		tape := newTape(t, pool, gemm.BF16)
		ZeroGrad(params)
		x, g := tape.New(2, 700, 64), tape.New(2, 64)
		copy(x.X, data)
		copy(g.X, gate)
		h := Modulate(tape, norm.Forward(tape, x), g, g)
		y := GateAdd(tape, x, l2.Forward(tape, SwiGLU(tape, l1.Forward(tape, h))), g)
		clip := conv.Forward(tape, Reshape(tape, y, 2, 7, 10, 10, 64))
		q := Reshape(tape, Add(tape, clip, depthwise.Forward(tape, clip)), 2, 700, 4, 16)
		y = Add(tape, y, Reshape(tape, LinearAttention(tape, q, q, SoftmaxAttention(tape, q, q, q, nil), rope), 2, 700, 64))
		loss := Add(tape, MSE(tape, y, data, nil), EdgeLoss(tape, Reshape(tape, y, 1, 1, 140, 80, 8), data))
		tape.Backward(loss)
		out := [][]float32{slices.Clone(loss.X), slices.Clone(x.G), slices.Clone(g.G)}
		for _, p := range params {
			out = append(out, slices.Clone(p.P.G))
		}
		return out
	}
	pool := par.New(3)
	defer pool.Close()
	one, three := run(nil), run(pool)
	for i := range one {
		near.Check(t, fmt.Sprint("tensor ", i), three[i], one[i], 0)
	}
}
