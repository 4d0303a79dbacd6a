package talk

import (
	"encoding/json"
	"math"
	"math/rand/v2"
	"os"
	"path/filepath"
	"testing"

	"kuai/format/safetensors"
	"kuai/grad"
	"kuai/internal/near"
	"kuai/kernel/gemm"
	"kuai/nn"
	"kuai/text"
	"kuai/train"
)

// small is a shape of a few weights with all kinds of layers.
func small(t *testing.T) Config {
	t.Helper()
	c, err := Size("nano", 290)
	if err != nil {
		t.Fatal(err)
	}
	c.HiddenSize, c.Heads, c.HeadDim, c.ExpertWidth, c.FeedForward, c.Experts, c.BigramRows = 24, 3, 16, 20, 40, 4, 64
	c.LayerTypes = []string{Linear, Linear, Sliding, Full}
	c.Layers, c.SlidingWindow, c.LogLength = 4, 8, 16
	return c
}

// large is what it grows to.
func large(t *testing.T) Config {
	t.Helper()
	c := small(t)
	c.HiddenSize, c.Heads, c.ExpertWidth, c.SharedWidth, c.FeedForward = 40, 4, 32, 16, 56
	c.LayerTypes = []string{Linear, Linear, Linear, Sliding, Linear, Full}
	c.Layers = 6
	return c
}

// TestGrown compares what a model says before it grows and after, and that what
// is new learns.
func TestGrown(t *testing.T) {
	t.Parallel()
	m, err := New(small(t), 1)
	if err != nil {
		t.Fatal(err)
	}
	r := rand.New(rand.NewPCG(3, 3))
	for _, p := range nn.Params(m) { // none of them zero or one
		for i := range p.P.X {
			p.P.X[i] += 0.1 * float32(r.NormFloat64())
		}
		p.P.Changed()
	}
	to := large(t)
	if err := to.heirs(m.Config); err != nil {
		t.Fatal(err)
	}
	if got, want := to.Rates[1][0], m.Config.rates()[1][0]; got != want {
		t.Errorf("the second layer's first head forgets at %v, before at %v", got, want)
	}
	if last := to.Rates[3][3]; last != 0 {
		t.Errorf("the last head of a new layer forgets at %v", last)
	}
	grown, err := m.Grown(to, 2)
	if err != nil {
		t.Fatal(err)
	}
	const n = 48
	ids, labels, weights := make([]int32, n), make([]int32, n), make([]float32, n)
	for i := range n {
		ids[i], labels[i], weights[i] = int32(r.IntN(290)), int32(r.IntN(290)), 1
	}
	run := func(m *Model) (nats []float32) {
		nats = make([]float32, n)
		tape := grad.New(nil, nil, gemm.F32)
		loss := nn.HeadLoss(tape, m.Forward(tape, ids, 1, n), m.Embed.W, labels, weights, 15, nats)
		tape.Backward(loss)
		return nats
	}
	near.Check(t, "nats of each token", run(grown), run(m), 1e-4)
	for _, p := range []*nn.Param{grown.Layers[2].Mix.Out.W, grown.Layers[5].Shared.Down.W} {
		if isZero(p.G) {
			t.Error("what is new does not learn")
		}
	}
	to.HiddenSize = 16
	if _, err := m.Grown(to, 2); err == nil {
		t.Error("a model grew smaller")
	}
	to = large(t)
	to.LayerTypes = []string{Linear, Sliding, Linear, Linear, Linear, Full}
	if _, err := m.Grown(to, 2); err == nil {
		t.Error("layers went to others of another order")
	}
}

func isZero(x []float32) bool {
	for _, v := range x {
		if v != 0 {
			return false
		}
	}
	return true
}

// TestInit begins a training of a larger shape from a model's directory, and
// the text engine reads what it exports.
func TestInit(t *testing.T) {
	t.Parallel()
	sources := []Source{{Name: "recall", Share: 1, Draw: recall}}
	o := Options{Dir: t.TempDir(), Size: "nano", Vocabulary: 290, Sources: sources, Steps: 1, Tokens: 64, Rate: 1e-3, Int8: true, rows: []Stage{{Until: 1, Length: 64}}}
	o.Change = func(c *Config) {
		s := small(t)
		s.VocabSize, s.BeginToken, s.EndToken = c.VocabSize, c.BeginToken, c.EndToken
		*c = s
	}
	if err := os.WriteFile(filepath.Join(o.Dir, tokenizerFile), learned(t), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := Train(t.Context(), o); err != nil {
		t.Fatal(err)
	}
	first := t.TempDir()
	if err := Export(t.Context(), o, first); err != nil {
		t.Fatal(err)
	}
	o.Init, o.Dir, o.Steps = first, t.TempDir(), 2
	o.Change = func(c *Config) {
		l := large(t)
		l.VocabSize, l.BeginToken, l.EndToken = c.VocabSize, c.BeginToken, c.EndToken
		*c = l
	}
	if _, err := Train(t.Context(), o); err != nil {
		t.Fatal(err)
	}
	if f, err := safetensors.Read(filepath.Join(o.Dir, initialFile)); err != nil {
		t.Fatal(err)
	} else if x, ok := f.Tensor("model.layers.5.self_attn.o_proj.weight"); !ok || x.Shape[0] != 40 || x.Shape[1] != 64 {
		t.Errorf("the initial weights have no grown projection: %v", x.Shape)
	}
	second := t.TempDir()
	o.Int8 = false
	if err := Export(t.Context(), o, second); err != nil {
		t.Fatal(err)
	}
	sameInText(t, second)
}

// sameInText compares the last token's logits in the text engine with training's.
func sameInText(t *testing.T, dir string) {
	t.Helper()
	data, err := os.ReadFile(filepath.Join(dir, configFile))
	if err != nil {
		t.Fatal(err)
	}
	var c Config
	if err := json.Unmarshal(data, &c); err != nil {
		t.Fatal(err)
	}
	if c.Rates == nil {
		t.Error("the rates of the smaller model were not kept")
	}
	m, err := New(c, 1)
	if err != nil {
		t.Fatal(err)
	}
	f, err := safetensors.Read(filepath.Join(dir, train.ModelFile))
	if err != nil {
		t.Fatal(err)
	}
	if err := nn.Load(m, f); err != nil {
		t.Fatal(err)
	}
	const n = 32
	r, ids := rand.New(rand.NewPCG(4, 4)), make([]int32, n)
	for i := range ids {
		ids[i] = int32(r.IntN(c.VocabSize))
	}
	tape := grad.New(nil, nil, gemm.F32)
	x, want := m.Forward(tape, ids, 1, n), make([]float32, c.VocabSize)
	for id := range want {
		for i, v := range m.Embed.W.X[id*c.HiddenSize:][:c.HiddenSize] {
			want[id] += v * x.X[(n-1)*c.HiddenSize+i]
		}
		want[id] = float32(c.SoftCap * math.Tanh(float64(want[id])/c.SoftCap))
	}
	e, err := text.Open(dir, text.Options{Weights: "f32"})
	if err != nil {
		t.Fatal(err)
	}
	got := make([]float32, c.VocabSize)
	session := e.NewSession()
	if err := session.Prefill(t.Context(), ids, got, nil); err != nil {
		t.Fatal(err)
	}
	session.Close()
	near.Check(t, "logits", got, want, 2e-3)
	if err := e.Close(); err != nil {
		t.Error(err)
	}
}
