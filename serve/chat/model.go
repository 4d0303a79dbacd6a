package chat

import (
	"context"

	"kuai/text"
)

// Text lets the engine run a model of package text.
func Text(m *text.Model) Model { return &textModel{m: m} }

type textModel struct {
	m     *text.Model
	batch []text.Slice
}

func (t *textModel) Info() Info {
	c := t.m.Config()
	return Info{Vocab: c.Vocab, Context: c.Context, StateBytes: c.StateBytes, KVBytes: c.KVBytes}
}

func (t *textModel) Begin(tokens []int32) Session {
	s, _ := t.m.Begin(tokens)
	return s
}

func (t *textModel) Step(ctx context.Context, batch []Slice) error {
	t.batch = t.batch[:0]
	for _, b := range batch {
		s, _ := b.Session.(*text.Session) // those of Begin
		t.batch = append(t.batch, text.Slice{Session: s, Tokens: b.Tokens, Logits: b.Logits})
	}
	defer clear(t.batch)
	return t.m.Step(ctx, t.batch)
}
