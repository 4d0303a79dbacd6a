package text

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"kuai/text/attention"
)

const (
	// markEvery is the least distance between checkpoints of a running text: a
	// rewind replays some 512 tokens at most near the end.
	markEvery = 512
	// markTurn is the least distance to a checkpoint at the end of a prompt.
	markTurn = 64
)

var (
	// ErrClosed is returned for a session that was closed.
	ErrClosed = errors.New("text: session is closed")
	// ErrTorn is returned for a session that a panic has left amid a step: only
	// Close is left to do.
	ErrTorn = errors.New("text: session was left amid a step")
)

// Session is the state of one text. It belongs to one goroutine at a time;
// sessions of one model may be used by several.
type Session struct {
	m      *Model
	tokens []int32
	at     int       // tokens that the state has seen; the rest is replayed
	state  []float32 // of all layers, one after the other
	pages  []*attention.Page
	marks  []mark // earlier states, oldest first
	public int    // last point that the prefix cache was given
	branch int    // where others have diverged before: worth a checkpoint
	torn   bool   // a step has begun and not come to its end
	closed bool
}

// mark is a checkpoint of the constant-size state, shared and never written.
type mark struct {
	pos   int
	state []float32
}

// NewSession returns a session without tokens.
func (m *Model) NewSession() *Session {
	return &Session{m: m, state: m.newState()}
}

// Tokens returns the tokens so far. They must not be changed and are valid
// until the session's next use.
func (s *Session) Tokens() []int32 { return s.tokens }

// Len returns the number of tokens.
func (s *Session) Len() int { return len(s.tokens) }

// Bytes returns what the session holds in memory: constant-size state with its
// checkpoints, and pages of the KV cache. What forks share is counted in each.
func (s *Session) Bytes() (state, kv int64) {
	n := len(s.state)
	for _, k := range s.marks {
		n += len(k.state)
	}
	return 4 * int64(n), int64(len(s.pages)) * int64(s.m.layout.Bytes())
}

// Fork returns a second session with the same past. The KV cache is shared
// page by page until one of them writes on; the constant-size state is copied.
func (s *Session) Fork() *Session {
	f := &Session{
		m: s.m, tokens: slices.Clone(s.tokens), at: s.at, state: s.m.newState(),
		pages: slices.Clone(s.pages), marks: slices.Clone(s.marks), public: s.public, branch: s.branch, torn: s.torn, closed: s.closed,
	}
	copy(f.state, s.state)
	for _, p := range f.pages {
		p.Refs.Add(1)
	}
	return f
}

// Rewind goes back to the first n tokens. The cache is cut; the constant-size
// state goes back to the last checkpoint before n, and the tokens between are
// replayed by the next Step.
func (s *Session) Rewind(n int) error {
	switch {
	case s.closed:
		return ErrClosed
	case s.torn:
		return ErrTorn
	case n < 0 || n > len(s.tokens):
		return fmt.Errorf("text: session of %d tokens cannot be rewound to %d", len(s.tokens), n)
	}
	s.tokens = s.tokens[:n]
	s.public = min(s.public, n)
	s.trim()
	for len(s.marks) > 0 && s.marks[len(s.marks)-1].pos > n {
		s.marks = slices.Delete(s.marks, len(s.marks)-1, len(s.marks))
	}
	switch {
	case s.at <= n:
	case len(s.state) == 0:
		s.at = n
	case len(s.marks) > 0:
		last := s.marks[len(s.marks)-1]
		copy(s.state, last.state)
		s.at = last.pos
	default:
		clear(s.state)
		s.at = 0
	}
	return nil
}

// trim gives the pages back that no token needs.
func (s *Session) trim() {
	keep := min((len(s.tokens)+attention.PageLen-1)/attention.PageLen, len(s.pages))
	for _, p := range s.pages[keep:] {
		s.m.drop(p)
	}
	clear(s.pages[keep:])
	s.pages = s.pages[:keep]
}

// Behind returns how many tokens the next Step replays, after a Rewind.
func (s *Session) Behind() int { return len(s.tokens) - s.at }

// Close gives the session's memory back. What it has computed stays in the
// model's prefix cache while there is room.
func (s *Session) Close() {
	if s.closed {
		return
	}
	s.closed = true
	if s.at == len(s.tokens) && s.at > 0 && !s.torn {
		s.m.prefix.add(s, s.at, s.state)
	}
	for _, p := range s.pages {
		s.m.drop(p)
	}
	s.m.recycle(s.state)
	s.tokens, s.state, s.pages, s.marks = nil, nil, nil, nil
}

// Prefill adds tokens in chunks and writes the logits [V] of the last one,
// unless logits is nil. Between chunks it calls progress, which may be nil,
// with the number of tokens done, and ends when ctx does: the session then has
// the tokens of the chunks that were done.
func (s *Session) Prefill(ctx context.Context, tokens []int32, logits []float32, progress func(done int)) error {
	chunk := s.m.chunk
	for done := 0; done < len(tokens); {
		n := min(chunk, len(tokens)-done)
		piece := [1]Slice{{Session: s, Tokens: tokens[done : done+n]}}
		if done += n; done == len(tokens) {
			piece[0].Logits = logits
		}
		if err := s.m.Step(ctx, piece[:]); err != nil {
			return err
		}
		if progress != nil {
			progress(done)
		}
	}
	return nil
}

// Mark makes a checkpoint here, at the boundary of a turn say: a rewind to it
// costs nothing, and other sessions that begin alike begin here.
func (s *Session) Mark() {
	if !s.closed && !s.torn && s.at > 0 && s.at == len(s.tokens) {
		s.publish(s.mark())
	}
}

// mark makes a checkpoint for rewinds and returns its state.
func (s *Session) mark() []float32 {
	if len(s.state) == 0 {
		return nil
	}
	if n := len(s.marks); n > 0 && s.marks[n-1].pos == s.at {
		return s.marks[n-1].state
	}
	state := slices.Clone(s.state)
	s.marks = thin(append(s.marks, mark{s.at, state}), s.at)
	return state
}

// publish gives the present point to other sessions.
func (s *Session) publish(state []float32) {
	s.m.prefix.add(s, s.at, state)
	s.public = s.at
}

// publishDue says whether a long prompt has gone far enough since the last
// published point: a quarter of its length, lest it push everything else out
// of the prefix cache.
func (s *Session) publishDue() bool { return s.at-s.public >= s.at/4 }

// thin forgets checkpoints so that those at a distance d from the end are d/2
// apart or more: a rewind replays at most half of the way back and then some.
func thin(marks []mark, end int) []mark {
	kept := len(marks)
	for _, mark := range slices.Backward(marks) {
		if kept < len(marks) {
			if next := marks[kept].pos; next-mark.pos < (end-next)/2 {
				continue
			}
		}
		kept--
		marks[kept] = mark
	}
	return slices.Delete(marks, 0, kept)
}

// lastMark is the position of the last checkpoint.
func (s *Session) lastMark() int {
	if len(s.marks) == 0 {
		return 0
	}
	return s.marks[len(s.marks)-1].pos
}

// reserve makes the cache's pages for n tokens after those that are there, the
// session's own where they will be written to.
func (s *Session) reserve(n int) {
	if s.m.layout.Layers == 0 {
		return
	}
	from := len(s.tokens)
	if i := from / attention.PageLen; from%attention.PageLen != 0 && s.pages[i].Refs.Load() > 1 {
		own := s.m.newPage()
		copy(own.Data, s.pages[i].Data)
		s.m.drop(s.pages[i])
		s.pages[i] = own
	}
	for len(s.pages)*attention.PageLen < from+n {
		s.pages = append(s.pages, s.m.newPage())
	}
}
