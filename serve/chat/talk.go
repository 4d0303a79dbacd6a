package chat

import (
	"context"
	"crypto/rand"
	"errors"
	"io"
	"slices"
	"strings"

	"kuai/text/prompt"
)

// Vocabulary is a whole tokenizer; *token.Tokenizer is one.
type Vocabulary interface {
	Tokenizer
	prompt.Encoder
	Size() int
	Control(id int32) bool
	Piece(id int32) string
	ID(piece string) (int32, bool)
	BOS() (int32, bool)
	EOS() (int32, bool)
	AddBOS() bool
}

// Talker lets a model chat: messages in, parts of messages out.
type Talker struct {
	Engine   *Engine
	Template *prompt.Template

	vocab Vocabulary
	stop  []string // of the template itself
}

// maxControl bounds the control tokens that are looked for in messages.
const maxControl = 4096

// NewTalker prepares the model's chat template; "" chooses one by the
// vocabulary.
func NewTalker(e *Engine, v Vocabulary, template string, o prompt.Options) (*Talker, error) {
	t := &Talker{Engine: e, vocab: v}
	if template == "" {
		if _, ok := v.ID("<|im_start|>"); ok {
			template = prompt.ChatML
		} else {
			template, t.stop = prompt.Plain, []string{prompt.PlainStop}
		}
	}
	if id, ok := v.BOS(); ok {
		o.BOS = v.Piece(id)
	}
	if id, ok := v.EOS(); ok {
		o.EOS = v.Piece(id)
	}
	for id := range int32(v.Size()) {
		// byte tokens such as <0x0A> and one-letter ones are no marks
		if p := v.Piece(id); v.Control(id) && len(p) > 2 && len(o.Control) < maxControl {
			o.Control = append(o.Control, p)
		}
	}
	var err error
	t.Template, err = prompt.Compile(template, o)
	return t, err
}

// ControlText gives an engine the texts of control tokens; see Options.
func ControlText(v Vocabulary) func(id int32) string {
	return func(id int32) string {
		if v.IsEnd(id) {
			return ""
		}
		return v.Piece(id)
	}
}

// Bytes returns what a token writes.
func (t *Talker) Bytes(id int32) []byte { return t.vocab.Bytes(id) }

// Tokens turns a prompt's segments into tokens, with the beginning that the
// model wants.
func (t *Talker) Tokens(segments []prompt.Segment) []int32 {
	return begin(t.vocab, prompt.Encode(t.vocab, segments))
}

// RawTokens turns a text into tokens, as the beginning of a document.
func RawTokens(v Vocabulary, text string) []int32 { return begin(v, v.Encode(text, true)) }

func begin(v Vocabulary, ids []int32) []int32 {
	if bos, ok := v.BOS(); ok && v.AddBOS() && (len(ids) == 0 || ids[0] != bos) {
		return slices.Insert(ids, 0, bos)
	}
	return ids
}

// Ask submits messages. The request's prompt is made here; of its other fields
// all count. Besides the errors of Submit there are those of the template.
func (t *Talker) Ask(ctx context.Context, in prompt.Input, r Request) (*Answer, error) {
	p, err := t.Prepare(in, r)
	if err != nil {
		return nil, err
	}
	return p.Ask(ctx)
}

// Prepared is a request whose prompt has been made, and not been asked yet.
type Prepared struct {
	talker  *Talker
	request Request
	tools   []prompt.Tool
	end     string // of the prompt
}

// Prepare makes a request's prompt from messages, so that its length is known
// before any work is done. It fails as the template does.
func (t *Talker) Prepare(in prompt.Input, r Request) (*Prepared, error) {
	in.Generate = true
	segments, err := t.Template.Render(in)
	if err != nil {
		return nil, err
	}
	end := prompt.Text(segments[max(len(segments)-1, 0):])
	if in.Prefix != "" {
		segments = append(segments, prompt.Segment{Text: in.Prefix, Literal: true})
	}
	r.Prompt = t.Tokens(segments)
	r.Stop = append(slices.Clone(r.Stop), t.stop...)
	r.Control = len(in.Tools) > 0
	p := &Prepared{talker: t, request: r, tools: in.Tools, end: end}
	if r.Schema != nil { // JSON from the first byte on
		p.end = ""
	}
	return p, nil
}

// PrepareText makes a request of a text that the model goes on with, without
// its chat template.
func (t *Talker) PrepareText(text string, r Request) *Prepared {
	r.Prompt = RawTokens(t.vocab, text)
	return &Prepared{talker: t, request: r}
}

// Tokens is the prompt's length.
func (p *Prepared) Tokens() int { return len(p.request.Prompt) }

// Ask submits the request.
func (p *Prepared) Ask(ctx context.Context) (*Answer, error) {
	s, err := p.talker.Engine.Submit(ctx, p.request)
	if err != nil {
		return nil, err
	}
	format := p.talker.Template.Format()
	if p.request.Schema != nil {
		format = prompt.FormatNone
	}
	return &Answer{Stream: s, parser: prompt.NewParser(format, p.tools, p.end, callID)}, nil
}

// Context is the most tokens of prompt and answer together.
func (t *Talker) Context() int { return t.Engine.info.Context }

// Vocab is how many tokens the model knows.
func (t *Talker) Vocab() int { return t.Engine.info.Vocab }

// callID is a name for a call: nine letters and digits, as Mistral's models
// want them.
func callID() string { return rand.Text()[:9] }

// Answer is a message on its way. It is for one reader.
type Answer struct {
	Stream  *Stream
	Message prompt.Message // so far
	Result  *Result        // at the end

	parser *prompt.Parser
	tokens []Token
}

// Next returns the next parts; io.EOF after the last ones. Result is set then.
func (a *Answer) Next(ctx context.Context) ([]prompt.Part, error) {
	if a.Result != nil {
		return nil, io.EOF
	}
	for {
		ev, err := a.Stream.Next(ctx)
		if err != nil {
			return nil, err
		}
		a.tokens = append(a.tokens, ev.Tokens...)
		parts := a.parser.Push(ev.Text)
		if ev.Result != nil {
			parts = append(parts, a.parser.Close()...)
			a.Result = ev.Result
		}
		for _, p := range parts {
			a.add(p)
		}
		if len(parts) > 0 || a.Result != nil {
			return parts, nil
		}
	}
}

// Tokens returns the log probabilities since the last call.
func (a *Answer) Tokens() []Token {
	t := a.tokens
	a.tokens = nil
	return t
}

// add makes a part the message's.
func (a *Answer) add(p prompt.Part) {
	m := &a.Message
	m.Role = "assistant"
	switch p.Kind {
	case prompt.KindText:
		m.Content += p.Text
	case prompt.KindReasoning:
		m.Reasoning += p.Text
	case prompt.KindCall:
		m.ToolCalls = append(m.ToolCalls, p.Call)
	}
}

// ReadAll reads an answer to its end. show, which may be nil, sees the parts as
// they come. What a cancelled or failed request said so far is in the message.
func (a *Answer) ReadAll(ctx context.Context, show func(prompt.Part)) (prompt.Message, *Result, error) {
	for {
		parts, err := a.Next(ctx)
		for _, p := range parts {
			if show != nil {
				show(p)
			}
		}
		switch {
		case errors.Is(err, io.EOF):
			a.Message.Role = "assistant"
			a.Message.Content = strings.TrimSpace(a.Message.Content)
			return a.Message, a.Result, a.Result.Err
		case err != nil:
			return a.Message, nil, err
		}
	}
}
