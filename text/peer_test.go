package text

import (
	"encoding/json"
	"fmt"
	"math"
	"os"
	"strconv"
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
	if n, err := strconv.Atoi(os.Getenv("KUAI_TEXT_CHUNK")); err == nil {
		o.Chunk = n
	}
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

// TestPeerPerplexity compares the perplexity of a text with the peer's, from a
// JSON file that KUAI_TEXT_NLL names: the tokens, and the peer's perplexity.
func TestPeerPerplexity(t *testing.T) {
	m := peerModel(t, Options{})
	defer m.Close() //nolint:errcheck // read only
	data, err := os.ReadFile(os.Getenv("KUAI_TEXT_NLL"))
	if err != nil {
		t.Fatal(err)
	}
	var peer struct {
		Tokens []int32
		NLL    []float64
		PPL    float64
	}
	if err := json.Unmarshal(data, &peer); err != nil {
		t.Fatal(err)
	}
	v, n := m.config.Vocab, len(peer.Tokens)-1
	s := m.NewSession()
	var sum float64
	const piece = 256
	logits := make([]float32, piece*v)
	for i := 0; i < n; i += piece {
		end := min(i+piece, n)
		step(t, m, Slice{Session: s, Tokens: peer.Tokens[i:end], All: logits[:(end-i)*v]})
		for j := i; j < end; j++ {
			row := logits[(j-i)*v:][:v]
			top := row[0]
			for _, l := range row {
				top = max(top, l)
			}
			var z float64
			for _, l := range row {
				z += math.Exp(float64(l - top))
			}
			sum += math.Log(z) - float64(row[peer.Tokens[j+1]]-top)
		}
	}
	ppl := math.Exp(sum / float64(n))
	t.Logf("perplexity %.4f, the peer's %.4f, ratio %.5f", ppl, peer.PPL, ppl/peer.PPL)
	if r := ppl / peer.PPL; r < 0.995 || r > 1.005 {
		t.Errorf("ratio of perplexities %v, want within 0.5 %%", r)
	}
}

// BenchmarkTogether decodes many sessions in one step.
func BenchmarkTogether(b *testing.B) {
	m := peerModel(b, Options{PrefixBytes: -1})
	for _, n := range []int{8, 64} {
		b.Run(fmt.Sprintf("sessions=%d", n), func(b *testing.B) {
			batch := make([]Slice, n)
			for i := range batch {
				s := m.NewSession()
				if err := s.Prefill(b.Context(), peerTokens(100+i, m.config.Vocab), nil, nil); err != nil {
					b.Fatal(err)
				}
				batch[i] = Slice{Session: s, Tokens: []int32{int32(i)}, Logits: make([]float32, m.config.Vocab)}
			}
			for b.Loop() {
				if err := m.Step(b.Context(), batch); err != nil {
					b.Fatal(err)
				}
			}
			b.ReportMetric(float64(n)*float64(b.N)/b.Elapsed().Seconds(), "tokens/s")
		})
	}
}

// BenchmarkDepth times single tokens after many.
func BenchmarkDepth(b *testing.B) {
	m := peerModel(b, Options{PrefixBytes: -1})
	logits := make([]float32, m.config.Vocab)
	for _, depth := range []int{8192, 131072} {
		b.Run(fmt.Sprintf("depth=%d", depth), func(b *testing.B) {
			s := m.AtDepth(depth)
			defer s.Close()
			batch := []Slice{{Session: s, Tokens: []int32{5}, Logits: logits}}
			for b.Loop() {
				if err := m.Step(b.Context(), batch); err != nil {
					b.Fatal(err)
				}
			}
			b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "tokens/s")
		})
	}
}

// BenchmarkOpen times what comes before the first token: reading and packing.
func BenchmarkOpen(b *testing.B) {
	for b.Loop() {
		m := peerModel(b, Options{PrefixBytes: -1})
		if err := m.Close(); err != nil {
			b.Fatal(err)
		}
	}
}
