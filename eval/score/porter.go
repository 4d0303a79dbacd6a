package score

import (
	"strings"
	"unicode/utf8"
)

// Stem reduces an English word to its stem as NLTK's PorterStemmer does, with
// the changes to Porter's algorithm that are its default: published scores
// depend on them. Letters that are not English count as consonants.
//
// Source: Porter, An algorithm for suffix stripping, 1980; NLTK 3.10.
func Stem(word string) string {
	word = strings.ToLower(word)
	if stem, ok := irregular[word]; ok {
		return stem
	}
	if utf8.RuneCountInString(word) <= 2 {
		return word
	}
	word = plural(word)
	word = past(word)
	if stem, ok := strings.CutSuffix(word, "y"); ok && utf8.RuneCountInString(stem) > 1 && endsConsonant(stem) {
		word = stem + "i"
	}
	word = second(word)
	word = replace(word, third)
	word = fourth(word)
	return last(word)
}

var irregular = map[string]string{
	"sky": "sky", "skies": "sky", "dying": "die", "lying": "lie", "tying": "tie", "news": "news",
	"innings": "inning", "inning": "inning", "outings": "outing", "outing": "outing", "cannings": "canning", "canning": "canning",
	"howe": "howe", "proceed": "proceed", "exceed": "exceed", "succeed": "succeed",
}

// consonants says of each letter whether it is one; a y is one unless it
// follows one.
func consonants(word string) []bool {
	is := make([]bool, 0, len(word))
	for _, r := range word {
		switch r {
		case 'a', 'e', 'i', 'o', 'u':
			is = append(is, false)
		case 'y':
			is = append(is, len(is) == 0 || !is[len(is)-1])
		default:
			is = append(is, true)
		}
	}
	return is
}

// measure is how many times a consonant follows a vowel.
func measure(stem string) (m int) {
	is := consonants(stem)
	for i := 1; i < len(is); i++ {
		if is[i] && !is[i-1] {
			m++
		}
	}
	return m
}

func hasVowel(stem string) bool {
	for _, is := range consonants(stem) {
		if !is {
			return true
		}
	}
	return false
}

func endsConsonant(word string) bool {
	is := consonants(word)
	return len(is) > 0 && is[len(is)-1]
}

// double returns the letter that a word ends in twice, if it is a consonant.
func double(word string) (letter string, ok bool) {
	r, n := utf8.DecodeLastRuneInString(word)
	before, _ := utf8.DecodeLastRuneInString(word[:len(word)-n])
	return word[len(word)-n:], n > 0 && len(word) > n && r == before && endsConsonant(word)
}

// endsShort says whether a word ends in consonant, vowel, consonant other than
// w, x or y; or is a vowel and a consonant.
func endsShort(word string) bool {
	is := consonants(word)
	n := len(is)
	if n == 2 {
		return !is[0] && is[1]
	}
	return n >= 3 && is[n-3] && !is[n-2] && is[n-1] && !strings.ContainsAny(word[len(word)-1:], "wxy")
}

// rule replaces a suffix where what stands before it has a measure above 0.
type rule struct{ suffix, with string }

// replace applies the first rule whose suffix a word has.
func replace(word string, rules []rule) string {
	for _, r := range rules {
		if stem, ok := strings.CutSuffix(word, r.suffix); ok {
			if measure(stem) > 0 {
				return stem + r.with
			}
			return word
		}
	}
	return word
}

// plural is step 1a.
func plural(word string) string {
	switch {
	case strings.HasSuffix(word, "sses"), strings.HasSuffix(word, "ies") && utf8.RuneCountInString(word) != len("dies"):
		return strings.TrimSuffix(word, "es")
	case strings.HasSuffix(word, "ss"):
		return word
	}
	return strings.TrimSuffix(word, "s")
}

// past is step 1b: -ed and -ing.
func past(word string) string {
	if stem, ok := strings.CutSuffix(word, "ied"); ok {
		if utf8.RuneCountInString(stem) == 1 {
			return stem + "ie"
		}
		return stem + "i"
	}
	if stem, ok := strings.CutSuffix(word, "eed"); ok {
		if measure(stem) > 0 {
			return stem + "ee"
		}
		return word
	}
	stem, ok := strings.CutSuffix(word, "ed")
	if !ok || !hasVowel(stem) {
		if stem, ok = strings.CutSuffix(word, "ing"); !ok || !hasVowel(stem) {
			return word
		}
	}
	for _, end := range []string{"at", "bl", "iz"} {
		if strings.HasSuffix(stem, end) {
			return stem + "e"
		}
	}
	if letter, ok := double(stem); ok {
		if letter == "l" || letter == "s" || letter == "z" {
			return stem
		}
		return strings.TrimSuffix(stem, letter)
	}
	if measure(stem) == 1 && endsShort(stem) {
		return stem + "e"
	}
	return stem
}

// second is step 2.
func second(word string) string {
	if stem, ok := strings.CutSuffix(word, "alli"); ok && measure(stem) > 0 {
		return second(stem + "al")
	}
	for _, r := range secondRules {
		if strings.HasSuffix(word, r.suffix) {
			return replace(word, secondRules)
		}
	}
	if stem, ok := strings.CutSuffix(word, "logi"); ok && measure(stem+"l") > 0 {
		return stem + "log"
	}
	return word
}

var secondRules = []rule{
	{"ational", "ate"},
	{"tional", "tion"},
	{"enci", "ence"},
	{"anci", "ance"},
	{"izer", "ize"},
	{"bli", "ble"},
	{"alli", "al"},
	{"entli", "ent"},
	{"eli", "e"},
	{"ousli", "ous"},
	{"ization", "ize"},
	{"ation", "ate"},
	{"ator", "ate"},
	{"alism", "al"},
	{"iveness", "ive"},
	{"fulness", "ful"},
	{"ousness", "ous"},
	{"aliti", "al"},
	{"iviti", "ive"},
	{"biliti", "ble"},
	{"fulli", "ful"},
}

var third = []rule{{"icate", "ic"}, {"ative", ""}, {"alize", "al"}, {"iciti", "ic"}, {"ical", "ic"}, {"ful", ""}, {"ness", ""}}

// fourth is step 4: what is cut where a measure above 1 is left.
func fourth(word string) string {
	for _, suffix := range fourthSuffixes {
		stem, ok := strings.CutSuffix(word, suffix)
		if !ok {
			continue
		}
		if measure(stem) > 1 && (suffix != "ion" || strings.HasSuffix(stem, "s") || strings.HasSuffix(stem, "t")) {
			return stem
		}
		return word
	}
	return word
}

var fourthSuffixes = []string{
	"al", "ance", "ence", "er", "ic", "able", "ible", "ant", "ement", "ment", "ent", "ion", "ou", "ism", "ate", "iti", "ous", "ive", "ize",
}

// last is step 5: a final e, and the second of two l.
func last(word string) string {
	if stem, ok := strings.CutSuffix(word, "e"); ok {
		if m := measure(stem); m > 1 || m == 1 && !endsShort(stem) {
			word = stem
		}
	}
	if strings.HasSuffix(word, "ll") && measure(word[:len(word)-1]) > 1 {
		return word[:len(word)-1]
	}
	return word
}
