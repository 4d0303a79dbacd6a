package companion

import (
	"maps"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"kuai/companion/fact"
	"kuai/companion/speech"
)

func (w *writer) begin() Sample {
	if w.chance(0.5) {
		return nil
	}
	return Sample{{System, w.say("system"), 0}}
}

func (s Sample) user(text string) Sample  { return append(s, Part{User, text, userWeight}) }
func (s Sample) reply(text string) Sample { return append(s, Part{Assistant, text, replyWeight}) }

// writtenShare is that of small talk that was written, not made.
const writtenShare = 0.8

// turns adds a piece of small talk, whole or its beginning.
func (w *writer) turns(s Sample) Sample {
	if w.chance(writtenShare) {
		if c, ok := w.written(false); ok {
			if w.chance(0.5) {
				c.turns = c.turns[:2]
			}
			return s.said(c)
		}
	}
	lines := w.script()
	if len(lines) > 2 && w.chance(0.3) {
		lines = lines[:2]
	}
	for i, line := range lines {
		if i%2 == 0 {
			s = s.user(line)
		} else {
			s = s.reply(line)
		}
	}
	if len(lines)%2 == 1 { // ends with the user: nothing was answered
		s = s[:len(s)-1]
	}
	return s
}

// small is small talk alone.
func (w *writer) small() Sample {
	if w.chance(writtenShare) {
		if s, ok := w.together(); ok {
			return s
		}
	}
	s := w.begin()
	for range 1 + w.r.IntN(4) {
		s = w.turns(s)
	}
	return s
}

// chat tells some facts and asks for some, all in one conversation.
func (w *writer) chat() Sample {
	s := w.begin()
	n := 1 + w.r.IntN(5)
	if w.chance(0.2) {
		n += w.r.IntN(8)
	}
	var facts []*told
	taken := map[string]bool{}
	when := w.date()
	for range n {
		p := w.predicate(func(p *predicate) bool { return p.who != anEvent })
		if len(facts) > 0 && w.chance(0.4) {
			p = facts[w.r.IntN(len(facts))].p // the same about somebody else
		}
		who := w.somebody(p)
		key := p.name + "/" + who.key(w.lang)
		if taken[key] {
			continue
		}
		taken[key] = true
		f := w.fact(p, who, when)
		facts = append(facts, f)
		s = s.user(f.text).reply(w.ack(f, false))
		if w.chance(0.25) {
			s = w.turns(s)
		}
		if w.chance(0.3) {
			s = w.askOne(s, facts, taken)
		}
		if f.p.kind == fact.Single && w.chance(0.15) {
			g := w.other(f, when, []string{"update", "correct"}[w.r.IntN(2)])
			facts[len(facts)-1] = g
			s = s.user(g.text).reply(w.ack(g, true))
		}
	}
	if w.chance(0.5) {
		s = w.turns(s)
	}
	for range 1 + w.r.IntN(4) {
		s = w.askOne(s, facts, taken)
	}
	return s
}

// askOne asks for one of the facts, or for one that was not told.
func (w *writer) askOne(s Sample, facts []*told, taken map[string]bool) Sample {
	f := facts[w.r.IntN(len(facts))]
	if !w.chance(0.2) {
		q := w.ask(f, value{})
		return s.user(q.ask).reply(q.answer)
	}
	g := w.absent(f, taken)
	q := w.ask(g, value{})
	return s.user(q.ask).reply(w.unknown(q))
}

// absent makes a fact that nobody told: of the same kind about somebody else,
// or of another kind about the same.
func (w *writer) absent(f *told, taken map[string]bool) *told {
	for {
		p, who := f.p, f.who
		if w.chance(0.5) {
			who = w.another(p, f.who)
		} else {
			p = w.predicate(func(p *predicate) bool { return p.who != anEvent && p.who != petOnly && p.who != otherOnly })
		}
		if p.who == selfOnly && !who.self() || who.pet != (p.who == petOnly) || p.who == otherOnly && who.self() {
			continue
		}
		if !taken[p.name+"/"+who.key(w.lang)] {
			return &told{p: p, who: who, v: w.value(p.values), when: f.when}
		}
	}
}

// lines is some turns, each with the facts in it and what it asks for.
func (w *writer) lines() Sample {
	var s Sample
	for range 1 + w.r.IntN(8) {
		when := w.date()
		text, out := w.turnAndLines(when)
		if w.chance(0.7) {
			s = append(s, Part{Memory, fact.Today(w.lang, when), 0})
		}
		s = append(s, Part{User, text, 0}, Part{Extract, out, 1})
	}
	return s
}

// turnAndLines is a turn and its lines.
func (w *writer) turnAndLines(when time.Time) (text, lines string) {
	switch at := w.r.Float64(); {
	case at < 0.03:
		return w.casual(w.say("hello"), false), fact.Nothing
	case at < 0.24: // nothing to keep
		script := w.script()
		return script[2*w.r.IntN((len(script)+1)/2)], fact.Nothing
	case at < 0.57:
		b := &packer{w: w}
		ask, _ := b.draw()
		return ask, b.query.Line()
	}
	var out, all []string
	var before *someone
	for range 1 + w.r.IntN(2)*w.r.IntN(2) {
		p := w.predicate(nil)
		who := w.somebody(p)
		if before != nil && before.pet == who.pet && p.who != selfOnly && p.who != anEvent && (p.who != otherOnly || !before.self()) {
			who = before
		}
		form := "tell"
		if w.chance(0.25) {
			form = "update"
		}
		f := &told{p: p, who: who, v: w.value(p.values), when: when}
		if !who.self() && who.of == nil && p.who == anyone && w.chance(0.15) {
			who = &someone{role: who.role, name: w.value("name")}
			f.who = who
		}
		out = append(out, f.line(w.lang))
		if w.split == Train && who == before && !who.self() && w.chance(againShare) {
			second := *who
			second.again = w.pronounOf(who)
			f.who = &second
		}
		all = append(all, w.tell(f, form))
		before = who
	}
	for i := range len(all) - 1 { // the stop that is left out at an end is needed here
		if last, _ := utf8.DecodeLastRuneInString(all[i]); unicode.IsLetter(last) || unicode.IsDigit(last) {
			all[i] += [...]string{fact.English: ".", fact.Chinese: "，"}[w.lang]
		}
	}
	return strings.Join(all, [...]string{fact.English: " ", fact.Chinese: ""}[w.lang]), strings.Join(out, "\n")
}

// line is the fact as the model extracts it: a day only where it matters.
func (f *told) line(l fact.Language) string {
	x := fact.Fact{Subject: f.who.key(l), Predicate: f.p.name, Object: f.v[l]}
	if f.p.kind == fact.Event {
		x.From = f.when
	}
	return fact.Line(x)
}

// packed asks questions whose facts stand in a memory pack before each.
func (w *writer) packed() Sample {
	s := w.begin()
	if w.chance(0.3) {
		s = w.turns(s)
	}
	for range 1 + w.r.IntN(3) {
		s = w.recall(s)
		if w.chance(0.2) {
			s = w.turns(s)
		}
	}
	return s
}

// recall adds a pack, and questions with their answers: in use a pack stands
// before one, but each more is learned from at the price of a few words.
func (w *writer) recall(s Sample) Sample {
	b := &packer{w: w, quoted: w.chance(0.5)}
	if w.chance(exactPacks) {
		return w.recallExactly(s)
	}
	ask, answer := b.draw()
	said := Sample{{User, ask, userWeight}, {Assistant, answer, replyWeight}}
	for more := w.r.IntN(4); more > 0 && !b.alone; more-- {
		c := &packer{w: w, quoted: b.quoted}
		if ask, answer = c.draw(); !c.alone && !b.conflicts(c) && !c.conflicts(b) {
			b.add(c.facts...)
			maps.Copy(b.keys, c.keys)
			said = said.user(ask).reply(answer)
		}
	}
	b.distract()
	now := b.latest.AddDate(0, 0, 1+w.r.IntN(300))
	text := fact.Today(w.lang, now) + fact.Pack(w.lang, b.items(w.chance(0.2)))
	return append(append(s, Part{Memory, text, 0}), said...)
}

// exactPacks is the share of packs that hold what is asked for and nothing else,
// as a memory writes them that could read the question and had read the turns.
const exactPacks = 0.6

// recallExactly adds a pack of the notes that answer a question.
func (w *writer) recallExactly(s Sample) Sample {
	b := &packer{w: w}
	ask, answer := b.draw()
	if p := b.query.Predicate; b.untold {
		b.facts = nil
	} else if row, _ := fact.Find(p); len(b.facts) > 1 && row.Kind != fact.Multi && b.facts[0].p == b.facts[1].p {
		b.facts = b.facts[len(b.facts)-1:] // an update: what was so before is known to be over
	}
	var items []fact.Item
	if n := len(b.facts); n > 1 && b.facts[0].p == b.facts[1].p {
		var list []string
		for _, f := range b.facts {
			list = append(list, f.v[w.lang])
		}
		f := *b.facts[n-1]
		f.v[w.lang] = speech.Enumerate(w.lang, list)
		items = append(items, fact.Item{When: f.when, Text: aside(w.lang, w.note(&f), strconv.Itoa(n))})
	} else {
		for _, f := range b.facts {
			text := w.note(f)
			if f.p.kind == fact.Event {
				text = aside(w.lang, text, speech.Day(w.lang, f.when))
			}
			items = append(items, fact.Item{When: f.when, Text: text})
		}
	}
	now := b.latest.AddDate(0, 0, 1+w.r.IntN(300))
	text := fact.Today(w.lang, now) + fact.Pack(w.lang, items)
	return append(s, Part{Memory, text, 0}).user(ask).reply(answer)
}

// conflicts says whether what another gathered would change the answer.
func (b *packer) conflicts(c *packer) bool {
	return slices.ContainsFunc(c.facts, b.clashes)
}

// packer gathers the facts of a pack.
type packer struct {
	w      *writer
	quoted bool // turns as they were said, else notes
	facts  []*told
	keys   map[string]bool // what the question is about: nothing else may be
	latest time.Time
	alone  bool // nothing else is to stand in the pack
	untold bool // nothing answers
	query  fact.Query
}

func (b *packer) add(fs ...*told) {
	for _, f := range fs {
		b.facts = append(b.facts, f)
		if f.when.After(b.latest) {
			b.latest = f.when
		}
	}
}

// claim keeps distractors away from a subject's predicate.
func (b *packer) claim(p *predicate, who *someone) {
	if b.keys == nil {
		b.keys = map[string]bool{}
	}
	b.keys[p.name+"/"+who.key(b.w.lang)] = true
}

// items writes the facts, oldest first or in any order.
func (b *packer) items(shuffled bool) []fact.Item {
	w := b.w
	slices.SortStableFunc(b.facts, func(x, y *told) int { return x.when.Compare(y.when) })
	if shuffled {
		w.r.Shuffle(len(b.facts), func(i, j int) { b.facts[i], b.facts[j] = b.facts[j], b.facts[i] })
	}
	var items []fact.Item
	for _, f := range b.facts {
		it := fact.Item{When: f.when, Text: f.text, Speaker: fact.User}
		if f.p != nil && (!b.quoted || w.chance(0.2)) {
			it.Text, it.Speaker = w.note(f), ""
		}
		items = append(items, it)
		if f.p != nil && it.Speaker != "" && w.chance(0.12) { // with what was answered
			items = append(items, fact.Item{When: f.when, Text: w.ack(f, false), Speaker: fact.Companion})
		}
	}
	return items
}

// distract adds facts that do not answer: the same about others, others about
// the same, and turns of small talk.
func (b *packer) distract() {
	w := b.w
	if b.alone {
		return
	}
	about := slices.Clone(b.facts)
	for range w.r.IntN(10) {
		var f *told
		switch {
		case len(about) > 0 && w.chance(0.45):
			p := about[w.r.IntN(len(about))].p
			f = w.fact(p, w.another(p), w.date())
		case len(about) > 0 && w.chance(0.3):
			who := about[w.r.IntN(len(about))].who
			p := w.predicate(func(p *predicate) bool { return p.who == anyone || p.who == selfOnly && who.self() })
			if who.pet {
				p, who = w.predicate(nil), &someone{}
				if p.who == petOnly || p.who == otherOnly {
					continue
				}
			}
			f = w.fact(p, who, w.date())
		case w.chance(0.3) && b.quoted:
			lines := w.script()
			f = &told{when: w.date(), text: lines[0]}
		default:
			p := w.predicate(nil)
			f = w.fact(p, w.somebody(p), w.date())
		}
		if !b.clashes(f) {
			b.add(f)
		}
	}
}

// clashes says whether a fact would change the answer.
func (b *packer) clashes(f *told) bool {
	if b.keys["day/"+f.when.Format(time.DateOnly)] {
		return true
	}
	return f.p != nil && b.keys[f.p.name+"/"+f.who.key(b.w.lang)]
}
