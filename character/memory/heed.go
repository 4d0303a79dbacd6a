package memory

import (
	"regexp"
	"slices"
	"strings"
	"time"
	"unicode/utf8"

	"kuai/character/memory/term"
	"kuai/companion"
	"kuai/companion/fact"
	"kuai/reader/sense"
)

// heed puts right what a reader found in a turn where the words alone decide:
// what is only asked is not told, whom a clause is about, what a correction
// corrects, and what is said to be so no longer. told is what turns say that
// the book does not hold yet.
func (t *Thread) heed(turn Turn, facts []fact.Fact, told map[uint64][]fact.Fact) []fact.Fact {
	if turn.Speaker != fact.User {
		return facts
	}
	out := onlyTold(turn.Text, facts)
	out = slices.DeleteFunc(ofWhom(turn.Text, out), func(f fact.Fact) bool { return !fact.Fits(f.Predicate, f.Object) })
	if right := t.correction(turn, told); right != nil && !slices.ContainsFunc(out, func(f fact.Fact) bool { return f.Object != right[len(right)-1].Object }) {
		out = right // "no, I mean blue" says nothing but that
	}
	return t.ended(turn, out)
}

// Told returns what the user's words would tell if they were said now.
func (t *Thread) Told(text string, now time.Time) []fact.Fact {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.readTurns([]Turn{{Parent: t.path.Head(), Time: now, Speaker: fact.User, Text: text}})[0]
}

// onlyTold leaves out what a turn only asks about: "Does Mira live in Oslo?"
// does not say that she does. What somebody is called by the way stays.
func onlyTold(text string, facts []fact.Fact) []fact.Fact {
	all := Sentences(text)
	if !slices.ContainsFunc(all, func(s Sentence) bool { return s.Asks }) {
		return facts
	}
	return slices.DeleteFunc(slices.Clone(facts), func(f fact.Fact) bool {
		if isName(f.Predicate) && (Mentions(text, f.Subject+" "+f.Object) || term.Chinese(text) && strings.Contains(text, f.Subject+f.Object) || saidOf(all, f.Subject)) {
			return false
		}
		asked, echoed := false, false
		for _, s := range all {
			switch {
			case Mentions(s.Text, f.Object) && s.Asks:
				asked, echoed = true, echo(s.Text)
			case s.Asks:
			case Mentions(s.Text, f.Object), asked && (echoed || refersBack.MatchString(s.Text) || saidOf([]Sentence{s}, f.Subject) || f.Subject == fact.User && itWasI.MatchString(s.Text)):
				return false // "Do you know Oslo? I live there."
			}
		}
		return asked
	})
}

// itWasI answers a question that one has put oneself: "Who was in Oslo? I!"
var itWasI = regexp.MustCompile(`(?i)^(?:(?:it|that) (?:was|is) )?(?:i|me)(?: did| was| am| do| have)?[.! ]*$|^(?:是|就是)?我(?:呀|啊|呗|咯)?[。！! ]*$`)

// saidOf says whether a sentence that does not ask speaks of somebody: "Dreki?
// That's my aunt."
func saidOf(all []Sentence, who string) bool {
	return slices.ContainsFunc(all, func(s Sentence) bool {
		return !s.Asks && (Mentions(s.Text, who) || term.Chinese(s.Text) && strings.Contains(s.Text, who))
	})
}

// Mentions says whether a text has some words, in any case: whole ones where
// they are written with letters.
func Mentions(text, words string) bool {
	if words == "" {
		return false
	}
	text, words = strings.ToLower(text), strings.ToLower(words)
	for from := 0; ; {
		i := strings.Index(text[from:], words)
		if i < 0 {
			return false
		}
		i += from
		end := i + len(words)
		if !inWord(text, i) && !inWord(text, end) {
			return true
		}
		from = end
	}
}

// inWord says whether a place in a text is within a word of letters.
func inWord(s string, at int) bool {
	letter := func(c byte) bool { return c >= 'a' && c <= 'z' || c >= '0' && c <= '9' }
	return at > 0 && at < len(s) && letter(s[at-1]) && letter(s[at])
}

const roleNames = `([a-z]+(?: [a-z]+)?)`

var (
	calledEN = []*regexp.Regexp{
		regexp.MustCompile(`(?i)\b(?:my|an?) (?:\w+ )?` + roleNames + `[.,;!]* (?:her|his|its|their) name(?: is|'s) (?-i:([A-Z][\w'-]*))`),
		regexp.MustCompile(`(?i)\b(?:my|our) ([a-z-]+(?: [a-z-]+){0,2}?)(?:'s name is| is called| is named) (?-i:([A-Z][\w'-]*))`),
		regexp.MustCompile(`(?i)\bi (?:have|'ve got|got) an? (?:\w+ )?` + roleNames + `,?(?: who is| that is|'s)? (?:called|named) (?-i:([A-Z][\w'-]*))`),
		regexp.MustCompile(`(?i)\b(?:my|our) ([a-z-]+(?: [a-z-]+){0,2}?) (?:was christened|was baptised|was baptized|goes by(?: the name(?: of)?)?|has gone by|went by the name of|answers to|is known as) (?-i:([A-Z][\w'-]*))`),
	}
	// "Dreki? Oh, that's just my aunt", "I was out with Mira, that's my sister"
	thatsEN  = regexp.MustCompile(`([A-Z][\w'-]*)[?,.!]* (?i:(?:oh|yes|yeah|ah|well|no)[,.!]* )*(?i:that|this|she|he|it)(?:'s| is) (?:just |only )?(?:my|our) ([a-z]+(?:'s)?(?: [a-z]+)?)\b`)
	noName   = regexp.MustCompile(`(?i)^(?:oh|yes|yeah|ah|well|no|and|so|but|hey|ok|okay|i|now|because|sorry|wow)$`)
	calledZH = regexp.MustCompile(`(?:叫|名字是|名叫)$`)
	besideZH = regexp.MustCompile(`我家?(` + strings.Join(rolesZH, "|") + `)([\p{Han}]{2,3}?)(?:是|在|住|今年|喜欢|最|会|有|也|刚|搬|去|每|爱|对|特别|很)`)
	selfZH   = regexp.MustCompile(`(?:我叫|叫我|我的名字|我是|我名叫|大家叫)`)
)

// ofWhom gives facts that were taken for the user's to those whom their clause
// is about, and leaves out people who were taken for pets.
func ofWhom(text string, facts []fact.Fact) (out []fact.Fact) {
	for _, f := range facts {
		if f.Predicate == "has_pet" && companion.IsRole(f.Object) && !companion.MayMean("it", f.Object) {
			continue
		}
		if f.Subject == fact.User {
			f.Subject = another(text, fact.Fact{Subject: subjectOf(text, f), Predicate: f.Predicate, Object: f.Object})
		}
		f.Subject = companion.Person(petOf(text, companion.Whole(f.Subject, text), f.Predicate))
		f.Predicate = liking(text, f)
		if !isName(f.Predicate) && ownPart(text, f.Subject) {
			f.Subject = fact.User
		}
		out = append(out, f)
	}
	for _, m := range besideZH.FindAllStringSubmatch(text, 4) {
		if !strings.ContainsAny(m[2], "的是在我你他她它了也都就很最和跟们家不没叫那这得还哪什怎谁几啥对把被让给为从向总老") && !sense.HasWord(m[2]) && !named(out, m[1]) {
			out = append(out, fact.Fact{Subject: m[1], Predicate: nameOf(m[1]), Object: m[2]})
		}
	}
	for _, p := range append(calledEN, thatsEN) {
		for _, m := range p.FindAllStringSubmatch(text, 4) {
			if p == thatsEN {
				m[1], m[2] = m[2], m[1]
				if noName.MatchString(m[2]) {
					continue
				}
			}
			role := strings.ToLower(m[1])
			last := role[strings.LastIndexByte(role, ' ')+1:]
			if !companion.IsRole(role) && !strings.Contains(role, "'s ") {
				role = last
			}
			f := fact.Fact{Subject: role, Predicate: nameOf(last), Object: m[2]}
			if (companion.IsRole(role) || companion.IsRole(last)) && !named(out, role) {
				out = slices.DeleteFunc(out, func(g fact.Fact) bool { return (g.Subject == fact.User || g.Subject == role) && g.Object == f.Object })
				out = append(out, f)
			}
		}
	}
	return out
}

// What is said just before a thing that is liked or not, where a reader takes one
// for the other: "so tired of comics".
var (
	sourEN  = regexp.MustCompile(`(?i)\b(?:tired of|sick of|fed up with|bored (?:of|with)|can't (?:stand|bear)|cannot (?:stand|bear)|hates?|detests?|despises?|loathes?|never had any liking for)(?: the| any)? $`)
	sweetEN = regexp.MustCompile(`(?i)\b(?:pleasure from|fond of|crazy about|mad about|feels? alive with|loves?|adores?|enjoys?)(?: the| any)? $`)
)

// liking is the predicate of a fact, likes or dislikes by the words before its
// value.
func liking(text string, f fact.Fact) string {
	at := strings.Index(text, f.Object)
	if f.Predicate != "likes" && f.Predicate != "dislikes" || at < 0 {
		return f.Predicate
	}
	switch before := text[:at]; {
	case negative.MatchString(before[clauseAt(before):]) && !sourEN.MatchString(before):
	case sourEN.MatchString(before) && !denialEN.MatchString(before[clauseAt(before):]):
		return "dislikes"
	case sweetEN.MatchString(before):
		return "likes"
	}
	return f.Predicate
}

// denialEN turns a word of dislike round: "isn't tired of".
var denialEN = regexp.MustCompile(`(?i)\b(?:not|isn't|am not|aren't|wasn't|doesn't|don't|didn't|never)\b (?:\w+ ){0,2}(?:tired|sick|fed|bored|hates?|detests?|despises?|loathes?)\b`)

// clauseAt is where the last clause of a text begins.
func clauseAt(text string) int { return strings.LastIndexAny(text, ",.;:!?") + 1 }

var (
	asksNameEN = regexp.MustCompile(`(?i)\bwhat(?:'s| is| was) (?:my|our) ([a-z-]+(?: [a-z-]+){0,2}?)(?:'s name| called| named)\b`)
	asksNameZH = regexp.MustCompile(`我家?的?(` + strings.Join(rolesZH, "|") + `)的?(?:叫[做作]?(?:什么|啥|哪个名)|名字)`)
)

// asksName reads a question for what somebody is called.
func asksName(text string) (fact.Query, bool) {
	for _, p := range []*regexp.Regexp{asksNameEN, asksNameZH} {
		if m := p.FindStringSubmatch(text); m != nil && companion.IsRole(m[1]) {
			role := strings.ToLower(m[1])
			return fact.Query{Subject: role, Predicate: nameOf(role)}, true
		}
	}
	return fact.Query{}, false
}

// named says whether facts say what somebody is called.
func named(facts []fact.Fact, who string) bool {
	return slices.ContainsFunc(facts, func(f fact.Fact) bool { return f.Subject == who && isName(f.Predicate) })
}

// nameOf is the predicate of the name of somebody, or of a pet's.
func nameOf(role string) string {
	if companion.MayMean("it", role) {
		return "pet_name"
	}
	return "name"
}

// subjectOf reads whom a fact is about that was taken for the user's: in
// Chinese a clause that begins with a pronoun is about whom it means, and one
// that gives a name about whom it mentions, if that is not "I".
func subjectOf(text string, f fact.Fact) string {
	at := strings.Index(text, f.Object)
	if at < 0 || !term.Chinese(text) {
		return f.Subject
	}
	begin := 0
	if i := strings.LastIndexAny(text[:at], "，。！？；、,\n"); i >= 0 {
		_, n := utf8.DecodeRuneInString(text[i:])
		begin = i + n
	}
	clause := text[begin:at]
	for _, p := range []string{"她", "他", "它"} {
		if strings.HasPrefix(clause, p) {
			return p
		}
	}
	if !isName(f.Predicate) || !calledZH.MatchString(clause) || selfZH.MatchString(clause) {
		return f.Subject
	}
	who, last := f.Subject, -1
	for _, role := range rolesZH {
		if i := strings.LastIndex(text[:at], role); i > last {
			who, last = role, i
		}
	}
	return who
}

var (
	meantEN = regexp.MustCompile(`(?i)^(?:(?:no|nope|wait|sorry|oops|ah|oh|um|hm+|actually|my mistake|my bad)[,.!… ]+)*(?:i (?:mean|meant)(?: to say)?|i should have said|make (?:that|it))[:, ]+(?:it's |it is |to say )?(.{1,60}?)[.! ]*$`)
	itIsEN  = regexp.MustCompile(`(?i)^(?:no|nope|wait|sorry|oops|my mistake|my bad)[,.! ]+(?:sorry[, ]+)?(?:it's|it is|that's) ([\w'-]+(?: [\w'-]+){0,2}?)[.! ]*$`)
	noValue = regexp.MustCompile(`(?i)^(?:fine|ok|okay|good|great|bad|nothing|not|true|false|right|wrong|all|alright|just|too|so|because|enough|over|done|fun|funny|nice|sad|hard|easy)\b`)
	notEN   = regexp.MustCompile(`(?i)^(?:(?:no|nope|wait|sorry|oops)[,.! ]+)?not (.{1,40}?)[,;] (?:but |it's |i meant )?(.{1,40}?)[.! ]*$`)
	meantZH = regexp.MustCompile(`^(?:不对|不是|错了|说错了|我说错了|哦不|不|对不起|抱歉|等等)[，,。！ ]*(?:我)?(?:是说|说的是|指的是|的意思是|应该是|其实是|是)(.{1,20}?)[。！!. ]*$`)
)

// correction reads a turn that puts another value in the place of the one that
// the user's last turn has told: "No, I meant blue."
func (t *Thread) correction(turn Turn, told map[uint64][]fact.Fact) []fact.Fact {
	text := strings.TrimSpace(turn.Text)
	value, instead := "", ""
	if m := notEN.FindStringSubmatch(text); m != nil {
		instead, value = m[1], m[2]
	} else {
		for _, p := range []*regexp.Regexp{meantEN, itIsEN, meantZH} {
			if m := p.FindStringSubmatch(text); m != nil {
				value = m[1]
				break
			}
		}
	}
	if value == "" || strings.ContainsAny(value, "?？") || noValue.MatchString(value) {
		return nil
	}
	last := t.lastTold(turn, told)
	if instead != "" && !slices.ContainsFunc(last, func(f fact.Fact) bool { return strings.EqualFold(f.Object, instead) }) {
		return nil
	}
	for _, f := range slices.Backward(last) {
		if instead != "" && !strings.EqualFold(f.Object, instead) || f.Negated {
			continue
		}
		right := fact.Fact{Subject: f.Subject, Predicate: f.Predicate, Object: bare(value)}
		if row, _ := fact.Find(f.Predicate); row.Kind == fact.Multi || row.Kind == fact.Event {
			old := fact.Fact{Subject: f.Subject, Predicate: f.Predicate, Object: f.Object, Negated: true}
			return []fact.Fact{old, right}
		}
		return []fact.Fact{right}
	}
	return nil
}

// bare is a value without its article.
func bare(s string) string {
	for _, a := range []string{"a ", "an ", "the "} {
		if len(s) > len(a) && strings.EqualFold(s[:len(a)], a) {
			return s[len(a):]
		}
	}
	return s
}

// lastTold is what the user's turn before one has told.
func (t *Thread) lastTold(turn Turn, told map[uint64][]fact.Fact) []fact.Fact {
	const back = 3 // turns: a reply, and in a group another
	for id, n := turn.Parent, 0; id != 0 && n < back; n++ {
		before, err := t.Turn(id)
		if err != nil {
			return nil
		}
		if before.Speaker != fact.User {
			id = before.Parent
			continue
		}
		out := slices.Clone(told[id])
		for _, at := range slices.Backward(t.book.order) {
			f := t.book.facts[at]
			if f == nil {
				continue
			}
			if f.Turn < id {
				break
			}
			if f.Turn == id {
				out = append(out, f.Fact)
			}
		}
		return out
	}
	return nil
}

// ended makes denials of what the user says to be so no longer: "I don't live
// in Oslo any more" ends what is known, and says nothing new.
func (t *Thread) ended(turn Turn, facts []fact.Fact) []fact.Fact {
	for _, s := range Sentences(turn.Text) {
		if s.Asks {
			continue
		}
		for _, clause := range strings.FieldsFunc(s.Text, func(r rune) bool { return strings.ContainsRune(",;，；", r) }) {
			if !negative.MatchString(clause) {
				continue
			}
			for _, f := range t.knownIn(clause) {
				if !denied(clause, f) {
					continue
				}
				facts = slices.DeleteFunc(facts, func(g fact.Fact) bool {
					return g.Subject == f.Subject && g.Predicate == f.Predicate && alike(g.Object, f.Object)
				})
				facts = append(facts, fact.Fact{Subject: f.Subject, Predicate: f.Predicate, Object: f.Object, Negated: true})
			}
		}
	}
	return facts
}

var negative = regexp.MustCompile(`(?i)\bnot\b|n't\b|\bno longer\b|不|没`)

// knownIn returns what is known of the user, and of those whom a text mentions,
// if the text mentions it too.
func (t *Thread) knownIn(text string) (out []fact.Fact) {
	who := []string{fact.User}
	for role := range rolesEN {
		if Mentions(text, role) {
			who = append(who, role)
		}
	}
	for _, role := range rolesZH {
		if strings.Contains(text, role) {
			who = append(who, role)
		}
	}
	for _, subject := range who {
		for _, p := range fact.Predicates() {
			if p.Kind == fact.Event || isName(p.Name) {
				continue
			}
			for _, f := range (&pool{facts: t.standing(t.book.table.asked[askKey(subject, p.Name)])}).match(fact.Query{Subject: subject, Predicate: p.Name}) {
				if Mentions(text, f.Object) {
					out = append(out, f)
				}
			}
		}
	}
	return out
}

// denied says whether a clause denies a fact with one of its words: "don't
// live", "no longer really like".
func denied(clause string, f fact.Fact) bool {
	row, _ := fact.Find(f.Predicate)
	if term.Chinese(clause) {
		for word := range strings.FieldsSeq(row.Words[fact.Chinese]) {
			if regexp.MustCompile(`[不没](?:再|怎么|太|有)?(?:在)?` + regexp.QuoteMeta(word)).MatchString(clause) {
				return true
			}
		}
		return false
	}
	for word := range strings.FieldsSeq(row.Words[fact.English]) {
		if regexp.MustCompile(`(?i)(?:\bnot|n't|\bno longer)(?: \w+)? ` + regexp.QuoteMeta(word) + `(?:s|ing)?\b`).MatchString(clause) {
			return true
		}
	}
	return false
}
