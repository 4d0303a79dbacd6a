package reader

import (
	"math"
	"slices"
	"strings"
	"unicode"
	"unicode/utf8"

	"kuai/companion/fact"
	"kuai/grad"
	"kuai/kernel/gemm"
	"kuai/kernel/vec"
	"kuai/mem"
	"kuai/par"
	"kuai/reader/sense"
)

// Reading is what a turn tells and what it asks for. A fact's days are not
// read: a calendar knows better.
type Reading struct {
	Facts []fact.Fact
	Asked []fact.Query
	// OnDay says that what was asked for is what was on a day that the turn
	// names; the query says nothing but whom.
	OnDay bool
}

// maxFacts is how many facts a turn tells at most.
const maxFacts = 8

// sure is how likely it must be that a turn tells, and what, to be kept: among
// much small talk what is doubtful does more harm than good. (Lives of the Train
// split at 80 thousand characters: 0.944 right without, 0.965 with.)
const sure = 0.6

// turnsAtOnce bounds the turns of a batch, and so its memory.
const turnsAtOnce = 64

// Reader reads with a model. It belongs to one goroutine.
type Reader struct {
	model *Model
	tape  *grad.Tape
	arena *mem.Arena
}

// arenaBytes is address space, taken as it is used.
const arenaBytes = 1 << 30

// NewReader returns a reader whose products run on a pool; nil is one worker.
// Close frees its memory.
func NewReader(m *Model, pool *par.Pool) *Reader {
	a := mem.NewArena(arenaBytes)
	return &Reader{m, grad.NewForward(pool, a, gemm.F32), a}
}

// Close frees the memory.
func (r *Reader) Close() { r.arena.Close() }

// Read reads turns.
func (r *Reader) Read(turns ...string) []Reading {
	out := make([]Reading, 0, len(turns))
	for len(turns) > 0 {
		n := min(len(turns), turnsAtOnce)
		out = append(out, r.some(turns[:n])...)
		turns = turns[n:]
	}
	return out
}

func (r *Reader) some(turns []string) []Reading {
	defer r.tape.Reset()
	units := make([][]Unit, len(turns))
	for i, s := range turns {
		units[i] = Units(s)
	}
	b := r.model.Config.Batch(turns, units)
	h := r.model.Forward(r.tape, b)
	kind, tag := r.model.turns(r.tape, b, h)
	out := make([]Reading, len(turns))
	var at []int32
	var found []place
	for i := range turns {
		k := Kind(best(kind.X[i*int(kinds):][:kinds]))
		if k == Nothing || len(units[i]) == 0 || k == Tells && chance(kind.X[i*int(kinds):][:kinds], int(k)) < sure {
			continue
		}
		values := valueSpans(tag.X[(i*b.N+1)*int(tags):], len(units[i]))
		if k != Tells {
			p := place{turn: i, kind: k, value: span{-1, -1}}
			if len(values) > 0 && (k == AsksDay || k == AsksBefore) {
				p.value = values[len(values)-1]
			}
			found, at = append(found, p), append(at, int32(i*b.N))
			continue
		}
		values = bare(units[i], joined(turns[i], units[i], values))
		for _, v := range values[:min(len(values), maxFacts)] {
			found, at = append(found, place{i, k, v}), append(at, int32(i*b.N+v.first+1))
		}
	}
	if len(at) == 0 {
		return out
	}
	predicate, first, last := r.model.places(r.tape, b, h, at)
	np := len(r.model.Config.Predicates)
	for j, p := range found {
		n := len(units[p.turn])
		names, p0 := r.model.Config.likely(predicate.X[j*np:][:np])
		if p.kind == Tells && p0 < sure {
			continue
		}
		whom := pointed(first.X[j*b.N:][:n+1], last.X[j*b.N:][:n+1], units[p.turn])
		p.add(&out[p.turn], turns[p.turn], units[p.turn], names, whom)
	}
	return out
}

// atLeast is the probability of a predicate that a question may be meant for
// beside the likeliest, mostAlso how many of them there are.
const (
	atLeast  = 0.05
	mostAlso = 3
)

// alike are predicates between which what is said often does not decide, and of
// which each is found where another is asked for: a name is one whoever has it.
var alike = map[string]int{"name": 1, "pet_name": 1, "likes": 2, "hobby": 2, "sport": 2}

// likely returns the likeliest predicate and those that may be meant instead,
// and how likely it is that the first or one alike is meant.
func (c Config) likely(scores []float32) (out []string, first float32) {
	p := make([]float32, len(scores))
	vec.LogSoftmax(p, scores, 1, len(scores))
	for range mostAlso + 1 {
		i := best(p)
		name, chance := c.Predicates[i], float32(math.Exp(float64(p[i])))
		if len(out) == 0 || len(out) == 1 && alike[name] > 0 && alike[name] == alike[out[0]] {
			first += chance
		}
		if len(out) > 0 && chance < atLeast {
			break
		}
		out = append(out, name)
		p[i] = float32(math.Inf(-1))
	}
	return out, first
}

// chance is the probability of one of the classes with scores.
func chance(scores []float32, class int) float32 {
	p := make([]float32, len(scores))
	vec.LogSoftmax(p, scores, 1, len(scores))
	return float32(math.Exp(float64(p[class])))
}

// place is where something was found.
type place struct {
	turn  int
	kind  Kind
	value span
}

// add writes what was found at a place.
func (p place) add(to *Reading, turn string, units []Unit, predicates []string, whom span) {
	subject := fact.User
	if whom.first >= 0 {
		subject = textOf(turn, units, whom)
	}
	if p.kind == Tells {
		value := withArticle(units, p.value, predicates[0])
		to.Facts = append(to.Facts, fact.Fact{Subject: subject, Predicate: predicates[0], Object: textOf(turn, units, value)})
		return
	}
	q := fact.Query{Subject: subject, Predicate: predicates[0], Or: predicates[1:]}
	switch {
	case p.kind == AsksOnDay:
		to.OnDay, q.Predicate, q.Or = true, "", nil
	case p.value.first >= 0:
		q.Object, q.Before = textOf(turn, units, p.value), p.kind == AsksBefore
	}
	to.Asked = append(to.Asked, q)
}

// articles are those that the values of predicates begin with: "a garden shed",
// "The Distant Kites". Other values stand after one: a bank has "a nurse".
var articles = map[string]string{
	"saves_for": "a an", "drives": "a an", "writes": "a an",
	"reads": "the", "listens_to": "the", "concert": "the", "favorite_film": "the",
}

// withArticle is a value with the article before it, if such values have one: the
// tags leave it out where the word after it is new.
func withArticle(units []Unit, v span, predicate string) span {
	if v.first > 0 && slices.Contains(strings.Fields(articles[predicate]), units[v.first-1].Word) {
		v.first--
	}
	return v
}

// joined makes one of values between which is no more than a space: "old fans".
func joined(turn string, units []Unit, values []span) (out []span) {
	for _, v := range values {
		if n := len(out); n > 0 && turn[units[out[n-1].last].To:units[v.first].From] == " " {
			out[n-1].last = v.last
			continue
		}
		out = append(out, v)
	}
	return out
}

// particles end sentences of Chinese and mean nothing by themselves; 哈 ends names of cities too.
const particles = "喔哦啊呀啦呢嘛吧咯呗哟哩喽嘞"

// bare is values without the particle that ends their clause, if that is not the
// end of a word: 彭红 of 她叫彭红喔, but 老酒吧 of 他在老酒吧.
func bare(units []Unit, values []span) []span {
	for i, v := range values {
		ends := v.last+1 == len(units) || !wordRune(firstRune(units[v.last+1].Word)) && !unicode.Is(unicode.Han, firstRune(units[v.last+1].Word))
		if !ends || v.last < v.first+2 || !strings.Contains(particles, units[v.last].Word) {
			continue
		}
		chars := make([]string, 0, v.last-v.first+1)
		for _, u := range units[v.first : v.last+1] {
			chars = append(chars, u.Word)
		}
		if !sense.Ends(chars) {
			values[i].last--
		}
	}
	return values
}

func firstRune(s string) rune {
	r, _ := utf8.DecodeRuneInString(s)
	return r
}

func textOf(turn string, units []Unit, s span) string {
	from, to := units[s.first].From, units[s.last].To
	if turn[from] == '-' && s.first > 0 && units[s.first-1].To == from { // cut within mother-in-law
		from = units[s.first-1].From
	}
	for from > 1 && turn[from-1] == '-' && letter(turn[from-2]) { // father-in-law is one word
		for from--; from > 0 && letter(turn[from-1]); from-- {
		}
	}
	for to+1 < len(turn) && turn[to] == '-' && letter(turn[to+1]) {
		for to++; to < len(turn) && letter(turn[to]); to++ {
		}
	}
	return turn[from:to]
}

func letter(c byte) bool { return c|0x20 >= 'a' && c|0x20 <= 'z' }

// valueSpans joins the likeliest tags of n units to values.
func valueSpans(tag []float32, n int) (out []span) {
	open := false
	for i := range n {
		switch int32(best(tag[i*int(tags):][:tags])) {
		case begins:
			out = append(out, span{i, i})
			open = true
		case goesOn:
			if open {
				out[len(out)-1].last = i
			}
		default:
			open = false
		}
	}
	return out
}

// Units of the longest that somebody is called: 继父的拉布拉多 has seven.
const (
	longestWhom   = 6
	longestWhomZH = 10
)

// endsWhom says whether a unit, by its first rune, cannot stand within what
// somebody is called: a mark, or "my".
func endsWhom(word string, first rune) bool {
	return word == "my" || word == "我" || !wordRune(first) && !unicode.Is(unicode.Han, first) && !strings.ContainsRune("-'’·", first)
}

// pointed is the likeliest span of units, or the user's.
func pointed(first, last []float32, units []Unit) span {
	top, at := first[0]+last[0], span{-1, -1}
	for i := 1; i < len(first); i++ {
		for j := i; j < min(i+longestWhomZH, len(last)); j++ {
			u := firstRune(units[j-1].Word)
			if j >= i+longestWhom && !unicode.Is(unicode.Han, u) || j > i && endsWhom(units[j-1].Word, u) {
				break
			}
			if s := first[i] + last[j]; s > top {
				top, at = s, span{i - 1, j - 1}
			}
		}
	}
	return at
}

func best(x []float32) int {
	at := 0
	for i, v := range x {
		if v > x[at] {
			at = i
		}
	}
	return at
}
