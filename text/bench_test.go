package text

import (
	"fmt"
	"math/rand/v2"
	"testing"

	"kuai/kernel/gemm"
	"kuai/par"
	"kuai/text/checkpoint"
	"kuai/text/weight"
)

// synthetic makes a model with random weights straight in packed form.
func synthetic(tb testing.TB, c Config, o Options) *Model {
	tb.Helper()
	if err := c.Check(); err != nil {
		tb.Fatal(err)
	}
	r := rand.New(rand.NewPCG(1, 2))
	values := func(n int, scale float32) []float32 {
		x := make([]float32, n)
		for i := range x {
			x[i] = scale * float32(r.NormFloat64())
		}
		return x
	}
	packed := func(n, k int) weight.Matrix {
		return weight.FromFloats(nil, gemm.BF16, values(n*k, 0.02), n, k)
	}
	ones := func(n int) []float32 {
		x := make([]float32, n)
		for i := range x {
			x[i] = 1
		}
		return x
	}
	m := &Model{config: c, pool: o.Pool}
	e, hd, kv := c.Hidden, c.Heads*c.HeadDim, c.KVHeads*c.HeadDim
	for i := range c.Layers {
		y := layer{mixerNorm: ones(e), mlpNorm: ones(e), out: packed(e, hd), mlp: &feedForward{}, mixerScale: checkpoint.Scales{Alpha: 1, Beta: 1}, mlpScale: checkpoint.Scales{Alpha: 1, Beta: 1}}
		if c.Kinds[i] == checkpoint.Lightning {
			y.mixer = &lightning{q: packed(hd, e), k: packed(hd, e), v: packed(hd, e), gate: packed(hd, e), norm: ones(hd), decay: ones(c.Heads), heads: c.Heads, d: c.HeadDim}
		} else {
			y.mixer = &softmaxMixer{q: packed(hd, e), k: packed(kv, e), v: packed(kv, e), heads: c.Heads, kvHeads: c.KVHeads, d: c.HeadDim, hidden: e, hdd: hd}
		}
		if c.Experts > 0 {
			y.mlp.router = packed(c.Experts, e)
		}
		for range max(1, c.Experts) {
			y.mlp.gate, y.mlp.up, y.mlp.down = append(y.mlp.gate, packed(c.FeedForward, e)), append(y.mlp.up, packed(c.FeedForward, e)), append(y.mlp.down, packed(e, c.FeedForward))
		}
		m.layers = append(m.layers, y)
	}
	m.norm, m.head = ones(e), packed(c.Vocab, e)
	t := checkpoint.Tensor{Shape: []int{c.Vocab, e}, Data: make([]byte, 4*c.Vocab*e)} // in float32
	var err error
	if m.embedding, err = t.Matrix(); err != nil {
		tb.Fatal(err)
	}
	if err := m.ready(o); err != nil {
		tb.Fatal(err)
	}
	return m
}

// small is a hybrid's two kinds of layers in the width of a small model.
func small() Config {
	c := Config{
		Layers: 2, Hidden: 1024, Heads: 8, KVHeads: 2, HeadDim: 128, RotaryDim: 64, FeedForward: 1024, Vocab: 4096, Context: 1 << 20,
		Experts: 8, ExpertsUsed: 2, NormEps: 1e-5, RopeBase: 1e7, PostNorm: true, Kinds: []checkpoint.Kind{checkpoint.Lightning, checkpoint.Softmax},
	}
	c.Plain()
	return c
}

func BenchmarkStep(b *testing.B) {
	pool := par.New(2)
	defer pool.Close()
	m := synthetic(b, small(), Options{Pool: pool, PrefixBytes: -1})
	for _, depth := range []int{0, 8192, 65536} {
		for _, n := range []int{1, 512} {
			b.Run(fmt.Sprintf("depth=%d/tokens=%d", depth, n), func(b *testing.B) {
				s := m.NewSession()
				s.reserve(len(s.tokens), depth)
				s.tokens, s.at = make([]int32, depth), depth
				tokens, logits := make([]int32, n), make([]float32, m.config.Vocab)
				for b.Loop() {
					if err := m.Step(b.Context(), []Slice{{Session: s, Tokens: tokens, Logits: logits}}); err != nil {
						b.Fatal(err)
					}
					if err := s.Rewind(depth); err != nil {
						b.Fatal(err)
					}
					s.at = depth // the state does not matter here
				}
				b.ReportMetric(float64(n)*float64(b.N)/b.Elapsed().Seconds(), "tokens/s")
			})
		}
	}
}
