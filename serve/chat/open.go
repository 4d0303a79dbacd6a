package chat

import (
	"context"
	"errors"
	"fmt"

	"kuai/text"
	"kuai/text/prompt"
	"kuai/token"
)

// Loaded is a model that is ready to chat.
type Loaded struct {
	Model  *text.Model
	Vocab  *token.Tokenizer
	Talker *Talker
	Path   string // of its files
}

// Open loads a model and starts an engine for it. A model without a tokenizer
// is refused; one without a chat template gets one.
func Open(ctx context.Context, path string, mo text.Options, o Options) (*Loaded, error) {
	m, err := text.Open(path, mo)
	if err != nil {
		return nil, err
	}
	l := &Loaded{Model: m, Vocab: m.Tokenizer(), Path: path}
	if l.Vocab == nil {
		return nil, errors.Join(fmt.Errorf("chat: %s: the model has no tokenizer", path), m.Close())
	}
	if n, v := l.Vocab.Size(), m.Config().Vocab; n > v {
		return nil, errors.Join(fmt.Errorf("chat: %s: the tokenizer has %d tokens, the model %d", path, n, v), m.Close())
	}
	o.Control = ControlText(l.Vocab)
	if o.Pool == nil {
		o.Pool = mo.Pool
	}
	e := New(ctx, Text(m), l.Vocab, o)
	if l.Talker, err = NewTalker(e, l.Vocab, m.ChatTemplate(), prompt.Options{}); err != nil {
		e.Close()
		return nil, errors.Join(fmt.Errorf("%s: %w", path, err), m.Close())
	}
	return l, nil
}

// Close ends the engine and gives the model back.
func (l *Loaded) Close() error {
	l.Talker.Engine.Close()
	return l.Model.Close()
}
