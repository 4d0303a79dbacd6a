package token

import (
	"fmt"
	"strconv"
	"strings"

	"kuai/token/merge"
)

// newTokenizer returns a tokenizer of pieces without a model.
func newTokenizer(pieces []piece) *Tokenizer {
	t := &Tokenizer{pieces: pieces, ids: make(map[string]int32, len(pieces)), bos: -1, eos: -1, ends: map[int32]bool{}}
	for i, p := range pieces {
		if _, twice := t.ids[p.text]; !twice && p.text != "" {
			t.ids[p.text] = int32(i)
		}
	}
	return t
}

// endNames are control tokens that end an answer, whatever a file calls its
// end of sequence.
var endNames = []string{
	"<|im_end|>", "<|eot_id|>", "<|eom_id|>", "<|endoftext|>", "<|end|>", "<end_of_turn>", "</s>", "<|end_of_text|>",
	"<|return|>", "<|call|>", "[e~[", "<|role_end|>", "<beginning_of_sentence>",
}

// finish sets up what looks for added tokens and what ends an answer.
func (t *Tokenizer) finish(marks []mark) {
	t.added = newCutters(marks, t.normalize)
	var plain []mark
	for _, m := range marks {
		if t.pieces[m.id].kind == added {
			plain = append(plain, m)
		}
	}
	t.plain = newCutters(plain, t.normalize)
	if t.eos >= 0 {
		t.ends[t.eos] = true
	}
	for _, name := range endNames {
		if id, ok := t.ids[name]; ok && t.pieces[id].kind == control && id != t.bos {
			t.ends[id] = true
		}
	}
}

// rawByte returns the byte that a piece such as <0x0A> stands for.
func rawByte(text string) (byte, bool) {
	if len(text) != 6 || !strings.HasPrefix(text, "<0x") || text[5] != '>' {
		return 0, false
	}
	v, err := strconv.ParseUint(text[3:5], 16, 8)
	return byte(v), err == nil
}

// rawBytes returns the tokens of single bytes, -1 where there is none.
func (t *Tokenizer) rawBytes() (to [256]int32) {
	for i := range to {
		to[i] = -1
	}
	for i, p := range t.pieces {
		if b, ok := rawByte(p.text); ok && (p.kind == raw || p.kind == normal) {
			to[b] = int32(i)
		}
	}
	return to
}

// byteTokens returns the tokens of single bytes in a byte-level vocabulary.
func (t *Tokenizer) byteTokens() (to [256]int32) {
	for b := range to {
		id, ok := t.ids[string(byteRunes[b])]
		if !ok {
			id = -1
		}
		to[b] = id
	}
	return to
}

// readMerges turns the lines of a file, pairs of pieces, into merges.
func (t *Tokenizer) readMerges(n int, at func(i int) (left, right string, ok bool)) (map[merge.Pair]merge.Merge, error) {
	out := make(map[merge.Pair]merge.Merge, n)
	for i := range n {
		left, right, ok := at(i)
		if !ok {
			return nil, fmt.Errorf("token: merge %d is no pair", i)
		}
		l, okL := t.ids[left]
		r, okR := t.ids[right]
		id, okB := t.ids[left+right]
		if !okL || !okR || !okB {
			continue // llama.cpp's files have some that lead nowhere
		}
		p := merge.Pair{Left: l, Right: r}
		if _, twice := out[p]; !twice {
			out[p] = merge.Merge{Rank: int32(i), ID: id}
		}
	}
	return out, nil
}

// spacePiece writes spaces as SentencePiece does.
const spacePiece = "▁"

// spaceBytes returns the bytes of a SentencePiece piece.
func spaceBytes(text string) []byte {
	if b, ok := rawByte(text); ok {
		return []byte{b}
	}
	return []byte(strings.ReplaceAll(text, spacePiece, " "))
}

// byWords lets a model without a pre-tokenizer work word by word, where no
// piece reaches from the end of one into the next: the tokens are the same, and
// words are remembered.
func (t *Tokenizer) byWords(ids map[string]int32) {
	if _, ok := ids[spacePiece]; t.split != nil || !ok {
		return
	}
	for text := range ids {
		if wordEnd(text) < len(text) {
			return
		}
	}
	t.split = func(text string, yield func(string)) {
		for text != "" {
			n := wordEnd(text)
			yield(text[:n])
			text = text[n:]
		}
	}
}

// wordEnd returns where text goes on with a space after something else.
func wordEnd(text string) int {
	n := len(text) - len(strings.TrimLeft(text, spacePiece))
	if at := strings.Index(text[n:], spacePiece); at >= 0 {
		return n + at
	}
	return len(text)
}
