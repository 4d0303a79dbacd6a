package memory

import (
	"regexp"
	"slices"
	"strings"

	"kuai/character/memory/term"
	"kuai/companion"
	"kuai/companion/fact"
	"kuai/reader"
	"kuai/reader/sense"
)

// spouse is whom the user is married to, whoever else a sentence speaks of: "My
// wife is Ann"; as "My dog is a labrador" tells of the user's pet.
var spouse = regexp.MustCompile(`(?i)^(?:\S+ )?(?:wife|husband|spouse|partner|fiancée?|girlfriend|boyfriend|better half)$|老婆|老公|妻子|丈夫|爱人|媳妇|太太|先生|对象|朋友|另一半|未婚|前[妻夫任]|^ex\b`)

// mayBeAnothers says whether a fact or a question that was taken for the user's
// may be about somebody else. What happens today happens to the user.
func mayBeAnothers(subject, predicate string) bool {
	row, _ := fact.Find(predicate)
	return subject == fact.User && row.Kind != fact.Event && predicate != "has_pet"
}

var (
	favorite = regexp.MustCompile(`(?i)^(?:favou?rite|fave)\b`) // my favourite composer is nobody of mine
	firstEN  = strings.Fields("i me mine myself we us our ours i'm i've i'd i'll im ive")
	tellZH   = regexp.MustCompile(`(?:告诉|提醒|跟|和|问|听|帮|给|让|请|求)我|我(?:跟|和|告诉|问)你|我(?:想|要|来)?(?:说|问|知道)`)
)

// onlyOne is of whom alone a sentence speaks, in which the user is no more than
// whose somebody is: "My book club friend is fond of jazz". The value, if there
// is one, stands outside of whom it is.
func onlyOne(sentence, value string) (who string, ok bool) {
	chinese := term.Chinese(sentence)
	if _, after, ok := strings.Cut(sentence, ": "); ok && strings.Contains(after, value) { // "Just between us: ..."
		sentence = after
	}
	if chinese {
		sentence = tellZH.ReplaceAllString(sentence, "，")
	}
	units := reader.Units(sentence)
	words := make([]string, len(units))
	for i, u := range units {
		words[i] = u.Word
	}
	for i, w := range words {
		if !chinese && w != "my" {
			if slices.Contains(firstEN, w) {
				return "", false
			}
			continue
		}
		if chinese && w != "我" {
			continue
		}
		n := sense.Someone(words[i+1:])
		if n == 0 {
			return "", false
		}
		s := sentence[units[i+1].From:units[i+n].To]
		if who != "" && !strings.EqualFold(who, s) || value != "" && (Mentions(s, value) || strings.Contains(s, value)) || favorite.MatchString(s) {
			return "", false
		}
		// "The key is under the mat, so that my mother gets in"
		if at := strings.Index(sentence, value); value != "" && who == "" && at >= 0 && at+len(value) <= units[i].From && strings.ContainsAny(sentence[at+len(value):units[i].From], ",;，；、：") {
			return "", false
		}
		who = s
	}
	return who, who != ""
}

const longestPet = 6 // words or characters

// petOf is the pet of somebody of whom a pet's name or food was told or asked
// for: 继父 of 我继父的拉布拉多叫什么 is 继父的拉布拉多.
func petOf(text, subject, predicate string) string {
	if subject == fact.User || predicate != "pet_name" && predicate != "pet_eats" {
		return subject
	}
	at := strings.Index(text, subject)
	if at < 0 {
		return subject
	}
	end := at + len(subject)
	units := reader.Units(text[end:])
	if len(units) < 2 || units[0].Word != "的" && units[0].Word != "'s" {
		return subject
	}
	for n := min(longestPet, len(units)-1); n > 0; n-- {
		if companion.IsRole(text[end+units[1].From : end+units[n].To]) {
			return text[at : end+units[n].To]
		}
	}
	return subject
}

// ownPart says whether somebody is nobody but a part or a thing of the user's:
// "My voice shakes because of frogs" is about the user.
func ownPart(text, subject string) bool {
	return !term.Chinese(text) && !strings.ContainsAny(subject, " -") && !companion.IsRole(subject) && Mentions(text, "my "+subject) && sense.Thing(strings.ToLower(subject))
}

// another is whom a fact of a text is about that was taken for the user's.
func another(text string, f fact.Fact) string {
	if !mayBeAnothers(f.Subject, f.Predicate) {
		return f.Subject
	}
	for _, s := range Sentences(text) {
		if !strings.Contains(s.Text, f.Object) {
			continue
		}
		if who, ok := onlyOne(s.Text, f.Object); ok && (f.Predicate != "married_to" || !spouse.MatchString(who)) {
			return who
		}
		break
	}
	return f.Subject
}

// askedOf is whom a question is about that was taken for one about the user.
func askedOf(text string, q fact.Query) string {
	if !mayBeAnothers(q.Subject, q.Predicate) {
		return q.Subject
	}
	for _, s := range slices.Backward(Sentences(text)) {
		if !s.Asks && !wants(s.Text) {
			continue
		}
		if who, ok := onlyOne(s.Text, ""); ok && (q.Predicate != "married_to" || !spouse.MatchString(who)) {
			return who
		}
		break
	}
	return q.Subject
}
