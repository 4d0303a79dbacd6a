// Package apt finds replies that were written for what somebody says: response
// selection, beside a model that makes replies up. It looks for the situation
// (companion.Situation) in which the user says nearly the same, by the cosine of
// the embedder's vectors and by the words that only one of the two has, takes
// the values of the situation's slots from what was said, and gives the replies
// whose slots it can fill. What comes next in a situation is looked for first.
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

	"kuai/character/memory"
	"kuai/character/memory/term"
	"kuai/companion"
	"kuai/companion/fact"
	"kuai/embedder"
	"kuai/models"
)

const (
	// nearest is how many patterns are compared word by word.
	nearest = 96
	// stray is what a word, or a Chinese character, costs that no pattern has and
	// only the user says; what many patterns have costs less, by the logarithm. What
	// only the pattern has, its replies may speak of: more is 1 and so much.
	stray, more = 0.13, 0.4
	// polar is what a word costs at least that turns what is said round; astray,
	// where one asks and the other does not.
	polar, astray = 0.2, 0.2
	// longest is how many bytes are compared: nobody wrote what is said at length.
	longest = 400
	// next is enough for what comes next in a situation.
	next = 0.4
)

// enough is from which score on a reply fits: chosen on fifty turns by hand.
var enough = [...]float32{fact.English: 0.71, fact.Chinese: 0.765}

// Place is a round of a situation.
type Place struct {
	of               *Index
	situation, round int
	bound            map[string]string
}

// Match is a place that fits what was said.
type Match struct {
	Score   float32
	Pattern string // as it would be said, with its slots filled
	Replies []string
	Place   Place
}

// Index is the situations of a language, or of a character in it. It may be used
// by several goroutines.
type Index struct {
	lang       fact.Language
	model      *embedder.Model
	situations []companion.Situation
	first      []pattern // of first rounds
	costs      map[uint64]float32
	counted    float64 // patterns that the costs are counted in
}

type pattern struct {
	situation int
	line      string
	v         embedder.Vector
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
		m, err := embedder.Open(models.Embedder())
		if err != nil {
			o.err = err
			return
		}
		o.index = newIndex(l, m, companion.Situations(l))
	})
	return o.index, o.err
}

func newIndex(l fact.Language, m *embedder.Model, all []companion.Situation) *Index {
	x := &Index{lang: l, model: m, situations: all, first: patterns(m, all), costs: map[uint64]float32{}}
	x.counted = float64(len(x.first) + 1)
	var words term.Analyzer
	for _, p := range x.first {
		for w := range content(&words, all[p.situation].Filled(p.line, nil)) {
			x.costs[w]++
		}
	}
	for w, n := range x.costs {
		x.costs[w] = x.cost(n)
	}
	for w := range content(&words, turning) {
		x.costs[w] = max(x.costs[w], polar)
	}
	return x
}

// patterns are what users say in the first rounds of situations.
func patterns(m *embedder.Model, all []companion.Situation) (out []pattern) {
	var split embedder.Splitter
	for i, s := range all {
		for _, line := range s.Heard(0) {
			out = append(out, pattern{i, line, m.Encode(&split, s.Filled(line, nil))})
		}
	}
	return out
}

// maxVoices is how many characters' own indexes are kept.
const maxVoices = 64

type voiceKey struct {
	lang fact.Language
	text string
}

var voices struct {
	sync.Mutex
	by map[voiceKey]*Index
}

// Of returns the index of situations that are a character's own, as text
// (companion.ParseSituations); words cost what they do in those of the language.
// It is nil where there are none.
func Of(l fact.Language, text string) (*Index, error) {
	if text == "" {
		return nil, nil
	}
	base, err := Open(l)
	if err != nil {
		return nil, err
	}
	voices.Lock()
	defer voices.Unlock()
	key := voiceKey{l, text}
	if x, ok := voices.by[key]; ok {
		return x, nil
	}
	var x *Index
	if all := companion.ParseSituations(text); len(all) > 0 {
		x = &Index{lang: l, model: base.model, situations: all, first: patterns(base.model, all), costs: base.costs, counted: base.counted}
	}
	if len(voices.by) >= maxVoices {
		clear(voices.by)
	}
	if voices.by == nil {
		voices.by = map[voiceKey]*Index{}
	}
	voices.by[key] = x
	return x, nil
}

// cost is that of a word which so many patterns have.
func (x *Index) cost(patterns float32) float32 {
	return stray * float32(math.Log(x.counted/float64(patterns+1))/math.Log(max(x.counted, math.E)))
}

// only is what the words cost that the first of two texts has and not the other.
func (x *Index) only(a, b map[uint64]bool) (sum float32) {
	for w := range a {
		if b[w] {
			continue
		}
		c, known := x.costs[w]
		if !known {
			c = x.cost(0)
		}
		sum += c
	}
	return sum
}

// search compares what was said with patterns.
type search struct {
	*Index
	said  string
	split embedder.Splitter
	words term.Analyzer
	v     embedder.Vector
	has   map[uint64]bool
	asks  bool
}

// Find returns the places that fit what was said, best first; after, if not nil,
// is where the last reply came from.
func (x *Index) Find(said string, after *Place) (out []Match) {
	if len(said) > longest {
		return nil
	}
	q := &search{Index: x, said: said, asks: asks(said)}
	q.v = x.model.Encode(&q.split, said)
	q.has = content(&q.words, said)
	if after != nil && after.of == x && after.round+1 < x.situations[after.situation].Rounds() {
		for _, line := range x.situations[after.situation].Heard(after.round + 1) {
			if m := q.match(after.situation, after.round+1, line, after.bound); m.Score >= next {
				out = append(out, m)
			}
		}
		if best(out); len(out) > 0 {
			return out
		}
	}
	for _, i := range q.nearest() {
		p := x.first[i]
		if m := q.match(p.situation, 0, p.line, nil); m.Score >= enough[x.lang] {
			out = append(out, m)
		}
	}
	best(out)
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
	for i := range q.first {
		n := near{i, embedder.Near(&q.v, &q.first[i].v)}
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

func best(all []Match) {
	slices.SortStableFunc(all, func(a, b Match) int { return cmp.Compare(b.Score, a.Score) })
}

// match compares what was said with a pattern.
func (q *search) match(situation, round int, line string, known map[string]string) Match {
	s := q.situations[situation]
	bound := map[string]string{}
	maps.Copy(bound, known)
	s.Bind(q.lang, line, q.said, bound)
	m := Match{Pattern: s.Filled(line, bound), Place: Place{q.Index, situation, round, bound}}
	if m.Replies = s.Replies(q.lang, round, bound); len(m.Replies) == 0 {
		return m
	}
	v := q.model.Encode(&q.split, m.Pattern)
	m.Score = embedder.Near(&q.v, &v)
	if q.lang == fact.English && asks(m.Pattern) != q.asks {
		m.Score -= astray
	}
	has := content(&q.words, m.Pattern)
	m.Score -= q.only(q.has, has) + (1+more)*q.only(has, q.has)
	return m
}

// asks says whether a text asks something at its end.
func asks(text string) bool {
	all := memory.Sentences(text)
	return len(all) > 0 && all[len(all)-1].Asks
}

// content are the words of a text that say something, or its characters: here
// "not", "you" and "should" do.
func content(words *term.Analyzer, text string) map[uint64]bool {
	out := map[uint64]bool{}
	words.Each(text, func(w term.Word) bool {
		if !w.Pair && !idle[w.Text] {
			out[w.Hash] = true
		}
		return true
	})
	return out
}

// turning are words that turn what is said round, and who is meant.
const turning = "not no never without out off stop stopped instead don't didn't doesn't isn't can't won't wasn't you your 不 没 别 无 你 您"

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
