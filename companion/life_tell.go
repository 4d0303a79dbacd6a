package companion

import (
	"slices"
	"strings"
	"time"

	"kuai/companion/fact"
)

// notInLives are predicates that a life leaves out: a pet that is spoken of
// shows that it is there, so that asking for the pet has several answers.
var notInLives = []string{"has_pet"}

// tellSomething tells a planned fact, a new one, one that changed, one more of
// many, a name, or an event.
func (l *Life) tellSomething() {
	if len(l.planned) > 0 && l.planned[0].p.kind != fact.Event {
		f := l.planned[0]
		l.planned = l.planned[1:]
		l.becauseOf(f)
		return
	}
	at := l.w.r.Float64()
	switch {
	case at < 0.20 && l.change(), at < 0.37 && l.oneMore(), at < 0.48 && l.introduce():
	case at < 0.67 && l.happen():
	default:
		l.tellNew()
	}
}

func (l *Life) key(p *predicate, who *someone) string { return p.name + "/" + who.key(l.w.lang) }

// strand is that of a subject's predicate, made if there is none.
func (l *Life) strand(p *predicate, who *someone) *strand {
	k := l.key(p, who)
	s := l.byKey[k]
	if s == nil {
		s = &strand{p: p, who: who}
		l.byKey[k] = s
		l.strands = append(l.strands, s)
	}
	return s
}

// tell says a fact of a strand under a form and keeps what is true now.
func (l *Life) tell(s *strand, v value, form, before string) {
	f := &told{p: s.p, who: s.who, v: v, when: l.now}
	f.text = before + l.w.tell(f, form)
	act := map[string]Act{"update": Updating, "correct": Correcting}[form]
	if act == Greeting {
		act = Telling
	}
	when := l.now
	turn := l.pair(f.text, l.w.ack(f, act != Telling), act, l.fact(f))
	if act == Correcting {
		s.last().wrong = true
	}
	s.said = append(s.said, said{v, when, turn, false})
}

// fact is what a turn tells, true from the day of the turn.
func (l *Life) fact(f *told) fact.Fact {
	day := time.Date(f.when.Year(), f.when.Month(), f.when.Day(), 0, 0, 0, 0, time.UTC)
	return fact.Fact{Subject: f.who.key(l.w.lang), Predicate: f.p.name, Object: f.v[l.w.lang], From: day}
}

// tellNew tells a fact of a kind and subject that were not spoken of. Now and
// then it is told wrongly first and corrected at once.
func (l *Life) tellNew() {
	w := l.w
	form := ""
	switch at := w.r.Float64(); { // so that every type of question has its facts
	case at < 0.25:
		form = "wish"
	case at < 0.45:
		form = "count"
	}
	for range 200 {
		p := w.predicate(func(p *predicate) bool {
			return p.who != anEvent && !slices.Contains(notInLives, p.name) && (form == "" || len(p.forms[w.lang][form]) > 0)
		})
		who := l.castFor(p)
		if who == nil || l.byKey[l.key(p, who)] != nil {
			continue
		}
		s := l.strand(p, who)
		l.tell(s, l.value(p), "tell", "")
		if (p.kind == fact.Single || p.kind == fact.Fixed) && w.chance(0.08) {
			l.tell(s, l.unlike(s), "correct", "")
		}
		return
	}
}

// castFor draws a subject whom a predicate can be about.
func (l *Life) castFor(p *predicate) *someone {
	if p.who == selfOnly || p.who == anyone && l.w.chance(0.4) {
		return &someone{}
	}
	for range 20 {
		if s := l.cast[l.w.r.IntN(len(l.cast))]; s.pet == (p.who == petOnly) {
			return s
		}
	}
	return nil
}

// value draws one that can be looked for in an answer: numbers have two digits.
func (l *Life) value(p *predicate) value {
	for {
		if v := l.w.value(p.values); len(v[fact.English]) > 1 {
			return v
		}
	}
}

// unlike draws a value that the strand has not had.
func (l *Life) unlike(s *strand) value {
	v := l.value(s.p)
	for range 20 {
		if !slices.ContainsFunc(s.said, func(x said) bool { return x.v[l.w.lang] == v[l.w.lang] }) {
			break
		}
		v = l.value(s.p)
	}
	return v
}

// draw chooses a strand that fits, nil if there is none.
func (l *Life) draw(fits func(*strand) bool) *strand {
	var all []*strand
	for _, s := range l.strands {
		if fits(s) {
			all = append(all, s)
		}
	}
	if len(all) == 0 {
		return nil
	}
	return all[l.w.r.IntN(len(all))]
}

// change updates a fact that was told some time ago.
func (l *Life) change() bool {
	s := l.draw(func(s *strand) bool {
		return s.p.kind == fact.Single && len(s.said) < 5 && len(s.p.forms[l.w.lang]["update"]) > 0 && l.turn-s.last().turn > 20
	})
	if s == nil {
		return false
	}
	l.tell(s, l.unlike(s), "update", "")
	return true
}

// oneMore adds to a fact that has many values.
func (l *Life) oneMore() bool {
	most := 5
	if l.w.chance(0.5) {
		most = 2
	}
	s := l.draw(func(s *strand) bool {
		return s.p.kind == fact.Multi && len(s.said) < most && len(s.p.forms[l.w.lang]["count"]) > 0 && l.turn > s.last().turn+4
	})
	if s == nil {
		return false
	}
	l.tell(s, l.unlike(s), "tell", "")
	return true
}

// introduce tells the name of somebody, more likely of one who was spoken of.
func (l *Life) introduce() bool {
	for try := range 40 {
		who := l.cast[l.w.r.IntN(len(l.cast))]
		if try < 20 && !slices.ContainsFunc(l.strands, func(s *strand) bool { return s.who == who }) {
			continue
		}
		p := files().byName["name"]
		if who.pet {
			p = files().byName["pet_name"]
		}
		if l.byKey[l.key(p, who)] == nil {
			l.tell(l.strand(p, who), l.freshName(p), "tell", "")
			return true
		}
	}
	return false
}

// freshName draws one that nobody in this life has.
func (l *Life) freshName(p *predicate) value {
	for {
		v := l.value(p)
		taken := slices.ContainsFunc(l.strands, func(s *strand) bool {
			return slices.ContainsFunc(s.said, func(x said) bool { return x.v[l.w.lang] == v[l.w.lang] })
		})
		if !taken {
			return v
		}
	}
}

// happen tells of something that was today, one a day. It may be followed by an
// exam the day after, and an interview by the job.
func (l *Life) happen() bool {
	w := l.w
	if l.events[l.now.Format(time.DateOnly)] != nil {
		return false
	}
	p := w.predicate(func(p *predicate) bool { return p.who == anEvent && !slices.Contains(notInLives, p.name) })
	f := &told{p: p, who: &someone{}, v: l.value(p), when: l.now}
	if !l.event(f) {
		return false
	}
	if p.name == "promised" {
		l.promises = append(l.promises, promise{f.v[w.lang], l.sessions + 1 + w.r.IntN(6)})
		return true
	}
	today := f.when.Truncate(24 * time.Hour)
	exam := files().byName["exam"]
	switch {
	case p.name == "interview" && w.chance(0.6):
		l.planned = append(l.planned, &told{p: files().byName["works_at"], who: &someone{}, v: f.v},
			&told{p: files().byName["works_as"], who: &someone{}, v: l.value(files().byName["works_as"])})
		if w.chance(0.5) {
			l.planned = append(l.planned, &told{p: files().byName["lives_in"], who: &someone{}, v: l.value(files().byName["lives_in"])})
		}
	case p != exam && w.chance(0.3):
		e := &told{p: exam, who: &someone{}, v: l.value(exam), when: today.AddDate(0, 0, 1)}
		if l.byKey[l.eventKey(e)] == nil {
			l.planned = slices.Insert(l.planned, 0, e)
		}
	}
	return true
}

// promise is something that the companion will ask after.
type promise struct {
	what string
	due  int // the session
}

// remind lets the companion ask after a promise whose time has come, and says
// whether it did.
func (l *Life) remind() bool {
	if len(l.promises) == 0 || l.sessions < l.promises[0].due {
		return false
	}
	what := l.promises[0].what
	l.promises = l.promises[1:]
	l.pair(l.w.say("hello"), strings.ReplaceAll(l.w.say("reminder"), "{v}", what), Greeting)
	l.pair(l.w.say("reminded"), l.w.say("helloback"), SmallTalk)
	return true
}

func (l *Life) eventKey(f *told) string { return f.p.name + "/" + f.v[l.w.lang] }

// event tells one, unless the like was told before or the day has another.
func (l *Life) event(f *told) bool {
	day := f.when.Format(time.DateOnly)
	if l.byKey[l.eventKey(f)] != nil || l.events[day] != nil {
		return false
	}
	s := &strand{p: f.p, who: f.who}
	l.byKey[l.eventKey(f)], l.events[day] = s, s
	l.strands = append(l.strands, s)
	l.tell(s, f.v, "tell", "")
	return true
}

// becauseOf tells what an interview led to.
func (l *Life) becauseOf(f *told) {
	s := l.strand(f.p, f.who)
	form := "update"
	if len(s.said) == 0 {
		form = "tell"
	}
	if len(s.said) > 0 && s.last().v == f.v {
		return
	}
	l.tell(s, f.v, form, l.w.say("because"))
}
