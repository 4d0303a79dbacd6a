package companion

import (
	"slices"
	"strings"

	"kuai/companion/fact"
	"kuai/companion/speech"
)

// composedShare is that of the turns of training and tuning that are composed:
// several values of one kind, several clauses about one, labels, names in
// passing, contrasts, telegrams, and what the user is called.
// Half as much is said around them as around others: many are short.
const (
	composedShare  = 0.12
	aroundComposed = 0.5
)

// shapes are the sections of composed.txt and how often each is drawn.
var shapes = [...]struct {
	name   string
	weight float64
}{{"list", 0.22}, {"chain", 0.2}, {"label", 0.12}, {"beside", 0.2}, {"contrast", 0.1}, {"short", 0.1}, {"own", 0.06}}

// moreShare is that of composed turns that go on with a second frame, while they
// tell no more than mostFacts.
const (
	moreShare = 0.25
	mostFacts = 8
)

// manyShare is that of lists that are told in the phrases for one value.
const manyShare = 0.4

// composer fills a frame of composed.txt in and writes down what it tells. Its
// slots, beside agreement as in phrases:
//
//	{S} {P} {S:o} {T}   who it is about, the user or another
//	{they} {They}       the same for the second time; after another, that one
//	{vp} {vp+}          a clause about them, with one value or several
//	{label} {label+}    a label and its value or values
//	{hobby} {hobby+}    a value of a predicate, or several; each is a fact
//	{works_as:a}        with an article
//	{exam=test}         a value that is written in the frame
//	{no.hobby}          a value that is no fact
//	{ask.me.name}       nothing, but the turn asks for it
//	{rel} {rels} {pet}  somebody of the user's; {pet:has} is a fact as well
//	{m.pet}             how they are counted in Chinese
//	{when} {state}      a day and a time, or how somebody is, which are no facts
//
// me, rel, rel2, rels, pet, pet2 and pets with a stop before any of these: the fact is
// about them.
type composer struct {
	*writer
	cast  map[string]*someone
	said  *someone // whom verbs agree with
	whom  *someone // whom a pronoun would mean
	facts []fact.Fact
	whose []*someone // they are
	asked []fact.Query
	taken []string // values and people
	used  map[string]bool
	colon string // after labels
	stuck bool   // a frame asks for more of a kind than there are
}

// composed draws a turn of one of the shapes.
func (w *writer) composed(t *Utterance) {
	at := w.r.Float64()
	shape := shapes[0].name
	for _, s := range shapes {
		shape = s.name
		if at -= s.weight; at < 0 {
			break
		}
	}
	if shape == "short" {
		defer func(was float64) { w.wild = was }(w.wild)
		w.wild /= 4 // where little else is said, a value shows by itself what it is
	}
	var c *composer
	s := ""
	for again := true; again; again = c.stuck || c.heldOut(s) {
		c = &composer{writer: w, cast: map[string]*someone{"me": {}}, used: map[string]bool{}}
		if shape == "list" && w.chance(manyShare) {
			s = c.many()
		} else {
			s = c.fill(w.frame(shape))
		}
		if w.chance(moreShare) {
			s = c.more(s)
		}
	}
	if w.lang == fact.English {
		s = speech.Sentence(speech.Articles(s))
		if shape == "short" || w.chance(0.1) {
			s = w.typed(s)
		}
	}
	t.Text, t.Facts, t.Asked = w.casual(s, len(c.asked) > 0), c.facts, c.asked
}

// more adds a second frame, of the shapes that are sentences, where it tells
// something else: who writes at length tells much.
func (c *composer) more(s string) string {
	d := &composer{writer: c.writer, cast: map[string]*someone{"me": c.cast["me"]}, taken: slices.Clone(c.taken), used: map[string]bool{}}
	if who := c.cast["S"]; who != nil && !who.self() {
		return s // nothing says whom the second is about
	}
	next := d.fill(c.frame([...]string{"list", "chain", "beside", "contrast"}[c.r.IntN(4)]))
	again := slices.ContainsFunc(d.facts, func(f fact.Fact) bool { return c.used[f.Subject+"/"+f.Predicate] })
	if again || d.stuck || len(c.asked)+len(d.asked) > 0 || len(c.facts)+len(d.facts) > mostFacts {
		return s
	}
	c.facts, c.whose = append(c.facts, d.facts...), append(c.whose, d.whose...)
	return join(c.lang, s, next)
}

// heldOut says whether a turn tells or asks for something in the very words of a
// phrase that is held out.
func (c *composer) heldOut(text string) bool {
	text = " " + plainly(text) + " "
	says := func(p *predicate, form string, who *someone, slots map[string]string) bool {
		return p != nil && slices.ContainsFunc(p.forms[c.lang][form], func(phrase string) bool {
			if !held(p.name+form+strings.ReplaceAll(phrase, "{T}", "{P}"), heldPhrases) {
				return false
			}
			words := plainly(filled(c.lang, phrase, byUser, who, slots))
			if c.lang == fact.English {
				words = " " + words + " "
			}
			return strings.Contains(text, words)
		})
	}
	for i, f := range c.facts {
		p, slots := files().byName[f.Predicate], valueSlots(f.Object)
		if says(p, "tell", c.whose[i], slots) || says(p, "update", c.whose[i], slots) {
			return true
		}
	}
	return slices.ContainsFunc(c.asked, func(q fact.Query) bool {
		return says(files().byName[q.Predicate], "ask", subject(c.lang, q.Subject), nil)
	})
}

// typed is a turn as typed in haste.
func (w *writer) typed(s string) string {
	if w.chance(0.6) {
		s = strings.ToLower(s)
	}
	if w.chance(0.5) {
		s = strings.TrimSuffix(s, ".")
	}
	if w.chance(0.2) {
		s = unmarked.Replace(s)
	}
	return s
}

// unmarked leaves out the marks of what is shortened.
var unmarked = strings.NewReplacer("I'm", "Im", "i'm", "im", "I've", "Ive", "i've", "ive", "n't", "nt")

// frame draws one of a shape, of those for tuning or of the others.
func (w *writer) frame(shape string) string {
	all := files().composed[languageKeys[w.lang]+"."+shape]
	for {
		if s := all[w.r.IntN(len(all))]; held("tune"+s, tuneShare) == w.tune {
			return s
		}
	}
}

// many tells several values in a phrase for one.
func (c *composer) many() string {
	for {
		p := c.predicate(func(p *predicate) bool { return p.kind == fact.Multi })
		phrase := c.phrase(p, "tell")
		if oneValue(phrase) {
			who := c.person("S")
			return c.told(p, phrase, who, who, true)
		}
	}
}

// fill fills a frame in.
func (c *composer) fill(frame string) string {
	var b strings.Builder
	if !strings.Contains(frame, "{S") && !strings.Contains(frame, "{P") {
		c.cast["S"] = c.cast["me"]
	}
	for {
		at := strings.IndexAny(frame, "{[")
		if at < 0 {
			b.WriteString(frame)
			return b.String()
		}
		b.WriteString(frame[:at])
		end := at + strings.IndexAny(frame[at:], "}]")
		in := frame[at+1 : end]
		if frame[at] == '[' {
			b.WriteString(speech.Agree(in, c.said.form(byUser)))
		} else {
			b.WriteString(c.slot(in))
		}
		frame = frame[end+1:]
	}
}

// slot is what stands in one.
func (c *composer) slot(in string) string {
	owner, name, dotted := strings.Cut(in, ".")
	if !dotted {
		owner, name = "S", in
	}
	name, several := strings.CutSuffix(name, "+")
	switch owner {
	case "m":
		return counter(c.person(name).role)
	case "no":
		name, article := strings.CutSuffix(name, ":a")
		return c.written(c.distinct(files().byName[name]), article)
	case "ask":
		who, name, _ := strings.Cut(name, ".")
		c.asked = append(c.asked, fact.Query{Subject: c.person(who).key(c.lang), Predicate: name})
		return ""
	}
	if !dotted {
		if s, ok := c.name(name); ok {
			return s
		}
	}
	who := c.person(owner)
	as := who
	if c.said != nil && c.said.again != nil && c.whom == who {
		as = c.said
	}
	switch name {
	case "vp":
		return c.clause(who, as, several)
	case "label":
		return c.label(who, several)
	}
	if name, v, ok := strings.Cut(name, "="); ok {
		c.tell(who, name, v)
		return v
	}
	name, article := strings.CutSuffix(name, ":a")
	phrase := "{v}"
	if article {
		phrase = "{a}"
	}
	return c.told(files().byName[name], phrase, who, who, several)
}

// name is a slot that stands for somebody, or for a day.
func (c *composer) name(in string) (string, bool) {
	in, form, _ := strings.Cut(in, ":")
	switch in {
	case "S", "P", "T":
		who := c.person("S")
		c.said, c.whom = who, who
		words := who.words(c.lang, byUser)
		switch {
		case form == "o":
			return words[2], true
		case in == "P":
			return words[1], true
		case in == "T":
			return who.theirs(c.lang, byUser), true
		}
		return words[0], true
	case "they", "They":
		again := *c.whom
		if !again.self() {
			again.again = c.pronounOf(&again)
		}
		c.said = &again
		return again.words(c.lang, byUser)[0], true
	case "rel", "rel2", "rels", "pet", "pet2", "pets":
		who := c.person(in)
		c.said, c.whom = who, who
		if form == "has" {
			c.tell(c.cast["me"], "has_pet", who.role[c.lang])
		}
		return who.role[c.lang], true
	case "when", "state":
		all := files().composed[languageKeys[c.lang]+"."+in]
		return all[c.r.IntN(len(all))], true
	}
	return "", false
}

// countable are people of whom one has two.
var countable = strings.Fields("sister brother daughter son cousin aunt uncle niece nephew colleague neighbour roommate friend classmate grandson granddaughter kid grandchild student stepson stepdaughter twin")

// person is one of the cast, drawn when first spoken of.
func (c *composer) person(name string) *someone {
	if s := c.cast[name]; s != nil {
		return s
	}
	s := &someone{}
	switch {
	case name == "S" && c.chance(0.55):
	case strings.HasPrefix(name, "pet"):
		s = &someone{role: c.apart(func() value { return c.familiar("animal") }), pet: true}
		if name == "pets" {
			s.role[fact.English] = plural(s.role[fact.English])
		}
	case name == "S":
		s.role = c.apart(func() value { return c.value("relation") })
		if c.chance(0.15) {
			s.name = c.apart(func() value { return c.value("name") })
		}
	case name == "rels":
		for s.self() || !slices.Contains(countable, s.role[fact.English]) {
			s.role = c.familiar("relation")
		}
		c.taken = append(c.taken, s.role[c.lang])
		s.role[fact.English] += "s"
	default:
		s.role = c.apart(func() value { return c.familiar("relation") })
	}
	c.cast[name] = s
	if c.said == nil {
		c.said, c.whom = s, s
	}
	return s
}

// joints are characters that stand between values: a made-up one may have them.
const joints = "和跟与及、，"

// mostDraws is how often a value is drawn that is to be unlike others: of the
// days of the week none is left after seven.
const mostDraws = 500

// apart draws until what is drawn is told from all that stands in the turn.
func (c *composer) apart(draw func() value) (v value) {
	for range mostDraws {
		v = draw()
		s := strings.ToLower(v[c.lang])
		if strings.ContainsAny(s, joints) {
			continue
		}
		if !slices.ContainsFunc(c.taken, func(o string) bool { return strings.Contains(s, o) || strings.Contains(o, s) }) {
			c.taken = append(c.taken, s)
			return v
		}
	}
	c.stuck = true
	return v
}

// familiar draws whom one can tell from an animal, or an animal from people, by
// the word alone: I have a dog, I have a sister, both called something.
func (c *composer) familiar(kind string) value {
	if c.tune {
		return c.value(kind)
	}
	if c.chance(kinShare) {
		return c.kin(kind)
	}
	return c.listed(kind)
}

// likeable are kinds of values that somebody likes or not.
var likeable = [...]string{"thing", "hobby", "sport", "dish", "drink", "thing", "food"}

func (c *composer) distinct(p *predicate) value {
	return c.apart(func() value {
		if p.name == "likes" || p.name == "dislikes" {
			return c.value(likeable[c.r.IntN(len(likeable))])
		}
		return c.value(p.values)
	})
}

func (c *composer) written(v value, article bool) string {
	if article && c.lang == fact.English {
		return speech.WithArticle(v[c.lang])
	}
	return v[c.lang]
}

// tell writes a fact down.
func (c *composer) tell(who *someone, predicate, object string) {
	c.used[who.key(c.lang)+"/"+predicate] = true
	f := fact.Fact{Subject: who.key(c.lang), Predicate: predicate, Object: object}
	c.facts, c.whose = append(c.facts, f), append(c.whose, who)
}
