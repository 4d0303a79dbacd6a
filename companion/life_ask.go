package companion

import (
	"slices"
	"strconv"
	"strings"
	"time"

	"kuai/companion/fact"
	"kuai/companion/speech"
)

// Type of a question.
type Type uint8

// Types of questions.
const (
	OfSingle     Type = iota // a fact told once
	OfUpdate                 // a fact that has changed or was corrected
	OfCount                  // how many were told, over sessions
	OfTwoHop                 // about somebody by a name that another turn gives
	OfTime                   // the day of an event, or what was the day before one
	OfPreference             // advice that a fact decides
	OfNever                  // what nobody told
	questionTypes
)

// String is the type's name in results.
func (t Type) String() string {
	return [...]string{"single", "update", "count", "twohop", "time", "preference", "never", "?"}[min(t, questionTypes)]
}

// Question is about what a life has told so far.
type Question struct {
	Type Type
	Text string
	// Answer is what a companion who knows would say.
	Answer string
	// Accept has what makes an answer right: it contains any of these, case
	// folded. For OfNever they are the ways to say that one does not know.
	Accept []string
	// Stale are values that were true before and are wrong now.
	Stale []string
	// Evidence are the numbers of the turns that tell the answer.
	Evidence  []int
	Predicate string
}

// Right reports whether an answer contains what is accepted.
func (q *Question) Right(answer string) bool { return containsAny(answer, q.Accept) }

// IsStale reports whether an answer that is not right gives an old value.
func (q *Question) IsStale(answer string) bool {
	return !q.Right(answer) && containsAny(answer, q.Stale)
}

func containsAny(s string, all []string) bool {
	s = strings.ToLower(s)
	return slices.ContainsFunc(all, func(x string) bool { return strings.Contains(s, strings.ToLower(x)) })
}

// Questions makes up to n questions about what Sessions has told so far, the
// types in turns as far as the facts reach. Each fact is asked for once a type.
func (l *Life) Questions(n int) []Question {
	makers := [questionTypes]func() []Question{l.singles, l.updates, l.counts, l.twoHops, l.times, l.preferences, func() []Question { return l.nevers(n) }}
	var pools [questionTypes][]Question
	for t, draw := range makers {
		pools[t] = draw()
		l.w.r.Shuffle(len(pools[t]), func(i, j int) { pools[t][i], pools[t][j] = pools[t][j], pools[t][i] })
	}
	var out []Question
	for more := true; more && len(out) < n; {
		more = false
		for t := range pools {
			if len(pools[t]) > 0 && len(out) < n {
				out, pools[t], more = append(out, pools[t][0]), pools[t][1:], true
			}
		}
	}
	return out
}

// about asks for a strand's newest value.
func (l *Life) about(t Type, s *strand, named value, evidence ...int) Question {
	q := l.w.ask(&told{p: s.p, who: s.who, v: s.last().v, when: s.last().when}, named)
	return Question{
		Type: t, Text: q.ask, Answer: q.answer, Accept: l.accept(s), Stale: l.stale(s),
		Evidence: append(evidence, s.last().turn), Predicate: s.p.name,
	}
}

// accept is the newest value, as it may be written.
func (l *Life) accept(s *strand) []string {
	v := s.last().v[l.w.lang]
	switch s.p.values {
	case "date":
		if t, err := time.Parse([...]string{"January 2", "1月2日"}[l.w.lang], v); err == nil {
			return speech.Dates(t, false)
		}
	case "clock":
		return []string{v, strings.ReplaceAll(v, ":", "."), strings.ReplaceAll(v, ":", "点")}
	case "floor":
		if l.w.lang == fact.Chinese {
			return []string{v + "楼", v + "层"}
		}
	}
	out := []string{v}
	if bare, ok := strings.CutPrefix(v, "a "); ok {
		out = append(out, bare)
	}
	if r := []rune(v); l.w.lang == fact.Chinese && len(r) > 3 && r[0] == '一' && slices.Contains([]string{"savings", "vehicle", "writing"}, s.p.values) {
		out = append(out, string(r[2:])) // without its measure word
	}
	return out
}

func (l *Life) stale(s *strand) []string {
	var out []string
	for _, x := range s.said[:len(s.said)-1] {
		if v := x.v[l.w.lang]; v != s.last().v[l.w.lang] && !slices.Contains(out, v) {
			out = append(out, v)
		}
	}
	return out
}

// plainFact reports whether a strand is no event and no list of several.
func plainFact(s *strand) bool {
	return s.p.kind != fact.Event && (s.p.kind != fact.Multi || len(s.said) <= 1)
}

func (l *Life) singles() (out []Question) {
	for _, s := range l.strands {
		if plainFact(s) && len(s.said) == 1 {
			out = append(out, l.about(OfSingle, s, value{}))
		}
	}
	return out
}

func (l *Life) updates() (out []Question) {
	for _, s := range l.strands {
		if plainFact(s) && len(s.said) > 1 {
			out = append(out, l.about(OfUpdate, s, value{}))
		}
	}
	return out
}

func (l *Life) counts() (out []Question) {
	for _, s := range l.strands {
		if s.p.kind != fact.Multi || len(s.p.forms[l.w.lang]["count"]) == 0 || len(s.said) < 2 {
			continue
		}
		var list []string
		q := Question{Type: OfCount, Predicate: s.p.name}
		for _, x := range s.said {
			list = append(list, x.v[l.w.lang])
			q.Evidence = append(q.Evidence, x.turn)
		}
		n := speech.Number(l.w.lang, len(list))
		slots := map[string]string{"n": n, "list": speech.Enumerate(l.w.lang, list)}
		q.Text = render(l.w.lang, l.w.phrase(s.p, "count"), byUser, s.who, slots)
		q.Answer = render(l.w.lang, l.w.phrase(s.p, "counted"), byFriend, s.who, slots)
		q.Accept = []string{n, strconv.Itoa(len(list))}
		if l.w.lang == fact.Chinese && len(list) == 2 {
			q.Accept = append(q.Accept, "二")
		}
		out = append(out, q)
	}
	return out
}

func (l *Life) twoHops() (out []Question) {
	for _, s := range l.strands {
		name := l.byKey["name/"+s.who.key(l.w.lang)]
		if s.who.pet {
			name = l.byKey["pet_name/"+s.who.key(l.w.lang)]
		}
		if name == nil || name == s || !plainFact(s) || s.who.self() {
			continue
		}
		out = append(out, l.about(OfTwoHop, s, name.last().v, name.last().turn))
	}
	return out
}

func (l *Life) times() (out []Question) {
	for _, s := range l.strands {
		if s.p.kind != fact.Event {
			continue
		}
		x := s.last()
		slots := map[string]string{"v": x.v[l.w.lang], "d": speech.Day(l.w.lang, x.when), "m": speech.Measure(x.v[fact.Chinese])}
		if phrase := l.w.phrase(s.p, "when"); phrase != "" {
			out = append(out, Question{
				Type: OfTime, Predicate: s.p.name, Text: render(l.w.lang, phrase, byUser, s.who, slots),
				Answer: render(l.w.lang, l.w.phrase(s.p, "was"), byFriend, s.who, slots), Accept: speech.Dates(x.when, true), Evidence: []int{x.turn},
			})
		}
		next := l.events[x.when.AddDate(0, 0, 1).Format(time.DateOnly)]
		if next != nil && next.p.name == "exam" && s.p.name != "exam" && s.p.name != "promised" {
			out = append(out, Question{
				Type: OfTime, Predicate: "exam", Text: strings.ReplaceAll(l.w.say("daybefore"), "{v}", next.last().v[l.w.lang]),
				Answer: render(l.w.lang, l.w.phrase(s.p, "note"), byFriend, s.who, slots), Accept: []string{x.v[l.w.lang]}, Evidence: []int{x.turn, next.last().turn},
			})
		}
	}
	return out
}

func (l *Life) preferences() (out []Question) {
	for _, s := range l.strands {
		if len(s.p.forms[l.w.lang]["wish"]) == 0 {
			continue
		}
		accept, stale, evidence := l.accept(s), l.stale(s), []int{s.last().turn}
		if s.p.kind == fact.Multi { // any of them is a good idea
			accept, stale, evidence = append(accept, stale...), nil, nil
			for _, x := range s.said {
				evidence = append(evidence, x.turn)
			}
		}
		slots := valueSlots(s.last().v[l.w.lang])
		out = append(out, Question{
			Type: OfPreference, Predicate: s.p.name, Text: render(l.w.lang, l.w.phrase(s.p, "wish"), byUser, s.who, slots),
			Answer: render(l.w.lang, l.w.phrase(s.p, "wished"), byFriend, s.who, slots), Accept: accept, Stale: stale, Evidence: evidence,
		})
	}
	return out
}

// near are predicates that are so alike that knowing one half answers another:
// nobody is asked for one as never told when another is known.
var near = [...]string{
	"dislikes afraid_of allergic_to", "hobby sport plays likes writes collects", "lives_in from floor room", "works_as works_at studies", "learns speaks", "favorite_food likes", "saves_for wants_to_visit", "age birthday", "wakes_at sleeps_at", "gym_day class_day sport",
}

// told reports whether anything like a predicate is known of a subject.
func (l *Life) told(p *predicate, who *someone) bool {
	if l.byKey[l.key(p, who)] != nil {
		return true
	}
	for _, group := range near {
		names := strings.Fields(group)
		if !slices.Contains(names, p.name) {
			continue
		}
		if slices.ContainsFunc(names, func(n string) bool { return l.byKey[n+"/"+who.key(l.w.lang)] != nil }) {
			return true
		}
	}
	return false
}

func (l *Life) nevers(n int) (out []Question) {
	w := l.w
	asked := map[string]bool{}
	for range 20 * n {
		if len(out) == n {
			break
		}
		p := w.predicate(func(p *predicate) bool { return p.who != anEvent && !slices.Contains(notInLives, p.name) })
		who := l.castFor(p)
		if who == nil || asked[l.key(p, who)] || l.told(p, who) {
			continue
		}
		asked[l.key(p, who)] = true
		q := w.ask(&told{p: p, who: who, v: w.value(p.values), when: l.now}, value{})
		x := Question{Type: OfNever, Predicate: p.name, Text: q.ask, Answer: w.unknown(q), Accept: denials[w.lang]}
		for _, s := range l.strands {
			if s.p == p {
				x.Stale = append(x.Stale, s.last().v[w.lang])
			}
		}
		out = append(out, x)
	}
	return out
}

// recall lets the user ask, and the companion answer as it should.
func (l *Life) recall() {
	s := l.draw(plainFact)
	if s == nil || l.w.chance(0.15) {
		if qs := l.nevers(1); len(qs) > 0 {
			l.pair(qs[0].Text, qs[0].Answer, Asking)
		}
		return
	}
	q := l.about(OfSingle, s, value{})
	l.pair(q.Text, q.Answer, Asking)
}
