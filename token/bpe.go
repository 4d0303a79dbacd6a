package token

import (
	"container/heap"
	"hash/maphash"
	"math"
	"sync"
	"unicode/utf8"
)

// pair is two tokens side by side.
type pair struct{ left, right int32 }

// merge is what a pair becomes, and how early.
type merge struct{ rank, id int32 }

// bpe merges the symbols of a word, the pair of the lowest rank first and of
// those the leftmost.
//
// Source: Sennrich et al., arXiv:1508.07909.
type bpe struct {
	merges map[pair]merge
	bytes  [256]int32       // byte-level: the token of each byte; -1 where there is none
	runes  map[string]int32 // otherwise: the vocabulary, by which characters are looked up
	whole  map[string]int32 // ignore_merges: words that are tokens already
	// fallback turns characters that are no token into their bytes; unknown is
	// the token for them otherwise, -1 drops them.
	fallback bool
	raw      [256]int32
	unknown  int32
	fuse     bool // unknown ones beside each other are one

	cache cache
}

// encode appends the tokens of a word.
func (b *bpe) encode(dst []int32, word string) []int32 {
	if id, ok := b.whole[word]; ok {
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
func (b *bpe) symbols(dst []int32, word string) []int32 {
	if b.runes == nil {
		for i := range len(word) {
			if id := b.bytes[word[i]]; id >= 0 {
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
func (b *bpe) character(dst []int32, from int, c string) []int32 {
	if id, ok := b.runes[c]; ok {
		return append(dst, id)
	}
	if b.fallback {
		all := true
		for i := range len(c) {
			all = all && b.raw[c[i]] >= 0
		}
		if all {
			for i := range len(c) {
				dst = append(dst, b.raw[c[i]])
			}
			return dst
		}
	}
	if b.unknown < 0 || b.fuse && len(dst) > from && dst[len(dst)-1] == b.unknown {
		return dst
	}
	return append(dst, b.unknown)
}

// longWord is how many symbols are merged by looking at all pairs each time;
// a heap is faster for more.
const longWord = 48

// short merges in place.
func (b *bpe) short(s []int32) []int32 {
	var ranks [longWord]merge
	none := merge{rank: math.MaxInt32}
	look := func(i int) merge {
		if i+1 < len(s) {
			if m, ok := b.merges[pair{s[i], s[i+1]}]; ok {
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
			if ranks[i].rank < ranks[best].rank {
				best = i
			}
		}
		if ranks[best].rank == math.MaxInt32 {
			break
		}
		s[best] = ranks[best].id
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
	merge
	at          int32
	left, right int32 // the tokens
}

type candidates []candidate

func (c candidates) Len() int { return len(c) }
func (c candidates) Less(i, j int) bool {
	if c[i].rank != c[j].rank {
		return c[i].rank < c[j].rank
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
func (b *bpe) long(s []int32) []int32 {
	n := int32(len(s))
	next, before := make([]int32, n), make([]int32, n)
	var c candidates
	offer := func(i int32) {
		if i < 0 || next[i] >= n {
			return
		}
		l, r := s[i], s[next[i]]
		if m, ok := b.merges[pair{l, r}]; ok {
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
		s[i], s[gone] = m.id, -1
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

const (
	cacheShards = 16
	cacheWords  = 4096 // of a shard; it is emptied when full
	cacheLength = 64   // bytes of a word that is kept
)

// cache remembers words.
type cache struct {
	seed   maphash.Seed
	shards [cacheShards]struct {
		sync.RWMutex
		words map[string][]int32
	}
}

func newCache() cache { return cache{seed: maphash.MakeSeed()} }

func (c *cache) get(word string) ([]int32, bool) {
	if len(word) > cacheLength {
		return nil, false
	}
	s := &c.shards[maphash.String(c.seed, word)%cacheShards]
	s.RLock()
	defer s.RUnlock()
	out, ok := s.words[word]
	return out, ok
}

func (c *cache) put(word string, ids []int32) {
	if len(word) > cacheLength {
		return
	}
	s := &c.shards[maphash.String(c.seed, word)%cacheShards]
	s.Lock()
	defer s.Unlock()
	if s.words == nil || len(s.words) >= cacheWords {
		s.words = make(map[string][]int32, cacheWords)
	}
	s.words[string([]byte(word))] = append([]int32(nil), ids...)
}
