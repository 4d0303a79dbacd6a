// Package token turns text into tokens and back, as the tokenizers of language
// models do: byte-level BPE, SentencePiece BPE and Unigram, read from GGUF files
// or from tokenizer.json.
//
// Encoding walks through stages: added tokens are cut out of the text, the rest
// is normalised, split into words, and each word is merged into tokens.
package token

import (
	"strings"

	"kuai/token/split"
)

// Limits of what is read.
const (
	MaxVocabulary = 1 << 22
	MaxPiece      = 1 << 12 // bytes of a token
)

// kind says what a token is for.
type kind uint8

const (
	normal  kind = iota
	control      // never part of a text: end of sequence, roles
	added        // cut out of the text before anything else
	raw          // one byte
	unknown
	unused
)

// piece is a token of the vocabulary.
type piece struct {
	text  string // as the vocabulary writes it
	bytes []byte // what it adds to a text
	kind  kind
}

// merger turns a word into tokens.
type merger interface {
	Encode(dst []int32, word string) []int32
}

// Tokenizer turns text into tokens and back. It may be used by several
// goroutines.
type Tokenizer struct {
	pieces []piece
	ids    map[string]int32
	added  cutters // all added tokens
	plain  cutters // those that are no control tokens

	normalize func(text string) string
	lead      string // put before a text that nothing stands before
	split     split.Func
	model     merger
	trim      bool // decoded text begins with a space that no text had

	bos, eos int32 // -1: none
	addBOS   bool
	ends     map[int32]bool
}

// Size is the number of tokens.
func (t *Tokenizer) Size() int { return len(t.pieces) }

// BOS returns the token that begins a sequence.
func (t *Tokenizer) BOS() (int32, bool) { return t.bos, t.bos >= 0 }

// EOS returns the token that ends a sequence.
func (t *Tokenizer) EOS() (int32, bool) { return t.eos, t.eos >= 0 }

// AddBOS says whether the model wants its prompts to begin with BOS.
func (t *Tokenizer) AddBOS() bool { return t.addBOS && t.bos >= 0 }

// IsEnd says whether a token ends what a model generates.
func (t *Tokenizer) IsEnd(id int32) bool { return t.ends[id] }

// Control says whether a token is no part of a text.
func (t *Tokenizer) Control(id int32) bool {
	return !t.has(id) || t.pieces[id].kind == control || t.pieces[id].kind == unknown || t.pieces[id].kind == unused
}

func (t *Tokenizer) has(id int32) bool { return id >= 0 && int(id) < len(t.pieces) }

// ID returns the token that the vocabulary writes so.
func (t *Tokenizer) ID(piece string) (int32, bool) {
	id, ok := t.ids[piece]
	return id, ok
}

// Piece returns how the vocabulary writes a token; "" for one out of range.
func (t *Tokenizer) Piece(id int32) string {
	if !t.has(id) {
		return ""
	}
	return t.pieces[id].text
}

// Bytes returns what a token adds to a text, nil for control tokens. The
// caller must not change it.
func (t *Tokenizer) Bytes(id int32) []byte {
	if t.Control(id) {
		return nil
	}
	return t.pieces[id].bytes
}

// Encode turns text into tokens. With special, the texts of control tokens
// stand for those tokens; without, they are text like any other. BOS is not
// added.
func (t *Tokenizer) Encode(text string, special bool) []int32 {
	out := make([]int32, 0, len(text)/3+1)
	find := &t.plain
	if special {
		find = &t.added
	}
	first := true
	for text != "" {
		at, end, id := find.asWritten.next(text)
		if id < 0 {
			return t.normal(out, text, &find.normalized, first)
		}
		if at > 0 {
			out = t.normal(out, text[:at], &find.normalized, first)
		}
		out = append(out, id)
		text = text[end:]
		first = false
	}
	return out
}

// normal normalises text and cuts the added tokens out that are looked for
// only then.
func (t *Tokenizer) normal(dst []int32, text string, find *finder, first bool) []int32 {
	if t.normalize != nil {
		text = t.normalize(text)
	}
	for text != "" {
		at, end, id := find.next(text)
		if id < 0 {
			return t.encode(dst, text, first)
		}
		if at > 0 {
			dst = t.encode(dst, text[:at], first)
		}
		dst = append(dst, id)
		text = text[end:]
		first = false
	}
	return dst
}

// encode encodes normalised text without added tokens.
func (t *Tokenizer) encode(dst []int32, text string, first bool) []int32 {
	if first && t.lead != "" && !strings.HasPrefix(text, t.lead) && text[0] != ' ' {
		text = t.lead + text
	}
	if t.split == nil {
		return t.model.Encode(dst, text)
	}
	t.split(text, func(word string) {
		if word != "" {
			dst = t.model.Encode(dst, word)
		}
	})
	return dst
}

// Decode turns tokens into text; control tokens add nothing, and bytes that are
// no UTF-8 become U+FFFD.
func (t *Tokenizer) Decode(ids []int32) string {
	var b strings.Builder
	s := t.Stream()
	for _, id := range ids {
		b.WriteString(s.Next(id))
	}
	b.WriteString(s.Flush())
	return b.String()
}
