package prefix

import (
	"math/rand/v2"
	"slices"
	"testing"
)

// TestTree grows and forgets at random and compares every walk with a list.
func TestTree(t *testing.T) {
	t.Parallel()
	r := rand.New(rand.NewPCG(1, 2))
	var tree Tree[int]
	known := map[string][]int32{}
	word := func() []int32 {
		w := make([]int32, r.IntN(9))
		for i := range w {
			w[i] = r.Int32N(3)
		}
		return w
	}
	key := func(w []int32) string { return string(runes(w)) }
	for step := range 5000 {
		w := word()
		if r.IntN(3) > 0 {
			n := tree.Grow(w)
			if n.Depth != len(w) {
				t.Fatalf("the node of %v has depth %d", w, n.Depth)
			}
			n.Value, known[key(w)] = &step, w
		} else if n, matched := tree.Walk(w); matched == len(w) && n.Depth == len(w) && n.Value != nil {
			n.Forget()
			delete(known, key(w))
		}
		w = word()
		want := 0
		for _, k := range known {
			want = max(want, commonLen(k, w))
		}
		n, matched := tree.Walk(w)
		if matched != want || n.Depth < matched {
			t.Fatalf("%v is known for %d tokens, want %d", w, matched, want)
		}
		if nearest := n.Any(); (nearest == nil) != (len(known) == 0) {
			t.Fatalf("%d values, below %v: %v", len(known), w[:matched], nearest)
		}
		count := 0
		for n := range tree.All() {
			count++
			for at := n; at.Parent != nil; at = at.Parent {
				if at.Depth != at.Parent.Depth+len(at.edge) {
					t.Fatal("depths and edges differ")
				}
			}
		}
		if count != len(known) {
			t.Fatalf("%d values, want %d", count, len(known))
		}
	}
	for n := range tree.All() {
		if n.Any() != n {
			t.Error("a node with a value is not the nearest to itself")
		}
		break
	}
}

func runes(w []int32) []rune { return slices.Clone(w) }
