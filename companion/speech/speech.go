// Package speech is what English and Chinese ask of a sentence: capitals,
// articles, agreement, contractions, measure words, days and numbers. It knows
// nothing of facts.
package speech

import (
	"strings"
	"unicode"
	"unicode/utf8"

	"kuai/companion/fact"
)

// Agree chooses of x|y or x|y|z the form of a person.
func Agree(forms string, form int) string {
	all := strings.Split(forms, "|")
	if len(all) == 2 {
		return all[form/2]
	}
	return all[form]
}

// WithArticle puts the indefinite article before an English noun, or "some"
// before a plural.
func WithArticle(s string) string {
	for _, p := range [...]string{"a ", "an ", "the ", "some "} {
		if strings.HasPrefix(s, p) {
			return s
		}
	}
	if strings.HasSuffix(s, "s") && !strings.HasSuffix(s, "ss") {
		return "some " + s
	}
	if strings.ContainsRune("aeiou", unicode.ToLower(rune((s + " ")[0]))) {
		return "an " + s
	}
	return "a " + s
}

// Articles makes "an" of each "a" before a vowel.
func Articles(s string) string {
	words := strings.Split(s, " ")
	for i := range len(words) - 1 {
		next := words[i+1]
		if (words[i] == "a" || words[i] == "A") && next != "" && strings.ContainsRune("aeiou", rune(next[0])) &&
			!strings.HasPrefix(next, "one") && !strings.HasPrefix(next, "uku") && !strings.HasPrefix(next, "uni") {
			words[i] += "n"
		}
	}
	return strings.Join(words, " ")
}

// Sentence begins each sentence with a capital.
func Sentence(s string) string {
	var b strings.Builder
	begin := true
	for _, r := range s {
		if begin && (unicode.IsLetter(r) || unicode.IsDigit(r)) {
			r = unicode.ToUpper(r)
			begin = false
		}
		switch r {
		case '.', '?', '!':
			begin = true
		case '"', ' ':
		default:
			begin = false
		}
		b.WriteRune(r)
	}
	return b.String()
}

// After puts a lead before a sentence, which goes on with a small letter where
// the lead does not end one.
func After(l fact.Language, lead, s, phrase string) string {
	t := strings.TrimSpace(lead)
	if l == fact.Chinese || t == "" || strings.HasSuffix(t, ".") || strings.HasSuffix(t, "!") || strings.HasSuffix(t, "?") {
		return lead + s
	}
	first, n := utf8.DecodeRuneInString(s)
	literal := !strings.HasPrefix(phrase, "{v}") && !strings.HasPrefix(s, "I ") && !strings.HasPrefix(s, "I'")
	if !literal {
		return lead + s
	}
	if strings.HasPrefix(phrase, "{") { // a name keeps its capital
		if rest := s[n:]; !strings.HasPrefix(s, "My ") && !strings.HasPrefix(s, "Your ") && rest != "" {
			return lead + s
		}
	}
	return lead + string(unicode.ToLower(first)) + s[n:]
}

// Lower undoes the capital of a clause that becomes a part of a sentence.
func Lower(l fact.Language, s, phrase string) string {
	if l == fact.Chinese || strings.HasPrefix(phrase, "{") {
		return s
	}
	return strings.ToLower(s[:1]) + s[1:]
}

// Joined puts two sentences together.
func Joined(l fact.Language, a, b string) string {
	if l == fact.Chinese {
		return a + b
	}
	return a + " " + b
}

// Contract shortens "I am" where a sentence or what follows a lead begins:
// elsewhere it may stand at an end, "how old I am".
func Contract(s string) string {
	var b strings.Builder
	begin := true
	for i := 0; i < len(s); {
		done := false
		for _, p := range [...][2]string{{"I am ", "I'm "}, {"You are ", "You're "}, {"you are ", "you're "}, {"I have been ", "I've been "}, {"You have been ", "You've been "}} {
			if begin && strings.HasPrefix(s[i:], p[0]) {
				b.WriteString(p[1])
				i += len(p[0])
				done, begin = true, false
				break
			}
		}
		if done {
			continue
		}
		c := s[i]
		b.WriteByte(c)
		i++
		switch {
		case strings.IndexByte(".!?:,", c) >= 0:
			begin = true
		case c != ' ' && !unicode.IsPunct(rune(c)):
			begin = false
		}
	}
	return b.String()
}
