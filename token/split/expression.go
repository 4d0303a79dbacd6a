package split

import (
	"fmt"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"github.com/dlclark/regexp2"
)

// matchTimeout bounds expressions that backtrack without end, which only a
// hostile file has.
const matchTimeout = 10 * time.Second

// wordClass writes \w out: the reference counts all marks and numbers in it.
func wordClass(expr string) string {
	const class = `\p{L}\p{M}\p{N}\p{Pc}`
	var b strings.Builder
	inside := false
	for i := 0; i < len(expr); i++ {
		c := expr[i]
		switch {
		case c == '\\' && i+1 < len(expr):
			i++
			switch {
			case expr[i] == 'w' && inside:
				b.WriteString(class)
			case expr[i] == 'w':
				b.WriteString("[" + class + "]")
			case expr[i] == 'W' && !inside:
				b.WriteString("[^" + class + "]")
			default:
				b.WriteString(expr[i-1 : i+1])
			}
			continue
		case c == '[':
			inside = true
		case c == ']':
			inside = false
		}
		b.WriteByte(c)
	}
	return b.String()
}

// Compile prepares any expression; the function cuts a text
// into what matches and what does not.
func Compile(expr string) (func(text string, yield func(piece string, hit bool)), error) {
	re, err := regexp2.Compile(wordClass(expr), regexp2.Unicode)
	if err != nil {
		return nil, fmt.Errorf("the regular expression %.60q: %w", expr, err)
	}
	re.MatchTimeout = matchTimeout
	return func(text string, yield func(string, bool)) {
		chars := []rune(text)
		last := 0
		m, err := re.FindRunesMatch(chars)
		for err == nil && m != nil {
			if m.Index > last {
				yield(string(chars[last:m.Index]), false)
			}
			if m.Length > 0 {
				yield(string(chars[m.Index:m.Index+m.Length]), true)
			}
			last = m.Index + m.Length
			m, err = re.FindNextMatch(m)
		}
		if last < len(chars) {
			yield(string(chars[last:]), false)
		}
	}, nil
}

// Runs splits where f begins or ends to hold.
func Runs(f func(rune) bool) Func {
	return func(text string, yield func(string)) {
		for i := 0; i < len(text); {
			end := run(text, i, 0, f)
			if end == i {
				end = run(text, i, 0, func(r rune) bool { return !f(r) })
			}
			yield(text[i:end])
			i = end
		}
	}
}

// Words is \w+|[^\w\s]+ .
func Words(text string, yield func(string)) {
	word := func(r rune) bool {
		return r == '_' || unicode.In(r, unicode.L, unicode.M, unicode.Nd, unicode.Nl, unicode.Pc,
			unicode.Other_Alphabetic, unicode.Join_Control)
	}
	Fields(text, func(field string) { Runs(word)(field, yield) })
}

// Fields drops white space.
func Fields(text string, yield func(string)) {
	for f := range strings.FieldsSeq(text) {
		yield(f)
	}
}

// Punctuation isolates each mark.
func Punctuation(text string, yield func(string)) {
	Marks(text, func(p string, _ bool) { yield(p) })
}

// Marks cuts a text into punctuation, each mark by itself, and what is none.
func Marks(text string, yield func(piece string, hit bool)) {
	mark := func(r rune) bool {
		return unicode.IsPunct(r) || r < utf8.RuneSelf && unicode.IsSymbol(r)
	}
	for i := 0; i < len(text); {
		end := run(text, i, 1, mark)
		hit := end > i
		if !hit {
			end = run(text, i, 0, func(r rune) bool { return !mark(r) })
		}
		yield(text[i:end], hit)
		i = end
	}
}
