package schema

import (
	"bytes"
	"slices"
)

// maxToken bounds the bytes of a token that a constrained answer may use.
const maxToken = 512

// Vocabulary is the tree of all tokens' bytes, made once for a tokenizer.
type Vocabulary struct {
	size    int
	deepest int
	ends    []int32 // tokens that end an answer
	pieces  [][]byte

	// The tree, flat, a node before its children.
	edge   []edge
	tokens []int32
}

// edge is a node of the tree, with the byte that leads to it.
type edge struct {
	skip        int32 // the next node that is not below this one
	first, last int32 // its tokens
	depth       uint16
	b           byte
}

// NewVocabulary builds the tree. piece returns what a token adds to an answer,
// nothing for one that must not be in it; end says whether one ends it.
func NewVocabulary(size int, piece func(id int32) []byte, end func(id int32) bool) *Vocabulary {
	v := &Vocabulary{size: size, pieces: make([][]byte, size)}
	order := make([]int32, 0, size)
	for id := range int32(size) {
		if end(id) {
			v.ends = append(v.ends, id)
			continue
		}
		if p := piece(id); len(p) > 0 && len(p) <= maxToken {
			v.pieces[id] = bytes.Clone(p)
			order = append(order, id)
			v.deepest = max(v.deepest, len(p))
		}
	}
	slices.SortStableFunc(order, func(a, b int32) int { return bytes.Compare(v.pieces[a], v.pieces[b]) })
	v.tokens = order
	var path []int32 // nodes from the root to the last token's
	last := []byte(nil)
	for i, id := range order {
		p := v.pieces[id]
		same := 0
		for same < len(p) && same < len(last) && p[same] == last[same] {
			same++
		}
		for len(path) > same {
			v.edge[path[len(path)-1]].skip = int32(len(v.edge))
			path = path[:len(path)-1]
		}
		for d := same; d < len(p); d++ {
			path = append(path, int32(len(v.edge)))
			v.edge = append(v.edge, edge{depth: uint16(d), b: p[d], first: int32(i), last: int32(i)})
		}
		v.edge[path[len(path)-1]].last = int32(i + 1)
		last = p
	}
	for _, n := range path {
		v.edge[n].skip = int32(len(v.edge))
	}
	return v
}

func (v *Vocabulary) bytesOf(id int32) []byte {
	if id < 0 || int(id) >= v.size {
		return nil
	}
	return v.pieces[id]
}
