package text

import (
	"slices"
	"sync"

	"kuai/text/attention"
)

// prefixes remembers what sessions have computed, so that a session that
// begins alike need not compute it again: a radix tree over tokens, with
// snapshots at some of its nodes, the least recently used forgotten first.
type prefixes struct {
	m      *Model
	budget int64

	mu    sync.Mutex
	root  node
	bytes int64
	clock uint64
	count int
}

// node is a point in the tree; edge leads to it from its parent.
type node struct {
	parent *node
	edge   []int32
	depth  int // tokens from the root
	next   map[int32]*node
	snap   *snapshot
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
	n, matched := x.walk(tokens)
	if len(s.state) == 0 && matched > 0 { // a cache can be cut anywhere
		if sn := n.any(); sn != nil {
			x.take(s, sn, tokens[:matched])
		}
		return
	}
	for ; n != nil; n = n.parent {
		if n.snap != nil && n.depth <= matched {
			x.take(s, n.snap, tokens[:n.depth])
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
		s.marks = append(s.marks, mark{s.at, sn.state})
	}
}

// walk follows tokens as far as they are known: to the node at or after that
// point.
func (x *prefixes) walk(tokens []int32) (at *node, matched int) {
	at = &x.root
	for matched < len(tokens) {
		next := at.next[tokens[matched]]
		if next == nil {
			break
		}
		common := commonLen(next.edge, tokens[matched:])
		at = next
		matched += common
		if common < len(next.edge) {
			break
		}
	}
	return at, matched
}

func commonLen(a, b []int32) int {
	n := min(len(a), len(b))
	for i := range n {
		if a[i] != b[i] {
			return i
		}
	}
	return n
}

// any returns a snapshot at or below a node.
func (n *node) any() *snapshot {
	for n.snap == nil {
		var best *node
		for _, c := range n.next { // the smallest, so that it is always the same
			if best == nil || c.edge[0] < best.edge[0] {
				best = c
			}
		}
		if best == nil {
			return nil
		}
		n = best
	}
	return n.snap
}

// add remembers a session's first n tokens; state is copied unless it is a
// mark's.
func (x *prefixes) add(s *Session, n int, state []float32) {
	if x.budget <= 0 || n == 0 {
		return
	}
	x.mu.Lock()
	defer x.mu.Unlock()
	at := x.grow(s.tokens[:n])
	x.clock++
	if at.snap != nil {
		at.snap.used = x.clock
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
	at.snap = sn
	x.count++
	for x.bytes > x.budget && x.count > 0 {
		x.forgetOldest()
	}
}

// grow returns the node of tokens, new or old.
func (x *prefixes) grow(tokens []int32) *node {
	at := &x.root
	for at.depth < len(tokens) {
		rest := tokens[at.depth:]
		next := at.next[rest[0]]
		if next == nil {
			next = &node{parent: at, edge: slices.Clone(rest), depth: len(tokens)}
			at.link(next)
			return next
		}
		common := commonLen(next.edge, rest)
		if common < len(next.edge) { // cut the edge in two
			mid := &node{parent: at, edge: next.edge[:common:common], depth: at.depth + common}
			at.link(mid)
			next.edge, next.parent = next.edge[common:], mid
			mid.link(next)
			next = mid
		}
		at = next
	}
	return at
}

func (n *node) link(child *node) {
	if n.next == nil {
		n.next = make(map[int32]*node)
	}
	n.next[child.edge[0]] = child
}

// forgetOldest removes the least recently used snapshot.
func (x *prefixes) forgetOldest() {
	var oldest *node
	x.root.each(func(n *node) {
		if oldest == nil || n.snap.used < oldest.snap.used {
			oldest = n
		}
	})
	x.bytes -= 4 * int64(len(oldest.snap.state))
	for _, p := range oldest.snap.pages {
		if p.Cached--; p.Cached == 0 {
			x.bytes -= int64(len(p.Data))
		}
		x.m.drop(p)
	}
	oldest.snap = nil
	x.count--
	for n := oldest; n.parent != nil && n.snap == nil && len(n.next) == 0; n = n.parent {
		delete(n.parent.next, n.edge[0])
	}
}

// each calls f for every node with a snapshot.
func (n *node) each(f func(*node)) {
	if n.snap != nil {
		f(n)
	}
	for _, c := range n.next {
		c.each(f)
	}
}
