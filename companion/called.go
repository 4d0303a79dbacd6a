package companion

import (
	"slices"
	"strings"
	"unicode"

	"kuai/companion/fact"
	"kuai/companion/speech"
)

// pronoun is what a subject is called that was named before: subject,
// possessive, object and reflexive.
type pronoun struct {
	words  [4]string
	plural bool
}

var (
	she, he, it = &pronoun{words: [4]string{"she", "her", "her", "herself"}}, &pronoun{words: [4]string{"he", "his", "him", "himself"}}, &pronoun{words: [4]string{"it", "its", "it", "itself"}}
	they        = &pronoun{words: [4]string{"they", "their", "them", "themselves"}, plural: true}

	sheZH, heZH, itZH = &pronoun{words: [4]string{"她", "她的", "她", "自己"}}, &pronoun{words: [4]string{"他", "他的", "他", "自己"}}, &pronoun{words: [4]string{"它", "它的", "它", "自己"}}
)

// Endings of those whom a pronoun says the sex of, of the relations' lists.
var (
	women   = strings.Fields("sister mother aunt grandmother daughter granddaughter niece mother-in-law sister-in-law stepmother godmother wife girlfriend mom mum mommy grandma granny nana auntie fiancée ex-wife half-sister stepsister stepdaughter goddaughter great-grandmother great-aunt daughter-in-law")
	men     = strings.Fields("brother father uncle grandfather son grandson nephew father-in-law brother-in-law stepfather husband boyfriend dad daddy grandpa fiancé ex-husband ex-boyfriend half-brother stepbrother stepson godfather godson great-uncle son-in-law")
	womenZH = "姐妹妈奶姑女婆嫂母婶姨媳"
	menZH   = "哥弟爸舅爷儿公夫父叔伯"
)

// IsPronoun says whether a word stands for somebody who was named before.
func IsPronoun(word string) bool {
	word = strings.ToLower(word)
	for _, p := range []*pronoun{she, he, it, they, sheZH, heZH, itZH} {
		if slices.Contains(p.words[:3], word) {
			return true
		}
	}
	return false
}

// IsRole says whether a word says what somebody is to the user: a sister, a dog.
func IsRole(word string) bool {
	word = strings.ToLower(word)
	return role(fact.English, word) != nil || role(fact.Chinese, word) != nil
}

// Whole is a subject of an English text with the words before it that belong to
// what somebody is: the son of "my adopted son" is the adopted son.
func Whole(subject, text string) string {
	at := strings.Index(text, subject)
	if subject == fact.User || at < 0 {
		return subject
	}
	for {
		before := strings.TrimSuffix(text[:at], " ")
		word := before[strings.LastIndexByte(before, ' ')+1:]
		if word == "" || len(before) == at || !IsRole(word+text[at-1:at]+subject) {
			return subject
		}
		subject, at = word+text[at-1:at]+subject, at-1-len(word)
	}
}

// Person is who a subject is that was cut too long or stands for several:
// "aunt's sake" is the aunt, "aunt's dog" is the dog, each of "cats" is a cat.
func Person(subject string) string {
	if subject == fact.User || IsRole(subject) {
		return subject
	}
	if one := strings.TrimSuffix(subject, "s"); one != subject && IsRole(one) { // cats
		return one
	}
	for l, of := range [...]string{fact.English: "'s ", fact.Chinese: "的"} {
		owner, rest, ok := strings.Cut(subject, of)
		if ok && role(fact.Language(l), strings.ToLower(owner)) != nil && !IsRole(rest) && !IsRole(rest[strings.LastIndexByte(rest, ' ')+1:]) {
			return owner
		}
	}
	if _, rest, ok := strings.Cut(subject, "我"); ok && role(fact.Chinese, rest) != nil {
		return rest
	}
	if n := len(subject) - len("办"); n >= len("助理") && role(fact.Chinese, subject[:n]) != nil { // and a verb
		return subject[:n]
	}
	return subject
}

// NameOf is the predicate of what somebody is called, a pet or not; "" where
// what they are is not known.
func NameOf(subject string) string {
	if subject == fact.User {
		return "name"
	}
	last := strings.ToLower(subject[strings.LastIndexByte(subject, ' ')+1:])
	for l := range languageKeys {
		x := role(fact.Language(l), strings.ToLower(subject))
		if x == nil {
			x = role(fact.Language(l), last)
		}
		switch {
		case x == nil:
		case x.pet:
			return "pet_name"
		default:
			return "name"
		}
	}
	return ""
}

// MayMean says whether a pronoun can stand for somebody, by what they are called.
func MayMean(word, subject string) bool {
	word, subject = strings.ToLower(word), strings.ToLower(subject)
	last := subject[strings.LastIndexByte(subject, ' ')+1:]
	woman := slices.Contains(women, last) || strings.ContainsAny(subject, womenZH)
	man := !woman && (slices.Contains(men, last) || strings.ContainsAny(subject, menZH)) // a daughter is 女儿
	animal := false
	for l := range languageKeys {
		if x := role(fact.Language(l), last); x != nil {
			animal = animal || x.pet
		}
	}
	switch {
	case slices.Contains(it.words[:], word) || slices.Contains(itZH.words[:], word):
		return animal
	case slices.Contains(she.words[:], word) || slices.Contains(sheZH.words[:], word):
		return !man
	case slices.Contains(he.words[:], word) || slices.Contains(heZH.words[:], word):
		return !woman
	}
	return true
}

// pronounOf draws what somebody may be called the second time.
func (w *writer) pronounOf(s *someone) *pronoun {
	all := []*pronoun{she, he, they}
	if w.lang == fact.Chinese {
		all = []*pronoun{sheZH, heZH}
	}
	role := s.role[w.lang]
	last := role[strings.LastIndexByte(role, ' ')+1:]
	switch {
	case s.pet && w.lang == fact.Chinese:
		return itZH
	case s.pet:
		all = []*pronoun{it, she, he}
	case w.lang == fact.Chinese && strings.ContainsAny(role, womenZH):
		return sheZH
	case w.lang == fact.Chinese && strings.ContainsAny(role, menZH):
		return heZH
	case slices.Contains(women, last):
		return she
	case slices.Contains(men, last):
		return he
	}
	return all[w.r.IntN(len(all))]
}

// Shares of the turns of the Train split that call somebody otherwise than by
// what the user calls them.
const (
	namedShare   = 0.2  // of turns about somebody: the name beside it
	againShare   = 0.6  // of second facts about somebody: a pronoun
	earlierShare = 0.06 // about somebody whom the turn has mentioned before
	unsaidShare  = 0.05 // about somebody whom an earlier turn has named
)

// referring draws a turn that tells or asks for something of somebody by a
// pronoun: one whom the turn mentions before, or whom it does not name.
func (w *writer) referring(t *Utterance, mentioned bool) {
	p := w.predicate(func(p *predicate) bool { return p.who == anyone || p.who == petOnly && !mentioned })
	who := &someone{role: w.value("relation")}
	if p.who == petOnly {
		who = &someone{role: w.value("animal"), pet: true}
	}
	subject := who.key(w.lang)
	who.again = w.pronounOf(who)
	f := &told{p: p, who: who, v: w.value(p.values), when: t.When}
	asks := w.chance(0.4)
	if asks {
		t.Text = w.ask(f, value{}).ask
	} else {
		form := "tell"
		if w.chance(0.25) {
			form = "update"
		}
		t.Text = w.tell(f, form)
	}
	if mentioned {
		all := files().mentions[languageKeys[w.lang]+".before"]
		before := strings.ReplaceAll(all[w.r.IntN(len(all))], "{who}", subject)
		t.Text = before + t.Text
	} else {
		subject = w.pronounIn(t.Text, who.again)
	}
	if subject == "" {
		t.Text = w.quiet()
		return
	}
	if asks {
		t.Asked = []fact.Query{{Subject: subject, Predicate: p.name}}
		return
	}
	t.Facts = []fact.Fact{{Subject: subject, Predicate: p.name, Object: f.v[w.lang]}}
}

// pronounIn is the form of a pronoun that a text has, "" for none.
func (w *writer) pronounIn(text string, p *pronoun) string {
	if w.lang == fact.Chinese {
		if strings.Contains(text, p.words[0]) {
			return p.words[0]
		}
		return ""
	}
	words := strings.FieldsFunc(strings.ToLower(text), func(r rune) bool { return !unicode.IsLetter(r) && r != '-' })
	for _, form := range p.words[:3] {
		if slices.Contains(words, form) {
			return form
		}
	}
	return ""
}

// named puts a name beside what the user calls somebody whom a turn is about:
// my sister Mira. One that tells something tells the name too.
func (w *writer) named(t *Utterance) {
	subject := ""
	switch {
	case len(t.Facts) > 0:
		subject = t.Facts[0].Subject
	case len(t.Asked) > 0:
		subject = t.Asked[0].Subject
	}
	if subject == "" || subject == fact.User || slices.ContainsFunc(t.Facts, func(f fact.Fact) bool { return f.Predicate == "name" || f.Predicate == "pet_name" }) {
		return
	}
	predicate, kind := "name", "name"
	if x := role(w.lang, subject[strings.LastIndexAny(subject, " 的")+1:]); x != nil && x.pet {
		predicate, kind = "pet_name", "petname"
	}
	name := w.value(kind)[w.lang]
	beside := w.namedEnglish
	if w.lang == fact.Chinese {
		beside = w.namedChinese
	}
	text, ok := beside(t.Text, subject, name)
	if !ok || strings.Contains(strings.ToLower(t.Text), strings.ToLower(name)) || strings.Contains(strings.ToLower(subject), strings.ToLower(name)) {
		return
	}
	t.Text = text
	if len(t.Facts) > 0 {
		t.Facts = append(t.Facts, fact.Fact{Subject: subject, Predicate: predicate, Object: name})
	}
}

func (w *writer) namedEnglish(text, subject, name string) (string, bool) {
	at := strings.Index(strings.ToLower(text), "my "+strings.ToLower(subject))
	if at < 0 {
		return "", false
	}
	my, rest := text[at:at+len("my ")+len(subject)], text[at+len("my ")+len(subject):]
	if rest != "" && (unicode.IsLetter(rune(rest[0])) || rest[0] == '-') {
		return "", false // another word begins alike
	}
	plain := strings.HasPrefix(rest, " ") && len(rest) > 1 && !strings.HasPrefix(rest, "'")
	switch form := w.r.Float64(); {
	case plain && form < 0.15:
		my += ", " + name + ","
	case plain && form < 0.25:
		my += " (" + name + ")"
	case plain && form < 0.35 && at == 0:
		my = speech.Sentence(name) + ", my " + subject + ","
	case plain && form < 0.42:
		my += [...]string{" called ", " named "}[w.r.IntN(2)] + name
	default:
		my += " " + name
	}
	return text[:at] + my + rest, true
}

func (w *writer) namedChinese(text, subject, name string) (string, bool) {
	for _, mine := range []string{"我家", "我"} {
		at := strings.Index(text, mine+subject)
		if at < 0 {
			continue
		}
		my, rest := mine+subject, text[at+len(mine)+len(subject):]
		switch form := w.r.Float64(); {
		case form < 0.15:
			my += "（" + name + "）"
		case form < 0.25:
			my = mine + "那个叫" + name + "的" + subject
		default:
			my += name
		}
		return text[:at] + my + rest, true
	}
	return "", false
}
