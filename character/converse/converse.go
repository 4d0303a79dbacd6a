// Package converse lets characters speak out of their memory: what is recalled
// for a turn stands before it, the reply and the turn are remembered. Any
// language model may speak, see Speaker. One character and somebody are a
// Conversation, several a Group; a House has those of everybody.
package converse

import (
	"context"
	"errors"
	"fmt"
	"hash/fnv"
	"math/rand/v2"
	"strings"
	"time"

	"kuai/character/card"
	"kuai/character/guard"
	"kuai/character/memory"
	"kuai/character/persona"
	"kuai/companion/fact"
	"kuai/text"
	"kuai/text/sample"
)

// Budgets of a prompt, in tokens; see Room.
const (
	packTokens = 768
	// of what is always told of the user; beside it stands the pack
	profileTokens = 160
	recentTokens  = 512
	recentTurns   = 12
	maxReply      = 160
	maxText       = 4000 // bytes of a turn of the user's
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
	// Persona is whom the user says to be; nil is nobody in particular.
	Persona *persona.Persona
	// Till is paid for what models write; nil: nobody is.
	Till Till

	dir     string
	thread  *memory.Thread
	speaker Speaker
	native  *Native       // nil unless KeepRoom was called
	first   func() string // what is said first; nil is the card's first message
	chosen  []selected    // lately, newest last
	account *account      // of the reply that is being written; nil where nobody is paid
}

// Reply is what a character says, and out of what.
type Reply struct {
	Who    string // of a group; "" for the one character, or the owner's rules
	Turn   uint64 // where it is kept, 0 where it is not
	Text   string
	Pack   memory.Pack
	Recall time.Duration
	Total  time.Duration
}

// Open opens the conversation in dir, or begins one. The model is of the kuai
// architecture.
func Open(dir string, m *text.Model, c *card.Card, l fact.Language) (*Conversation, error) {
	s, err := NewCompanion(m)
	if err != nil {
		return nil, err
	}
	return OpenWith(dir, s, c, l)
}

// OpenWith opens the conversation in dir, or begins one, for any speaker.
func OpenWith(dir string, s Speaker, c *card.Card, l fact.Language) (*Conversation, error) {
	t, err := openThread(dir, l)
	if err != nil {
		return nil, err
	}
	return &Conversation{Card: c, Language: l, Sampling: s.Sampling(), Rules: &guard.Rules{}, dir: dir, thread: t, speaker: s}, nil
}

// openThread opens a memory, read by the reader that comes with Kuai whoever
// speaks.
func openThread(dir string, l fact.Language) (*memory.Thread, error) {
	r, err := DailyReader()
	if err != nil {
		return nil, err
	}
	return memory.Open(dir, memory.Options{Language: l, Reader: r})
}

// Sampling is how the built-in model's replies are drawn unless told otherwise.
func Sampling() sample.Params { return sample.Params{Temperature: 0.3, TopP: 0.9} }

// Memory is what is remembered.
func (c *Conversation) Memory() *memory.Thread { return c.thread }

// Close writes what waits.
func (c *Conversation) Close() error {
	var err error
	if c.native != nil {
		err = c.native.close()
	}
	return errors.Join(err, c.thread.Close())
}

// Greeting is what the character begins with, "" where the two have spoken
// before; the question for an age where the rules want one.
func (c *Conversation) Greeting() string {
	if old, err := c.oldEnough(); err == nil && !old {
		return c.rules().Asks(c.Language)
	}
	if c.thread.Stats().Turns > 0 {
		return ""
	}
	return c.firstWords()
}

func (c *Conversation) firstWords() string {
	if c.first != nil {
		return c.first()
	}
	return c.macros(c.userName(true)).Expand(c.Card.FirstMessage)
}

func (c *Conversation) rules() *guard.Rules {
	if c.Rules == nil {
		return &guard.Rules{}
	}
	return c.Rules
}

// userName is what the user is called: by the character, or about them.
func (c *Conversation) userName(spokenTo bool) string {
	switch {
	case c.Persona != nil:
		return c.Persona.Name
	case spokenTo && c.Language == fact.Chinese:
		return "你"
	case spokenTo:
		return "you"
	case c.Language == fact.Chinese:
		return "用户"
	}
	return "User"
}

// macros of the card's texts. What is picked is the same throughout the
// conversation, what is random the same for a turn and a seed.
func (c *Conversation) macros(user string) card.Macros {
	h := fnv.New64a()
	_, _ = h.Write([]byte(c.dir))
	r := rand.New(rand.NewPCG(c.Sampling.Seed, c.thread.Head())) //nolint:gosec // of games, not of secrets
	return card.Macros{Char: c.Card.CharName(), User: user, Pick: h.Sum64(), Rand: r}
}

// Say answers what the user says. show, which may be nil, sees the reply as it
// is written. Both turns are on the disk when it returns without an error; with
// one, neither is.
func (c *Conversation) Say(ctx context.Context, said string, show func(piece string)) (Reply, error) {
	return c.sayAfter(ctx, c.thread.Head(), said, show)
}

// sayAfter answers what the user says after some turn.
func (c *Conversation) sayAfter(ctx context.Context, parent uint64, said string, show func(string)) (Reply, error) {
	return c.paid(ctx, show, func(show func(string)) (Reply, error) { return c.answerAfter(ctx, parent, said, show) })
}

func (c *Conversation) answerAfter(ctx context.Context, parent uint64, said string, show func(string)) (Reply, error) {
	said, err := spoken(said)
	if err != nil {
		return Reply{}, err
	}
	begin, at := time.Now(), c.now()
	r, keep, err := c.guarded(said, show)
	if err != nil || r.Text != "" && !keep {
		return r, err
	}
	if r.Text == "" {
		err = c.thread.AsOf(parent, func() error {
			var err error
			r, err = c.answer(ctx, wish{said: said, at: at}, show)
			return err
		})
		if err != nil {
			return Reply{}, err
		}
	}
	r.Turn, err = c.thread.Append(
		memory.Turn{Time: at, Parent: parent, Branch: true, Speaker: fact.User, Text: said},
		memory.Turn{Time: c.now(), Speaker: fact.Companion, Text: r.Text})
	r.Total = time.Since(begin)
	return r, err
}

// spoken is what a user's words are kept as.
func spoken(said string) (string, error) {
	said = strings.TrimSpace(visible(strings.ToValidUTF8(said, "")))
	switch {
	case said == "":
		return "", ErrEmpty
	case len(said) > maxText:
		return "", ErrLong
	}
	return said, nil
}

func (c *Conversation) now() time.Time {
	if c.Now != nil {
		return c.Now()
	}
	return time.Now()
}
