package converse

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"time"

	"kuai/character/card"
	"kuai/character/group"
	"kuai/character/memory"
	"kuai/character/shelf"
	"kuai/companion/fact"
)

// Group is several characters and the user in one thread: each speaks from a
// card of its own, and all remember the same. Turns bear the names of those who
// spoke. It belongs to one goroutine.
type Group struct {
	*Conversation // Card is of the one who speaks
	group.Group

	cards []*card.Card // of the members
}

// Told shows a reply as it is written, and whose it is.
type Told func(who, piece string)

// to is how one member's reply is shown.
func (f Told) to(who string) func(string) {
	if f == nil {
		return nil
	}
	return func(piece string) { f(who, piece) }
}

// NewGroup seats a group around a conversation that OpenWith has opened. It
// wraps shelf.ErrNotFound where a member's card is gone.
func NewGroup(c *Conversation, g group.Group, s shelf.Shelf, l fact.Language) (*Group, error) {
	out := &Group{Conversation: c, Group: g}
	for _, m := range g.Members {
		who, err := s.Card(m.ID, l)
		if err != nil {
			return nil, err
		}
		out.cards = append(out.cards, who)
	}
	c.Card, c.Language = out.cards[0], l
	c.first = func() string {
		var lines []string
		for _, g := range out.greetings() {
			lines = append(lines, g.Who+": "+g.Text)
		}
		return strings.Join(lines, "\n")
	}
	return out, nil
}

// Greetings are what the members begin with, nothing where it was begun: those
// that their cards have for groups, or the first words of the first of them.
func (g *Group) Greetings() []Reply {
	if old, err := g.oldEnough(); err == nil && !old && g.thread.Stats().Turns == 0 {
		return []Reply{{Text: g.rules().Asks(g.Language)}}
	}
	if g.thread.Stats().Turns > 0 {
		return nil
	}
	return g.greetings()
}

func (g *Group) greetings() (out []Reply) {
	for i, m := range g.Members {
		if all := g.cards[i].GroupGreetings; len(all) > 0 && !m.Muted {
			g.Card = g.cards[i]
			out = append(out, Reply{Who: m.Name, Text: g.macros(g.userName(true)).Expand(all[0])})
		}
	}
	for i, m := range g.Members {
		if len(out) == 0 && !m.Muted {
			g.Card = g.cards[i]
			out = append(out, Reply{Who: m.Name, Text: g.macros(g.userName(true)).Expand(g.Card.FirstMessage)})
		}
	}
	return out
}

// Say lets members answer what the user says: those named by id or name in who,
// or as the group's order has it. The user's turn is on the disk with the first
// reply, or alone where nobody is to answer; each further reply when it is
// whole. An error leaves what was said before it.
func (g *Group) Say(ctx context.Context, said string, who []string, show Told) ([]Reply, error) {
	return g.sayAfter(ctx, g.thread.Head(), said, who, show)
}

func (g *Group) sayAfter(ctx context.Context, parent uint64, said string, who []string, show Told) ([]Reply, error) {
	said, err := spoken(said)
	if err != nil {
		return nil, err
	}
	speak, err := g.chosen(said, who)
	if err != nil {
		return nil, err
	}
	at := g.now()
	user := memory.Turn{Time: at, Parent: parent, Branch: true, Speaker: fact.User, Text: said}
	r, keep, err := g.guarded(said, show.to(""))
	switch {
	case err != nil:
		return nil, err
	case r.Text != "" && keep:
		r.Turn, err = g.thread.Append(user, memory.Turn{Time: g.now(), Speaker: fact.Companion, Text: r.Text})
		return []Reply{r}, err
	case r.Text != "":
		return []Reply{r}, nil
	case len(speak) == 0:
		_, err := g.thread.Append(user)
		return nil, err
	}
	var out []Reply
	for i, m := range speak {
		w := wish{said: said, at: at, kept: i > 0}
		if i > 0 {
			parent = g.thread.Head()
		}
		r, err := g.reply(ctx, m, parent, w, show, func(turn memory.Turn) []memory.Turn {
			if i > 0 {
				return []memory.Turn{turn}
			}
			turn.Parent, turn.Branch = 0, false // after the user's
			return []memory.Turn{user, turn}
		})
		if err != nil {
			return out, err
		}
		out = append(out, r)
	}
	return out, nil
}

// chosen are the places of those who answer a text.
func (g *Group) chosen(said string, who []string) (speak []int, err error) {
	for _, w := range who {
		i, err := g.Find(w)
		if err != nil {
			return nil, err
		}
		speak = append(speak, i)
	}
	if len(who) > 0 {
		return speak, nil
	}
	talkative := make([]float64, len(g.cards))
	for i, c := range g.cards {
		talkative[i] = c.Talkative()
	}
	r := rand.New(rand.NewPCG(g.Sampling.Seed, g.thread.Head())) //nolint:gosec // who is chatty is no secret
	return g.Next(said, talkative, r), nil
}

// reply lets a member speak after a turn, and keeps what keep makes of it.
func (g *Group) reply(ctx context.Context, member int, after uint64, w wish, show Told, keep func(memory.Turn) []memory.Turn) (Reply, error) {
	w.who = g.Members[member].Name
	return g.paid(ctx, show.to(w.who), func(show func(string)) (Reply, error) { return g.speak(ctx, member, after, w, show, keep) })
}

func (g *Group) speak(ctx context.Context, member int, after uint64, w wish, show func(string), keep func(memory.Turn) []memory.Turn) (r Reply, err error) {
	begin := time.Now()
	g.Card = g.cards[member]
	for i, m := range g.Members {
		if i != member {
			w.others = append(w.others, m.Name)
		}
	}
	err = g.thread.AsOf(after, func() error {
		r, err = g.answer(ctx, w, show)
		return err
	})
	if err != nil {
		return Reply{}, err
	}
	turn := memory.Turn{Time: g.now(), Parent: after, Branch: true, Speaker: w.who, Text: r.Text}
	r.Turn, err = g.thread.Append(keep(turn)...)
	r.Total = time.Since(begin)
	return r, err
}

// one keeps a reply as it is.
func one(turn memory.Turn) []memory.Turn { return []memory.Turn{turn} }

// Speak lets a member speak next, though the user says nothing.
func (g *Group) Speak(ctx context.Context, who string, show Told) (Reply, error) {
	i, err := g.Find(who)
	if err != nil {
		return Reply{}, err
	}
	asked, err := g.asked()
	if err != nil {
		return Reply{}, err
	}
	if r, _, err := g.guarded(asked.Text, show.to("")); err != nil || r.Text != "" {
		return r, err
	}
	return g.reply(ctx, i, g.thread.Head(), wish{said: asked.Text, kept: true, at: g.now()}, show, one)
}

// asked is the user's last turn on the present branch, among as many as a prompt
// has.
func (g *Group) asked() (memory.Turn, error) {
	turns, err := g.thread.Last(g.speaker.Room().Turns)
	if err != nil {
		return memory.Turn{}, err
	}
	for _, t := range slices.Backward(turns) {
		if t.Speaker == fact.User {
			return t, nil
		}
	}
	return memory.Turn{}, ErrNothing
}

// Again lets the one who spoke last speak anew. The other replies stay beside
// it.
func (g *Group) Again(ctx context.Context, show Told) (Reply, error) { return g.anew(ctx, false, show) }

// Continue lets the one who spoke last go on.
func (g *Group) Continue(ctx context.Context, show Told) (Reply, error) {
	return g.anew(ctx, true, show)
}

func (g *Group) anew(ctx context.Context, goOn bool, show Told) (Reply, error) {
	turns, err := g.thread.Last(1)
	if err == nil && (len(turns) == 0 || turns[0].Speaker == fact.User) {
		err = ErrNothing
	}
	if err != nil {
		return Reply{}, err
	}
	asked, err := g.asked()
	if err != nil {
		return Reply{}, err
	}
	if r, _, err := g.guarded(asked.Text, show.to("")); err != nil || r.Text != "" {
		return r, err
	}
	i, err := g.Find(turns[0].Speaker)
	if err != nil {
		return Reply{}, err // has left
	}
	instead, err := g.replies(turns[0].Parent)
	if err != nil {
		return Reply{}, err
	}
	w := wish{said: asked.Text, kept: true, at: asked.Time, instead: instead}
	if goOn {
		w.begun = turns[0].Text
	}
	return g.reply(ctx, i, turns[0].Parent, w, show, one)
}

// Edit says something else in the place of a turn of the user's, on a branch of
// its own.
func (g *Group) Edit(ctx context.Context, id uint64, said string, show Told) ([]Reply, error) {
	turn, err := g.thread.Turn(id)
	if err == nil && turn.Speaker != fact.User {
		err = fmt.Errorf("turn %d: %w", id, ErrNotYours)
	}
	if err != nil {
		return nil, err
	}
	return g.sayAfter(ctx, turn.Parent, said, nil, show)
}

// Undo goes back to before the user's last turn, and returns its text.
func (g *Group) Undo() (string, error) {
	asked, err := g.asked()
	if err != nil {
		return "", err
	}
	return asked.Text, g.thread.SetHead(asked.Parent)
}

// Swipes returns what the one who spoke last said instead, oldest first, and
// which of it the conversation goes on from.
func (g *Group) Swipes() (replies []memory.Turn, present int, err error) {
	turns, err := g.thread.Last(1)
	if err == nil && (len(turns) == 0 || turns[0].Speaker == fact.User) {
		err = ErrNothing
	}
	if err != nil {
		return nil, 0, err
	}
	all, err := g.thread.Follow(turns[0].Parent)
	for _, t := range all {
		if t.Speaker != turns[0].Speaker {
			continue
		}
		if t.ID == turns[0].ID {
			present = len(replies)
		}
		replies = append(replies, t)
	}
	return replies, present, err
}

// Swipe goes to what the one who spoke last said by so many places beside it.
func (g *Group) Swipe(by int) (string, error) {
	replies, at, err := g.Swipes()
	if err != nil {
		return "", err
	}
	n := len(replies)
	to := replies[((at+by)%n+n)%n]
	return to.Text, g.thread.SetHead(to.ID)
}

// Join lets a character take part from now on, under the name that its card
// has. It wraps group.ErrInvalid where another bears it.
func Join(s group.Store, user string, g group.Group, cards shelf.Shelf, id string, l fact.Language) (group.Group, error) {
	who, err := cards.Card(id, l)
	if err != nil {
		return g, err
	}
	if i, err := g.Find(id); err == nil {
		return g, fmt.Errorf("group: %w: %s is there already", group.ErrInvalid, g.Members[i].Name)
	}
	g.Members = append(slices.Clip(g.Members), group.Member{ID: id, Name: who.CharName()})
	return g, s.Save(user, g)
}

// Members are characters as a new group has them.
func Members(cards shelf.Shelf, ids []string, l fact.Language) (out []group.Member, err error) {
	for _, id := range ids {
		who, e := cards.Card(id, l)
		if e != nil {
			err = errors.Join(err, e)
			continue
		}
		out = append(out, group.Member{ID: id, Name: who.CharName()})
	}
	return out, err
}
