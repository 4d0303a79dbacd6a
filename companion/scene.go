package companion

import (
	"strings"
	"time"

	"kuai/companion/fact"
	"kuai/companion/speech"
)

// told is a fact of a scene and when it was told, or without a predicate a
// turn that says nothing to remember.
type told struct {
	p    *predicate
	who  *someone
	v    value
	when time.Time
	text string // as the user said it
}

// slots are what its phrases are filled with.
func (f *told) slots(l fact.Language) map[string]string {
	return map[string]string{"v": f.v[l], "d": speech.Day(l, f.when), "m": speech.Measure(f.v[fact.Chinese])}
}

// widerShare is that of the phrases of training that are of the wider ones, of
// which there are a hundred times as many: what is said plainly is said most.
const widerShare = 0.8

// phrase draws one of a predicate's alternatives; "" if it has none.
func (w *writer) phrase(p *predicate, form string) string {
	all := p.forms[w.lang][form]
	if w.tune || w.split == Train {
		widen()
		if tune := p.tune[w.lang][form]; w.tune && len(tune) > 0 {
			return tune[w.r.IntN(len(tune))]
		}
		if wide := p.wider[w.lang][form]; w.split == Train && len(wide) > 0 && (len(all) == 0 || w.chance(widerShare)) {
			return wide[w.r.IntN(len(wide))]
		}
	}
	if len(all) == 0 {
		return ""
	}
	return choose(w.r, w.split, all, fewPhrases, func(s string) bool {
		return held(p.name+form+strings.ReplaceAll(s, "{T}", "{P}"), heldPhrases) // as they were called before they were told apart
	})
}

var greetings = map[string]bool{"hello": true, "helloback": true, "bye": true, "byeback": true, "reminder": true, "reminded": true}

// say draws one of the lines of say.txt.
func (w *writer) say(name string) string {
	all := files().say[languageKeys[w.lang]+"."+name]
	if w.anySmallTalk && greetings[name] {
		return all[w.r.IntN(len(all))]
	}
	return choose(w.r, w.split, all, 2*fewPhrases, func(s string) bool { return s != "" && held(name+s, heldPhrases) })
}

// somebody draws a subject that a predicate allows.
func (w *writer) somebody(p *predicate) *someone {
	switch p.who {
	case selfOnly, anEvent:
		return &someone{}
	case petOnly:
		s := &someone{role: w.value("animal"), pet: true}
		if w.chance(0.3) {
			s.of = &someone{role: w.value("relation")}
		}
		return s
	case otherOnly:
		return &someone{role: w.value("relation")}
	}
	if w.chance(0.55) {
		return &someone{}
	}
	return &someone{role: w.value("relation")}
}

// another draws a subject unlike those given.
func (w *writer) another(p *predicate, not ...*someone) *someone {
	for range 50 {
		s := w.somebody(p)
		if s.self() && p.who == anEvent {
			s = &someone{role: w.value("relation")}
		}
		same := false
		for _, x := range not {
			same = same || x.key(w.lang) == s.key(w.lang)
		}
		if !same {
			return s
		}
	}
	return &someone{role: w.value("relation"), of: &someone{role: w.value("relation")}}
}

// predicate draws one that fits.
func (w *writer) predicate(fits func(*predicate) bool) *predicate {
	all := files().predicates
	for {
		if p := all[w.r.IntN(len(all))]; fits == nil || fits(p) {
			return p
		}
	}
}

// fact draws one about somebody, told at a time.
func (w *writer) fact(p *predicate, who *someone, when time.Time) *told {
	f := &told{p: p, who: who, v: w.value(p.values), when: when}
	f.text = w.tell(f, "tell")
	return f
}

// other draws the same fact with another value.
func (w *writer) other(f *told, when time.Time, form string) *told {
	g := &told{p: f.p, who: f.who, v: f.v, when: when}
	for range 20 {
		if g.v = w.value(f.p.values); g.v != f.v {
			break
		}
	}
	g.text = w.tell(g, form)
	return g
}

// tell puts a fact as the user would, under one of the forms.
func (w *writer) tell(f *told, form string) string {
	phrase := w.phrase(f.p, form)
	if phrase == "" {
		phrase = w.phrase(f.p, "tell")
	}
	s := render(w.lang, phrase, byUser, f.who, f.slots(w.lang))
	switch {
	case form == "correct":
		s = w.say("correct") + s
	case w.chance(0.5):
		s = speech.After(w.lang, w.say("lead"), s, phrase)
	}
	return w.casual(s, false)
}

// question is asked by the user; answer is what a friend who knows says.
type question struct {
	ask, answer string
	clause      string // the question as a part of a sentence, by the friend
}

// ask makes a question about a fact, to which it is the answer. named, unless
// empty, is what the subject is called in it.
func (w *writer) ask(f *told, named value) question {
	who := *f.who
	if named != (value{}) {
		who.name = named
	}
	slots := f.slots(w.lang)
	q := question{answer: render(w.lang, w.phrase(f.p, "answer"), byFriend, &who, slots)}
	if w.lang == fact.English && w.chance(0.6) {
		q.answer = speech.Contract(q.answer)
	}
	clause := w.phrase(f.p, "clause")
	q.clause = render(w.lang, clause, byFriend, &who, slots)
	q.clause = speech.Lower(w.lang, q.clause, clause)
	if w.chance(0.35) {
		asked := speech.Lower(w.lang, render(w.lang, clause, byUser, &who, slots), clause)
		q.ask = w.casual(strings.ReplaceAll(w.say("askclause"), "{q}", asked), true)
		return q
	}
	phrase := w.phrase(f.p, "ask")
	q.ask = render(w.lang, phrase, byUser, &who, slots)
	if w.chance(0.4) {
		q.ask = speech.After(w.lang, w.say("asklead"), q.ask, phrase)
	}
	q.ask = w.casual(q.ask, true)
	return q
}

// unknown is what a friend says who was never told.
func (w *writer) unknown(q question) string {
	s := strings.ReplaceAll(w.say("unknown"), "{q}", q.clause)
	if w.lang == fact.English {
		return speech.Sentence(s)
	}
	return s
}

// ack is what a friend says on being told.
func (w *writer) ack(f *told, updated bool) string {
	v := f.v[w.lang]
	name := "ack"
	switch {
	case updated && w.chance(0.6):
		name = "ackupdate"
	case w.chance(0.3):
		name = "ackplain"
	}
	s := strings.ReplaceAll(w.say(name), "{v}", v)
	if w.lang == fact.English {
		return speech.Sentence(s)
	}
	return s
}

// note is the fact in a neutral sentence, as a memory writes it.
func (w *writer) note(f *told) string {
	return render(w.lang, w.phrase(f.p, "note"), byNeither, f.who, f.slots(w.lang))
}

// script draws a piece of small talk with its slots filled, by the user first.
func (w *writer) script() []string {
	if w.chance(0.2) {
		return w.chatter()
	}
	all := files().talk[w.lang]
	lines := choose(w.r, w.split, all, 2*fewPhrases, func(s []string) bool { return held(s[0], 2*heldPhrases) })
	slots := map[string]string{}
	out := make([]string, len(lines))
	for i, line := range lines {
		for {
			at := strings.IndexByte(line, '{')
			end := strings.IndexByte(line, '}')
			if at < 0 || end < at {
				break
			}
			kind := line[at+1 : end]
			v, ok := slots[kind]
			if !ok || strings.Contains(line[:at], v) {
				v = w.value(kind)[w.lang]
				slots[kind] = v
			}
			line = line[:at] + v + line[end+1:]
		}
		if w.lang == fact.English {
			line = speech.Sentence(line)
		}
		out[i] = line
	}
	return out
}

// date draws a day of the scene's years.
func (w *writer) date() time.Time {
	return time.Date(2024, 1, 1+w.r.IntN(3*365), 0, 0, 0, 0, time.UTC)
}
