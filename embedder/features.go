package embedder

import (
	"hash/fnv"
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/kljensen/snowball/english"
)

// Rows of the tables; features share them by their hash.
const (
	wordRows  = 20 << 10
	pieceRows = 8 << 10
)

const (
	// maxFeatures is how many rows of each table a text takes; what follows is
	// left out.
	maxFeatures = 512
	maxWord     = 48 // bytes; longer ones are no words
	gram        = 4  // letters of the pieces of a word
	stemCache   = 1 << 14
)

// Splitter cuts texts into features. It belongs to one goroutine at a time.
type Splitter struct {
	stems map[string]string
}

// features appends the rows of a text: of its words and Chinese characters,
// and of the pieces of those words and the pairs of those characters.
func (s *Splitter) features(words, pieces []int32, text string) (w, p []int32) {
	mostWords, mostPieces := len(words)+maxFeatures, len(pieces)+maxFeatures
	last := "" // the Chinese character just before
	for at := 0; at < len(text) && len(words) < mostWords; {
		r, n := utf8.DecodeRuneInString(text[at:])
		switch {
		case unicode.Is(unicode.Han, r):
			c := text[at : at+n]
			words = append(words, row('h', c, wordRows))
			if last != "" && len(pieces) < mostPieces {
				pieces = append(pieces, row('p', last+c, pieceRows))
			}
			last = c
			at += n
		case letter(r):
			end := at + n
			for end < len(text) {
				r, n := utf8.DecodeRuneInString(text[end:])
				if !letter(r) {
					break
				}
				end += n
			}
			last = ""
			if stem := s.stem(text[at:end]); stem != "" {
				words = append(words, row('w', stem, wordRows))
				pieces = grams(pieces, stem, mostPieces)
			}
			at = end
		default:
			last = ""
			at += n
		}
	}
	return words, pieces
}

// grams appends the rows of what a stem is made of.
func grams(pieces []int32, stem string, most int) []int32 {
	marked := "<" + stem + ">"
	for i := 0; i+gram <= len(marked) && len(pieces) < most; i++ {
		pieces = append(pieces, row('g', marked[i:i+gram], pieceRows))
	}
	return pieces
}

func letter(r rune) bool {
	return (unicode.IsLetter(r) || unicode.IsDigit(r)) && !unicode.Is(unicode.Han, r) && r != utf8.RuneError
}

// stem is the stem of a word, "" for what is left of one after an apostrophe.
func (s *Splitter) stem(word string) string {
	if len(word) > maxWord {
		word = word[:maxWord]
	}
	word = strings.ToLower(word)
	if got, ok := s.stems[word]; ok {
		return got
	}
	out := word
	switch {
	case word == "s" || word == "t" || word == "m" || word == "ll" || word == "ve" || word == "re" || word == "d":
		out = ""
	case len(word) > 2:
		out = english.Stem(word, true)
	}
	if s.stems == nil || len(s.stems) >= stemCache {
		s.stems = make(map[string]string, 256)
	}
	s.stems[strings.Clone(word)] = out
	return out
}

// row is a feature's row in a table of so many.
func row(kind byte, s string, rows uint32) int32 {
	h := fnv.New32a()
	_, _ = h.Write([]byte{kind})
	_, _ = h.Write([]byte(s))
	x := h.Sum32() // FNV's low bits are poor
	x ^= x >> 16
	x *= 0x7FEB352D
	x ^= x >> 15
	return int32(x % rows)
}
