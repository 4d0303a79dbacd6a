package video

import (
	"math/rand/v2"
	"testing"

	"kuai/internal/near"
	"kuai/nn"
)

func tinyTransformer() *Transformer {
	r := rand.New(rand.NewPCG(5, 5))
	m := NewTransformer(r, TransformerConfig{
		ModelType:      TransformerType,
		LatentChannels: 4,
		Patch:          2,
		Width:          32,
		Layers:         4,
		Heads:          2,
		FFNWidth:       24,
		Text:           TextConfig{Rows: 50, Width: 16, Layers: 1, Heads: 2},
		Slots:          []SlotConfig{{Kind: "object", En: []string{"fox", "cat"}, Zh: []string{"狐狸", "猫"}}},
		Size:           32,
		Frames:         9,
		FPS:            12,
		TimestepShift:  2,
	})
	for _, p := range nn.Params(m) {
		for i := range p.P.X {
			if p.P.X[i] == 0 {
				p.P.X[i] = 0.1 * float32(r.NormFloat64())
			}
		}
	}
	return m
}

// TestTransformerBatch checks that clips in a batch, with prompts of different
// lengths, do not see each other.
func TestTransformerBatch(t *testing.T) {
	t.Parallel()
	m, tape := tinyTransformer(), newTape(t)
	prompts := make([]Prompt, 2)
	for i, s := range []string{"a fox jumps over the grass at night", "猫"} {
		var err error
		if prompts[i], err = Tokenize(s, 50); err != nil {
			t.Fatal(err)
		}
	}
	shape := []int{2, 3, 4, 4, 4}
	x := tape.New(shape...)
	Noise(rand.New(rand.NewPCG(6, 6)), x.X)
	both := m.Forward(tape, x, []float32{0.3, 0.9}, m.Text.Forward(tape, prompts)).X

	n := len(x.X) / 2
	for i, at := range []float32{0.3, 0.9} {
		one := tape.Const(x.X[i*n:(i+1)*n], 1, 3, 4, 4, 4)
		got := m.Forward(tape, one, []float32{at}, m.Text.Forward(tape, prompts[i:i+1])).X
		near.Check(t, "velocity", got, both[i*n:(i+1)*n], 1e-5)
	}
}

// TestTransformerGradient checks the whole model's gradient along random
// directions against finite differences.
func TestTransformerGradient(t *testing.T) {
	t.Parallel()
	m, tape := tinyTransformer(), newTape(t)
	p, err := Tokenize("a fox 跳", 50)
	if err != nil {
		t.Fatal(err)
	}
	r := rand.New(rand.NewPCG(7, 7))
	data := make([]float32, 2*2*2*4)
	target := make([]float32, len(data))
	Noise(r, data)
	Noise(r, target)
	loss := func(backward bool) float64 {
		defer tape.Reset()
		x := tape.Const(data, 1, 2, 2, 2, 4)
		l := nn.MSE(tape, m.Forward(tape, x, []float32{0.5}, m.Text.Forward(tape, []Prompt{p})), target, nil)
		if backward {
			tape.Backward(l)
		}
		return float64(l.X[0])
	}
	loss(true)
	params := nn.Params(m)
	for range 3 {
		var want float64
		dirs := make([][]float32, len(params))
		for i, p := range params {
			dirs[i] = make([]float32, len(p.P.X))
			Noise(r, dirs[i])
			for j, g := range tape.Grad(&p.P.Var) {
				want += float64(g) * float64(dirs[i][j])
			}
		}
		const h = 2e-4
		shift := func(by float32) float64 {
			for i, p := range params {
				for j := range p.P.X {
					p.P.X[j] += by * dirs[i][j]
				}
				p.P.Changed()
			}
			return loss(false)
		}
		up := shift(h)
		down := shift(-2 * h)
		shift(h)
		got := (up - down) / (2 * h)
		near.Check(t, "directional derivative", []float32{float32(got)}, []float32{float32(want)}, 2e-2)
	}
}
