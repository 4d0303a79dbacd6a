package converse

import (
	"context"
	"errors"
	"fmt"
	"time"

	"kuai/character/memory"
	"kuai/companion/fact"
)

// ErrNothing is returned where there is no turn to go back to, ErrFinished
// where the last reply has nothing more to it, ErrNotYours where a turn is not
// the user's.
var (
	ErrNothing  = errors.New("converse: nothing was said yet")
	ErrFinished = errors.New("converse: there is nothing to add to the last reply")
	ErrNotYours = errors.New("converse: that turn is not the user's")
)

// last returns the user's last turn on the present branch and the reply to it,
// which has no id where there is none yet, or ErrNothing.
func (c *Conversation) last() (said, reply memory.Turn, err error) {
	turns, err := c.thread.Last(2)
	if err != nil {
		return said, reply, err
	}
	n := len(turns)
	switch {
	case n > 0 && turns[n-1].Speaker == fact.User:
		return turns[n-1], reply, nil
	case n == 2 && turns[0].Speaker == fact.User:
		return turns[0], turns[1], nil
	}
	return said, reply, ErrNothing
}

// Again answers the user's last turn anew. The other replies stay beside it:
// Swipes lists them. With an error everything is as it was.
func (c *Conversation) Again(ctx context.Context, show func(piece string)) (Reply, error) {
	said, _, err := c.last()
	if err != nil {
		return Reply{}, err
	}
	return c.beside(ctx, said, "", show)
}

// Continue goes on with the last reply. The longer one stands beside the one
// that it was made of. With an error, such as ErrFinished, everything is as it
// was.
func (c *Conversation) Continue(ctx context.Context, show func(piece string)) (Reply, error) {
	said, reply, err := c.last()
	if err == nil && reply.ID == 0 {
		err = ErrNothing
	}
	if err != nil {
		return Reply{}, err
	}
	return c.beside(ctx, said, reply.Text, show)
}

// beside writes another reply to what the user has said.
func (c *Conversation) beside(ctx context.Context, said memory.Turn, begun string, show func(string)) (Reply, error) {
	return c.paid(ctx, show, func(show func(string)) (Reply, error) { return c.another(ctx, said, begun, show) })
}

func (c *Conversation) another(ctx context.Context, said memory.Turn, begun string, show func(string)) (r Reply, err error) {
	begin := time.Now()
	if r, _, err := c.guarded(said.Text, show); err != nil || r.Text != "" {
		return r, err // the owner's rules answer the same again
	}
	instead, err := c.replies(said.ID)
	if err != nil {
		return Reply{}, err
	}
	err = c.thread.AsOf(said.Parent, func() error {
		r, err = c.answer(ctx, wish{said: said.Text, at: said.Time, begun: begun, instead: instead}, show)
		return err
	})
	if err != nil {
		return Reply{}, err
	}
	r.Turn, err = c.thread.Append(memory.Turn{Time: c.now(), Parent: said.ID, Branch: true, Speaker: fact.Companion, Text: r.Text})
	r.Total = time.Since(begin)
	return r, err
}

// replies are those that a turn has had.
func (c *Conversation) replies(to uint64) (out []string, err error) {
	all, err := c.thread.Follow(to)
	for _, t := range all {
		out = append(out, t.Text)
	}
	return out, err
}

// Impersonate writes what the user might say next. It is not kept: the user
// may say it.
func (c *Conversation) Impersonate(ctx context.Context, show func(piece string)) (string, error) {
	said, _, err := c.last()
	if err != nil {
		return "", err
	}
	if r, _, err := c.guarded(said.Text, show); err != nil || r.Text != "" {
		return "", err
	}
	r, err := c.paid(ctx, show, func(show func(string)) (Reply, error) {
		return c.answer(ctx, wish{said: said.Text, kept: true, at: c.now(), asUser: true}, show)
	})
	return r.Text, err
}

// Edit says something else in the place of a turn of the user's, on a branch of
// its own: the old one stays beside it.
func (c *Conversation) Edit(ctx context.Context, id uint64, said string, show func(piece string)) (Reply, error) {
	turn, err := c.thread.Turn(id)
	if err == nil && turn.Speaker != fact.User {
		err = fmt.Errorf("turn %d: %w", id, ErrNotYours)
	}
	if err != nil {
		return Reply{}, err
	}
	return c.sayAfter(ctx, turn.Parent, said, show)
}

// Swipes returns the replies to the user's last turn, oldest first, and which
// of them the conversation goes on from.
func (c *Conversation) Swipes() (replies []memory.Turn, present int, err error) {
	said, reply, err := c.last()
	if err == nil && reply.ID == 0 {
		err = ErrNothing
	}
	if err != nil {
		return nil, 0, err
	}
	if replies, err = c.thread.Follow(said.ID); err != nil {
		return nil, 0, err
	}
	for i, r := range replies {
		if r.ID == reply.ID {
			present = i
		}
	}
	return replies, present, nil
}

// Swipe goes to the reply that stands by so many places beside the present
// one, around the ends, and returns its text.
func (c *Conversation) Swipe(by int) (string, error) {
	replies, at, err := c.Swipes()
	if err != nil {
		return "", err
	}
	n := len(replies)
	to := replies[((at+by)%n+n)%n]
	return to.Text, c.thread.SetHead(to.ID)
}

// Undo goes back to before the user's last turn: what was said since is on
// another branch, and not remembered. It returns the turn's text.
func (c *Conversation) Undo() (string, error) {
	said, _, err := c.last()
	if err != nil {
		return "", err
	}
	return said.Text, c.thread.SetHead(said.Parent)
}
