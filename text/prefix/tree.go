// Package prefix remembers values by the tokens that lead to them: a radix tree,
// in which texts that begin alike share the way.
package prefix

import (
	"iter"
	"slices"
)

// Tree is a radix tree over tokens with values at some of its nodes. The zero
// value is empty.
type Tree[V any] struct{ root Node[V] }

// Node is a point in the tree; an edge of tokens leads to it from its parent.
type Node[V any] struct {
	Parent *Node[V] // nil: the root
	Depth  int      // tokens from the root
	Value  *V       // nil: none

	edge []int32
	next map[int32]*Node[V]
}

// Nodes is how many nodes there are beside the root.
func (t *Tree[V]) Nodes() int { return t.root.count() - 1 }

func (n *Node[V]) count() int {
	all := 1
	for _, c := range n.next {
		all += c.count()
	}
	return all
}

// Walk follows tokens as far as they are known: to the node at or after that
// point.
func (t *Tree[V]) Walk(tokens []int32) (at *Node[V], matched int) {
	at = &t.root
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

// Grow returns the node of tokens, new or old.
func (t *Tree[V]) Grow(tokens []int32) *Node[V] {
	at := &t.root
	for at.Depth < len(tokens) {
		rest := tokens[at.Depth:]
		next := at.next[rest[0]]
		if next == nil {
			next = &Node[V]{Parent: at, edge: slices.Clone(rest), Depth: len(tokens)}
			at.link(next)
			return next
		}
		common := commonLen(next.edge, rest)
		if common < len(next.edge) { // cut the edge in two
			mid := &Node[V]{Parent: at, edge: next.edge[:common:common], Depth: at.Depth + common}
			at.link(mid)
			next.edge, next.Parent = next.edge[common:], mid
			mid.link(next)
			next = mid
		}
		at = next
	}
	return at
}

func (n *Node[V]) link(child *Node[V]) {
	if n.next == nil {
		n.next = make(map[int32]*Node[V])
	}
	n.next[child.edge[0]] = child
}

// Any returns the nearest node with a value at or below n, always the same one;
// nil for none.
func (n *Node[V]) Any() *Node[V] {
	for n.Value == nil {
		var best *Node[V]
		for _, c := range n.next { // the smallest
			if best == nil || c.edge[0] < best.edge[0] {
				best = c
			}
		}
		if best == nil {
			return nil
		}
		n = best
	}
	return n
}

// Forget removes the node's value, and what leads to no other.
func (n *Node[V]) Forget() {
	n.Value = nil
	for ; n.Parent != nil && n.Value == nil && len(n.next) == 0; n = n.Parent {
		delete(n.Parent.next, n.edge[0])
	}
}

// All gives every node with a value, in no order.
func (t *Tree[V]) All() iter.Seq[*Node[V]] {
	return func(yield func(*Node[V]) bool) { t.root.all(yield) }
}

func (n *Node[V]) all(yield func(*Node[V]) bool) bool {
	if n.Value != nil && !yield(n) {
		return false
	}
	for _, c := range n.next {
		if !c.all(yield) {
			return false
		}
	}
	return true
}
