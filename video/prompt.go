package video

import (
	"errors"
	"fmt"
	"hash/fnv"
	"strings"
	"unicode"
	"unicode/utf8"
)

const (
	// MaxPromptBytes bounds a prompt before it is looked at.
	MaxPromptBytes = 2000
	// MaxPromptTokens is how many words (Chinese: characters) a prompt may have.
	MaxPromptTokens = 48

	maxWordRunes = 64 // of one word; longer ones are cut before hashing
	shortGram    = 3  // character n-grams that stand for misspelt and unknown words
	longGram     = 4
)

// Errors of a prompt that the model cannot draw. They are wrapped with what
// was wrong; the command line adds a hint.
var (
	ErrEmptyPrompt = errors.New("video: the prompt is empty")
	ErrLongPrompt  = errors.New("video: the prompt is too long")
	ErrUnknown     = errors.New("video: no word of the prompt is known to the model")
)

// Prompt is a sentence split into tokens, each a bag of rows of a hashed
// embedding: the word itself and its character n-grams, so that a misspelt
// word still lies near the right one. A Chinese character is a token of its
// own, with the pair that it forms with the next.
type Prompt struct {
	Words []string  // as written, in lower case
	Rows  [][]int32 // of each word, in [1, rows); row 0 is the empty prompt's
}

// Tokenize splits a prompt for an embedding of the given number of rows. The
// empty text gives the one token that stands for "no prompt" in
// classifier-free guidance. It fails with ErrLongPrompt.
func Tokenize(text string, rows int) (Prompt, error) {
	if len(text) > MaxPromptBytes {
		return Prompt{}, fmt.Errorf("%w: %d bytes, at most %d", ErrLongPrompt, len(text), MaxPromptBytes)
	}
	words := splitWords(text)
	if len(words) > MaxPromptTokens {
		return Prompt{}, fmt.Errorf("%w: %d words, at most %d", ErrLongPrompt, len(words), MaxPromptTokens)
	}
	if len(words) == 0 {
		return Prompt{Words: []string{""}, Rows: [][]int32{{0}}}, nil
	}
	p := Prompt{Words: words, Rows: make([][]int32, len(words))}
	for i, w := range words {
		if isHan(w) {
			p.Rows[i] = hanRows(w, words, i, rows)
		} else {
			p.Rows[i] = wordRows(w, rows)
		}
	}
	return p, nil
}

// splitWords lower-cases a text and splits it at spaces and punctuation, and
// around each Chinese character.
func splitWords(text string) []string {
	var words []string
	begin := -1
	flush := func(end int) {
		if begin >= 0 {
			words = append(words, text[begin:end])
			begin = -1
		}
	}
	text = strings.ToLower(strings.ToValidUTF8(text, " "))
	for i, r := range text {
		switch {
		case unicode.Is(unicode.Han, r):
			flush(i)
			words = append(words, string(r))
		case unicode.IsLetter(r) || unicode.IsDigit(r):
			if begin < 0 {
				begin = i
			}
		default:
			flush(i)
		}
	}
	flush(len(text))
	return words
}

func isHan(word string) bool {
	r, n := utf8.DecodeRuneInString(word)
	return n == len(word) && unicode.Is(unicode.Han, r)
}

func hanRows(w string, words []string, i, rows int) []int32 {
	out := []int32{hashRow("c:"+w, rows)}
	if i+1 < len(words) && isHan(words[i+1]) {
		out = append(out, hashRow("p:"+w+words[i+1], rows))
	}
	return out
}

func wordRows(w string, rows int) []int32 {
	runes := []rune(w)
	runes = runes[:min(len(runes), maxWordRunes)]
	out := []int32{hashRow("w:"+string(runes), rows)}
	marked := append(append([]rune{'<'}, runes...), '>')
	for n := shortGram; n <= longGram; n++ {
		for k := 0; k+n <= len(marked); k++ {
			out = append(out, hashRow("g:"+string(marked[k:k+n]), rows))
		}
	}
	return out
}

// hashRow maps a key to a row in [1, rows).
func hashRow(key string, rows int) int32 {
	h := fnv.New64a()
	h.Write([]byte(key))
	return 1 + int32(h.Sum64()%uint64(rows-1))
}
