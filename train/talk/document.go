package talk

import (
	"kuai/companion"
	"kuai/internal/check"
	"kuai/token"
)

// Control tokens: the beginning of a document, the end of a part, and what
// begins the part of each role.
const (
	BeginToken = "<|begin|>"
	EndToken   = "<|end|>"
)

var roleTokens = [...]string{
	companion.System: "<|system|>", companion.Memory: "<|memory|>", companion.User: "<|user|>",
	companion.Assistant: "<|assistant|>", companion.Extract: "<|extract|>", companion.Text: "<|text|>",
}

// ControlTokens lists all of them, in the order of their numbers.
func ControlTokens() []string { return append([]string{BeginToken, EndToken}, roleTokens[:]...) }

// codec turns documents into tokens.
type codec struct {
	t          *token.Tokenizer
	begin, end int32
	role       [len(roleTokens)]int32
}

func newCodec(t *token.Tokenizer) *codec {
	c := &codec{t: t}
	id := func(piece string) int32 {
		n, ok := t.ID(piece)
		check.True(ok, "talk: the vocabulary has no token %s", piece)
		return n
	}
	c.begin, c.end = id(BeginToken), id(EndToken)
	for i := range c.role {
		c.role[i] = id(roleTokens[i])
	}
	return c
}

// piece is a token of a document with its share in the loss.
type piece struct {
	id     int32
	weight float32
	role   companion.Role
}

// append adds a document's tokens.
func (c *codec) append(to []piece, d companion.Sample) []piece {
	to = append(to, piece{id: c.begin})
	for _, p := range d {
		to = append(to, piece{id: c.role[p.Role], role: p.Role})
		for _, id := range c.t.Encode(p.Text, false) {
			to = append(to, piece{id, p.Weight, p.Role})
		}
		to = append(to, piece{c.end, p.Weight, p.Role})
	}
	return to
}
