package text

import (
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"kuai/internal/golden"
	"kuai/internal/near"
	"kuai/par"
)

// fixtures are the models that transformers made, see testdata/golden_hf.py,
// and those of a reference of our own, see testdata/golden_gguf.py.
var fixtures = []string{"minimax", "llama", "llama-tied", "mixtral", "minimax-half.gguf", "minimax-list.gguf", "llama-moe.gguf", "kuai"}

// stored asks open for the types of the file.
const stored = "as stored"

// bar is how close logits must be to the reference's.
const bar = 1e-4

// open opens a fixture in float32 with its golden tokens and logits.
func open(t *testing.T, name string, o Options) (m *Model, tokens []int32, logits []float32) {
	t.Helper()
	path := filepath.Join("testdata", name)
	want := filepath.Join(path, "golden.safetensors")
	if base, ok := strings.CutSuffix(path, ".gguf"); ok {
		want = base + ".safetensors"
	}
	switch o.Weights {
	case "":
		o.Weights = "f32"
	case stored:
		o.Weights = ""
	}
	if o.KV == "" {
		o.KV = "f32"
	}
	if o.Pool == nil {
		o.Pool = par.New(2)
		t.Cleanup(o.Pool.Close)
	}
	m, err := Open(path, o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := m.Close(); err != nil {
			t.Error(err)
		}
	})
	g := golden.Load(t, want)
	for _, x := range g["tokens"].F32 {
		tokens = append(tokens, int32(x))
	}
	return m, tokens, g["logits"].F32
}

// step runs Step and fails the test on an error.
func step(t *testing.T, m *Model, batch ...Slice) {
	t.Helper()
	if err := m.Step(t.Context(), batch); err != nil {
		t.Fatal(err)
	}
}

// forward adds tokens in pieces of n and returns all logits.
func forward(t *testing.T, s *Session, tokens []int32, n int) []float32 {
	t.Helper()
	v := s.m.config.Vocab
	out := make([]float32, len(tokens)*v)
	for i := 0; i < len(tokens); i += n {
		end := min(i+n, len(tokens))
		step(t, s.m, Slice{Session: s, Tokens: tokens[i:end], All: out[i*v : end*v]})
	}
	return out
}

func TestGolden(t *testing.T) {
	for _, name := range fixtures {
		t.Run(name, func(t *testing.T) {
			m, tokens, want := open(t, name, Options{})
			for _, piece := range []int{len(tokens), 64, 17, 1} {
				s := m.NewSession()
				near.Check(t, "logits", forward(t, s, tokens, piece), want, bar)
				s.Close()
			}
		})
	}
}

// nearly checks that at most one row in five is farther than rel from the
// reference: rounding sends a token whose experts are a close call another way.
func nearly(t *testing.T, got, want []float32, v int, rel float64) {
	t.Helper()
	far := 0
	for i := 0; i < len(want); i += v {
		var diff, norm float64
		for j := i; j < i+v; j++ {
			d := float64(got[j]) - float64(want[j])
			diff, norm = diff+d*d, norm+float64(want[j])*float64(want[j])
		}
		if !(diff <= rel*rel*norm) {
			far++
		}
	}
	if far > len(want)/v/5 {
		t.Errorf("%d of %d rows are farther than %v from the reference", far, len(want)/v, rel)
	}
}

// TestRounded runs everything in bfloat16: coarse, but no other result.
func TestRounded(t *testing.T) {
	for _, name := range fixtures {
		t.Run(name, func(t *testing.T) {
			m, tokens, want := open(t, name, Options{Weights: "bf16", KV: "f16"})
			for _, piece := range []int{150, 31, 1} {
				nearly(t, forward(t, m.NewSession(), tokens, piece), want, m.config.Vocab, 0.03)
			}
		})
	}
}

// TestCacheTypes compares the coarser caches with the exact one.
func TestCacheTypes(t *testing.T) {
	for kv, limit := range map[string]float64{"f16": 2e-3, "q8": 2e-2} {
		for _, name := range fixtures {
			t.Run(kv+"/"+name, func(t *testing.T) {
				m, tokens, want := open(t, name, Options{KV: kv})
				for _, piece := range []int{150, 9} {
					near.Check(t, "logits", forward(t, m.NewSession(), tokens, piece), want, limit)
				}
			})
		}
	}
}

// TestBytes runs weights of eight and of four bits: coarser still.
func TestBytes(t *testing.T) {
	for weights, limit := range map[string]float64{"q8": 0.06, "q4": 0.6} {
		for _, name := range fixtures {
			t.Run(weights+"/"+name, func(t *testing.T) {
				m, tokens, want := open(t, name, Options{Weights: weights, KV: "f16"})
				whole := forward(t, m.NewSession(), tokens, 150)
				nearly(t, whole, want, m.config.Vocab, limit)
				for _, piece := range []int{31, 1} {
					nearly(t, forward(t, m.NewSession(), tokens, piece), whole, m.config.Vocab, 0.05)
				}
			})
		}
	}
}

// TestLong compares single tokens, whose keys are shared out among tasks, with
// prompts, whose are not.
func TestLong(t *testing.T) {
	for _, kv := range []string{"f32", "f16", "q8"} {
		for _, name := range []string{"minimax-half.gguf", "llama-moe.gguf", "kuai"} {
			t.Run(kv+"/"+name, func(t *testing.T) {
				m, tokens, _ := open(t, name, Options{KV: kv})
				v := m.config.Vocab
				long := slices.Concat(tokens, tokens[20:], tokens, tokens[7:], tokens, tokens[3:], tokens)[:1000]
				whole := make([]float32, v)
				a, b := m.NewSession(), m.NewSession()
				for _, n := range []int{400, 513, 1000} {
					step(t, m, Slice{Session: a, Tokens: long[a.Len():n], Logits: whole})
					forward(t, b, long[b.Len():n-1], 100)
					near.Check(t, "logits", forward(t, b, long[n-1:n], 1), whole, map[string]float64{"f32": bar, "f16": 2e-3, "q8": 1e-2}[kv])
				}
			})
		}
	}
}

// TestLastSees checks that a text is read without attention to all of it where
// the last layer alone could attend so, and nowhere else.
func TestLastSees(t *testing.T) {
	for _, name := range fixtures {
		m, tokens, _ := open(t, name, Options{})
		if got, want := m.lastSees, name == "kuai"; got != want {
			t.Errorf("%s: %v, want %v", name, got, want)
		}
		a, b := m.NewSession(), m.NewSession()
		v := m.config.Vocab
		step(t, m, Slice{Session: a, Tokens: tokens[:100]}, Slice{Session: b, Tokens: tokens[:60]})
		one, all := make([]float32, v), make([]float32, 20*v)
		step(t, m, Slice{Session: a, Tokens: tokens[100:120], Logits: one}, Slice{Session: b, Tokens: tokens[60:80]})
		step(t, m, Slice{Session: b, Tokens: tokens[80:100]})
		step(t, m, Slice{Session: b, Tokens: tokens[100:120], All: all})
		near.Check(t, name, all[19*v:], one, bar)
	}
}

// TestStored runs the weights in the types that the files have.
func TestStored(t *testing.T) {
	for _, name := range fixtures {
		t.Run(name, func(t *testing.T) {
			m, tokens, want := open(t, name, Options{Weights: stored, KV: "f32"})
			for _, piece := range []int{150, 40, 20, 1} {
				got := forward(t, m.NewSession(), tokens, piece)
				if strings.HasSuffix(name, ".gguf") { // half precision: nothing is rounded
					near.Check(t, "logits", got, want, bar)
				} else {
					nearly(t, got, want, m.config.Vocab, 0.03)
				}
			}
		})
	}
}
