package memory

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"kuai/character/memory/index"
	"kuai/character/memory/term"
	"kuai/character/memory/when"
	"kuai/companion"
	"kuai/companion/fact"
)

// Tuning says how the reader weighs what it finds.
type Tuning struct {
	Turns, Windows, Sessions int     // how many of each are looked at
	Window, Session, Fact    float32 // weights of the best of them beside the best turn's
	Day                      float32 // weight of a day that the question names
	Name                     float32 // weight of a word with a capital
	Role                     float32 // weight of who somebody is, where the question has only the name
	Speaker                  float32 // how much what those said whom the question names counts more
	Salience                 float32 // how much a turn that tells of a life counts more
	Length                   float32 // how much long turns are held back: BM25's b
	Near                     float32 // weight of being near in meaning, beside the best turn's
	Same                     float32 // share of words in common from which on a turn says what a better one says
	Floor                    float32 // share of the question's weight that the best turn must have
	Items                    int     // of a pack
	Beside                   int     // items of a pack beside the facts that are asked for
	Strict                   bool    // a question that no fact answers gets an empty pack
}

// Tuned returns the tuning for daily use.
func Tuned() Tuning {
	return Tuning{
		Turns: 400, Windows: 200, Sessions: 40, Window: 0.7, Session: 0.4, Fact: 1.2,
		Day: 2, Name: 1.5, Role: 2, Speaker: 0.6, Salience: 1.2, Length: 0.3, Near: 0.4, Same: 0.6, Floor: 0.2, Items: 20, Strict: true,
	}
}

// turnK1 is BM25's k1 for turns.
const turnK1 = 1.2

// Recalled is something that a recall has found.
type Recalled struct {
	Turn  uint64   // that it comes from
	Turns []uint64 // all of them, where there are several
	Fact  uint64   // 0 for a turn
	Item  fact.Item
	Score float32
	Why   string // turn, window, fact ...
}

// Pack is what is recalled for a question: at most a budget of tokens.
type Pack struct {
	Items  []Recalled // oldest first
	Text   string     // as the companion model reads it; says so where nothing was found
	Tokens int
	Asked  []Found // what was asked for, where that could be read

	query string
	lang  fact.Language
}

// Recall finds what a question asks for on the present branch and writes it as
// a pack of at most budget tokens, which count counts.
func (t *Thread) Recall(ctx context.Context, query string, now time.Time, budget int, count func(string) int) (Pack, error) {
	asked, found, err := t.known(ctx, query, now)
	if err != nil {
		return Pack{}, err
	}
	l := t.language(query)
	head := fact.Today(l, now)
	p := Pack{Tokens: count(head), Asked: asked, query: query, lang: l}
	for _, r := range found {
		n := count(fact.Pack(l, []fact.Item{r.Item}))
		if p.Tokens+n > budget {
			continue
		}
		p.Tokens += n
		p.Items = append(p.Items, r)
	}
	slices.SortStableFunc(p.Items, func(x, y Recalled) int { return x.Item.When.Compare(y.Item.When) })
	items := make([]fact.Item, len(p.Items))
	for i, r := range p.Items {
		items[i] = r.Item
	}
	p.Text = head + fact.Pack(l, items)
	return p, nil
}

// known finds what goes into a pack: the facts that are asked for, or where
// none was found or the question could not be read, what looks like it.
func (t *Thread) known(ctx context.Context, query string, now time.Time) ([]Found, []Recalled, error) {
	var asked []Found
	if !asksAgain(query) { // else it asks for no fact
		t.mu.Lock()
		asked = t.look(query, now)
		t.mu.Unlock()
	}
	if err := ctx.Err(); err != nil {
		return nil, nil, context.Cause(ctx)
	}
	var facts []fact.Fact
	for _, f := range asked {
		facts = append(append(facts, f.Aside...), f.Facts...)
	}
	l := t.language(query)
	var out []Recalled
	for _, n := range companion.Notes(l, facts) {
		r := Recalled{Item: n.Item, Why: "asked"}
		for _, f := range n.Facts {
			r.Turn = f.Turn
			r.Turns = append(r.Turns, f.Turn)
		}
		out = append(out, r)
	}
	if len(out) > 0 && t.tune.Beside == 0 || len(asked) > 0 && len(out) == 0 && t.tune.Strict {
		return asked, out, nil
	}
	n := t.tune.Items
	if len(out) > 0 {
		n = t.tune.Beside
	}
	beside, err := t.Search(ctx, query, now, n)
	for _, r := range beside {
		if !slices.ContainsFunc(out, func(x Recalled) bool { return x.Turn == r.Turn }) {
			out = append(out, r)
		}
	}
	if len(facts) == 0 {
		asked = nil // not strict: what looks like it may answer
	}
	return asked, out, err
}

// Answer says what was found for the one thing that was asked for, or that nothing
// was, as a friend would; false where something else than one thing was asked for.
// It takes some microseconds, and no model has to be watched.
func (p Pack) Answer() (string, bool) {
	if len(p.Asked) != 1 {
		return "", false
	}
	f := p.Asked[0]
	if len(f.Near) > 0 {
		near := fact.Query{Subject: f.Query.Subject, Predicate: f.Near[0].Predicate}
		return companion.But(p.lang, companion.Say(p.lang, "", near, f.Near)), true
	}
	return companion.SayAny(p.lang, p.query, f.Query, f.Facts, term.Hash(p.query)), true
}

// Grounded returns a reply if it says what was found for what was asked, and
// else what was found, put as a friend would: a model may miscopy what it was
// told, or make up what it was not.
func (p Pack) Grounded(reply string) string {
	right, ok := p.Answer()
	if f := p.Asked; !ok || len(f[0].Near) == 0 && companion.Agrees(p.lang, p.query, f[0].Query, f[0].Facts, reply) {
		return reply
	}
	return right
}

// Search returns the n best things for a question, best first.
func (t *Thread) Search(ctx context.Context, query string, now time.Time, n int) ([]Recalled, error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	asked, again := query, asksAgain(query)
	if again {
		query = topic(query)
	}
	s, err := t.ranks(query, now, again)
	if err != nil {
		return nil, fmt.Errorf("memory: %w", err)
	}
	if err := ctx.Err(); err != nil {
		return nil, context.Cause(ctx)
	}
	keys := make([]candidate, 0, len(s.score))
	for c := range s.score {
		keys = append(keys, c)
	}
	slices.SortFunc(keys, func(x, y candidate) int {
		return cmp.Or(cmp.Compare(s.score[y].score, s.score[x].score), cmp.Compare(y.id, x.id))
	})
	if again {
		t.request(asked, keys, s)
	}
	l := t.language(query)
	var out []Recalled
	told := map[uint64]bool{} // turns that a fact stands for already
	heard := heard{share: t.tune.Same}
	for _, c := range keys {
		if len(out) == n {
			break
		}
		r := Recalled{Score: s.score[c].score, Why: s.score[c].why}
		if c.isFact {
			f := t.book.facts[c.id]
			r.Fact, r.Turn = f.ID, f.Turn
			r.Item = fact.Item{When: f.From, Text: companion.Note(l, f.Fact)}
			told[f.Turn] = true
		} else {
			turn, err := t.log.Get(c.id)
			if err != nil || turn.Kind != kindTurn || told[c.id] {
				continue // damaged since, or said by a fact
			}
			if again && asksAgain(turn.Text) {
				continue // what repeats is not what was said
			}
			if !again && heard.before(t.made.words.Terms(nil, turn.Text)) {
				continue
			}
			r.Turn = c.id
			r.Item = fact.Item{When: turn.Time, Text: turn.Text, Speaker: turn.Name}
		}
		out = append(out, r)
	}
	return t.replied(asked, out, n), nil
}

// candidate is a turn or a fact.
type candidate struct {
	id     uint64
	isFact bool
}

type ranked struct {
	score float32
	why   string
}

// ranking adds up the scores of several lists, each as a share of its best.
// (Reciprocal ranks, which forget by how much one is better than the next,
// found 5 in 100 fewer of the turns that answer among 800,000 characters.)
type ranking struct {
	score map[candidate]ranked
}

// add counts a hit of a list whose best has the score best.
func (r *ranking) add(c candidate, score, best, weight float32, why string) {
	gain := weight * score / best
	if gain <= 0 {
		return
	}
	was := r.score[c]
	if was.why == "" {
		was.why = why
	}
	was.score += gain
	r.score[c] = was
}

// around counts what stands within documents of several turns for those of
// their turns that were found themselves; each for the best one it is in.
func (t *Thread) around(r *ranking, hits []index.Hit, turns func(index.Hit) int, weight float32, why string) {
	seen := map[uint64]bool{}
	for _, h := range hits {
		for _, id := range t.path.Before(h.Key+1, turns(h)) {
			if c := (candidate{id: id}); !seen[id] && r.score[c].score > 0 {
				seen[id] = true
				r.add(c, h.Score, hits[0].Score, weight, why)
			}
		}
	}
}

// ranks looks a question up in every index. A request to repeat something, again,
// means what says itself what it is about, not what stands near that.
func (t *Thread) ranks(query string, now time.Time, again bool) (*ranking, error) {
	r := &ranking{score: map[candidate]ranked{}}
	terms := t.terms(query, now, again)
	onPath := func(id uint64) bool { return t.path.Has(id) && !t.book.forgot(id) }
	q := index.Query{Terms: terms, Accept: onPath, Classes: t.classes(query), K1: turnK1, B: t.tune.Length}
	turns := t.turns.Search(q, t.tune.Turns)
	if len(turns) == 0 || turns[0].Score < t.tune.Floor*t.weight(terms) {
		turns = nil
	}
	for _, h := range turns {
		r.add(candidate{id: h.Key}, h.Score, turns[0].Score, 1, "turn")
	}
	q.Classes, q.K1, q.B = nil, 0, 0
	if len(turns) > 0 && !again {
		t.around(r, t.windows.Search(q, t.tune.Windows), func(index.Hit) int { return windowTurns }, t.tune.Window, "window")
		t.around(r, t.sessions.Search(q, t.tune.Sessions), func(h index.Hit) int { return int(h.Class) }, t.tune.Session, "session")
	}
	if again {
		return r, nil
	}
	if err := t.near(r, query); err != nil {
		return nil, err
	}
	q.Accept = func(id uint64) bool {
		f := t.book.facts[id]
		return f != nil && (f.Turn == 0 || t.path.Has(f.Turn))
	}
	facts := t.facts.Search(q, t.tune.Items)
	for _, h := range facts {
		if h.Score < t.tune.Floor*t.factWeight(terms) {
			break
		}
		weight := t.tune.Fact
		if !t.current(t.book.facts[h.Key]) {
			weight /= 4 // it was so once
		}
		r.add(candidate{h.Key, true}, h.Score, facts[0].Score, weight, "fact")
	}
	return r, nil
}

// terms are what a question looks for: its words, names with more weight, and
// unless they are to be those of a request that is meant again what they call for
// and the days that it speaks of.
func (t *Thread) terms(query string, now time.Time, again bool) []index.Weighted {
	var out []index.Weighted
	add := func(term uint64, weight float32) {
		for i := range out {
			if out[i].Term == term {
				out[i].Weight = max(out[i].Weight, weight)
				return
			}
		}
		out = append(out, index.Weighted{Term: term, Weight: weight})
	}
	for _, w := range t.made.words.Words(query) {
		if w.Stop {
			continue
		}
		weight := float32(1)
		if w.Capital && !w.First {
			weight = t.tune.Name
		}
		add(w.Hash, weight)
	}
	if again {
		return out
	}
	t.expand(query, add)
	for _, r := range when.Find(query, now) {
		if r.Days() > 62 {
			continue
		}
		weight := t.tune.Day
		if r.Days() > 7 {
			weight /= 2
		}
		for d := r.From; !d.After(r.To); d = d.AddDate(0, 0, 1) {
			add(dayTag(d), weight)
		}
	}
	return out
}

// weight is the most that a turn can score for the terms, about: the sum of
// their rarities.
func (t *Thread) weight(terms []index.Weighted) float32     { return weightIn(t.turns, terms) }
func (t *Thread) factWeight(terms []index.Weighted) float32 { return weightIn(t.facts, terms) }

func weightIn(x *index.Index, terms []index.Weighted) float32 {
	var sum float32
	docs := x.Docs()
	for _, w := range terms {
		sum += w.Weight * index.IDF(x.Frequency(w.Term), docs)
	}
	return sum
}

// classes weighs turns by how much they tell of a life, and by who speaks:
// what is asked about somebody who speaks here was mostly said by them.
func (t *Thread) classes(query string) *[256]float32 {
	var c [256]float32
	for i := range c {
		c[i] = 1 + t.tune.Salience*float32(i&maxSalience)/maxSalience
	}
	speakers, _ := t.asked(query)
	for _, s := range speakers {
		for i := range maxSalience + 1 {
			c[int(s)<<salienceBits|i] *= 1 + t.tune.Speaker
		}
	}
	return &c
}

// asked returns the numbers of those whom a question names or, where it names
// none who speaks here, of the user who asks about themself.
func (t *Thread) asked(query string) (speakers []uint8, named bool) {
	words := t.made.words.Words(query)
	for _, name := range t.made.speakers {
		first, _, _ := strings.Cut(strings.ToLower(name), " ")
		if slices.ContainsFunc(words, func(w term.Word) bool { return w.Capital && w.Text == first }) {
			speakers = append(speakers, speaker(name))
		}
	}
	if speakers == nil {
		return []uint8{speaker(fact.User)}, false
	}
	slices.Sort(speakers)
	return slices.Compact(speakers), true
}

// Profile is what is always in the prompt: pinned facts, and the newest about
// the user, in words, within a budget of tokens.
func (t *Thread) Profile(l fact.Language, budget int, count func(string) int) string {
	const most = 40
	facts := t.Facts(false)
	slices.Reverse(facts)
	slices.SortStableFunc(facts, func(x, y Fact) int {
		return cmp.Or(-compareBool(x.Pinned, y.Pinned), -compareBool(x.Subject == fact.User, y.Subject == fact.User))
	})
	var lines []string
	for _, f := range facts[:min(len(facts), most)] {
		line := companion.Note(l, f.Fact)
		n := count(line + "\n")
		if n > budget {
			continue
		}
		budget -= n
		lines = append(lines, line)
	}
	return strings.Join(lines, "\n")
}

func compareBool(x, y bool) int {
	switch {
	case x == y:
		return 0
	case x:
		return 1
	}
	return -1
}

// String is for people: when, who, what.
func (r Recalled) String() string {
	return fmt.Sprintf("%s %s: %s (%s)", r.Item.When.Format(time.DateOnly), cmp.Or(r.Item.Speaker, "fact"), r.Item.Text, r.Why)
}
