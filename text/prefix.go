package text

import (
	"slices"
	"sync"

	"kuai/text/attention"
	"kuai/text/prefix"
)

// prefixes remembers what sessions have computed, so that a session that
// begins alike need not compute it again: a tree over tokens, with snapshots at
// some of its nodes, the least recently used forgotten first.
type prefixes struct {
	m      *Model
	budget int64

	mu    sync.Mutex
	tree  prefix.Tree[snapshot]
	bytes int64
	clock uint64
	count int
}

// snapshot is all that a session of depth tokens needs.
type snapshot struct {
	state []float32
	pages []*attention.Page
	used  uint64
}

// Begin returns a session that has as many of the first tokens as the prefix
// cache knows, but not the last one, whose logits somebody will want: go on
// with tokens[reused:].
func (m *Model) Begin(tokens []int32) (s *Session, reused int) {
	s = m.NewSession()
	if len(tokens) > 1 {
		m.prefix.resume(s, tokens[:len(tokens)-1])
	}
	return s, s.Len()
}

// resume gives a new session the longest known beginning of tokens.
func (x *prefixes) resume(s *Session, tokens []int32) {
	if x.budget <= 0 {
		return
	}
	x.mu.Lock()
	defer x.mu.Unlock()
	n, matched := x.tree.Walk(tokens)
	if len(s.state) == 0 && matched > 0 { // a cache can be cut anywhere
		if n := n.Any(); n != nil {
			x.take(s, n.Value, tokens[:matched])
		}
		return
	}
	for ; n != nil; n = n.Parent {
		if n.Value != nil && n.Depth <= matched {
			x.take(s, n.Value, tokens[:n.Depth])
			break
		}
	}
	if matched >= s.Len()+markTurn {
		s.branch = matched
	}
}

// take copies a snapshot's beginning into a session.
func (x *prefixes) take(s *Session, sn *snapshot, tokens []int32) {
	x.clock++
	sn.used = x.clock
	s.tokens = append(s.tokens, tokens...)
	s.at, s.public = len(tokens), len(tokens)
	copy(s.state, sn.state)
	s.pages = append(s.pages, sn.pages[:min(len(sn.pages), (len(tokens)+attention.PageLen-1)/attention.PageLen)]...)
	for _, p := range s.pages {
		p.Refs.Add(1)
	}
	if len(sn.state) > 0 {
		s.marks = append(s.marks, mark{pos: s.at, state: sn.state})
	}
}

// add remembers a session's first n tokens; state is copied unless it is a
// mark's.
func (x *prefixes) add(s *Session, n int, state []float32) {
	if x.budget <= 0 || n == 0 || s.room != nil {
		return // a room is its own prefix cache
	}
	x.mu.Lock()
	defer x.mu.Unlock()
	at := x.tree.Grow(s.tokens[:n])
	x.clock++
	if at.Value != nil {
		at.Value.used = x.clock
		return
	}
	if len(state) > 0 && &state[0] == &s.state[0] {
		state = slices.Clone(state)
	}
	sn := &snapshot{state: state, used: x.clock}
	if x.m.layout.Layers > 0 {
		sn.pages = slices.Clone(s.pages[:(n+attention.PageLen-1)/attention.PageLen])
	}
	x.bytes += 4 * int64(len(state))
	for _, p := range sn.pages {
		p.Refs.Add(1)
		if p.Cached++; p.Cached == 1 {
			x.bytes += int64(len(p.Data))
		}
	}
	at.Value = sn
	x.count++
	for x.bytes > x.budget && x.count > 0 {
		x.forgetOldest()
	}
}

// forgetOldest removes the least recently used snapshot.
func (x *prefixes) forgetOldest() {
	var oldest *prefix.Node[snapshot]
	for n := range x.tree.All() {
		if oldest == nil || n.Value.used < oldest.Value.used {
			oldest = n
		}
	}
	x.bytes -= 4 * int64(len(oldest.Value.state))
	for _, p := range oldest.Value.pages {
		if p.Cached--; p.Cached == 0 {
			x.bytes -= int64(len(p.Data))
		}
		x.m.drop(p)
	}
	oldest.Forget()
	x.count--
}
