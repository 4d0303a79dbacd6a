package merge

import (
	"container/heap"
	"math"
	"slices"
	"unicode/utf8"
)

// Scored merges as SentencePiece's BPE does: characters first, then the pair
// whose joined piece has the highest score, of those the leftmost. Characters
// that are no piece become their bytes.
//
// Source: github.com/google/sentencepiece, src/bpe_model.cc.
type Scored struct {
	IDs     map[string]int32
	Scores  []float32
	Raw     [256]int32 // tokens of bytes, -1 where there is none
	Unknown int32      // -1: none
	cache   cache
}

// segment is a run of text between its neighbours.
type segment struct{ from, to, before, next int }

type offer struct {
	score       float32
	left, right int
	size        int // bytes of both: it is stale when they have grown
}

type offers []offer

func (o offers) Len() int { return len(o) }
func (o offers) Less(i, j int) bool {
	if o[i].score != o[j].score {
		return o[i].score > o[j].score
	}
	return o[i].left < o[j].left
}
func (o offers) Swap(i, j int) { o[i], o[j] = o[j], o[i] }
func (o *offers) Push(x any)   { *o = append(*o, x.(offer)) } //nolint:forcetypeassert // only offers are pushed
func (o *offers) Pop() any {
	last := (*o)[len(*o)-1]
	*o = (*o)[:len(*o)-1]
	return last
}

// Encode appends the tokens of a word.
func (m *Scored) Encode(dst []int32, word string) []int32 {
	if out, ok := m.cache.get(word); ok {
		return append(dst, out...)
	}
	from := len(dst)
	dst = m.merge(dst, word)
	m.cache.put(word, dst[from:])
	return dst
}

// merge appends the tokens of a word.
func (m *Scored) merge(dst []int32, word string) []int32 {
	var s []segment
	for i := 0; i < len(word); {
		_, n := utf8.DecodeRuneInString(word[i:])
		s = append(s, segment{i, i + n, len(s) - 1, len(s) + 1})
		i += n
	}
	if len(s) == 0 {
		return dst
	}
	s[len(s)-1].next = -1
	var queue offers
	push := func(left, right int) {
		if left < 0 || right < 0 {
			return
		}
		joined := word[s[left].from:s[right].to]
		if id, ok := m.IDs[joined]; ok {
			heap.Push(&queue, offer{m.Scores[id], left, right, len(joined)})
		}
	}
	for i := 1; i < len(s); i++ {
		push(i-1, i)
	}
	for len(queue) > 0 {
		o := heap.Pop(&queue).(offer) //nolint:forcetypeassert // only offers are pushed
		l, r := &s[o.left], &s[o.right]
		if l.from == l.to || r.from == r.to || r.to-l.from != o.size || l.next != o.right {
			continue
		}
		l.to, l.next = r.to, r.next
		r.to = r.from
		if l.next >= 0 {
			s[l.next].before = o.left
		}
		push(l.before, o.left)
		push(o.left, l.next)
	}
	for i := 0; i >= 0; i = s[i].next {
		dst = m.piece(dst, word[s[i].from:s[i].to])
	}
	return dst
}

// piece appends the token of a run, or those of its bytes.
func (m *Scored) piece(dst []int32, text string) []int32 {
	if id, ok := m.IDs[text]; ok {
		return append(dst, id)
	}
	for i := range len(text) {
		if id := m.Raw[text[i]]; id >= 0 {
			dst = append(dst, id)
		} else if m.Unknown >= 0 {
			return append(dst, m.Unknown)
		}
	}
	return dst
}

// Unigram finds the likeliest cut of a word into pieces.
//
// Source: Kudo, arXiv:1804.10959; github.com/google/sentencepiece,
// src/unigram_model.cc.
//
// It is made by NewUnigram.
type Unigram struct {
	IDs     map[string]int32
	Scores  []float64
	Raw     [256]int32 // tokens of bytes, -1 where there is none
	Bytes   bool       // unknown characters become their bytes
	Unknown int32      // -1: none
	Fuse    bool       // unknown ones beside each other are one

	longest int // bytes of a piece
	lowest  float64
	cache   cache
}

// NewUnigram completes a model.
func NewUnigram(m *Unigram) *Unigram {
	for text, id := range m.IDs {
		m.longest = max(m.longest, len(text))
		m.lowest = min(m.lowest, m.Scores[id])
	}
	for _, id := range m.Raw {
		m.Bytes = m.Bytes && id >= 0
	}
	return m
}

// unknownPenalty is how much worse than the worst piece an unknown character
// is.
const unknownPenalty = 10

// Encode appends the tokens of a word.
func (m *Unigram) Encode(dst []int32, word string) []int32 {
	if out, ok := m.cache.get(word); ok {
		return append(dst, out...)
	}
	from := len(dst)
	dst = m.likeliest(dst, word)
	m.cache.put(word, dst[from:])
	return dst
}

// likeliest appends the tokens of a word.
func (m *Unigram) likeliest(dst []int32, word string) []int32 {
	begin := len(dst)
	type node struct {
		score float64
		from  int
		id    int32
	}
	best := make([]node, len(word)+1)
	for i := range best {
		best[i].score = math.Inf(-1)
	}
	best[0].score = 0
	for i := 0; i < len(word); {
		_, size := utf8.DecodeRuneInString(word[i:])
		single := false
		for j := i + size; j <= len(word) && j-i <= m.longest; {
			if id, ok := m.IDs[word[i:j]]; ok {
				if s := best[i].score + m.Scores[id]; s > best[j].score {
					best[j] = node{s, i, id}
				}
				single = single || j == i+size
			}
			if j == len(word) {
				break
			}
			_, n := utf8.DecodeRuneInString(word[j:])
			j += n
		}
		if !single {
			if s := best[i].score + m.lowest - unknownPenalty; s > best[i+size].score {
				best[i+size] = node{s, i, -1}
			}
		}
		i += size
	}
	var cuts []int
	for j := len(word); j > 0; j = best[j].from {
		cuts = append(cuts, j)
	}
	for _, cut := range slices.Backward(cuts) {
		n := best[cut]
		if n.id >= 0 {
			dst = append(dst, n.id)
			continue
		}
		dst = m.missing(dst, begin, word[n.from:cut])
	}
	return dst
}

// missing appends what stands for a character without a piece to the tokens of
// the word so far, dst[from:].
func (m *Unigram) missing(dst []int32, from int, c string) []int32 {
	if m.Bytes {
		for i := range len(c) {
			dst = append(dst, m.Raw[c[i]])
		}
		return dst
	}
	if m.Unknown < 0 || m.Fuse && len(dst) > from && dst[len(dst)-1] == m.Unknown {
		return dst
	}
	return append(dst, m.Unknown)
}
