package token

import (
	"sort"
	"strings"
	"unicode"
	"unicode/utf8"
)

// mark is an added token to look for.
type mark struct {
	text       string
	id         int32
	lstrip     bool // takes the white space before it
	rstrip     bool // and after it
	singleWord bool // only where no letter, digit or _ touches it
	normalized bool // looked for in normalised text
}

// cutters look for added tokens before and after text is normalised.
type cutters struct{ asWritten, normalized finder }

// newCutters returns what looks for marks, whose texts normalize turns into
// what it makes of texts; it may be nil.
func newCutters(marks []mark, normalize func(string) string) cutters {
	var before, after []mark
	for _, m := range marks {
		if m.normalized && normalize != nil {
			m.text = normalize(m.text)
			after = append(after, m)
			continue
		}
		before = append(before, m)
	}
	return cutters{newFinder(before), newFinder(after)}
}

// finder looks for added tokens: the leftmost, of those the longest.
type finder struct {
	byFirst [256][]mark // the longest first
	firsts  string      // the first bytes that occur
}

func newFinder(marks []mark) finder {
	var f finder
	for _, m := range marks {
		if m.text != "" {
			f.byFirst[m.text[0]] = append(f.byFirst[m.text[0]], m)
		}
	}
	for c := range f.byFirst {
		list := f.byFirst[c]
		if len(list) == 0 {
			continue
		}
		f.firsts += string([]byte{byte(c)})
		sort.SliceStable(list, func(i, j int) bool { return len(list[i].text) > len(list[j].text) })
	}
	return f
}

// next returns where the next added token begins and ends, and its number; -1
// where there is none.
func (f *finder) next(text string) (begin, end int, id int32) {
	if f.firsts == "" {
		return 0, 0, -1
	}
	for i := range len(text) {
		for _, m := range f.byFirst[text[i]] {
			if !strings.HasPrefix(text[i:], m.text) || m.singleWord && touched(text, i, i+len(m.text)) {
				continue
			}
			begin, end = i, i+len(m.text)
			if m.lstrip {
				begin = len(strings.TrimRightFunc(text[:begin], unicode.IsSpace))
			}
			if m.rstrip {
				end = len(text) - len(strings.TrimLeftFunc(text[end:], unicode.IsSpace))
			}
			return begin, end, m.id
		}
	}
	return 0, 0, -1
}

// touched says whether a letter, digit or _ stands at a side of text[i:j].
func touched(text string, i, j int) bool {
	before, _ := utf8.DecodeLastRuneInString(text[:i])
	after, _ := utf8.DecodeRuneInString(text[j:])
	word := func(r rune) bool { return r == '_' || unicode.IsLetter(r) || unicode.IsNumber(r) }
	return i > 0 && word(before) || j < len(text) && word(after)
}
