package companion

import (
	"slices"
	"strings"
	"time"

	"kuai/companion/fact"
	"kuai/companion/speech"
)

// draw chooses a kind of question, adds its facts and returns the question and
// the answer.
func (b *packer) draw() (ask, answer string) {
	at := b.w.r.Float64()
	for _, kind := range [...]struct {
		share float64
		make  func() (string, string)
	}{
		{0.24, b.single}, {0.12, b.update}, {0.24, b.never}, {0.12, b.twoHop}, {0.10, b.several}, {0.09, b.whenWas}, {0.09, b.wish},
	} {
		if at -= kind.share; at < 0 {
			return kind.make()
		}
	}
	return b.single()
}

// single asks for a fact that was told once.
func (b *packer) single() (ask, answer string) {
	w := b.w
	p := w.predicate(nil)
	f := w.fact(p, w.somebody(p), w.date())
	b.claim(p, f.who)
	b.add(f)
	q := w.ask(f, value{})
	b.query = fact.Query{Subject: f.who.key(w.lang), Predicate: p.name}
	return q.ask, q.answer
}

// update asks for a fact that has changed.
func (b *packer) update() (ask, answer string) {
	w := b.w
	p := w.predicate(func(p *predicate) bool { return p.kind == fact.Single })
	f := w.fact(p, w.somebody(p), w.date())
	b.claim(p, f.who)
	b.add(f)
	for range 1 + w.r.IntN(2) {
		f = w.other(f, f.when.AddDate(0, 0, 1+w.r.IntN(300)), []string{"update", "update", "correct", "tell"}[w.r.IntN(4)])
		b.add(f)
	}
	q := w.ask(f, value{})
	b.query = fact.Query{Subject: f.who.key(w.lang), Predicate: p.name}
	return q.ask, q.answer
}

// never asks for what was not told.
func (b *packer) never() (ask, answer string) {
	w := b.w
	p := w.predicate(func(p *predicate) bool { return p.who != anEvent })
	f := w.fact(p, w.somebody(p), w.date())
	if w.chance(0.8) {
		b.add(f)
	}
	g := w.absent(f, map[string]bool{p.name + "/" + f.who.key(w.lang): true})
	b.claim(g.p, g.who)
	b.untold = true
	b.alone = len(b.facts) == 0 && w.chance(0.6) // then the pack is empty
	b.latest = f.when
	q := w.ask(g, value{})
	b.query = fact.Query{Subject: g.who.key(w.lang), Predicate: g.p.name}
	return q.ask, w.unknown(q)
}

// twoHop asks about somebody by a name that another fact gives.
func (b *packer) twoHop() (ask, answer string) {
	w := b.w
	named := files().byName["name"]
	p := w.predicate(func(p *predicate) bool { return p.who == anyone })
	who := &someone{role: w.value("relation")}
	if w.chance(0.2) {
		named, p = files().byName["pet_name"], files().byName["pet_eats"]
		who = &someone{role: w.value("animal"), pet: true}
	}
	name := w.fact(named, who, w.date())
	f := w.fact(p, who, w.date())
	b.claim(named, who)
	b.claim(p, who)
	b.add(name, f)
	q := w.ask(f, name.v)
	b.query = fact.Query{Subject: name.v[w.lang], Predicate: p.name}
	return q.ask, q.answer
}

// several asks for all values of a fact that has many.
func (b *packer) several() (ask, answer string) {
	w := b.w
	p := w.predicate(func(p *predicate) bool { return len(p.forms[w.lang]["many"]) > 0 })
	who := w.somebody(p)
	b.claim(p, who)
	n := 1 + w.r.IntN(4)
	var list []string
	when := w.date().AddDate(-2, 0, 0)
	f := w.fact(p, who, when)
	for i := range n {
		if i > 0 {
			for range 20 {
				when = when.AddDate(0, 0, 1+w.r.IntN(100))
				if f = w.other(f, when, "tell"); !contains(list, f.v[w.lang]) {
					break
				}
			}
		}
		if !contains(list, f.v[w.lang]) {
			list = append(list, f.v[w.lang])
			b.add(f)
		}
	}
	form := "many"
	if w.chance(0.5) {
		form = "count"
	}
	slots := map[string]string{"n": speech.Number(w.lang, len(list)), "list": speech.Enumerate(w.lang, list)}
	ask = render(w.lang, w.phrase(p, form), byUser, who, slots)
	b.query = fact.Query{Subject: who.key(w.lang), Predicate: p.name}
	if form == "many" {
		answer = slots["list"] + "."
		if w.lang == fact.Chinese {
			return ask, slots["list"] + "。"
		}
		return ask, speech.Sentence(answer)
	}
	return ask, render(w.lang, w.phrase(p, "counted"), byFriend, who, slots)
}

func contains(list []string, s string) bool {
	return slices.Contains(list, s)
}

// whenWas asks for the day of an event, for what was on a day, or for what was
// the day before another.
func (b *packer) whenWas() (ask, answer string) {
	w := b.w
	p := w.predicate(func(p *predicate) bool { return len(p.forms[w.lang]["when"]) > 0 })
	f := w.fact(p, &someone{}, w.date())
	b.claim(p, f.who)
	b.keys["day/"+f.when.Format(time.DateOnly)] = true
	b.add(f)
	slots := f.slots(w.lang)
	switch at := w.r.Float64(); {
	case at < 0.5:
		b.query = fact.Query{Subject: fact.User, Predicate: p.name, Object: f.v[w.lang]}
		return render(w.lang, w.phrase(p, "when"), byUser, f.who, slots), render(w.lang, w.phrase(p, "was"), byFriend, f.who, slots)
	case at < 0.75 || p.name == "exam":
		b.query = fact.Query{Subject: fact.User, On: f.when}
		return strings.ReplaceAll(w.say("onday"), "{d}", slots["d"]), render(w.lang, w.phrase(p, "note"), byFriend, f.who, slots)
	}
	exam := w.fact(files().byName["exam"], &someone{}, f.when.AddDate(0, 0, 1))
	b.claim(exam.p, exam.who)
	b.keys["day/"+exam.when.Format(time.DateOnly)] = true
	b.add(exam)
	b.query = fact.Query{Subject: fact.User, Predicate: exam.p.name, Object: exam.v[w.lang], Before: true}
	return strings.ReplaceAll(w.say("daybefore"), "{v}", exam.v[w.lang]), render(w.lang, w.phrase(p, "note"), byFriend, f.who, slots)
}

// wish asks for advice that a fact decides.
func (b *packer) wish() (ask, answer string) {
	w := b.w
	p := w.predicate(func(p *predicate) bool { return len(p.forms[w.lang]["wish"]) > 0 })
	f := w.fact(p, w.somebody(p), w.date())
	b.claim(p, f.who)
	b.add(f)
	slots := f.slots(w.lang)
	b.query = fact.Query{Subject: f.who.key(w.lang), Predicate: p.name}
	return render(w.lang, w.phrase(p, "wish"), byUser, f.who, slots), render(w.lang, w.phrase(p, "wished"), byFriend, f.who, slots)
}
