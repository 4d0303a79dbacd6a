package talk

import (
	"fmt"

	"kuai/companion"
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

// Codec turns documents into the tokens that the model is trained on. It may be
// used by several goroutines.
type Codec struct {
	Tokenizer  *token.Tokenizer
	Begin, End int32
	Roles      [len(roleTokens)]int32
}

// NewCodec returns the codec of a vocabulary, or says which control token it
// lacks.
func NewCodec(t *token.Tokenizer) (*Codec, error) {
	c := &Codec{Tokenizer: t}
	to := []*int32{&c.Begin, &c.End}
	for i := range c.Roles {
		to = append(to, &c.Roles[i])
	}
	for i, name := range ControlTokens() {
		id, ok := t.ID(name)
		if !ok {
			return nil, fmt.Errorf("talk: the vocabulary has no token %s", name)
		}
		*to[i] = id
	}
	return c, nil
}

// Prompt returns the tokens of the parts so far and of the beginning of a part
// of the role that is to speak next.
func (c *Codec) Prompt(parts companion.Sample, next companion.Role) []int32 {
	return append(c.Append([]int32{c.Begin}, parts), c.Roles[next])
}

// Append adds the tokens of parts.
func (c *Codec) Append(to []int32, parts companion.Sample) []int32 {
	for _, p := range c.pieces(nil, parts) {
		to = append(to, p.id)
	}
	return to
}

// piece is a token of a document with its share in the loss.
type piece struct {
	id     int32
	weight float32
	role   companion.Role
}

// document adds a whole document's tokens.
func (c *Codec) document(to []piece, d companion.Sample) []piece {
	return c.pieces(append(to, piece{id: c.Begin}), d)
}

func (c *Codec) pieces(to []piece, d companion.Sample) []piece {
	for _, p := range d {
		to = append(to, piece{id: c.Roles[p.Role], role: p.Role})
		for _, id := range c.Tokenizer.Encode(p.Text, false) {
			to = append(to, piece{id, p.Weight, p.Role})
		}
		to = append(to, piece{c.End, p.Weight, p.Role})
	}
	return to
}

// Scored returns the tokens of a document and, for each, whether it belongs to
// its text: the share that bits are counted over.
func (c *Codec) Scored(d companion.Sample) (ids []int32, text []bool) {
	for _, p := range c.document(nil, d) {
		ids = append(ids, p.id)
		text = append(text, p.weight > 0)
	}
	return ids, text
}
