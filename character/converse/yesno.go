package converse

import (
	"regexp"
	"slices"
	"strings"

	"kuai/character/memory"
	"kuai/character/memory/term"
	"kuai/companion"
	"kuai/companion/fact"
)

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
