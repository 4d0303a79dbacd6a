package memory

import (
	"cmp"
	"regexp"
	"slices"
	"strings"
	"time"

	"kuai/character/memory/when"
	"kuai/companion"
	"kuai/companion/fact"
	"kuai/reader"
)

const (
	// lookQueries is how many things that a turn asks for are looked up.
	lookQueries = 3
	// greeting is how many words a turn has that asks for nothing, whatever a
	// model reads in it, unless it is put as a question.
	greeting = 3
)

// Found is what a turn asks for and the facts that answer it: those that are
// true now, oldest first.
type Found struct {
	Query fact.Query
	Facts []fact.Fact
	Aside []fact.Fact // that show how: whose name it is, what was on the day after
	Near  []fact.Fact // where nothing answers: what somebody likes, where a hobby was asked for
}

// look reads a question and finds the facts that it asks for; nothing where it
// asks for none.
func (t *Thread) look(query string, now time.Time) (found []Found) {
	queries := t.opt.Reader.Read(Turn{Time: now, Speaker: fact.User, Text: query})[0].Asked
	if q, ok := asksName(query); ok && len(queries) < 2 {
		queries = []fact.Query{q}
	}
	if len(queries) == 0 || !wants(query) && len(t.made.words.Terms(nil, query)) <= greeting {
		return nil
	}
	if d, ok := oneDay(query, now); ok && d.Before(now) {
		for i := range queries {
			if !queries[i].On.IsZero() {
				queries[i].On = d
			}
		}
	}
	for _, q := range queries[:min(len(queries), lookQueries)] {
		who, ok := t.refer(q.Subject, Turn{Parent: t.path.Head(), Text: query}, nil)
		if !ok {
			continue
		}
		q.Subject = who
		q.Subject = t.meant(companion.Person(petOf(query, companion.Whole(askedOf(query, q), query), q.Predicate)), query)
		f := t.lookUp(q)
		others := q.Or
		if wishes.MatchString(query) && q.Object == "" {
			others = slices.Concat(others, nearby[q.Predicate])
		}
		for _, other := range others {
			if len(f.Facts) > 0 || !q.On.IsZero() {
				break
			}
			also := q
			also.Predicate = other
			if g := t.lookUp(also); len(g.Facts) > 0 {
				f = g
			}
		}
		if len(f.Facts) == 0 && q.On.IsZero() && slices.Contains(pastimes, q.Predicate) {
			for _, other := range pastimes {
				also := q
				also.Predicate = other
				if g := t.lookUp(also); len(g.Facts) > 0 {
					f.Near = g.Facts
					break
				}
			}
		}
		found = append(found, f)
	}
	return found
}

// pastimes are what somebody does for pleasure, under three names.
var pastimes = []string{"hobby", "sport", "likes"}

// What somebody is to be given, shown or spared follows from more than one kind
// of fact: where nothing is known of the one that a reader thinks of, a wish is
// answered by those near it.
var (
	wishes = regexp.MustCompile(`(?i)\b(?:should|could|would|might|suggest|recommend|advise|idea|avoid|banned?|treat)\b|推荐|建议|适合|该|避开|换掉|清走|送什么|怎么办`)
	nearby = map[string][]string{
		"hobby": {"sport", "likes"}, "sport": {"hobby"}, "likes": {"hobby", "sport"},
		"dislikes": {"allergic_to", "afraid_of"}, "afraid_of": {"dislikes", "allergic_to"}, "allergic_to": {"dislikes"},
	}
)

// longestName is how many words somebody is called by.
const longestName = 4

// meant returns a subject if anything is known of it, or else the longest one
// that is known and stands in the question.
func (t *Thread) meant(subject, question string) string {
	if subject == fact.User || t.book.table.knows(subject) {
		return subject
	}
	person := companion.NameOf(subject) == "name" && companion.IsRole(subject) // a younger uncle is no uncle
	units := reader.Units(question)
	for n := longestName; n > 0; n-- {
		for i := 0; i+n <= len(units); i++ {
			s := question[units[i].From:units[i+n-1].To]
			within := person && strings.Contains(strings.ToLower(subject), strings.ToLower(s))
			if !within && t.book.table.knows(s) {
				return s
			}
		}
	}
	return subject
}

// lookUp answers one query.
func (t *Thread) lookUp(q fact.Query) Found {
	asked, p := q, &pool{}
	if !q.On.IsZero() {
		return Found{Query: asked, Facts: t.onDay(p, q)}
	}
	t.gather(p, q)
	found := p.match(q)
	if !q.Before || len(found) == 0 {
		return Found{Query: q, Facts: found, Aside: p.naming(q.Subject, found)}
	}
	last := found[len(found)-1]
	q = fact.Query{Subject: fact.User, On: last.From.AddDate(0, 0, -1)}
	if before := t.onDay(p, q); before != nil {
		return Found{Query: asked, Facts: before, Aside: []fact.Fact{last}}
	}
	return Found{Query: asked}
}

// onDay finds what was on a day.
func (t *Thread) onDay(p *pool, q fact.Query) []fact.Fact {
	p.add(t.standing(t.book.table.days[q.On.Format(time.DateOnly)])...)
	return p.match(q)
}

// readTurns finds the facts of turns, and when they were told.
func (t *Thread) readTurns(turns []Turn) [][]fact.Fact {
	out := make([][]fact.Fact, len(turns))
	if len(turns) == 0 {
		return out
	}
	told := map[uint64][]fact.Fact{}
	for i, r := range t.opt.Reader.Read(turns...) {
		for _, f := range t.heed(turns[i], r.Facts, told) {
			who, ok := t.refer(f.Subject, turns[i], told)
			if !ok {
				continue
			}
			f.Subject = who
			if p := companion.NameOf(who); p != "" && isName(f.Predicate) {
				f.Predicate = p
			}
			f.Turn, f.Learned = turns[i].ID, turns[i].Time
			if row, _ := fact.Find(f.Predicate); f.From.IsZero() || row.Kind == fact.Event {
				f.From = dayOf(turns[i].Text, turns[i].Time)
			}
			out[i] = append(out[i], f)
		}
		told[turns[i].ID] = out[i]
	}
	return out
}

// dayOf is the one day that a text speaks of, or the day when it was said: a
// calendar knows better than a model.
func dayOf(text string, said time.Time) time.Time {
	if d, ok := oneDay(text, said); ok {
		return d
	}
	return said
}

func oneDay(text string, now time.Time) (time.Time, bool) {
	found := when.Find(text, now)
	if len(found) != 1 || found[0].Days() != 1 {
		return time.Time{}, false
	}
	return found[0].From, true
}

// pool is facts in which queries are looked up.
type pool struct {
	facts []fact.Fact
}

// add adds facts that are not there yet.
func (p *pool) add(facts ...fact.Fact) {
	for _, f := range facts {
		if !slices.ContainsFunc(p.facts, func(g fact.Fact) bool { return g.Turn == f.Turn && fact.Line(g) == fact.Line(f) }) {
			p.facts = append(p.facts, f)
		}
	}
}

// names returns what a subject is called: itself, and whose name it is or what
// its name is.
func (p *pool) names(subject string) []string {
	out := []string{subject}
	for _, f := range p.facts {
		if f.Predicate != "name" && f.Predicate != "pet_name" || f.Subject == fact.User {
			continue
		}
		other := ""
		switch {
		case strings.EqualFold(f.Object, subject):
			other = f.Subject
		case strings.EqualFold(f.Subject, subject):
			other = f.Object
		}
		if other != "" && !slices.Contains(out, other) {
			out = append(out, other)
		}
	}
	return out
}

// naming returns the fact that gives somebody a name, where those found are
// about another name of theirs.
func (p *pool) naming(name string, found []fact.Fact) []fact.Fact {
	if len(found) == 0 || strings.EqualFold(found[0].Subject, name) {
		return nil
	}
	for _, f := range slices.Backward(p.facts) {
		if (f.Predicate == "name" || f.Predicate == "pet_name") && strings.EqualFold(f.Object, name) && strings.EqualFold(f.Subject, found[0].Subject) {
			return []fact.Fact{f}
		}
	}
	return nil
}

// match returns the facts that answer a query: of a fact that has one value at
// a time the one told last, whatever day is named in it.
func (p *pool) match(q fact.Query) []fact.Fact {
	row, _ := fact.Find(q.Predicate)
	names := p.names(q.Subject)
	var out []fact.Fact
	for _, f := range p.facts {
		if !slices.ContainsFunc(names, func(s string) bool { return strings.EqualFold(s, f.Subject) }) {
			continue
		}
		if !q.On.IsZero() {
			of, _ := fact.Find(f.Predicate)
			if of.Kind == fact.Event && sameDay(f.From, q.On) {
				out = append(out, f)
			}
			continue
		}
		if f.Predicate == q.Predicate && (q.Object == "" || alike(f.Object, q.Object)) {
			out = append(out, f)
		}
	}
	slices.SortStableFunc(out, func(x, y fact.Fact) int {
		if row.Kind == fact.Event || !q.On.IsZero() {
			return cmp.Or(x.From.Compare(y.From), cmp.Compare(x.Turn, y.Turn))
		}
		return cmp.Compare(x.Turn, y.Turn)
	})
	if q.On.IsZero() && len(out) > 0 && row.Kind != fact.Multi {
		from := len(out) - 1
		for from > 0 && together(&out[from-1], &out[from]) {
			from--
		}
		out = out[from:]
	}
	return untaken(out)
}

// untaken leaves out what was taken back, and what was told again.
func untaken(facts []fact.Fact) (out []fact.Fact) {
	for _, f := range facts {
		out = slices.DeleteFunc(out, func(g fact.Fact) bool {
			return g.Subject == f.Subject && g.Predicate == f.Predicate && strings.EqualFold(g.Object, f.Object)
		})
		if !f.Negated {
			out = append(out, f)
		}
	}
	return out
}

func sameDay(a, b time.Time) bool { return a.Format(time.DateOnly) == b.Format(time.DateOnly) }

// alike says whether two things are called nearly the same.
func alike(a, b string) bool {
	a, b = strings.ToLower(a), strings.ToLower(b)
	return strings.Contains(a, b) || strings.Contains(b, a)
}
