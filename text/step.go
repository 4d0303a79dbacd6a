package text

import (
	"context"
	"fmt"
)

// Slice is a session's share of a Step.
type Slice struct {
	Session *Session
	Tokens  []int32
	Logits  []float32 // [V] of the last token; nil: not wanted
	All     []float32 // [len(Tokens), V] or nil
}

// progress is how far a slice is.
type progress struct {
	done int // of its tokens
}

// Step adds each slice's tokens to its session and writes the logits. Slices
// share passes over the weights: single tokens of some sessions go beside
// pieces of the prompts of others. Steps of a model run one after the other.
//
// When ctx ends between two passes, Step returns its cause; every session then
// has the tokens of the passes that were done. Input that cannot be is refused
// before anything has changed.
func (m *Model) Step(ctx context.Context, batch []Slice) error {
	m.step.Lock()
	defer m.step.Unlock()
	if err := m.refuse(batch); err != nil {
		return err
	}
	m.pool.Heat()
	defer m.pool.Cool()
	m.todo = m.todo[:0]
	for range batch {
		m.todo = append(m.todo, progress{})
	}
	for {
		if ctx.Err() != nil {
			return context.Cause(ctx)
		}
		if !m.gather(batch) {
			return nil
		}
		if err := m.pass.embed(); err != nil {
			m.abandon()
			return err
		}
		if err := m.pass.guarded(); err != nil {
			return err
		}
		if err := m.commit(batch); err != nil {
			return err
		}
	}
}

// refuse says what is wrong with a batch.
func (m *Model) refuse(batch []Slice) error {
	v := m.config.Vocab
	for i := range batch {
		b := &batch[i]
		switch {
		case b.Session == nil || b.Session.m != m:
			return fmt.Errorf("text: slice %d: session of another model", i)
		case b.Session.closed:
			return fmt.Errorf("text: slice %d: %w", i, ErrClosed)
		case b.Session.torn:
			return fmt.Errorf("text: slice %d: %w", i, ErrTorn)
		case len(b.Tokens) == 0:
			return fmt.Errorf("text: slice %d: no tokens", i)
		case b.Logits != nil && len(b.Logits) != v:
			return fmt.Errorf("text: slice %d: room for %d logits, want %d", i, len(b.Logits), v)
		case b.All != nil && len(b.All) != len(b.Tokens)*v:
			return fmt.Errorf("text: slice %d: room for %d logits of %d tokens, want %d", i, len(b.All), len(b.Tokens), len(b.Tokens)*v)
		case b.Session.Len()+len(b.Tokens) > m.config.Context:
			return fmt.Errorf("text: slice %d: %d tokens after %d: %w of %d", i, len(b.Tokens), b.Session.Len(), ErrContext, m.config.Context)
		}
		for _, t := range b.Tokens {
			if t < 0 || int(t) >= v {
				return fmt.Errorf("text: slice %d: token %d, want 0 to %d", i, t, v-1)
			}
		}
		if err := b.Session.settle(); err != nil { // what was left of the last Step
			return fmt.Errorf("text: slice %d: %w", i, err)
		}
		for j := range i {
			if batch[j].Session == b.Session {
				return fmt.Errorf("text: slices %d and %d: the same session", j, i)
			}
		}
	}
	return nil
}

// gather fills the pass with the next piece of every slice, single tokens
// first, and says whether there was any.
func (m *Model) gather(batch []Slice) bool {
	p := m.pass
	p.begin()
	room, chunk := m.rows, m.chunk
	for _, long := range [...]bool{false, true} {
		for i := range batch {
			s, done := batch[i].Session, m.todo[i].done
			rest := s.Behind() + len(batch[i].Tokens) - done
			if rest == 0 || rest > 1 != long || room == 0 {
				continue
			}
			n := rest
			if long {
				n = min(rest, chunk, room)
				if s.branch > s.at {
					n = min(n, s.branch-s.at)
				}
				if n == rest && m.holdsBack(&batch[i], n) {
					n--
				}
				chunk -= n
			}
			if n == 0 {
				continue
			}
			room -= n
			m.addPart(&batch[i], done, n)
		}
	}
	return p.n > 0
}

// holdsBack says whether the last token of a prompt gets a pass of its own, so
// that there is a checkpoint before it: whoever sends the same prompt again
// computes one token.
func (m *Model) holdsBack(b *Slice, n int) bool {
	return m.stateLen > 0 && m.prefix.budget > 0 && b.Logits != nil && n >= 2*markTurn
}

// addPart makes n tokens of a slice a part of the pass.
func (m *Model) addPart(b *Slice, done, n int) {
	s := b.Session
	frozen := min(s.Behind(), n)
	fresh := b.Tokens[done : done+n-frozen]
	pt := part{s: s, pos: s.at}
	if b.All != nil {
		v := m.config.Vocab
		pt.all = b.All[done*v : (done+len(fresh))*v]
	}
	if done+len(fresh) == len(b.Tokens) {
		pt.logits = b.Logits
	}
	s.torn = true
	if s.room == nil {
		s.reserve(len(s.tokens), len(fresh))
	} else { // what is replayed is stored anew: its pages were given up
		s.reserve(s.at, n)
		m.pass.drafts = s.draft(m.pass.drafts, len(m.pass.parts), s.at+n)
	}
	m.pass.add(pt, s.tokens[s.at:s.at+frozen], fresh)
}

// abandon leaves the sessions of a pass as they were before it: nothing of them
// has changed but the room for new tokens.
func (m *Model) abandon() {
	for i := range m.pass.parts {
		s := m.pass.parts[i].s
		s.torn = false
		s.trim()
		s.far = s.far[:min(len(s.far), m.before(s.at-1))]
	}
}

// commit moves the sessions past the pass. Its error is of a room that could
// not be written to: the sessions are past the pass all the same.
func (m *Model) commit(batch []Slice) (err error) {
	p := m.pass
	for i := range p.parts {
		pt := &p.parts[i]
		s := pt.s
		s.tokens = append(s.tokens, p.tokens[pt.row+pt.frozen:pt.row+pt.n]...)
		s.at += pt.n
		s.torn = false
		if e := s.settle(); err == nil {
			err = e
		}
		for j := range batch {
			if batch[j].Session == s {
				m.todo[j].done += pt.n - pt.frozen
				s.checkpoint(pt, len(batch[j].Tokens)-m.todo[j].done)
				break
			}
		}
		*pt = part{}
	}
	return err
}

// checkpoint makes a mark where one is due after a part; left is what its slice
// still has.
func (s *Session) checkpoint(pt *part, left int) {
	if s.at != len(s.tokens) {
		return // amid a replay: the marks before it suffice
	}
	due := s.at - s.lastMark()
	switch {
	case s.branch == s.at:
		s.branch = 0
		s.Mark()
	case left <= 1 && pt.n > 1 && due >= markTurn:
		s.Mark()
	case due >= markEvery && len(s.state) > 0:
		if state := s.mark(); s.publishDue() {
			s.publish(state)
		}
	}
}
