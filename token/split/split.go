// Package split cuts text into the words that tokenizers merge, by the regular
// expressions of the known vocabularies, matched by hand, and by any other.
package split

import (
	"unicode"
	"unicode/utf8"
)

// Func cuts a text into words and gives them away in order.
type Func func(text string, yield func(word string))

// pattern is one of the regular expressions by which byte-level vocabularies
// split text, matched by hand: Go's regexp has no look-ahead, and words are
// most of the work.
type pattern struct {
	contractions contractions
	letters      letters
	digits       int    // in a run at most; 0: no limit, and a space may come before
	tail         string // what may follow a run of punctuation
	newlines     bool   // white space up to a line's end is a word
}

type contractions uint8

const (
	lowerFirst contractions = iota // 's, 't ... before anything else, in lower case
	anyFirst                       // in any case
	anyLast                        // in any case, at the end of words
)

type letters uint8

const (
	spaced   letters = iota // " ?\p{L}+"
	prefixed                // "[^\r\n\p{L}\p{N}]?\p{L}+"
	cased                   // as prefixed; capitals begin a new word
)

var (
	// gpt2 is 's|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+ .
	gpt2 = pattern{letters: spaced}
	// llama3 is (?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+ .
	llama3 = pattern{anyFirst, prefixed, 3, "\r\n", true}
	// qwen2 is llama3 with single digits.
	qwen2 = pattern{anyFirst, prefixed, 1, "\r\n", true}
	// o200k is that of GPT-4o and MiniMax-M2: words end where small letters
	// meet capitals.
	o200k = pattern{anyLast, cased, 3, "\r\n/", true}
)

// split gives away all words.
func (p pattern) split(text string, yield func(string)) {
	for i := 0; i < len(text); {
		end := p.word(text, i)
		yield(text[i:end])
		i = end
	}
}

// IsNumber is \p{N}.
func IsNumber(r rune) bool { return unicode.IsNumber(r) }

func isLetter(r rune) bool { return unicode.IsLetter(r) }
func isOther(r rune) bool  { return !unicode.IsSpace(r) && !isLetter(r) && !IsNumber(r) }

// run returns where the run of characters that f accepts ends, of at most
// limit characters unless that is 0.
func run(text string, i, limit int, f func(rune) bool) int {
	for n := 0; i < len(text) && (limit == 0 || n < limit); n++ {
		r, size := rune(text[i]), 1
		if r >= utf8.RuneSelf {
			r, size = utf8.DecodeRuneInString(text[i:])
		}
		if !f(r) {
			break
		}
		i += size
	}
	return i
}

// word returns where the word that begins at i ends.
func (p pattern) word(text string, i int) int {
	if p.contractions != anyLast {
		if n := contraction(text[i:], p.contractions == lowerFirst); n > 0 {
			return i + n
		}
	}
	if end := p.lettersAt(text, i); end > i {
		return end
	}
	after := i
	if text[i] == ' ' {
		after++
	}
	from := i
	if p.digits == 0 {
		from = after
	}
	if end := run(text, from, p.digits, IsNumber); end > from {
		return end
	}
	if end := run(text, after, 0, isOther); end > after {
		for end < len(text) && has(p.tail, text[end]) {
			end++
		}
		return end
	}
	return p.space(text, i)
}

func has(set string, c byte) bool {
	for i := range len(set) {
		if set[i] == c {
			return true
		}
	}
	return false
}

// lettersAt matches the alternatives for words of letters; i where none does.
func (p pattern) lettersAt(text string, i int) int {
	from := i
	switch p.letters {
	case spaced:
		if text[i] == ' ' {
			from++
		}
		if end := run(text, from, 0, isLetter); end > from {
			return end
		}
		return i
	default:
		r, size := utf8.DecodeRuneInString(text[i:])
		if r != '\r' && r != '\n' && !isLetter(r) && !IsNumber(r) {
			from += size
		}
		if p.letters == cased {
			return camels(text, i, from)
		}
		if end := run(text, from, 0, isLetter); end > from {
			return end
		}
		return i // what is no letter before none
	}
}

// camels matches a word of camelCase at from, before which text[i:from] may
// stand, or at i; a mark can be both that and a letter.
func camels(text string, i, from int) int {
	for _, match := range []func(string, int) int{toLower, toUpper} {
		for _, at := range [2]int{from, i} {
			if end := match(text, at); end > at {
				return end + contraction(text[end:], false)
			}
			if at == i {
				break
			}
		}
	}
	return i
}

func isUpper(r rune) bool {
	if r < utf8.RuneSelf {
		return r >= 'A' && r <= 'Z'
	}
	return unicode.In(r, unicode.Lu, unicode.Lt, unicode.Lm, unicode.Lo, unicode.M)
}

func isLower(r rune) bool {
	if r < utf8.RuneSelf {
		return r >= 'a' && r <= 'z'
	}
	return unicode.In(r, unicode.Ll, unicode.Lm, unicode.Lo, unicode.M)
}

// toUpper matches U+L*, where toLower has found nothing: no L follows.
func toUpper(text string, i int) int { return run(text, i, 0, isUpper) }

// toLower matches U*L+, where U and L are the classes of isUpper and isLower,
// which overlap; i where it does not match.
func toLower(text string, i int) int {
	upper := run(text, i, 0, isUpper)
	if end := run(text, upper, 0, isLower); end > upper {
		return end
	}
	for at := upper; at > i; { // U* gives back what L+ can take
		r, size := utf8.DecodeLastRuneInString(text[i:at])
		if isLower(r) {
			return at
		}
		at -= size
	}
	return i
}

// contraction returns the length of 's, 't, 're, 've, 'm, 'll or 'd at the
// beginning of text.
func contraction(text string, lower bool) int {
	if len(text) < 2 || text[0] != '\'' {
		return 0
	}
	at := func(i int) byte {
		if i >= len(text) {
			return 0
		}
		c := text[i]
		if !lower && c >= 'A' && c <= 'Z' {
			c += 'a' - 'A'
		}
		return c
	}
	switch at(1) {
	case 's', 't', 'm', 'd':
		return 2
	case 'r', 'v':
		if at(2) == 'e' {
			return 3
		}
	case 'l':
		if at(2) == 'l' {
			return 3
		}
	}
	if !lower && len(text) >= 3 && text[1:3] == "ſ" {
		return 3 // the long s is an s in any case
	}
	return 0
}

// space matches white space: up to a line's end, or all but the last before a
// word, which takes that one.
func (p pattern) space(text string, i int) int {
	end := run(text, i, 0, unicode.IsSpace)
	if end == i { // nothing matches: one character by itself
		_, size := utf8.DecodeRuneInString(text[i:])
		return i + size
	}
	if p.newlines {
		for at := end; at > i; at-- {
			if text[at-1] == '\n' || text[at-1] == '\r' {
				return at
			}
		}
	}
	if end < len(text) {
		_, size := utf8.DecodeLastRuneInString(text[i:end])
		if end-size > i {
			return end - size
		}
	}
	return end
}

// SingleDigits splits off each digit.
func SingleDigits(text string, yield func(string)) {
	for i := 0; i < len(text); {
		end := run(text, i, 0, func(r rune) bool { return !IsNumber(r) })
		if end > i {
			yield(text[i:end])
		}
		for i = end; i < len(text); i = end {
			if end = run(text, i, 1, IsNumber); end == i {
				break
			}
			yield(text[i:end])
		}
	}
}

// Then splits the words of one splitter by another.
func Then(first, second Func) Func {
	return func(text string, yield func(string)) {
		first(text, func(word string) { second(word, yield) })
	}
}

// plain is what llama.cpp does for a file that names no split: punctuation,
// then gpt2, then numbers, then three digits at a time.
var plain = Then(Then(Then(Runs(isMark), gpt2.split), Runs(IsNumber)), threes)

// isMark is [\p{P}$+<=>^~|] .
func isMark(r rune) bool {
	return unicode.IsPunct(r) || r < utf8.RuneSelf && has("$+<=>^~|", byte(r))
}

// threes isolates what matches [0-9]{3} .
func threes(text string, yield func(string)) {
	digit := func(r rune) bool { return r >= '0' && r <= '9' }
	from := 0
	for i := 0; i < len(text); {
		end := run(text, i, 3, digit)
		if end-i < 3 {
			_, size := utf8.DecodeRuneInString(text[i:])
			i += size
			continue
		}
		if i > from {
			yield(text[from:i])
		}
		yield(text[i:end])
		i, from = end, end
	}
	if from < len(text) {
		yield(text[from:])
	}
}
