package text

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"kuai/text/attention"
	"kuai/text/room"
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
	marks  []mark        // earlier states, oldest first
	public int           // last point that the prefix cache was given
	branch int           // where others have diverged before: worth a checkpoint
	room   *Room         // where the past is kept; nil: in pages, all of it
	far    []*room.Block // the room's first m.before(at-1) blocks of this text; pages of theirs are nil
	torn   bool          // a step has begun and not come to its end
	closed bool
}

// mark is a checkpoint of the constant-size state, shared and never written.
type mark struct {
	pos   int
	state []float32
	pages []*attention.Page // the session's last, from the end of its room on; none without a room
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
	n, pages := len(s.state), 0
	for _, k := range s.marks {
		n += len(k.state)
		pages += len(k.pages)
	}
	for _, p := range s.pages {
		if p != nil {
			pages++
		}
	}
	return 4 * int64(n), int64(pages) * int64(s.m.layout.Bytes())
}

// Fork returns a second session with the same past. The KV cache is shared
// page by page until one of them writes on; the constant-size state is copied.
func (s *Session) Fork() *Session {
	f := &Session{
		m: s.m, tokens: slices.Clone(s.tokens), at: s.at, state: s.m.newState(),
		pages: slices.Clone(s.pages), marks: slices.Clone(s.marks), public: s.public, branch: s.branch, torn: s.torn, closed: s.closed,
		room: s.room, far: slices.Clone(s.far),
	}
	copy(f.state, s.state)
	share(f.pages)
	for _, k := range f.marks {
		share(k.pages)
	}
	return f
}

// share adds an owner to pages.
func share(pages []*attention.Page) {
	for _, p := range pages {
		if p != nil {
			p.Refs.Add(1)
		}
	}
}

// give gives up a share of pages.
func (m *Model) give(pages []*attention.Page) {
	for _, p := range pages {
		if p != nil {
			m.drop(p)
		}
	}
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
		s.m.give(s.marks[len(s.marks)-1].pages)
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
		s.leave(last.pages)
	default:
		clear(s.state)
		s.at = 0
		s.leave(nil)
	}
	return nil
}

// trim gives the pages back that no token needs.
func (s *Session) trim() {
	keep := min((len(s.tokens)+attention.PageLen-1)/attention.PageLen, len(s.pages))
	s.m.give(s.pages[keep:])
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
	s.m.give(s.pages)
	for _, k := range s.marks {
		s.m.give(k.pages)
	}
	s.m.recycle(s.state)
	s.tokens, s.state, s.pages, s.marks, s.far = nil, nil, nil, nil, nil
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
	apart := 2
	if s.room != nil {
		apart = 1
	}
	k := mark{s.at, state, s.near()}
	share(k.pages)
	s.marks = thin(append(s.marks, k), s.at, apart, func(k mark) { s.m.give(k.pages) })
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

// thin forgets checkpoints so that those at a distance d from the end are
// d/apart apart or more: with two, a rewind replays at most half of the way back
// and then some. With a room it is one, since a checkpoint holds pages too.
func thin(marks []mark, end, apart int, forget func(mark)) []mark {
	kept := len(marks)
	for _, mark := range slices.Backward(marks) {
		if kept < len(marks) {
			if next := marks[kept].pos; next-mark.pos < (end-next)/apart {
				forget(mark)
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

// reserve makes the cache's pages for n tokens from a position on, the session's
// own where they will be written to.
func (s *Session) reserve(from, n int) {
	if s.m.layout.Layers == 0 {
		return
	}
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
