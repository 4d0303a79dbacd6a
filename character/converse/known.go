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
func (c *Conversation) known(ctx context.Context, w wish, pack memory.Pack, own *repertoire) (string, error) {
	l := c.languageOf(w.said)
	if s := c.honest(w.said); s != "" {
		return s, nil
	}
	if s := courtesy(l, w.said, uint64(c.thread.Stats().Turns)); s != "" { //nolint:gosec // a count
		if own, err := own.voiced(w.said, l); own != "" || err != nil {
			return own, err
		}
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
		a, ok, err := c.sure(q, w, pack, own)
		if err != nil {
			return "", err
		}
		if (!ok || a == companion.Unknown(q.l)) && idea(q.text, pack) {
			return "", nil
		}
		if !ok {
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
func (c *Conversation) sure(q question, w wish, pack memory.Pack, own *repertoire) (string, bool, error) {
	if a := ofClock(q, w.at); a != "" {
		return a, true, nil
	}
	if badNews(q.l, w.said) && q.toCharacter() && (meEN.MatchString(w.said) || strings.Contains(w.said, "我")) {
		return "", true, nil // what the character is asked beside is not what matters
	}
	ofOthers := len(pack.Asked) > 0 || meEN.MatchString(q.text) || strings.Contains(q.text, "我") || len(people(c.thread.Facts(false)).mentioned(q, nil)) > 0
	if q.toCharacter() || !ofOthers {
		if a, err := own.voiced(q.text, q.l); a != "" || err != nil {
			return a, true, err
		}
	}
	if a, ok, err := c.ofSelf(q, own); ok || err != nil {
		return a, true, err
	}
	if a := c.about(q); a != "" {
		return a, true, nil
	}
	if a := c.siblingsOf(q); a != "" && !mindful(q) {
		return a, true, nil
	}
	a := c.yesOrNo(q, w)
	return a, a != "", nil
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
