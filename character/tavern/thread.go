package tavern

import (
	"cmp"
	"context"
	"fmt"
	"strings"
	"time"

	"kuai/character/memory"
	"kuai/companion/fact"
)

// batch is how many turns go to the disk at once.
const batch = 256

// Keep adds a chat to a memory, after its present head; swipes become branches.
// Messages without a date are taken to follow the one before by a second, the
// first the time now. It returns how many turns were added.
func Keep(ctx context.Context, t *memory.Thread, c Chat, now time.Time) (int, error) {
	var turns []memory.Turn
	added := 0
	flush := func() error {
		if len(turns) == 0 {
			return nil
		}
		_, err := t.Append(turns...)
		added += len(turns)
		turns = turns[:0]
		if err == nil && ctx.Err() != nil {
			err = context.Cause(ctx)
		}
		return err
	}
	at := now
	for _, m := range c.Messages {
		if m.Time.IsZero() {
			at = at.Add(time.Second)
		} else {
			at = m.Time
		}
		speaker := fact.Companion
		switch {
		case m.User:
			speaker = fact.User
		case c.Group:
			speaker = nameOf(m.Name)
		}
		turn := memory.Turn{Time: at, Speaker: speaker, Text: m.Text}
		if len(m.Swipes) < 2 {
			turns = append(turns, turn)
			if len(turns) >= batch {
				if err := flush(); err != nil {
					return added, err
				}
			}
			continue
		}
		if err := flush(); err != nil { // so that the parent's number is known
			return added, err
		}
		parent := t.Head()
		for i, text := range m.Swipes {
			if i != m.Present && text != "" {
				turns = append(turns, memory.Turn{Time: at, Speaker: speaker, Text: text, Parent: parent, Branch: true})
			}
		}
		turn.Parent, turn.Branch = parent, true
		turns = append(turns, turn) // last, so that it is the head
		if err := flush(); err != nil {
			return added, err
		}
	}
	return added, flush()
}

// maxName bounds the name of who spoke, in bytes.
const maxName = 200

// nameOf is a name as a memory bears it: it cannot be the user's.
func nameOf(name string) string {
	name = strings.Join(strings.Fields(strings.ToValidUTF8(name, "")), " ")
	if len(name) > maxName {
		name = strings.ToValidUTF8(name[:maxName], "")
	}
	if name == "" || strings.EqualFold(name, fact.User) {
		return fact.Companion
	}
	return name
}

// Take returns the present branch of a memory as a chat, with the alternatives
// to each message as its swipes.
func Take(t *memory.Thread, user, character string) (Chat, error) {
	c := Chat{User: user, Character: character}
	turns, err := t.Last(t.Stats().Turns)
	if err != nil {
		return c, err
	}
	for _, turn := range turns {
		m := Message{Name: character, User: turn.Speaker == fact.User, Time: turn.Time, Text: turn.Text}
		switch {
		case m.User:
			m.Name = user
		case turn.Speaker != fact.Companion:
			m.Name = cmp.Or(turn.Speaker, character)
		}
		beside, err := t.Follow(turn.Parent)
		if err != nil {
			return c, fmt.Errorf("tavern: turn %d: %w", turn.ID, err)
		}
		for _, b := range beside {
			if b.Speaker != turn.Speaker {
				continue
			}
			if b.ID == turn.ID {
				m.Present = len(m.Swipes)
			}
			m.Swipes = append(m.Swipes, b.Text)
		}
		if len(m.Swipes) < 2 || m.User {
			m.Swipes, m.Present = nil, 0
		}
		c.Messages = append(c.Messages, m)
	}
	return c, nil
}
