package index

import (
	"container/heap"
	"math"
	"slices"
	"sort"
)

// MaxQuery bounds the terms of a query: the heaviest are kept.
const MaxQuery = 256

// Weighted is a term of a query.
type Weighted struct {
	Term   uint64
	Weight float32 // above 0
}

// Query says what is looked for.
type Query struct {
	Terms []Weighted
	// K1 and B are BM25's: how soon a repeated term stops counting, and how
	// much long documents are held back. Both zero means 1.2 and 0.75.
	K1, B float32
	// Classes, where given, is what the score of a document of each class is
	// multiplied by; a class of 0 is left out.
	Classes *[256]float32
	// Accept, where given, says whether a key may be found.
	Accept func(key uint64) bool
}

// Hit is a document that was found.
type Hit struct {
	Key   uint64
	Score float32
	Class uint8
}

// bm25 holds the constants of one search.
type bm25 struct {
	k1, b, avg float32
	classes    *[256]float32
	maxClass   float32
}

// weigh returns the share of a term's weight that a document earns.
func (m *bm25) weigh(tf uint8, length int) float32 {
	f := float32(tf)
	return f * (m.k1 + 1) / (f + m.k1*(1-m.b+m.b*float32(length)/m.avg))
}

func (m *bm25) class(c uint8) float32 {
	if m.classes == nil {
		return 1
	}
	return m.classes[c]
}

// slack makes up for the rounding of upper bounds.
const slack = 1 + 1e-5

// Search returns the k best documents, best first. The order does not depend
// on how the documents lie in segments.
func (x *Index) Search(q Query, k int) []Hit {
	x.mu.RLock()
	defer x.mu.RUnlock()
	docs, length := x.totals()
	if docs == 0 || k <= 0 || len(q.Terms) == 0 {
		return nil
	}
	m := &bm25{k1: q.K1, b: q.B, avg: max(float32(length)/float32(docs), 1), classes: q.Classes, maxClass: 1}
	if q.K1 == 0 && q.B == 0 {
		m.k1, m.b = 1.2, 0.75
	}
	if q.Classes != nil {
		m.maxClass = slices.Max(q.Classes[:])
	}
	terms := x.weights(q.Terms, docs)
	top := &best{limit: k, accept: q.Accept}
	for _, s := range x.segs {
		s.search(terms, m, top)
	}
	for _, t := range x.tails() {
		t.search(terms, m, top)
	}
	slices.SortFunc(top.hits, byWorth)
	return top.hits
}

// Frequency returns in how many documents a term occurs.
func (x *Index) Frequency(term uint64) int {
	x.mu.RLock()
	defer x.mu.RUnlock()
	return x.frequency(term)
}

func (x *Index) frequency(term uint64) int {
	df := 0
	for _, s := range x.segs {
		if m, ok := s.find(term); ok {
			df += int(m.df)
		}
	}
	for _, t := range x.tails() {
		if l := t.terms[term]; l != nil {
			df += len(l.docs)
		}
	}
	return df
}

// weights multiplies each term's weight by its inverse document frequency,
// adds up equal terms and drops those that occur nowhere.
func (x *Index) weights(terms []Weighted, docs int) []Weighted {
	sum := map[uint64]float32{}
	var order []uint64
	for _, t := range terms {
		if t.Weight <= 0 {
			continue
		}
		if _, ok := sum[t.Term]; !ok {
			order = append(order, t.Term)
		}
		sum[t.Term] += t.Weight
	}
	out := make([]Weighted, 0, len(order))
	for _, term := range order {
		if df := x.frequency(term); df > 0 {
			out = append(out, Weighted{term, sum[term] * IDF(df, docs)})
		}
	}
	if len(out) > MaxQuery {
		sort.SliceStable(out, func(i, j int) bool { return out[i].Weight > out[j].Weight })
		out = out[:MaxQuery]
	}
	return out
}

// IDF is how much a term says that occurs in df of docs documents.
func IDF(df, docs int) float32 {
	return float32(math.Log(1 + (float64(docs-df)+0.5)/(float64(df)+0.5)))
}

// best keeps the best hits.
type best struct {
	hits   []Hit // a heap, the worst first
	limit  int
	accept func(uint64) bool
}

func (t *best) Len() int           { return len(t.hits) }
func (t *best) Less(i, j int) bool { return byWorth(t.hits[i], t.hits[j]) > 0 }
func (t *best) Swap(i, j int)      { t.hits[i], t.hits[j] = t.hits[j], t.hits[i] }
func (t *best) Push(h any)         { t.hits = append(t.hits, h.(Hit)) }
func (t *best) Pop() any {
	h := t.hits[len(t.hits)-1]
	t.hits = t.hits[:len(t.hits)-1]
	return h
}

// floor is the score that a document must reach to matter.
func (t *best) floor() float32 {
	if len(t.hits) < t.limit {
		return 0
	}
	return t.hits[0].Score
}

func (t *best) offer(h Hit) {
	if h.Score <= 0 || len(t.hits) == t.limit && byWorth(h, t.hits[0]) >= 0 {
		return
	}
	if t.accept != nil && !t.accept(h.Key) {
		return
	}
	if len(t.hits) < t.limit {
		heap.Push(t, h)
		return
	}
	t.hits[0] = h
	heap.Fix(t, 0)
}

// search goes through every posting: a tail is small.
func (t *tail) search(terms []Weighted, m *bm25, top *best) {
	scores := map[uint32]float32{}
	for _, q := range terms {
		l := t.terms[q.Term]
		if l == nil {
			continue
		}
		for i, d := range l.docs {
			scores[d] += q.Weight * m.weigh(l.tfs[i], int(t.lens[d]))
		}
	}
	for d, s := range scores {
		top.offer(Hit{t.keys[d], s * m.class(t.classes[d]), t.classes[d]})
	}
}

// scan is a cursor within a search.
type scan struct {
	cursor
	weight float32
	max    float32 // the most that any document can earn
	order  int     // in the query
}

// search is block-max WAND (Ding and Suel, SIGIR 2011): documents are skipped
// whose terms, even at the best of their blocks, cannot reach the floor.
func (s *Segment) search(terms []Weighted, m *bm25, top *best) {
	scans := make([]*scan, 0, len(terms))
	for i, q := range terms {
		if mt, ok := s.find(q.Term); ok {
			c := &scan{weight: q.Weight, order: i}
			c.open(s, mt)
			c.max = q.Weight * m.weigh(mt.maxTF, int(mt.minLen)) * m.maxClass * slack
			scans = append(scans, c)
		}
	}
	sorted := slices.Clone(scans)
	for {
		sortScans(sorted)
		p := pivot(sorted, top.floor())
		if p < 0 {
			return
		}
		doc := sorted[p].doc()
		bound, skip := blockBound(sorted, p, doc, m)
		if bound < top.floor() {
			for _, c := range sorted[:p+1] {
				c.seek(skip)
			}
			continue
		}
		if sorted[0].doc() != doc {
			for _, c := range sorted[:p] {
				c.seek(doc)
			}
			continue
		}
		score, length := float32(0), s.docLen(doc)
		for _, c := range scans { // in the query's order, so that sums round alike
			if c.doc() == doc {
				score += c.weight * m.weigh(c.tfs[c.at], length)
				c.next()
			}
		}
		top.offer(Hit{s.Key(int(doc)), score * m.class(s.class(doc)), s.class(doc)})
	}
}

// sortScans orders scans by their documents. They are nearly in order, for
// which insertion is the quickest way.
func sortScans(scans []*scan) {
	for i := 1; i < len(scans); i++ {
		c, d := scans[i], scans[i].doc()
		j := i
		for ; j > 0 && scans[j-1].doc() > d; j-- {
			scans[j] = scans[j-1]
		}
		scans[j] = c
	}
}

// pivot returns the first scan up to which the maxima reach the floor, moved
// to the last one at the same document; -1 at the end.
func pivot(sorted []*scan, floor float32) int {
	sum := float32(0)
	for i, c := range sorted {
		if c.doc() == noDoc {
			return -1
		}
		if sum += c.max; sum >= floor {
			for i+1 < len(sorted) && sorted[i+1].doc() == c.doc() {
				i++
			}
			return i
		}
	}
	return -1
}

// blockBound returns the most that the document can score by the blocks that
// it would be in, and, for when that is too little, the next document worth
// looking at: after the first of these blocks ends, or where another term
// begins.
func blockBound(sorted []*scan, p int, doc uint32, m *bm25) (bound float32, skip uint32) {
	skip = noDoc
	if p+1 < len(sorted) {
		skip = sorted[p+1].doc()
	}
	for _, c := range sorted[:p+1] {
		b := c.blockOf(doc)
		if b >= c.blocks {
			continue
		}
		last, _, minLen, maxTF := c.row(b)
		bound += c.weight * m.weigh(maxTF, int(minLen)) * m.maxClass * slack
		if last < noDoc-1 {
			skip = min(skip, last+1)
		}
	}
	return bound, max(skip, doc+1)
}
