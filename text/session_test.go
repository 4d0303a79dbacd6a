package text

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"math"
	"math/rand/v2"
	"slices"
	"sync"
	"testing"

	"kuai/internal/near"
)

// greedy decodes n tokens after feeding the given ones.
func greedy(t *testing.T, s *Session, tokens []int32, n int) []int32 {
	t.Helper()
	logits := make([]float32, s.m.config.Vocab)
	var out []int32
	for range n {
		if err := s.Prefill(t.Context(), tokens, logits, nil); err != nil {
			t.Fatal(err)
		}
		best := int32(0)
		for i, l := range logits {
			if l > logits[best] {
				best = int32(i)
			}
		}
		out, tokens = append(out, best), []int32{best}
	}
	return out
}

func TestBatchFork(t *testing.T) {
	for _, name := range fixtures {
		t.Run(name, func(t *testing.T) {
			m, tokens, want := open(t, name, Options{Chunk: 40})
			v := m.config.Vocab
			a := m.NewSession()
			near.Check(t, "before the fork", forward(t, a, tokens[:70], 33), want[:70*v], bar)
			b := a.Fork()
			other := m.NewSession()
			// a decodes while b takes the rest at once and a third begins.
			rest, fresh := make([]float32, 40*v), make([]float32, 50*v)
			last := make([]float32, v)
			step(t, m, Slice{Session: a, Tokens: tokens[70:71], Logits: last}, Slice{Session: b, Tokens: tokens[70:110], All: rest}, Slice{Session: other, Tokens: tokens[:50], All: fresh})
			near.Check(t, "decode beside prompts", last, want[70*v:71*v], bar)
			near.Check(t, "fork", rest, want[70*v:110*v], bar)
			near.Check(t, "third", fresh, want[:50*v], bar)
			// The fork goes another way, the first must not notice.
			wrong := slices.Clone(tokens[100:130])
			slices.Reverse(wrong)
			c := a.Fork()
			forward(t, c, wrong, 7)
			c.Close()
			near.Check(t, "after a fork's other way", forward(t, a, tokens[71:], 13), want[71*v:], bar)
			near.Check(t, "fork to the end", forward(t, b, tokens[110:], 1), want[110*v:], bar)
			a.Close()
			b.Close()
			other.Close()
		})
	}
}

func TestRewind(t *testing.T) {
	for _, name := range fixtures {
		t.Run(name, func(t *testing.T) {
			m, tokens, want := open(t, name, Options{Chunk: 33})
			v := m.config.Vocab
			s := m.NewSession()
			forward(t, s, tokens, 64)
			for _, n := range []int{149, 128, 127, 80, 64, 1, 0} {
				if err := s.Rewind(n); err != nil {
					t.Fatal(err)
				}
				if s.Len() != n {
					t.Fatalf("%d tokens after a rewind to %d", s.Len(), n)
				}
				f := s.Fork()
				near.Check(t, "from there", forward(t, f, tokens[n:], 50), want[n*v:], bar)
				f.Close()
				near.Check(t, "next", forward(t, s, tokens[n:n+1], 1), want[n*v:(n+1)*v], bar)
			}
			if err := s.Rewind(5); err == nil {
				t.Error("a rewind to the future succeeded")
			}
		})
	}
}

func TestSave(t *testing.T) {
	for _, kv := range []string{"f32", "f16", "q8"} {
		for _, name := range []string{"minimax", "llama", "kuai"} {
			t.Run(name+"/"+kv, func(t *testing.T) {
				m, tokens, _ := open(t, name, Options{KV: kv})
				s := m.NewSession()
				greedy(t, s, tokens[:100], 5)
				var file bytes.Buffer
				if err := s.Save(&file); err != nil {
					t.Fatal(err)
				}
				want := greedy(t, s, tokens[:1], 40)
				again, _, _ := open(t, name, Options{KV: kv}) // as another process
				l, err := again.LoadSession(bytes.NewReader(file.Bytes()))
				if err != nil {
					t.Fatal(err)
				}
				if got := greedy(t, l, tokens[:1], 40); !slices.Equal(got, want) {
					t.Errorf("after loading %v, uninterrupted %v", got, want)
				}
				if err := l.Rewind(90); err != nil {
					t.Fatal(err)
				}
				if err := s.Rewind(90); err != nil {
					t.Fatal(err)
				}
				if got, want := greedy(t, l, tokens[:1], 20), greedy(t, s, tokens[:1], 20); !slices.Equal(got, want) {
					t.Errorf("after loading and a rewind %v, uninterrupted %v", got, want)
				}
			})
		}
	}
}

func TestLoadSessionRefuses(t *testing.T) {
	m, tokens, _ := open(t, "minimax", Options{})
	s := m.NewSession()
	forward(t, s, tokens[:80], 80)
	var file bytes.Buffer
	if err := s.Save(&file); err != nil {
		t.Fatal(err)
	}
	whole := file.Bytes()
	rng := rand.New(rand.NewPCG(1, 2))
	for range 200 {
		bad := slices.Clone(whole)
		if rng.IntN(2) == 0 {
			bad = bad[:rng.IntN(len(bad))]
		} else {
			bad[rng.IntN(len(bad))] ^= 1 << rng.IntN(8)
		}
		if _, err := m.LoadSession(bytes.NewReader(bad)); !errors.Is(err, ErrDamaged) && !errors.Is(err, ErrOtherModel) && !errors.Is(err, ErrContext) {
			t.Fatalf("a damaged file: %v", err)
		}
	}
	huge := slices.Clone(whole)
	binary.LittleEndian.PutUint64(huge[48:], 512) // tokens, within the context
	if _, err := m.LoadSession(bytes.NewReader(huge)); !errors.Is(err, ErrDamaged) {
		t.Errorf("other number of tokens: %v", err)
	}
	if _, err := m.LoadSession(bytes.NewReader(append(slices.Clone(whole), 0))); !errors.Is(err, ErrDamaged) {
		t.Errorf("a byte too many: %v", err)
	}
	other, _, _ := open(t, "llama", Options{})
	if _, err := other.LoadSession(bytes.NewReader(whole)); !errors.Is(err, ErrOtherModel) {
		t.Errorf("another model: %v", err)
	}
	f16, _, _ := open(t, "minimax", Options{KV: "f16"})
	if _, err := f16.LoadSession(bytes.NewReader(whole)); !errors.Is(err, ErrOtherModel) {
		t.Errorf("another cache: %v", err)
	}
}

func TestPrefix(t *testing.T) {
	for _, name := range []string{"minimax", "llama", "kuai"} {
		t.Run(name, func(t *testing.T) {
			m, tokens, want := open(t, name, Options{})
			v := m.config.Vocab
			system := tokens[:70]
			a, n := m.Begin(system)
			if n != 0 {
				t.Fatalf("%d tokens from an empty cache", n)
			}
			forward(t, a, system, 70) // remembered at its end
			b, n := m.Begin(tokens)
			if n != 70 || b.Len() != 70 {
				t.Fatalf("%d tokens reused, want 70", n)
			}
			near.Check(t, "after the prefix", forward(t, b, tokens[n:], 80), want[n*v:], bar)
			// Two that part at 100: the third begins there.
			left := append(slices.Clone(tokens[:100]), 1, 2, 3, 4)
			if tokens[100] == 1 {
				left[100] = 5
			}
			c, n := m.Begin(left)
			if err := c.Prefill(t.Context(), left[n:], nil, nil); err != nil {
				t.Fatal(err)
			}
			right := append(slices.Clone(tokens[:100]), 7, 8, 9)
			d, n := m.Begin(right)
			if name == "llama" && n != 100 || name == "minimax" && n < 70 {
				t.Errorf("%d tokens reused of 100", n)
			}
			if err := d.Prefill(t.Context(), right[n:], nil, nil); err != nil {
				t.Fatal(err)
			}
			e, n := m.Begin(tokens)
			if n < 100 && name == "llama" {
				t.Errorf("%d tokens reused of 150", n)
			}
			near.Check(t, "after a branch", forward(t, e, tokens[n:], 80), want[n*v:], bar)
			for _, s := range []*Session{a, b, c, d, e} {
				s.Close()
			}
			m.prefix.budget = 1
			m.prefix.mu.Lock()
			for m.prefix.count > 0 {
				m.prefix.forgetOldest()
			}
			m.prefix.mu.Unlock()
			if m.prefix.bytes != 0 || m.prefix.tree.Nodes() != 0 {
				t.Errorf("an empty cache of %d bytes, %d nodes", m.prefix.bytes, m.prefix.tree.Nodes())
			}
			if len(m.freePages) == 0 {
				t.Error("no page came back")
			}
		})
	}
}

func TestCancel(t *testing.T) {
	m, tokens, want := open(t, "minimax", Options{Chunk: 16})
	v := m.config.Vocab
	s := m.NewSession()
	ctx, cancel := context.WithCancelCause(t.Context())
	why := errors.New("client left")
	err := s.Prefill(ctx, tokens, nil, func(done int) {
		if done >= 48 {
			cancel(why)
		}
	})
	if !errors.Is(err, why) || s.Len() != 48 {
		t.Fatalf("cancelled after %d tokens: %v", s.Len(), err)
	}
	near.Check(t, "going on", forward(t, s, tokens[48:], 30), want[48*v:], bar)
}

func TestStepRefuses(t *testing.T) {
	m, tokens, _ := open(t, "llama-tied", Options{Context: 100})
	other, _, _ := open(t, "llama", Options{})
	s := m.NewSession()
	closed := m.NewSession()
	closed.Close()
	for name, batch := range map[string][]Slice{
		"nil session":    {{Tokens: tokens[:1]}},
		"other model":    {{Session: other.NewSession(), Tokens: tokens[:1]}},
		"closed":         {{Session: closed, Tokens: tokens[:1]}},
		"no tokens":      {{Session: s}},
		"negative token": {{Session: s, Tokens: []int32{-1}}},
		"large token":    {{Session: s, Tokens: []int32{96}}},
		"twice":          {{Session: s, Tokens: tokens[:1]}, {Session: s, Tokens: tokens[:1]}},
		"short logits":   {{Session: s, Tokens: tokens[:1], Logits: make([]float32, 3)}},
		"short all":      {{Session: s, Tokens: tokens[:2], All: make([]float32, 96)}},
		"context":        {{Session: s, Tokens: tokens[:101]}},
	} {
		if err := m.Step(t.Context(), batch); err == nil {
			t.Errorf("%s: no error", name)
		}
		if s.Len() != 0 {
			t.Errorf("%s: the session has %d tokens", name, s.Len())
		}
	}
}

func TestThin(t *testing.T) {
	var marks []mark
	for end := 512; end <= 1<<17; end += 512 {
		marks = thin(append(marks, mark{pos: end}), end, 2, func(mark) {})
	}
	if n := len(marks); n > 24 {
		t.Errorf("%d checkpoints of 128K tokens", n)
	}
	end := 1 << 17
	for i, k := range marks {
		if i > 0 {
			if gap, back := k.pos-marks[i-1].pos, end-marks[i-1].pos; gap > back*3/4+1024 {
				t.Errorf("gap of %d tokens %d before the end", gap, back)
			}
		}
	}
}

func TestDecodeAllocatesNothing(t *testing.T) {
	for i, name := range fixtures {
		t.Run(name, func(t *testing.T) {
			m, tokens, _ := open(t, name, Options{KV: []string{"f16", "q8", "f32"}[i%3], Weights: []string{"", "q8", stored, "q4"}[i%4]})
			var batch []Slice
			for range 3 {
				s := m.NewSession()
				forward(t, s, tokens[:20], 20)
				batch = append(batch, Slice{Session: s, Tokens: tokens[:1], Logits: make([]float32, m.config.Vocab)})
			}
			ctx := t.Context()
			if n := testing.AllocsPerRun(200, func() {
				if err := m.Step(ctx, batch); err != nil {
					t.Fatal(err)
				}
			}); n != 0 {
				t.Errorf("%v allocations a step", n)
			}
		})
	}
}

// TestSamePrompt sends a prompt twice: the second time one token is computed.
func TestSamePrompt(t *testing.T) {
	for _, name := range []string{"minimax", "llama", "kuai"} {
		t.Run(name, func(t *testing.T) {
			m, tokens, want := open(t, name, Options{})
			v := m.config.Vocab
			for i, reused := range []int{0, 149, 149} {
				logits := make([]float32, v)
				s, n := m.Begin(tokens)
				if n != reused {
					t.Errorf("round %d: %d tokens reused, want %d", i, n, reused)
				}
				if err := s.Prefill(t.Context(), tokens[n:], logits, nil); err != nil {
					t.Fatal(err)
				}
				near.Check(t, "logits", logits, want[149*v:], bar)
				s.Close()
			}
		})
	}
}

// TestTogether begins, forks and closes sessions while others are computed.
func TestTogether(t *testing.T) {
	m, tokens, want := open(t, "minimax", Options{Chunk: 32, PrefixBytes: 1 << 17})
	v := m.config.Vocab
	var group sync.WaitGroup
	for w := range 4 {
		group.Go(func() {
			for i := range 8 {
				n := 40 + 9*w + 5*i
				s, reused := m.Begin(tokens[:n])
				logits := make([]float32, v)
				if err := s.Prefill(t.Context(), tokens[reused:n-1], nil, nil); err != nil {
					t.Error(err)
				}
				f := s.Fork()
				s.Close()
				if err := f.Prefill(t.Context(), tokens[n-1:n], logits, nil); err != nil {
					t.Error(err)
				}
				near.Check(t, "logits", logits, want[(n-1)*v:n*v], bar)
				f.Close()
			}
		})
	}
	group.Wait()
}

func TestSuppressed(t *testing.T) {
	m, tokens, want := open(t, "minimax", Options{})
	v := m.config.Vocab
	m.config.Suppress = 90
	logits := make([]float32, v)
	step(t, m, Slice{Session: m.NewSession(), Tokens: tokens[:9], Logits: logits})
	near.Check(t, "logits", logits[:90], want[8*v:][:90], bar)
	for i, l := range logits[90:] {
		if !math.IsInf(float64(l), -1) {
			t.Errorf("token %d has the logit %v", 90+i, l)
		}
	}
}

// TestTorn has a step panic: what it leaves must not be used by anybody.
func TestTorn(t *testing.T) {
	m, tokens, want := open(t, "minimax", Options{})
	v := m.config.Vocab
	s, other := m.NewSession(), m.NewSession()
	forward(t, s, tokens[:40], 40)
	forward(t, other, tokens[:40], 40)
	out := m.layers[3].mlp
	m.layers[3].mlp = nil
	func() {
		defer func() {
			if recover() == nil {
				t.Error("no panic")
			}
		}()
		_ = m.Step(t.Context(), []Slice{{Session: s, Tokens: tokens[40:50]}})
	}()
	m.layers[3].mlp = out
	if err := m.Step(t.Context(), []Slice{{Session: s, Tokens: tokens[:1]}}); !errors.Is(err, ErrTorn) {
		t.Errorf("a step after a panic: %v", err)
	}
	if err := s.Save(&bytes.Buffer{}); !errors.Is(err, ErrTorn) {
		t.Errorf("saved after a panic: %v", err)
	}
	if err := s.Rewind(0); !errors.Is(err, ErrTorn) {
		t.Errorf("rewound after a panic: %v", err)
	}
	s.Close()
	near.Check(t, "another session", forward(t, other, tokens[40:], 50), want[40*v:], bar)
	if again, n := m.Begin(tokens); n > 0 {
		near.Check(t, "from the cache", forward(t, again, tokens[n:], 150), want[n*v:], bar)
	}
}
