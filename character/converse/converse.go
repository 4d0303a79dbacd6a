// Package converse lets a character speak out of its memory: what is recalled
// for a turn stands before it, the reply and the turn are remembered.
package converse

import (
	"context"
	"errors"
	"fmt"
	"math"
	"slices"
	"strings"
	"time"
	"unicode"

	"kuai/character/card"
	"kuai/character/guard"
	"kuai/character/memory"
	"kuai/companion"
	"kuai/companion/fact"
	"kuai/text"
	"kuai/text/sample"
	"kuai/train/talk"
)

// Budgets of a prompt, in tokens.
const (
	packTokens   = 768
	recentTokens = 512
	recentTurns  = 12
	maxReply     = 160
	maxText      = 4000 // bytes of a turn of the user's
)

// ErrEmpty is returned for a turn that says nothing, ErrLong for one that says
// too much.
var (
	ErrEmpty = errors.New("converse: nothing was said")
	ErrLong  = fmt.Errorf("converse: more than %d bytes in one turn", maxText)
)

// Conversation is a character and somebody, with everything that was said
// between them. It belongs to one goroutine.
type Conversation struct {
	Card     *card.Card
	Language fact.Language
	Sampling sample.Params
	// Now is the time of turns; nil is time.Now.
	Now func() time.Time

	// Rules hold before and after what the model writes; nil is the zero value.
	Rules *guard.Rules

	dir    string
	thread *memory.Thread
	model  *text.Model
	codec  *talk.Codec
}

// Reply is what a character says, and out of what.
type Reply struct {
	Text   string
	Pack   memory.Pack
	Recall time.Duration
	Total  time.Duration
}

// Open opens the conversation in dir, or begins one. The model is of the kuai
// architecture.
func Open(dir string, m *text.Model, c *card.Card, l fact.Language) (*Conversation, error) {
	e, err := NewReader(m)
	if err != nil {
		return nil, err
	}
	t, err := memory.Open(dir, memory.Options{Language: l, Reader: e})
	if err != nil {
		return nil, err
	}
	return &Conversation{Card: c, Language: l, Sampling: Sampling(), Rules: &guard.Rules{}, dir: dir, thread: t, model: m, codec: e.codec}, nil
}

// Sampling is how replies are drawn unless told otherwise: a small model is
// right more often where it is not daring.
func Sampling() sample.Params { return sample.Params{Temperature: 0.3, TopP: 0.9} }

func codecOf(m *text.Model) (*talk.Codec, error) {
	if m.Tokenizer() == nil {
		return nil, errors.New("converse: the model has no tokenizer")
	}
	codec, err := talk.NewCodec(m.Tokenizer())
	if err != nil {
		return nil, fmt.Errorf("converse: the model was not trained as a companion: %w", err)
	}
	return codec, nil
}

// Memory is what is remembered.
func (c *Conversation) Memory() *memory.Thread { return c.thread }

// Close writes what waits.
func (c *Conversation) Close() error { return c.thread.Close() }

// Greeting is what the character begins with, "" where the two have spoken
// before; the question for an age where the rules want one.
func (c *Conversation) Greeting() string {
	if old, err := c.oldEnough(); err == nil && !old {
		return c.Rules.Asks(c.Language)
	}
	if c.thread.Stats().Turns > 0 {
		return ""
	}
	return c.macros().Expand(c.Card.FirstMessage)
}

func (c *Conversation) macros() card.Macros {
	user := "you"
	if c.Language == fact.Chinese {
		user = "你"
	}
	return card.Macros{Char: c.Card.CharName(), User: user}
}

// Say answers what the user says. show, which may be nil, sees the reply as it
// is written. Both turns are on the disk when it returns without an error; with
// one, neither is.
func (c *Conversation) Say(ctx context.Context, said string, show func(piece string)) (Reply, error) {
	said = strings.TrimSpace(strings.ToValidUTF8(said, ""))
	switch {
	case said == "":
		return Reply{}, ErrEmpty
	case len(said) > maxText:
		return Reply{}, ErrLong
	}
	begin, at := time.Now(), c.now()
	r, keep, err := c.guarded(said, show)
	if err != nil || r.Text != "" && !keep {
		return r, err
	}
	if r.Text == "" {
		if r, err = c.answer(ctx, said, at, show); err != nil {
			return Reply{}, err
		}
	}
	_, err = c.thread.Append(
		memory.Turn{Time: at, Speaker: fact.User, Text: said},
		memory.Turn{Time: c.now(), Speaker: fact.Companion, Text: r.Text})
	r.Total = time.Since(begin)
	return r, err
}

func (c *Conversation) now() time.Time {
	if c.Now != nil {
		return c.Now()
	}
	return time.Now()
}

// answer writes a reply to what follows the thread's head.
func (c *Conversation) answer(ctx context.Context, said string, at time.Time, show func(string)) (Reply, error) {
	begin := time.Now()
	pack, err := c.thread.Recall(ctx, said, at, packTokens, c.tokens)
	if err != nil {
		return Reply{}, err
	}
	r := Reply{Pack: pack, Recall: time.Since(begin)}
	parts, err := c.parts(said, pack)
	if err != nil {
		return Reply{}, err
	}
	held := show
	if len(c.Rules.Blocked) > 0 || len(pack.Asked) > 0 { // shown when it is known to be fit
		held = nil
	}
	if r.Text, err = c.write(ctx, parts, held); err != nil {
		return r, err
	}
	r.Text = pack.Grounded(r.Text)
	if instead := c.Rules.Said(r.Text, c.languageOf(said)); instead != "" {
		r.Text = instead
	}
	if held == nil && show != nil {
		show(r.Text)
	}
	return r, nil
}

func (c *Conversation) tokens(s string) int { return len(c.codec.Tokenizer.Encode(s, false)) }

// parts is the prompt: who the character is, the last turns, what is recalled,
// and what was said.
func (c *Conversation) parts(said string, pack memory.Pack) (companion.Sample, error) {
	var parts companion.Sample
	if s := c.Card.SystemPrompt; s != "" {
		parts = append(parts, companion.Part{Role: companion.System, Text: c.macros().Expand(s)})
	}
	last, err := c.thread.Last(recentTurns)
	if err != nil {
		return nil, err
	}
	room := recentTokens
	from := len(last)
	for from > 0 {
		if room -= c.tokens(last[from-1].Text); room < 0 {
			break
		}
		from--
	}
	for _, t := range last[from:] {
		role := companion.Assistant
		if t.Speaker == fact.User {
			role = companion.User
		}
		parts = append(parts, companion.Part{Role: role, Text: t.Text})
	}
	if len(pack.Items)+len(pack.Asked) > 0 { // to small talk, an empty pack would be something to deny
		parts = append(parts, companion.Part{Role: companion.Memory, Text: pack.Text})
	}
	return append(parts, companion.Part{Role: companion.User, Text: said}), nil
}

// foreign are the tokens with Chinese characters, where nothing before a reply
// has one: a small model that samples may stray into the other language.
func (c *Conversation) foreign(parts companion.Sample) (ids []int32) {
	if slices.ContainsFunc(parts, func(p companion.Part) bool { return hasHan(p.Text) }) {
		return nil
	}
	for id := range int32(c.model.Config().Vocab) {
		if hasHan(string(c.codec.Tokenizer.Bytes(id))) {
			ids = append(ids, id)
		}
	}
	return ids
}

func hasHan(s string) bool {
	return strings.ContainsFunc(s, func(r rune) bool { return unicode.Is(unicode.Han, r) })
}

// write lets the model speak.
func (c *Conversation) write(ctx context.Context, parts companion.Sample, show func(string)) (string, error) {
	vocab := c.model.Config().Vocab
	draw, err := sample.New(c.Sampling, vocab)
	if err != nil {
		return "", err
	}
	s := c.model.NewSession()
	defer s.Close()
	logits := make([]float32, vocab)
	if err := s.Prefill(ctx, c.codec.Prompt(parts, companion.Assistant), logits, nil); err != nil {
		return "", err
	}
	stream := c.codec.Tokenizer.Stream()
	var b strings.Builder
	put := func(piece string) {
		b.WriteString(piece)
		if show != nil && piece != "" {
			show(piece)
		}
	}
	ban := c.foreign(parts)
	for range maxReply {
		for _, id := range ban {
			logits[id] = float32(math.Inf(-1))
		}
		choice, err := draw.Next(logits, nil)
		if err != nil {
			return "", err
		}
		if choice.Token == c.codec.End || c.codec.Tokenizer.Control(choice.Token) {
			break
		}
		put(stream.Next(choice.Token))
		if err := c.model.Step(ctx, []text.Slice{{Session: s, Tokens: []int32{choice.Token}, Logits: logits}}); err != nil {
			return "", err
		}
	}
	put(stream.Flush())
	reply := strings.TrimSpace(strings.ToValidUTF8(b.String(), ""))
	if reply == "" {
		reply = "…"
	}
	return reply, nil
}
