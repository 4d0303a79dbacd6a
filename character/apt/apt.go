// Package apt finds replies that were written for what somebody says: response
// selection, beside a model that makes replies up. It looks for the situation
// (companion.Situation) in which the user says nearly the same, among those that
// are nearest by their vectors by a small net that weighs how two texts compare
// (Model), takes the values of the situation's slots from what was said, and gives
// the replies whose slots it can fill. What comes next in a situation is likelier.
//
// Sources: Henderson et al., arXiv:1705.00652 (suggestion by vectors); Weston et
// al., arXiv:1808.04776 (retrieve and refine).
package apt

import (
	"cmp"
	"maps"
	"math"
	"slices"
	"strings"
	"sync"

	"kuai/character/memory/term"
	"kuai/companion"
	"kuai/companion/fact"
	"kuai/embedder"
	"kuai/kernel/vec"
	"kuai/models"
)

const (
	// nearest is how many patterns are compared word by word.
	nearest = 96
	// stray is what a word, or a Chinese character, costs that no pattern has; what
	// many have costs less, by the logarithm.
	stray = 0.13
	// longest is how many bytes are compared: nobody wrote what is said at length.
	longest = 400
)

// Least is the likelihood from which on matches are worth a look: that which the
// nets give is of being the same situation, and many say the same that are not.
const Least = 0.1

// next is enough for what comes next in a situation.
const next = 0.1

// Place is a round of a situation.
type Place struct {
	of               *Index
	situation, round int
	bound            map[string]string
}

// Match is a place that fits what was said.
type Match struct {
	Score   float32 // how likely it is the same; half way from there to 1 for what comes next in a situation
	Pattern string  // as it would be said, with its slots filled
	Replies []string
	Place   Place

	features [Features]float32
}

// Index is the situations of a language, or of a character in it. It may be used
// by several goroutines.
type Index struct {
	lang       fact.Language
	model      *Model
	situations []companion.Situation
	first      []pattern // of first rounds
	vectors    []float32 // of first, one after the other
	lexicon    map[uint64]word
	counted    float64             // patterns that the words' costs are counted in
	otherwise  map[string][]string // replies to any turn of a sort
}

type pattern struct {
	situation int
	line      string
}

var opened [2]struct {
	once  sync.Once
	index *Index
	err   error
}

// Open returns the index of a language, which is made once, in a tenth of a
// second.
func Open(l fact.Language) (*Index, error) {
	o := &opened[l]
	o.once.Do(func() {
		m, err := OpenModel(models.Apt())
		if err != nil {
			o.err = err
			return
		}
		o.index = NewIndex(l, m, companion.Situations(l))
	})
	return o.index, o.err
}

// NewIndex makes an index of situations; words cost by how many of them have them.
func NewIndex(l fact.Language, m *Model, all []companion.Situation) *Index {
	x := &Index{lang: l, model: m, lexicon: map[uint64]word{}}
	x.add(all)
	x.counted = float64(len(x.first) + 1)
	var split embedder.Splitter
	var words term.Analyzer
	many := map[uint64]float32{}
	for _, p := range x.first {
		seen := map[uint64]bool{}
		words.Each(all[p.situation].Filled(p.line, nil), func(w term.Word) bool {
			if w.Pair || idle[w.Text] || seen[w.Hash] {
				return true
			}
			seen[w.Hash] = true
			if many[w.Hash]++; many[w.Hash] == 1 {
				x.lexicon[w.Hash] = word{hash: w.Hash, v: m.Vectors.Encode(&split, w.Text), turns: turns[w.Hash]}
			}
			return true
		})
	}
	for h, n := range many {
		w := x.lexicon[h]
		w.cost = x.cost(n)
		x.lexicon[h] = w
	}
	return x
}

// add takes situations in: what users say in their first rounds.
func (x *Index) add(all []companion.Situation) {
	x.situations, x.otherwise = all, map[string][]string{}
	var split embedder.Splitter
	for i, s := range all {
		if sort := s.Sort(); sort != "" {
			x.otherwise[sort] = append(x.otherwise[sort], s.Replies(x.lang, 0, nil)...)
			continue
		}
		for _, line := range s.Heard(0) {
			v := x.model.Vectors.Encode(&split, s.Filled(line, nil))
			x.first, x.vectors = append(x.first, pattern{i, line}), appendFloats(x.vectors, &v)
		}
	}
}

func appendFloats(to []float32, v *embedder.Vector) []float32 {
	for _, b := range v {
		to = append(to, float32(b))
	}
	return to
}

// maxVoices is how many characters' own indexes are kept, of a few megabytes each.
const maxVoices = 48

type voiceKey struct {
	lang fact.Language
	text string
}

var voices struct {
	sync.Mutex
	by map[voiceKey]*Index
}

// Of returns the index of situations that are a character's own, as text
// (companion.ParseSituations), or nil where there are none; words cost what they
// do in the situations of the language. The index is the same where the text is,
// as long as few others were asked for.
func Of(l fact.Language, text string) (x *Index, err error) {
	key := voiceKey{l, text}
	voices.Lock()
	x, ok := voices.by[key]
	voices.Unlock()
	if ok || text == "" {
		return x, nil
	}
	base, err := Open(l)
	if err != nil {
		return nil, err
	}
	if all := companion.ParseSituations(text); len(all) > 0 { // not under the lock: others need not wait
		x = &Index{lang: l, model: base.model, lexicon: base.lexicon, counted: base.counted}
		x.add(all)
	}
	voices.Lock()
	defer voices.Unlock()
	if made, ok := voices.by[key]; ok {
		return made, nil
	}
	for old := range voices.by {
		if len(voices.by) < maxVoices {
			break
		}
		delete(voices.by, old) // any
	}
	if voices.by == nil {
		voices.by = map[voiceKey]*Index{}
	}
	voices.by[key] = x
	return x, nil
}

// Otherwise are replies to any turn of a sort: that "asks" the character, "tells"
// something, or tells something "bad".
func (x *Index) Otherwise(sort string) []string { return x.otherwise[sort] }

// cost is that of a word which so many patterns have.
func (x *Index) cost(patterns float32) float32 {
	return stray * float32(math.Log(x.counted/float64(patterns+1))/math.Log(max(x.counted, math.E)))
}

// search compares what was said with patterns.
type search struct {
	cutter
	said string
	text
}

func (x *Index) search(said string) *search {
	q := &search{cutter: cutter{Index: x}, said: said}
	q.text = q.read(said)
	return q
}

// Find returns the places where nearly the same is said, likeliest first; after, if
// not nil, is where the last reply came from.
func (x *Index) Find(said string, after *Place) (out []Match) {
	if len(said) > longest {
		return nil
	}
	q := x.search(said)
	if after != nil && after.of == x && after.round+1 < x.situations[after.situation].Rounds() {
		for _, line := range x.situations[after.situation].Heard(after.round + 1) {
			if m := q.match(after.situation, after.round+1, line, after.bound); m.Score >= next {
				m.Score = (1 + m.Score) / 2
				out = append(out, m)
			}
		}
	}
	for _, i := range q.nearest() {
		p := x.first[i]
		if m := q.match(p.situation, 0, p.line, nil); m.Score >= Least {
			out = append(out, m)
		}
	}
	slices.SortStableFunc(out, func(a, b Match) int { return cmp.Compare(b.Score, a.Score) })
	return out
}

// nearest are the places in first of the patterns that are nearest by their
// vectors.
func (q *search) nearest() []int {
	type near struct {
		at     int
		cosine float32
	}
	kept := make([]near, 0, nearest+1)
	cosines := make([]float32, len(q.first))
	vec.DotRows(cosines, q.vectors, embedder.Width, appendFloats(nil, &q.v), 0, embedder.Width)
	for i, c := range cosines {
		n := near{i, c}
		if len(kept) == nearest && n.cosine <= kept[nearest-1].cosine {
			continue
		}
		at, _ := slices.BinarySearchFunc(kept, n, func(a, b near) int { return cmp.Compare(b.cosine, a.cosine) })
		kept = slices.Insert(kept, at, n)
		kept = kept[:min(len(kept), nearest)]
	}
	out := make([]int, len(kept))
	for i, n := range kept {
		out[i] = n.at
	}
	return out
}

// match compares what was said with a pattern.
func (q *search) match(situation, round int, line string, known map[string]string) Match {
	s := q.situations[situation]
	bound := map[string]string{}
	maps.Copy(bound, known)
	unbound := s.Bind(q.lang, line, q.said, bound)
	m := Match{Pattern: s.Filled(line, bound), Place: Place{q.Index, situation, round, bound}}
	if m.Replies = s.Replies(q.lang, round, bound); len(m.Replies) == 0 {
		return m
	}
	pattern := q.read(m.Pattern)
	m.features = compare(&q.text, &pattern, unbound)
	m.Score = q.model.Nets[q.lang].Likely(&m.features)
	if q.nots != pattern.nots {
		m.Score *= opposite
	}
	return m
}

// turns are words that turn what is said round, and those for who is meant.
var turns = hashes("not no never without out off stop stopped instead don't didn't doesn't isn't can't won't wasn't you your 不 没 别 无 你 您")

func hashes(text string) map[uint64]bool {
	all := map[uint64]bool{}
	var words term.Analyzer
	words.Each(text, func(w term.Word) bool {
		all[w.Hash] = !w.Pair
		return true
	})
	return all
}

// idle are words and characters that change nothing.
var idle = func() map[string]bool {
	all := map[string]bool{}
	for w := range strings.FieldsSeq("a an the is are am was were be been to of in on at for with and or but so it its this that there just really very oh well lol hey um ok okay again now today s m re ve ll") {
		all[w] = true
	}
	for _, c := range "的了啊呀呢吧吗哦嗯哈就也都还很太真个一是这那有点" {
		all[string(c)] = true
	}
	return all
}()
