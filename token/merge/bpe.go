// Package merge turns words into tokens: byte pair encoding by ranks, and
// SentencePiece's two models, by scores and by likelihood.
package merge

import (
	"container/heap"
	"math"
	"unicode/utf8"
)

// Pair is two tokens side by side.
type Pair struct{ Left, Right int32 }

// Merge is what a pair becomes, and how early.
type Merge struct{ Rank, ID int32 }

// BPE merges the symbols of a word, the pair of the lowest rank first and of
// those the leftmost.
//
// Source: Sennrich et al., arXiv:1508.07909.
type BPE struct {
	Merges map[Pair]Merge
	Bytes  [256]int32       // byte-level: the token of each byte; -1 where there is none
	Runes  map[string]int32 // otherwise: the vocabulary, by which characters are looked up
	Whole  map[string]int32 // ignore_merges: words that are tokens already
	// Fallback turns characters that are no token into their bytes; Unknown is
	// the token for them otherwise, -1 drops them.
	Fallback bool
	Raw      [256]int32
	Unknown  int32
	Fuse     bool // unknown ones beside each other are one

	cache cache
}

// Encode appends the tokens of a word.
func (b *BPE) Encode(dst []int32, word string) []int32 {
	if id, ok := b.Whole[word]; ok {
		return append(dst, id)
	}
	if out, ok := b.cache.get(word); ok {
		return append(dst, out...)
	}
	from := len(dst)
	dst = b.symbols(dst, word)
	out := dst[from:]
	if len(out) > longWord {
		out = b.long(out)
	} else {
		out = b.short(out)
	}
	b.cache.put(word, out)
	return dst[:from+len(out)]
}

// symbols appends the tokens that merging begins with.
func (b *BPE) symbols(dst []int32, word string) []int32 {
	if b.Runes == nil {
		for i := range len(word) {
			if id := b.Bytes[word[i]]; id >= 0 {
				dst = append(dst, id)
			}
		}
		return dst
	}
	from := len(dst)
	for i := 0; i < len(word); {
		_, n := utf8.DecodeRuneInString(word[i:])
		dst = b.character(dst, from, word[i:i+n])
		i += n
	}
	return dst
}

// character appends the token of a character, or what stands for it, to those
// of the word so far, dst[from:].
func (b *BPE) character(dst []int32, from int, c string) []int32 {
	if id, ok := b.Runes[c]; ok {
		return append(dst, id)
	}
	if b.Fallback {
		all := true
		for i := range len(c) {
			all = all && b.Raw[c[i]] >= 0
		}
		if all {
			for i := range len(c) {
				dst = append(dst, b.Raw[c[i]])
			}
			return dst
		}
	}
	if b.Unknown < 0 || b.Fuse && len(dst) > from && dst[len(dst)-1] == b.Unknown {
		return dst
	}
	return append(dst, b.Unknown)
}

// longWord is how many symbols are merged by looking at all pairs each time;
// a heap is faster for more.
const longWord = 48

// short merges in place.
func (b *BPE) short(s []int32) []int32 {
	var ranks [longWord]Merge
	none := Merge{Rank: math.MaxInt32}
	look := func(i int) Merge {
		if i+1 < len(s) {
			if m, ok := b.Merges[Pair{s[i], s[i+1]}]; ok {
				return m
			}
		}
		return none
	}
	for i := range s {
		ranks[i] = look(i)
	}
	for len(s) > 1 {
		best := 0
		for i := 1; i < len(s)-1; i++ {
			if ranks[i].Rank < ranks[best].Rank {
				best = i
			}
		}
		if ranks[best].Rank == math.MaxInt32 {
			break
		}
		s[best] = ranks[best].ID
		copy(s[best+1:], s[best+2:])
		copy(ranks[best+1:], ranks[best+2:len(s)])
		s = s[:len(s)-1]
		ranks[best] = look(best)
		if best > 0 {
			ranks[best-1] = look(best - 1)
		}
	}
	return s
}

// candidate is a pair that may be merged: still valid while both symbols are
// what they were.
type candidate struct {
	Merge
	at          int32
	left, right int32 // the tokens
}

type candidates []candidate

func (c candidates) Len() int { return len(c) }
func (c candidates) Less(i, j int) bool {
	if c[i].Rank != c[j].Rank {
		return c[i].Rank < c[j].Rank
	}
	return c[i].at < c[j].at
}
func (c candidates) Swap(i, j int) { c[i], c[j] = c[j], c[i] }
func (c *candidates) Push(x any)   { *c = append(*c, x.(candidate)) } //nolint:forcetypeassert // only candidates are pushed
func (c *candidates) Pop() any {
	last := (*c)[len(*c)-1]
	*c = (*c)[:len(*c)-1]
	return last
}

// long merges in place with a heap and a list.
func (b *BPE) long(s []int32) []int32 {
	n := int32(len(s))
	next, before := make([]int32, n), make([]int32, n)
	var c candidates
	offer := func(i int32) {
		if i < 0 || next[i] >= n {
			return
		}
		l, r := s[i], s[next[i]]
		if m, ok := b.Merges[Pair{l, r}]; ok {
			heap.Push(&c, candidate{m, i, l, r})
		}
	}
	for i := range n {
		next[i], before[i] = i+1, i-1
	}
	for i := range n {
		offer(i)
	}
	for len(c) > 0 {
		m := heap.Pop(&c).(candidate) //nolint:forcetypeassert // only candidates are pushed
		i := m.at
		if s[i] != m.left || next[i] >= n || s[next[i]] != m.right {
			continue
		}
		gone := next[i]
		s[i], s[gone] = m.ID, -1
		next[i] = next[gone]
		if next[i] < n {
			before[next[i]] = i
		}
		offer(before[i])
		offer(i)
	}
	out := s[:0]
	for i := int32(0); i < n; i = next[i] {
		out = append(out, s[i])
	}
	return out
}
