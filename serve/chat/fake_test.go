package chat

import (
	"context"
	"errors"
	"slices"
	"sync"
	"time"
)

// The model of the tests speaks bytes. What comes next is a function of all
// tokens before, so a session that lost or mixed up a token answers otherwise.
const (
	fakeEnd   = 256
	fakeVocab = 257
)

type fakeTokens struct{}

func (fakeTokens) IsEnd(id int32) bool { return id == fakeEnd }

func (fakeTokens) Bytes(id int32) []byte {
	if id >= fakeEnd {
		return nil
	}
	return []byte{byte(id)}
}

type fakeSession struct {
	tokens []int32
	behind int
	closed bool
	m      *fakeModel
}

func (s *fakeSession) Tokens() []int32       { return s.tokens }
func (s *fakeSession) Len() int              { return len(s.tokens) }
func (s *fakeSession) Behind() int           { return s.behind }
func (s *fakeSession) Bytes() (int64, int64) { return 1000, int64(len(s.tokens)) }

// Rewind has checkpoints every ten tokens, as recurrent states have.
func (s *fakeSession) Rewind(n int) error {
	if n < len(s.tokens) {
		s.behind = n % 10
	} else if n == len(s.tokens)-s.behind {
		s.behind = 0
	}
	s.tokens = s.tokens[:n]
	return nil
}

func (s *fakeSession) Close() {
	if !s.closed {
		s.closed = true
		s.m.mu.Lock()
		s.m.open--
		s.m.mu.Unlock()
	}
}

// fakeModel takes a millisecond a step, and perToken for each token.
type fakeModel struct {
	context  int
	perToken time.Duration
	script   string // what it answers instead, from the prompt's end on
	fail     func(batch []Slice) error
	shares   bool // remembers what any session has read

	mu      sync.Mutex
	open    int
	steps   [][]int // tokens of each slice
	begun   int
	longest time.Duration // of a step in which an answer went on
	known   [][]int32
}

func (m *fakeModel) Info() Info {
	c := m.context
	if c == 0 {
		c = 1 << 20
	}
	return Info{Vocab: fakeVocab, Context: c, StateBytes: 1000, KVBytes: 1}
}

func (m *fakeModel) Begin(tokens []int32) Session {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.open++
	m.begun++
	best := 0
	for _, k := range m.known {
		n := 0
		for n < len(k) && n < len(tokens)-1 && k[n] == tokens[n] {
			n++
		}
		best = max(best, n)
	}
	return &fakeSession{m: m, tokens: slices.Clone(tokens[:best])}
}

// follow is the token after these.
func (m *fakeModel) follow(tokens []int32) int32 {
	if m.script != "" {
		at := len(tokens) - slices.Index(tokens, '|') - 1
		if at >= len(m.script) {
			return fakeEnd
		}
		return int32(m.script[at])
	}
	h := uint32(2166136261)
	for _, t := range tokens {
		h = (h ^ uint32(t)) * 16777619
	}
	if h%97 == 0 {
		return fakeEnd
	}
	return int32('a' + h>>8%26)
}

func (m *fakeModel) Step(ctx context.Context, batch []Slice) error {
	if m.fail != nil {
		if err := m.fail(batch); err != nil {
			return err
		}
	}
	var sizes []int
	total, single := 0, false
	for _, b := range batch {
		s, ok := b.Session.(*fakeSession)
		if !ok || s.closed || s.behind > 0 || len(b.Tokens) == 0 {
			return errors.New("fake: a session that must not be stepped")
		}
		sizes = append(sizes, len(b.Tokens))
		total += len(b.Tokens)
		single = single || len(b.Tokens) == 1 && len(s.tokens) > 0
		s.tokens = append(s.tokens, b.Tokens...)
		if m.shares {
			m.known = append(m.known, slices.Clone(s.tokens))
		}
		if b.Logits != nil {
			clear(b.Logits)
			b.Logits[m.follow(s.tokens)] = 9
		}
	}
	took := time.Millisecond + time.Duration(total)*m.perToken
	m.mu.Lock()
	m.steps = append(m.steps, sizes)
	if single {
		m.longest = max(m.longest, took)
	}
	m.mu.Unlock()
	select {
	case <-time.After(took):
		return nil
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}

// answer is what the model says to a prompt, by itself.
func (m *fakeModel) answer(prompt []int32, n int) string {
	var out []byte
	tokens := slices.Clone(prompt)
	for range n {
		t := m.follow(tokens)
		if t == fakeEnd {
			break
		}
		out = append(out, byte(t))
		tokens = append(tokens, t)
	}
	return string(out)
}

func ids(s string) []int32 {
	out := make([]int32, len(s))
	for i := range len(s) {
		out[i] = int32(s[i])
	}
	return out
}
