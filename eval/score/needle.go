package score

import (
	"regexp"
	"strings"
	"unicode"
)

var numbered = regexp.MustCompile(`^\d+\. *`)

// CoreWords are the parts of a needle that must be found in a reply, as
// MiniMax's MR-NIAH takes its twenty needles apart: the items of a numbered
// list; whole lines where each ends a sentence; else what stands between
// commas, full stops and line ends.
func CoreWords(needle string) (words []string) {
	lines := strings.Split(strings.TrimSpace(needle), "\n")
	list, sentences := true, len(lines) > 1
	for _, l := range lines {
		list = list && numbered.MatchString(l)
		sentences = sentences && (strings.HasSuffix(l, "。") || strings.HasSuffix(l, "."))
	}
	for _, l := range lines {
		switch {
		case list:
			words = append(words, numbered.ReplaceAllString(l, ""))
		case sentences:
			words = append(words, strings.TrimRight(l, "。."))
		default:
			for _, part := range strings.FieldsFunc(l, func(r rune) bool { return strings.ContainsRune(",，.。", r) }) {
				if part = strings.TrimSpace(part); part != "" {
					words = append(words, part)
				}
			}
		}
	}
	return words
}

// apologies make a reply worth nothing: to an English needle, to a Chinese one.
var apologies = [2][]string{{"sorry", "no previous conversation"}, {"抱歉", "没有之前的对话"}}

// Needle is the share of a needle's core words that a reply repeats, letter by
// letter; none where it says that it cannot.
//
// Source: MiniMax-AI/MiniMax-01, evaluation/MR-NIAH/score.py.
func Needle(reply, needle string) float64 {
	low, which := strings.ToLower(reply), apologies[0]
	if strings.ContainsFunc(needle, func(r rune) bool { return unicode.Is(unicode.Han, r) }) {
		which = apologies[1]
	}
	for _, a := range which {
		if strings.Contains(low, a) {
			return 0
		}
	}
	words := CoreWords(needle)
	if len(words) == 0 {
		return 0
	}
	n := 0
	for _, w := range words {
		if strings.Contains(reply, w) {
			n++
		}
	}
	return float64(n) / float64(len(words))
}
