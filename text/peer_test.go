package text

import (
	"encoding/json"
	"os"
	"testing"

	"kuai/par"
)

// peerModel opens the model that KUAI_TEXT_MODEL names.
func peerModel(tb testing.TB, o Options) *Model {
	tb.Helper()
	path := os.Getenv("KUAI_TEXT_MODEL")
	if path == "" {
		tb.Skip("KUAI_TEXT_MODEL names no model")
	}
	o.Pool = par.New(0)
	o.Weights, o.KV = os.Getenv("KUAI_TEXT_WEIGHTS"), os.Getenv("KUAI_TEXT_KV")
	m, err := Open(path, o)
	if err != nil {
		tb.Fatal(err)
	}
	return m
}

// peerTokens are the tokens that the peer's script feeds.
func peerTokens(n, vocab int) []int32 {
	out := make([]int32, n)
	for i := range out {
		out[i] = int32((300 + i*7919) % vocab)
	}
	return out
}

// TestPeerGreedy compares greedy tokens with those that the peer printed as a
// JSON list in KUAI_TEXT_GREEDY: 100 tokens of prompt, then token 5.
func TestPeerGreedy(t *testing.T) {
	m := peerModel(t, Options{})
	defer m.Close() //nolint:errcheck // read only
	var want []int32
	if err := json.Unmarshal([]byte(os.Getenv("KUAI_TEXT_GREEDY")), &want); err != nil {
		t.Fatal(err)
	}
	s := m.NewSession()
	if err := s.Prefill(t.Context(), peerTokens(100, m.config.Vocab), nil, nil); err != nil {
		t.Fatal(err)
	}
	got := greedy(t, s, []int32{5}, len(want))
	for i := range want {
		if got[i] != want[i] {
			t.Fatalf("token %d is %d, the peer's %d", i, got[i], want[i])
		}
	}
}

// BenchmarkModel times a model: prompts of 512 and 8192 tokens, and single
// tokens after 512.
func BenchmarkModel(b *testing.B) {
	m := peerModel(b, Options{PrefixBytes: -1})
	logits := make([]float32, m.config.Vocab)
	for _, n := range []int{512, 8192} {
		name := map[int]string{512: "prefill=512", 8192: "prefill=8192"}[n]
		b.Run(name, func(b *testing.B) {
			for b.Loop() {
				s := m.NewSession()
				if err := s.Prefill(b.Context(), peerTokens(n, m.config.Vocab), logits, nil); err != nil {
					b.Fatal(err)
				}
				s.Close()
			}
			b.ReportMetric(float64(n)*float64(b.N)/b.Elapsed().Seconds(), "tokens/s")
		})
	}
	b.Run("decode", func(b *testing.B) {
		s := m.NewSession()
		if err := s.Prefill(b.Context(), peerTokens(512, m.config.Vocab), logits, nil); err != nil {
			b.Fatal(err)
		}
		batch := []Slice{{Session: s, Tokens: []int32{5}, Logits: logits}}
		for b.Loop() {
			if err := m.Step(b.Context(), batch); err != nil {
				b.Fatal(err)
			}
		}
		b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "tokens/s")
	})
}
