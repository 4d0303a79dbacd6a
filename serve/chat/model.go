package chat

import (
	"context"
	"io"

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

// Fork, Save and Load make it a Saver.
func (t *textModel) Fork(s Session) Session { return s.(*text.Session).Fork() } //nolint:forcetypeassert // those of Begin

func (t *textModel) Save(s Session, w io.Writer) error {
	return s.(*text.Session).Save(w) //nolint:forcetypeassert // those of Begin
}

func (t *textModel) Load(r io.Reader) (Session, error) {
	s, err := t.m.LoadSession(r)
	if err != nil {
		return nil, err // no Session with a nil in it
	}
	return s, nil
}
