package converse

import (
	"context"
	"regexp"
	"slices"
	"strings"

	"kuai/character/memory"
	"kuai/character/memory/term"
	"kuai/companion"
	"kuai/companion/fact"
)

// known answers a turn that asks for nothing but what the memory, the card or
// the clock know for sure, sentence by sentence; "" lets the model speak.
func (c *Conversation) known(ctx context.Context, w wish, pack memory.Pack) (string, error) {
	l := c.languageOf(w.said)
	if s := courtesy(l, w.said, uint64(c.thread.Stats().Turns)); s != "" { //nolint:gosec // a count
		return s, nil
	}
	if s, err := c.again(l, w, pack); s != "" || err != nil {
		return s, err
	}
	var answers []string
	asks := 0
	told := false
	for _, s := range memory.Sentences(w.said) {
		if !s.Asks {
			told = true
			continue
		}
		asks++
		q := question{s.Text, l}
		if c.languageOf(s.Text) != l {
			q.l = c.languageOf(s.Text)
		}
		a, ok := c.sure(q, w)
		if !ok && idea(q.text, pack) {
			return "", nil
		}
		if !ok {
			var err error
			if a, err = c.looked(ctx, q, w, pack); err != nil {
				return "", err
			}
			if a == companion.Unknown(q.l) && len(answers) > 0 {
				a = companion.Untold(q.l, q.text)
			}
		}
		if a == "" {
			return "", nil
		}
		if !slices.Contains(answers, a) {
			answers = append(answers, a)
		}
	}
	switch {
	case asks == 0:
		return "", nil
	case told && len(answers) > 0:
		if values, _, _ := c.toldIn(w); len(values) > 0 {
			answers = slices.Insert(answers, 0, companion.Acknowledge(l, companion.List(l, values), pick(w.said)))
		}
	}
	return joined(l, answers), nil
}

// again repeats what the companion has said where a turn asks for it: what it
// names, or the last that was said; "" for other turns.
func (c *Conversation) again(l fact.Language, w wish, pack memory.Pack) (string, error) {
	asked, named := memory.Repeats(w.said)
	if !asked {
		return "", nil
	}
	quote := pack.Quote()
	if !named {
		last, err := c.thread.Last(lastSaid)
		if err != nil {
			return "", err
		}
		for _, t := range slices.Backward(last) {
			if t.Speaker == fact.Companion {
				quote = t.Text
				break
			}
		}
	}
	return companion.Repeat(l, quote), nil
}

// lastSaid is how many turns back the companion's last one is looked for.
const lastSaid = 4

func joined(l fact.Language, all []string) string {
	if l == fact.Chinese {
		return strings.Join(all, "")
	}
	return strings.Join(all, " ")
}

// sure answers what needs no looking up by kind of fact. It reports whether the
// question is of that sort; "" with true is for the model.
func (c *Conversation) sure(q question, w wish) (string, bool) {
	if a := ofClock(q, w.at); a != "" {
		return a, true
	}
	if a, ok := c.ofSelf(q); ok {
		return a, true
	}
	if a := c.about(q); a != "" {
		return a, true
	}
	if a := c.siblingsOf(q); a != "" && !mindful(q) {
		return a, true
	}
	if a := c.yesOrNo(q, w); a != "" {
		return a, true
	}
	return "", false
}

// looked answers a question by the facts that it asks for, "" where it asks for
// none.
func (c *Conversation) looked(ctx context.Context, q question, w wish, pack memory.Pack) (string, error) {
	if q.text != strings.TrimSpace(w.said) { // it was recalled for all of the turn
		var err error
		if pack, err = c.thread.Recall(ctx, q.text, w.at, packTokens, c.speaker.Tokens); err != nil {
			return "", err
		}
	}
	if a, ok := pack.Answer(); ok || len(pack.Asked) == 0 {
		return a, nil
	}
	f := pack.Asked[0]
	return companion.Say(q.l, q.text, f.Query, f.Facts), nil
}

// read is what the reader finds in a sentence of the user's.
func (c *Conversation) read(text string, w wish) (memory.Reading, error) {
	r, err := DailyReader()
	if err != nil {
		return memory.Reading{}, err
	}
	return r.Read(memory.Turn{Time: w.at, Speaker: fact.User, Text: text})[0], nil
}

// toldIn are the values that a turn tells, whether it says that something is so
// no longer, and whether all of it may be told by the way.
func (c *Conversation) toldIn(w wish) (values []string, ended, aside bool) {
	aside = true
	for _, f := range c.thread.Told(w.said, w.at) {
		aside = aside && slices.Contains(asides, f.Predicate)
		switch {
		case f.Negated:
			ended = true
		case !slices.Contains(values, f.Object):
			values = append(values, f.Object)
		}
	}
	return values, ended && len(values) == 0, aside
}

// people are facts by whom they are about: whoever has a name has also what is
// told of what they are to the user.
type people []memory.Fact

// names is what somebody is called: as given, and by role or name.
func (p people) names(who string) []string {
	out := []string{who}
	for _, f := range p {
		if f.Predicate != "name" && f.Predicate != "pet_name" || f.Subject == fact.User {
			continue
		}
		switch {
		case strings.EqualFold(f.Subject, who):
			out = append(out, f.Object)
		case strings.EqualFold(f.Object, who):
			out = append(out, f.Subject)
		}
	}
	return out
}

// of are the facts about somebody.
func (p people) of(who string) (out people) {
	names := p.names(who)
	for _, f := range p {
		if slices.ContainsFunc(names, func(n string) bool { return strings.EqualFold(n, f.Subject) }) {
			out = append(out, f)
		}
	}
	return out
}

// known says whether anything is told of somebody, or who is called so.
func (p people) known(who string) bool { return len(p.of(who)) > 0 || len(p.names(who)) > 1 }

// say puts facts in sentences, those of one kind in one, no more than most of them.
func (p people) say(l fact.Language, most int) (out []string) {
	var kinds [][]fact.Fact
	for _, f := range p {
		i := slices.IndexFunc(kinds, func(k []fact.Fact) bool {
			return k[0].Predicate == f.Predicate && strings.EqualFold(k[0].Subject, f.Subject)
		})
		if i < 0 {
			i = len(kinds)
			kinds = append(kinds, nil)
		}
		kinds[i] = append(kinds[i], f.Fact)
	}
	for _, k := range kinds[:min(len(kinds), most)] {
		q := fact.Query{Subject: k[0].Subject, Predicate: k[0].Predicate}
		if row, _ := fact.Find(q.Predicate); row.Kind == fact.Event { // each its own sentence
			k = k[len(k)-1:]
		}
		out = append(out, companion.Say(l, "", q, k))
	}
	return out
}

// who is what a name is to the user: "Mira is your sister."
func (p people) who(l fact.Language, name string) string {
	for _, f := range p {
		if (f.Predicate == "name" || f.Predicate == "pet_name") && f.Subject != fact.User && (strings.EqualFold(f.Object, name) || strings.EqualFold(f.Subject, name)) {
			return companion.Is(l, f.Object, companion.Yours(l, f.Subject))
		}
	}
	return ""
}

const mostTold = 6 // sentences about somebody

var (
	aboutEN = []*regexp.Regexp{
		regexp.MustCompile(`(?i)^(?:and |so |hey,? |ok,? |but )*(?:who(?:'s| is| was| are)|what (?:all )?(?:do|did|have|can) (?:you|i) (?:still |actually )?(?:know|remember|recall|tell you|told you|say|said|mention|tell me)(?: to you)? (?:about|of)|(?:can|could|will) you tell me (?:something |more |what you know )?about|tell me (?:something |more |what you know )?about|do you (?:still )?(?:remember|know|recall)(?: about| anything about)?) (.{1,40}?)(?: again)?[.?! ]*$`),
	}
	aboutZH = []*regexp.Regexp{
		regexp.MustCompile(`^(?:那|那么)?(.{1,12}?)(?:是谁|是什么人|又是谁)(?:来着|啊|呀|呢)?[？?。]*$`),
		regexp.MustCompile(`^(?:那|那么)?谁是(.{1,12}?)(?:啊|呀|呢)?[？?。]*$`),
		regexp.MustCompile(`^(?:那|那么)?你?(?:都|还)*(?:知道|记得|了解|记着)(?:哪些)?(?:关于)?(.{1,12}?)(?:的)?(?:什么|哪些|些什么|哪些事|什么事|事情?)?(?:吗|呢)?[？?。]*$`),
		regexp.MustCompile(`^(?:关于)(.{1,12}?)[，,]?你(?:都|还)?(?:知道|记得)(?:什么|些什么|哪些|多少)[？?。]*$`),
		regexp.MustCompile(`^我(?:都)?(?:跟|和|对)你(?:说|讲|提)过(?:关于)?(.{1,12}?)(?:的)?(?:什么|哪些|什么事|哪些事)[？?。]*$`),
	}
	userEN = []string{"me", "myself", "i", "am i"}
	userZH = []string{"我", "我自己", "我的"}
)

// about answers who somebody is and what is known of them, "" where a question
// is for something else.
func (c *Conversation) about(q question) string {
	patterns, self := aboutEN, userEN
	if q.l == fact.Chinese {
		patterns, self = aboutZH, userZH
	}
	x := ""
	for _, p := range patterns {
		if m := p.FindStringSubmatch(q.text); m != nil {
			x = strings.TrimSpace(m[1])
			break
		}
	}
	if regexp.MustCompile(`(?i)^(?:and |so )?who am i[? ]*$`).MatchString(q.text) {
		x = "me"
	}
	if x == "" {
		return ""
	}
	all := people(c.thread.Facts(false))
	if slices.Contains(self, strings.ToLower(x)) {
		said := all.of(fact.User).say(q.l, mostTold)
		if len(said) == 0 {
			return companion.Nothing(q.l, "")
		}
		return joined(q.l, said)
	}
	who := whose(q.l, x)
	if !all.known(who) {
		if !companion.IsRole(who) && !isName(who) {
			return ""
		}
		return companion.Nothing(q.l, companion.Yours(q.l, who))
	}
	var said []string
	if s := all.who(q.l, who); s != "" {
		said = append(said, s)
	}
	facts := slices.DeleteFunc(all.of(who), func(f memory.Fact) bool {
		return len(said) > 0 && (f.Predicate == "name" || f.Predicate == "pet_name")
	})
	return joined(q.l, append(said, facts.say(q.l, mostTold)...))
}

// whose is whom the user means by "my sister Mira" or "小芸".
func whose(l fact.Language, x string) string {
	if l == fact.Chinese {
		for _, mine := range []string{"我家的", "我家", "我的", "我"} {
			if rest, ok := strings.CutPrefix(x, mine); ok && rest != "" {
				return rest
			}
		}
		return x
	}
	if rest, ok := strings.CutPrefix(strings.ToLower(x), "my "); ok {
		if companion.IsRole(rest) {
			return rest
		}
		return x[len(x)-len(rest):]
	}
	return x
}

// isName says whether something is written as a name is.
func isName(s string) bool {
	words := strings.Fields(s)
	if term.Chinese(s) {
		return len([]rune(s)) <= 4 && !strings.ContainsAny(s, "我你他她它这那什么哪谁的")
	}
	return len(words) > 0 && len(words) <= 3 && !slices.ContainsFunc(words, func(w string) bool { return w[0] < 'A' || w[0] > 'Z' })
}

var (
	yesNoEN = regexp.MustCompile(`(?i)^(?:(?:and|so|but|hey|hm+|well|ok|wait)[, ]+)?(?:do|does|did|is|are|am|was|were|has|have|isn't|don't|doesn't|aren't) `)
	yesNoZH = regexp.MustCompile(`(?:吗|么)[？?。]*$|是不是|有没有|喜不喜欢|会不会`)
	haveEN  = regexp.MustCompile(`(?i)\b(?:do i|have i got|i) (?:still )?(?:have )?(?:an?|any) ([a-z]+(?: [a-z]+)?)[? ]*$`)
	haveZH  = regexp.MustCompile(`^我(?:家)?(?:还)?(?:养(?:了|着)?|有(?:没有)?)(?:一)?(?:个|只|条|位)?(.{1,6}?)(?:吗|么)?[？?。]*$`)
	hateEN  = regexp.MustCompile(`(?i)\b(?:hate|dislike|can't stand|don't like)\b`)
	still   = regexp.MustCompile(`(?i)\bstill\b|\bany ?more\b|还`)
	hateZH  = regexp.MustCompile(`讨厌|不喜欢|受不了`)
)

// yesOrNo answers whether something is so, "" where a question is none of that
// kind, or of nothing that is remembered.
func (c *Conversation) yesOrNo(q question, w wish) string {
	if a := c.mayEat(q); a != "" {
		return a
	}
	match, have, hate := yesNoEN, haveEN, hateEN
	if q.l == fact.Chinese {
		match, have, hate = yesNoZH, haveZH, hateZH
	}
	if !match.MatchString(q.text) || mindful(q) {
		return ""
	}
	all := people(c.thread.Facts(false))
	if m := have.FindStringSubmatch(q.text); m != nil {
		if role := whose(q.l, strings.TrimSpace(m[1])); companion.IsRole(role) {
			return all.has(q.l, role)
		}
	}
	read, err := c.read(q.text, w)
	if err != nil {
		return ""
	}
	subjects := all.mentioned(q, read.Facts)
	if len(subjects) == 0 {
		return ""
	}
	for _, who := range subjects {
		if a := all.of(who).holds(q, hate.MatchString(q.text), read.Facts, all); a != "" {
			return a
		}
	}
	for _, f := range read.Facts {
		same := slices.DeleteFunc(all.of(f.Subject), func(g memory.Fact) bool { return g.Predicate != f.Predicate })
		if len(same) > 0 {
			return companion.No(q.l) + joined(q.l, same.say(q.l, 1))
		}
	}
	if len(read.Facts) == 0 && len(read.Asked) == 0 {
		for _, who := range subjects {
			if other := all.of(who).instead(q); len(other) > 0 && (who != fact.User || still.MatchString(q.text)) {
				return companion.No(q.l) + joined(q.l, other.say(q.l, 1))
			}
		}
	}
	if len(read.Facts) > 0 || len(read.Asked) == 0 {
		return companion.Unknown(q.l)
	}
	return ""
}

var (
	mayEatEN = regexp.MustCompile(`(?i)\b(?:can|could|should|may) (?:i|we) (?:eat|have|try|order|drink)\b`)
	mayEatZH = regexp.MustCompile(`我.{0,2}(?:能|可以|可不可以|能不能).{0,2}(?:吃|喝)`)
)

// mayEat warns of what the user does not bear, "" where nothing is known of it.
func (c *Conversation) mayEat(q question) string {
	if !mayEatEN.MatchString(q.text) && !mayEatZH.MatchString(q.text) {
		return ""
	}
	for _, f := range people(c.thread.Facts(false)).of(fact.User) {
		if f.Predicate == "allergic_to" && strings.Contains(strings.ToLower(q.text), strings.TrimSuffix(strings.ToLower(f.Object), "s")) {
			return companion.Rather(q.l) + joined(q.l, people{f}.say(q.l, 1))
		}
	}
	return ""
}

var (
	siblingsEN = regexp.MustCompile(`(?i)\b(?:siblings?|brothers? (?:and|or) sisters?|sisters? (?:and|or) brothers?)\b`)
	siblings   = []string{"sister", "brother", "little sister", "little brother", "older sister", "older brother", "twin sister", "twin brother", "姐姐", "妹妹", "哥哥", "弟弟"}
)

// siblingsOf answers which brothers and sisters the user has, "" where none is
// known.
func (c *Conversation) siblingsOf(q question) string {
	if !siblingsEN.MatchString(q.text) && !strings.Contains(q.text, "兄弟姐妹") {
		return ""
	}
	var found []string
	all := people(c.thread.Facts(false))
	for _, role := range siblings {
		if term.Chinese(role) != (q.l == fact.Chinese) || len(all.of(role)) == 0 {
			continue
		}
		who := []string{companion.Yours(q.l, role)}
		for _, f := range all {
			if f.Predicate == "name" && f.Subject == role {
				who = append(who, f.Object)
			}
		}
		found = append(found, strings.Join(who, [...]string{fact.English: " ", fact.Chinese: ""}[q.l]))
	}
	if len(found) == 0 {
		return ""
	}
	return companion.Knows(q.l, found)
}

// instead are the facts of which there is one at a time, and for which a
// question has one of their words.
func (p people) instead(q question) (out people) {
	for _, f := range p {
		row, _ := fact.Find(f.Predicate)
		if row.Kind != fact.Single {
			continue
		}
		for word := range strings.FieldsSeq(row.Words[q.l]) {
			if len(word) > 2 && word != "for" && memory.Mentions(q.text, word) { // "do for a living"
				return people{f}
			}
		}
	}
	return nil
}

// mindful says whether a question is for what the character knows or thinks.
func mindful(q question) bool {
	if q.l == fact.Chinese {
		return strings.ContainsAny(q.text, "你您")
	}
	return youEN.MatchString(q.text)
}

// has answers whether the user has somebody: a brother, a cat.
func (p people) has(l fact.Language, role string) string {
	if s := p.who(l, role); s != "" {
		return companion.Yes(l) + s
	}
	for _, f := range p {
		if f.Predicate == "has_pet" && f.Subject == fact.User && strings.EqualFold(f.Object, role) {
			return companion.Yes(l) + joined(l, people{f}.say(l, 1))
		}
	}
	if of := p.of(role); len(of) > 0 {
		return companion.Yes(l) + joined(l, of.say(l, 2))
	}
	return companion.Unknown(l)
}

// mentioned are those of whom a question speaks: by name, by what they are to
// the user, and the user.
func (p people) mentioned(q question, read []fact.Fact) (out []string) {
	add := func(who string) {
		if !slices.Contains(out, who) {
			out = append(out, who)
		}
	}
	for _, f := range read {
		add(f.Subject)
	}
	for _, f := range p {
		if f.Subject != fact.User && memory.Mentions(q.text, f.Subject) {
			add(f.Subject)
		}
		if (f.Predicate == "name" || f.Predicate == "pet_name") && f.Subject != fact.User && memory.Mentions(q.text, f.Object) {
			add(f.Subject)
		}
	}
	self := meEN.MatchString(q.text)
	if q.l == fact.Chinese {
		self = strings.Contains(q.text, "我")
	}
	if self && len(out) == 0 {
		add(fact.User)
	}
	return out
}

// holds answers with yes where one of the facts about somebody is what a
// question says, and with no where it says the opposite.
func (p people) holds(q question, hated bool, read []fact.Fact, all people) string {
	for _, f := range slices.Backward(p) {
		if !memory.Mentions(q.text, f.Object) {
			continue
		}
		if f.Predicate == "name" || f.Predicate == "pet_name" {
			if f.Subject != fact.User && memory.Mentions(q.text, f.Subject) {
				return companion.Yes(q.l) + all.who(q.l, f.Object)
			}
			if f.Subject != fact.User {
				continue // it says only of whom
			}
		}
		said := joined(q.l, people{f}.say(q.l, 1))
		fits := len(read) == 0 || slices.ContainsFunc(read, func(g fact.Fact) bool { return g.Predicate == f.Predicate })
		likes := slices.Contains([]string{"likes", "hobby", "plays", "sport", "favorite_food", "favorite_color"}, f.Predicate)
		switch {
		case hated && likes:
			return companion.No(q.l) + said
		case hated && f.Predicate == "dislikes", !hated && fits, !hated && likes:
			return companion.Yes(q.l) + said
		case !hated && f.Predicate == "dislikes":
			return companion.No(q.l) + said
		}
	}
	return ""
}
