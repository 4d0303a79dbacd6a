package converse

import (
	"context"
	"errors"
	"time"

	"kuai/character/memory"
	"kuai/companion/fact"
)

// ErrNothing is returned where there is no turn to go back to.
var ErrNothing = errors.New("converse: nothing was said yet")

// last returns the user's last turn on the present branch and the reply to it,
// or ErrNothing.
func (c *Conversation) last() (said, reply memory.Turn, err error) {
	turns, err := c.thread.Last(2)
	if err != nil {
		return said, reply, err
	}
	if len(turns) < 2 || turns[0].Speaker != fact.User || turns[1].Speaker != fact.Companion {
		return said, reply, ErrNothing
	}
	return turns[0], turns[1], nil
}

// Again answers the user's last turn anew. The other replies stay beside it:
// Swipes lists them. With an error everything is as it was.
func (c *Conversation) Again(ctx context.Context, show func(piece string)) (Reply, error) {
	said, reply, err := c.last()
	if err != nil {
		return Reply{}, err
	}
	begin := time.Now()
	if r, _, err := c.guarded(said.Text, show); err != nil || r.Text != "" {
		return r, err // the owner's rules answer the same again
	}
	if err := c.thread.SetHead(said.Parent); err != nil {
		return Reply{}, err
	}
	r, err := c.answer(ctx, said.Text, said.Time, show)
	if err == nil {
		_, err = c.thread.Append(memory.Turn{Time: c.now(), Parent: said.ID, Branch: true, Speaker: fact.Companion, Text: r.Text})
	}
	if err != nil {
		return Reply{}, errors.Join(err, c.thread.SetHead(reply.ID))
	}
	r.Total = time.Since(begin)
	return r, nil
}

// Swipes returns the replies to the user's last turn, oldest first, and which
// of them the conversation goes on from.
func (c *Conversation) Swipes() (replies []memory.Turn, present int, err error) {
	said, reply, err := c.last()
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
