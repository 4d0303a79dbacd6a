package companion

import (
	"regexp"
	"slices"
	"strings"
	"sync"
	"unicode"
	"unicode/utf8"

	"kuai/companion/fact"
	"kuai/companion/speech"
)

// Denies says whether a reply says that something was not told.
func Denies(l fact.Language, reply string) bool {
	reply = strings.ToLower(reply)
	return slices.ContainsFunc(denials[l], func(d string) bool { return strings.Contains(reply, d) })
}

// deniesPlainly says whether a reply is one of the ways to say that something was
// never told which name nothing: what a small model then names is often something
// else than what was asked for.
func deniesPlainly(l fact.Language, reply string) bool {
	return slices.ContainsFunc(files().say[languageKeys[l]+".unknown"], func(s string) bool {
		return s != "" && !strings.Contains(s, "{") && strings.EqualFold(s, strings.TrimSpace(reply))
	}) || strings.EqualFold(Unknown(l), strings.TrimSpace(reply))
}

// Unknown is what a friend says who was never told.
func Unknown(l fact.Language) string {
	return [...]string{fact.English: "You haven't told me that.", fact.Chinese: "你还没告诉过我呢。"}[l]
}

// But says that something was not told, and what was told that is near it.
func But(l fact.Language, near string) string {
	if l == fact.Chinese {
		return strings.TrimSuffix(Unknown(l), "呢。") + "，不过" + near
	}
	return strings.TrimSuffix(Unknown(l), ".") + ", but " + strings.Replace(near, "You", "you", 1)
}

// Agrees says whether a reply to a query says what the facts that answer it do.
func Agrees(l fact.Language, asked string, q fact.Query, facts []fact.Fact, reply string) bool {
	if len(facts) == 0 {
		return deniesPlainly(l, reply)
	}
	if Denies(l, reply) {
		return false
	}
	small := strings.ToLower(reply)
	has := func(s string) bool { return strings.Contains(small, strings.ToLower(s)) }
	if slices.ContainsFunc(facts, func(f fact.Fact) bool { return strings.Count(small, strings.ToLower(f.Object)) > 1 }) {
		return false // said twice: a model that lost its way
	}
	last := facts[len(facts)-1]
	switch {
	case q.Object != "" && !q.Before:
		return slices.ContainsFunc(speech.Dates(last.From, true), has)
	case len(facts) == 1 && !counts(l, asked, q):
		return has(last.Object)
	case counts(l, asked, q):
		return has(speech.Number(l, len(facts))) && !slices.ContainsFunc(facts, func(f fact.Fact) bool { return !has(f.Object) })
	}
	return slices.ContainsFunc(facts, func(f fact.Fact) bool { return has(f.Object) })
}

// countsIn are the words of questions for how many there are.
var countsIn = [...]*regexp.Regexp{
	fact.English: regexp.MustCompile(`(?i)\bhow many\b|\bnumber\b|\bcount(?:s|ed|ing)?\b|\btally\b|\btotal\b|\bsum\b|\badds? up\b|\bnr\b|\bno\. of\b|\bquantity\b`),
	fact.Chinese: regexp.MustCompile(`几|多少|数|总共|一共|总计|合计|[一两二三四五六][样种个门项件]还是`),
}

// counts says whether a question is for how many there are.
func counts(l fact.Language, asked string, q fact.Query) bool {
	row, _ := fact.Find(q.Predicate)
	return (row.Kind == fact.Multi || row.Kind == fact.Event) && countsIn[l].MatchString(asked)
}

// Say puts the facts that answer a query as a friend would say them, always in
// the same way.
func Say(l fact.Language, asked string, q fact.Query, facts []fact.Fact) string {
	return SayAny(l, asked, q, facts, 0)
}

// SayAny is Say in one of several ways, which pick chooses.
func SayAny(l fact.Language, asked string, q fact.Query, facts []fact.Fact, pick uint64) string {
	if len(facts) == 0 {
		if pick == 0 {
			return Unknown(l)
		}
		return unknown(l, pick)
	}
	f := facts[len(facts)-1]
	p := files().byName[f.Predicate]
	if p == nil {
		return Note(l, f)
	}
	slots := valueSlots(f.Object)
	slots["d"] = speech.Day(l, f.From)
	form := "note"
	switch row, _ := fact.Find(f.Predicate); {
	case row.Kind == fact.Event && q.Object != "" && !q.Before:
		form = "was"
	case row.Kind == fact.Event:
	case row.Kind == fact.Multi && counts(l, asked, q):
		form = "counted"
	case row.Kind == fact.Multi && len(facts) > 1:
	default:
		form = "answer"
	}
	if len(facts) > 1 || form == "counted" {
		var list []string
		for _, f := range facts {
			list = append(list, f.Object)
		}
		slots["n"], slots["list"] = speech.Number(l, len(list)), speech.Enumerate(l, list)
		slots["v"] = slots["list"]
	}
	if list := slots["list"]; list != "" && NameOf(f.Subject) == f.Predicate { // names of several: the sentence is for one
		return [...]string{fact.English: list + ".", fact.Chinese: list + "。"}[l]
	}
	if form == "was" && len(p.forms[l][form]) == 0 {
		return aside(l, render(l, p.forms[l]["note"][0], byFriend, subject(l, f.Subject), slots), slots["d"])
	}
	if len(p.forms[l][form]) == 0 {
		form = "note"
	}
	if form == "note" {
		pick = 0
	}
	ways := p.forms[l][form]
	return render(l, ways[pick%uint64(len(ways))], byFriend, subject(l, f.Subject), slots)
}

// unknown is one of the ways to say that something was not told, which name
// nothing.
func unknown(l fact.Language, pick uint64) string {
	all := []string{Unknown(l)}
	for _, s := range files().say[languageKeys[l]+".unknown"] {
		if s != "" && !strings.Contains(s, "{") {
			all = append(all, s)
		}
	}
	return all[pick%uint64(len(all))]
}

// pickOf returns one of the lines of a section that have a value, or have none.
func pickOf(l fact.Language, section string, valued bool, pick uint64) string {
	var all []string
	for _, s := range files().say[languageKeys[l]+"."+section] {
		if s != "" && strings.Contains(s, "{v}") == valued {
			all = append(all, s)
		}
	}
	if len(all) == 0 {
		return ""
	}
	return all[pick%uint64(len(all))]
}

// Acknowledge is what a friend says who is told something: of a value, or of
// something that has none. pick chooses among the ways to say it.
func Acknowledge(l fact.Language, value string, pick uint64) string {
	if value == "" {
		return pickOf(l, "ackplain", false, pick)
	}
	s := strings.ReplaceAll(pickOf(l, "ack", true, pick), "{v}", value)
	if l == fact.English {
		s = speech.Sentence(s)
	}
	return s
}

// noted are the ways to acknowledge a value, as patterns.
var noted = sync.OnceValue(func() (out [2][]*regexp.Regexp) {
	for l, key := range languageKeys {
		for _, section := range []string{"ack", "ackupdate"} {
			for _, s := range files().say[key+"."+section] {
				before, after, ok := strings.Cut(s, "{v}")
				if !ok || len(before)+len(after) < 4 { // nothing to know it by
					continue
				}
				out[l] = append(out[l], regexp.MustCompile("(?i)^"+regexp.QuoteMeta(before)+"(.{1,60}?)"+regexp.QuoteMeta(after)+"$"))
			}
		}
	}
	return out
})

// Acknowledged returns the value that a reply says to have noted, and whether it
// says so.
func Acknowledged(l fact.Language, reply string) (string, bool) {
	for _, p := range noted()[l] {
		if m := p.FindStringSubmatch(reply); m != nil {
			return m[1], true
		}
	}
	return "", false
}

// sentence is one in which a value is said: what stands around it.
type sentence []string

// blank stands for whatever fills a sentence in.
const blank = "\x00"

// longestBlank is how many bytes fill a blank at most: what is remembered is short.
const longestBlank = 24

// is says whether a text, in small letters, is the sentence with something short
// in its blanks.
func (s sentence) is(text string) bool {
	last := len(s) - 1
	if len(text) < len(s[0])+len(s[last]) || !strings.HasPrefix(text, s[0]) || !strings.HasSuffix(text, s[last]) {
		return false
	}
	text = text[len(s[0]) : len(text)-len(s[last])]
	for _, piece := range s[1:last] {
		in, rest, ok := strings.Cut(text, piece)
		if !ok || len(in) > longestBlank {
			return false
		}
		text = rest
	}
	return text != "" && len(text) <= longestBlank
}

// answers are the sentences in which what is remembered is said, of the user and
// of others, without the mark at their end.
var answers = sync.OnceValue(func() (out [2][]sentence) {
	// Letters that a sentence is known by: of the user, and of others, of whom much
	// is said ("Your train has a gift").
	least := [...][2]int{fact.English: {9, 13}, fact.Chinese: {3, 3}}
	slots := map[string]string{}
	for _, name := range []string{"v", "m", "d", "q", "n", "list"} {
		slots[name] = blank
	}
	seen := map[string]bool{}
	for _, p := range files().predicates {
		for l := range languageKeys {
			for _, form := range []string{"answer", "note", "counted", "was", "wished"} {
				for _, phrase := range p.forms[l][form] {
					for i, of := range []*someone{{}, {role: value{blank, blank}}} {
						text := bare(render(fact.Language(l), phrase, byFriend, of, slots))
						letters := strings.TrimFunc(strings.ReplaceAll(text, blank, ""), func(r rune) bool { return !unicode.IsLetter(r) })
						if !seen[text] && strings.Contains(text, blank) && utf8.RuneCountInString(letters) >= least[l][i] {
							seen[text] = true
							out[l] = append(out[l], strings.Split(text, blank))
						}
					}
				}
			}
		}
	}
	return out
})

// bare is a sentence in small letters, without the marks at its end.
func bare(s string) string {
	return strings.ToLower(strings.TrimRight(strings.TrimSpace(s), ".!?。！？ "))
}

// Answers says whether a sentence says something as if it were remembered: "What
// about salsa?", "Your sister lives in Oslo."
func Answers(l fact.Language, said string) bool {
	text := bare(said)
	return text != "" && slices.ContainsFunc(answers()[l], func(s sentence) bool { return s.is(text) })
}

// Own puts a kind of fact as the one would say it whom it is about: "I am 26
// years old."
func Own(l fact.Language, predicate, value string) string {
	p := files().byName[predicate]
	if p == nil || len(p.forms[l]["note"]) == 0 {
		return ""
	}
	return render(l, p.forms[l]["note"][0], byUser, &someone{}, valueSlots(value))
}

// Yours is what somebody is to the user, in words: "your sister".
func Yours(l fact.Language, who string) string {
	return subject(l, who).words(l, byFriend)[0]
}

// Is says who somebody is: "Mira is your sister."
func Is(l fact.Language, name, who string) string {
	if l == fact.Chinese {
		return name + "是" + who + "。"
	}
	return speech.Sentence(name + " is " + who + ".")
}

// List is several things in one phrase.
func List(l fact.Language, all []string) string { return speech.Enumerate(l, all) }

// Yes and No begin an answer to whether something is so.
func Yes(l fact.Language) string { return [...]string{"Yes. ", "对，"}[l] }

// No begins the answer that something is not so.
func No(l fact.Language) string { return [...]string{"No, not as far as I know. ", "不是吧，"}[l] }

// Nothing says that nothing was told of somebody, "" for the user.
func Nothing(l fact.Language, who string) string {
	switch {
	case l == fact.Chinese && who == "":
		return "你还没怎么跟我说过你自己呢，说说看？"
	case l == fact.Chinese:
		return "你还没跟我说过" + who + "呢。"
	case who == "":
		return "You haven't told me much about yourself yet. Go on, tell me something!"
	}
	return "You haven't told me about " + who + " yet."
}

// AcknowledgedPlainly says whether a reply thanks for what was told and names
// none of it.
func AcknowledgedPlainly(l fact.Language, reply string) bool {
	return slices.ContainsFunc(files().say[languageKeys[l]+".ackplain"], func(s string) bool { return s != "" && strings.EqualFold(s, reply) })
}

// Untold says that the answer to one of several questions was not told.
func Untold(l fact.Language, asked string) string {
	asked = strings.TrimRight(asked, "?？ ")
	if l == fact.Chinese {
		return "至于“" + asked + "”，你还没告诉过我。"
	}
	for _, and := range []string{"and ", "so "} {
		if len(asked) > len(and) && strings.EqualFold(asked[:len(and)], and) {
			asked = asked[len(and):]
		}
	}
	return "As for \"" + asked + "\", you haven't told me that."
}

// Repeat says again what the companion has said, or that it has said nothing of
// the kind.
func Repeat(l fact.Language, quote string) string {
	for _, said := range []string{"I said: “", "我说的是：“"} {
		if inner, ok := strings.CutPrefix(quote, said); ok { // repeated before
			quote = strings.TrimSuffix(inner, "”")
		}
	}
	switch {
	case quote == "":
		return [...]string{fact.English: "I don't think I have said anything about that.", fact.Chinese: "我好像没说过这个。"}[l]
	case l == fact.Chinese:
		return "我说的是：“" + quote + "”"
	}
	return "I said: “" + quote + "”"
}

// Rather begins a warning.
func Rather(l fact.Language) string { return [...]string{"Better not. ", "还是别了吧，"}[l] }

// Knows lists those whom somebody has told of.
func Knows(l fact.Language, all []string) string {
	if l == fact.Chinese {
		return "我知道的有" + speech.Enumerate(l, all) + "。"
	}
	return speech.Sentence(speech.Enumerate(l, all) + ", as far as I know.")
}

// Ended is what a friend says who is told that something is so no longer.
func Ended(l fact.Language) string {
	return [...]string{"All right, no longer, then. I've noted it.", "好，那就不是了，我记下了。"}[l]
}

// words are those of the training's own sentences.
var words = sync.OnceValue(func() map[string]bool {
	all := map[string]bool{}
	texts := []string{phrasesText, sayText, talkText, lexiconText}
	for _, name := range []string{"more_lexicon", "more_en", "more_say", "more_talk", "chatter", "mentions", "quiet", "wider_en", "wider_en_2", "wider_en_3", "company_en", "situations_en"} {
		texts = append(texts, moreText(name))
	}
	for _, text := range texts {
		for w := range strings.FieldsFuncSeq(strings.ToLower(text), func(r rune) bool { return r < 'a' || r > 'z' }) {
			all[w] = true
		}
	}
	return all
})

// IsWord says whether an English word is one that the companion was shown in
// sentences, in any form: a small model makes words up.
func IsWord(word string) bool {
	word = strings.ToLower(word)
	for _, end := range []string{"", "s", "es", "ed", "d", "ing", "ly", "er", "y", "n't", "'s", "'ll", "'re", "'ve", "'d", "'m"} {
		if rest, ok := strings.CutSuffix(word, end); ok && words()[rest] {
			return true
		}
	}
	return false
}
