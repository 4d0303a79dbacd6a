// Package term turns text into the terms that an index searches by: stems of
// English words, single characters and pairs of characters of Chinese. A term
// is the 64-bit hash of its letters, so that an index need not keep words.
package term

import (
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/kljensen/snowball/english"
)

// MaxTerms bounds the terms of one text; the rest of it is not searched.
const MaxTerms = 1 << 16

// maxWord bounds a word in bytes; longer ones are cut, as they are no words.
const maxWord = 64

// cacheLimit bounds the stems that an Analyzer remembers.
const cacheLimit = 4096

// Word is one term with what it was made from.
type Word struct {
	Hash    uint64
	Text    string // as written, in lower case; a character or pair for Chinese
	Capital bool   // began with a capital letter
	First   bool   // first of its sentence, where a capital says nothing
	Pair    bool   // a pair of Chinese characters
	Stop    bool   // so common that it says nothing
	At      int    // offset in bytes
}

// Analyzer finds terms. The zero value is ready; it belongs to one goroutine
// at a time.
type Analyzer struct {
	stems map[string]uint64
}

// Hash returns the hash of a term: FNV-1a with a final mix, because the index
// sorts by it.
func Hash(s string) uint64 {
	h := uint64(14695981039346656037)
	for i := range len(s) {
		h = (h ^ uint64(s[i])) * 1099511628211
	}
	return mix(h)
}

func mix(h uint64) uint64 {
	h ^= h >> 32
	h *= 0xd6e8feb86659fd93
	h ^= h >> 32
	return h
}

// Tag returns a term that no text contains, such as the tag of a day.
func Tag(kind, value string) uint64 { return Hash("\x00" + kind + "\x00" + value) }

// Stem returns the term of an English word in lower case.
func (a *Analyzer) Stem(word string) uint64 {
	if h, ok := a.stems[word]; ok {
		return h
	}
	h := Hash(stem(word))
	if len(a.stems) >= cacheLimit || a.stems == nil {
		a.stems = make(map[string]uint64, 64)
	}
	a.stems[strings.Clone(word)] = h
	return h
}

// stem is Porter's second stemmer, with the irregular forms that people use
// when they talk about their lives.
func stem(word string) string {
	if s, ok := irregular[word]; ok {
		return s
	}
	if len(word) < 3 || word[0] >= '0' && word[0] <= '9' {
		return word
	}
	s := english.Stem(word, true)
	if r, ok := irregular[s]; ok {
		return r
	}
	return s
}

// Terms appends the terms of a text, without stop words, each as often as it
// occurs.
func (a *Analyzer) Terms(dst []uint64, text string) []uint64 {
	limit := len(dst) + MaxTerms
	a.Each(text, func(w Word) bool {
		if !w.Stop {
			dst = append(dst, w.Hash)
		}
		return len(dst) < limit
	})
	return dst
}

// Words returns the terms of a text with what they were made from.
func (a *Analyzer) Words(text string) (words []Word) {
	a.Each(text, func(w Word) bool {
		words = append(words, w)
		return len(words) < MaxTerms
	})
	return words
}

// Each calls yield with each term of a text, in order, until it returns false.
func (a *Analyzer) Each(text string, yield func(Word) bool) {
	first := true
	var prev rune // the Chinese character just before
	prevAt := 0
	for i := 0; i < len(text); {
		r, n := utf8.DecodeRuneInString(text[i:])
		switch {
		case isHan(r):
			if prev != 0 && !yield(Word{Hash: pair(prev, r), Text: text[prevAt : i+n], Pair: true, At: prevAt}) {
				return
			}
			if !yield(Word{Hash: mix(uint64(r) * 0x9e3779b97f4a7c15), Text: text[i : i+n], Stop: hanStop(r), At: i}) {
				return
			}
			prev, prevAt = r, i
			i += n
			first = false
		case isLetter(r):
			end := wordEnd(text, i)
			if !a.word(text[i:end], i, first, yield) {
				return
			}
			i, prev, first = end, 0, false
		default:
			if isEnd(r) {
				first = true
			}
			prev = 0
			i += n
		}
	}
}

// wordEnd returns where the word at i ends. An apostrophe between letters
// belongs to it.
func wordEnd(text string, i int) int {
	for i < len(text) {
		r, n := utf8.DecodeRuneInString(text[i:])
		if !isLetter(r) {
			if r != '\'' && r != '’' {
				return i
			}
			next, _ := utf8.DecodeRuneInString(text[i+n:])
			if !isLetter(next) {
				return i
			}
		}
		i += n
	}
	return i
}

// word yields the term of one word.
func (a *Analyzer) word(w string, at int, first bool, yield func(Word) bool) bool {
	c, _ := utf8.DecodeRuneInString(w)
	capital := unicode.IsUpper(c)
	if len(w) > maxWord {
		w = strings.ToValidUTF8(w[:maxWord], "")
	}
	w = strings.ToLower(w)
	if i := strings.IndexAny(w, "'’"); i > 0 {
		tail := strings.TrimLeft(w[i:], "'’")
		w = w[:i]
		if tail == "t" { // don't, isn't, can't
			return yield(Word{Hash: a.Stem("not"), Text: "not", Stop: true, At: at, First: first})
		}
	}
	return yield(Word{Hash: a.Stem(w), Text: w, Capital: capital, First: first, Stop: stops[w], At: at})
}

// pair is the term of two characters beside each other.
func pair(a, b rune) uint64 { return mix((uint64(a)<<32 | uint64(b)) * 0x9e3779b97f4a7c15) }

func isHan(r rune) bool {
	return r >= 0x4e00 && r <= 0x9fff || r >= 0x3400 && r <= 0x4dbf || r >= 0x20000 && r <= 0x3ffff
}

// isLetter says whether a character is part of a word with letters: of any
// script but Chinese.
func isLetter(r rune) bool {
	if r < utf8.RuneSelf {
		return r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' || r >= '0' && r <= '9'
	}
	return (unicode.IsLetter(r) || unicode.IsDigit(r)) && !isHan(r) && r != utf8.RuneError
}

func isEnd(r rune) bool {
	switch r {
	case '.', '!', '?', '\n', '。', '！', '？', ':', '：', '"', '“', '”':
		return true
	}
	return false
}

// Chinese says whether a text is mostly Chinese.
func Chinese(text string) bool {
	han, other := 0, 0
	for _, r := range text {
		switch {
		case isHan(r):
			han++
		case isLetter(r):
			other++
		}
	}
	return han*3 > other // a Chinese character says about as much as three letters
}
