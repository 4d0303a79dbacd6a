package reader

import (
	"strings"

	"kuai/companion/fact"
)

// Labels are what a model should find in a turn.
type Labels struct {
	Kind   Kind
	Tags   []int32 // of the units, unit 0 aside
	Places []Place
}

// Place is a unit that a value begins at, or unit 0 for what a question asks
// for, and what is so said about whom: units of the subject, 0 and 0 for the
// user.
type Place struct {
	Unit        int // counted with unit 0
	Predicate   int32
	First, Last int32
}

// Label finds a turn's facts, or the one thing that it asks for, among its
// units. It reports false where they do not stand there word for word.
func (c Config) Label(turn string, units []Unit, facts []fact.Fact, asked []fact.Query) (Labels, bool) {
	l := Labels{Tags: make([]int32, len(units))}
	switch {
	case len(facts) > 0:
		l.Kind = Tells
		for _, f := range facts {
			if !c.place(&l, turn, units, f) {
				return l, false
			}
		}
	case len(asked) > 0:
		return l, c.question(&l, turn, units, asked[0])
	}
	return l, true
}

func (c Config) place(l *Labels, turn string, units []Unit, f fact.Fact) bool {
	p, ok := c.predicate(f.Predicate)
	if !ok || f.Negated {
		return false
	}
	whom, ok := subjectSpan(turn, units, f.Subject)
	if !ok {
		return false
	}
	for _, s := range spans(turn, units, f.Object) {
		if s.overlaps(whom) || l.taken(s) {
			continue
		}
		l.mark(s)
		l.Places = append(l.Places, Place{s.first + 1, p, int32(whom.first + 1), int32(whom.last + 1)})
		return true
	}
	return false
}

func (c Config) question(l *Labels, turn string, units []Unit, q fact.Query) bool {
	var p int32
	switch {
	case !q.On.IsZero():
		l.Kind = AsksOnDay
	case q.Before:
		l.Kind = AsksBefore
	case q.Object != "":
		l.Kind = AsksDay
	default:
		l.Kind = AsksValue
	}
	whom, ok := subjectSpan(turn, units, q.Subject)
	if ok && q.Predicate != "" {
		p, ok = c.predicate(q.Predicate)
	}
	if !ok {
		return false
	}
	if q.Object != "" {
		all := spans(turn, units, q.Object)
		if len(all) == 0 {
			return false
		}
		l.mark(all[len(all)-1])
	}
	l.Places = []Place{{0, p, int32(whom.first + 1), int32(whom.last + 1)}}
	return true
}

func (c Config) predicate(name string) (int32, bool) {
	for i, p := range c.Predicates {
		if p == name {
			return int32(i), true
		}
	}
	return 0, false
}

// span is a run of units; the user's is -1, -1.
type span struct{ first, last int }

func (s span) overlaps(o span) bool { return s.first <= o.last && o.first <= s.last }

func (l *Labels) taken(s span) bool {
	for i := s.first; i <= s.last; i++ {
		if l.Tags[i] != outside {
			return true
		}
	}
	return false
}

func (l *Labels) mark(s span) {
	l.Tags[s.first] = begins
	for i := s.first + 1; i <= s.last; i++ {
		l.Tags[i] = goesOn
	}
}

// spans are the places in a turn where a text stands, by whole units.
func spans(turn string, units []Unit, text string) (out []span) {
	turn, text = lower(turn), lower(text)
	if text == "" {
		return nil
	}
	for from := 0; ; {
		at := strings.Index(turn[from:], text)
		if at < 0 {
			return out
		}
		at += from
		s := span{-1, -1}
		for i, u := range units {
			if u.From == at {
				s.first = i
			}
			if u.To == at+len(text) {
				s.last = i
			}
		}
		if s.first >= 0 && s.last >= s.first {
			out = append(out, s)
		}
		from = at + 1
	}
}

// subjectSpan finds whom a fact is about, after a word for mine if it stands
// there.
func subjectSpan(turn string, units []Unit, subject string) (span, bool) {
	if subject == fact.User {
		return span{-1, -1}, true
	}
	all := spans(turn, units, subject)
	for _, s := range all {
		if s.first > 0 && mine[units[s.first-1].Word] {
			return s, true
		}
	}
	if len(all) == 0 {
		return span{}, false
	}
	return all[0], true
}

var mine = map[string]bool{"my": true, "our": true, "我": true, "家": true, "的": true}
