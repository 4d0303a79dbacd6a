package converse

import (
	"context"
	"strings"
	"time"

	"kuai/character/card"
	"kuai/character/memory"
	"kuai/companion/fact"
)

// wish is a reply that is wanted to what follows the thread's head.
type wish struct {
	said   string // what is answered; it is in the thread already where kept is set
	kept   bool
	at     time.Time
	begun  string   // what the reply goes on from
	asUser bool     // the user's own next turn is wanted
	who    string   // the name of the one of a group who answers, "" for the only one
	others []string // of the group
	// instead are replies in whose place another is wanted.
	instead []string
}

// answer writes a reply. What it is told of the past is what is remembered on
// the thread's branch.
func (c *Conversation) answer(ctx context.Context, w wish, show func(string)) (Reply, error) {
	begin := time.Now()
	room := c.speaker.Room()
	pack, err := c.thread.Recall(ctx, w.said, w.at, room.Pack, c.speaker.Tokens)
	if err != nil {
		return Reply{}, err
	}
	r := Reply{Who: w.who, Pack: pack, Recall: time.Since(begin)}
	checked := c.speaker.Corrected() && !w.asUser && w.begun == ""
	var own *repertoire
	if checked {
		if own, err = c.repertoire(w); err != nil {
			return r, err
		}
		if r.Text, err = c.known(ctx, w, pack, own); err != nil {
			return r, err
		}
		if r.Text != "" {
			if _, from := pack.Answer(); !from { // not out of the pack
				r.Pack = memory.Pack{}
			}
			return c.allowed(r, w, show), nil
		}
		if c.smallTalk(w, pack) { // what looks like it would only mislead
			pack = memory.Pack{}
			r.Pack = pack
		}
	}
	p, err := c.prompt(w, pack, room)
	if err != nil {
		return Reply{}, err
	}
	if err := c.seePast(ctx, w, p); err != nil {
		return Reply{}, err
	}
	corrects := c.speaker.Corrected() && len(pack.Asked) > 0 && !w.asUser
	held := show
	if len(c.rules().Blocked) > 0 || corrects || checked { // shown when it is known to be fit
		held = nil
	}
	var written string
	if checked {
		written, err = c.fitting(ctx, w, p, pack, own)
	} else {
		written, err = c.speaker.Speak(ctx, p, held)
	}
	if err != nil {
		return r, err
	}
	r.Text = join(w.begun, strings.ToValidUTF8(written, ""))
	switch {
	case w.begun != "" && r.Text == w.begun:
		return r, ErrFinished
	case r.Text == "":
		r.Text = "…"
	}
	if corrects {
		right := pack.Grounded(r.Text)
		if w.begun != "" && right != r.Text {
			return r, ErrFinished // what it would add is not so
		}
		r.Text = right
	}
	if held == nil {
		return c.allowed(r, w, show), nil
	}
	return c.allowed(r, w, nil), nil
}

// allowed is a reply as the owner's rules let it be; show, which may be nil,
// sees it.
func (c *Conversation) allowed(r Reply, w wish, show func(string)) Reply {
	if instead := c.rules().Said(r.Text, c.languageOf(w.said)); instead != "" {
		r.Text = instead
	}
	if show != nil {
		show(strings.TrimPrefix(r.Text, w.begun))
	}
	return r
}

// seePast lets the model's own memory, where there is one, see what stands
// before the question.
func (c *Conversation) seePast(ctx context.Context, w wish, p *Prompt) error {
	if c.native == nil || w.who != "" {
		return nil
	}
	after := len(p.Lines) - p.Asked
	if !w.kept && !w.asUser {
		after-- // the question is not in the thread yet
	}
	if err := c.native.follow(ctx, c.thread, p, after); err != nil {
		return err
	}
	p.past = c.native
	return nil
}

// join goes on from the beginning of a reply.
func join(begun, rest string) string {
	rest = strings.TrimRight(rest, " \t\r\n")
	if begun == "" {
		return strings.TrimSpace(rest)
	}
	if strings.TrimSpace(rest) == "" {
		return begun
	}
	if strings.ContainsAny(begun[len(begun)-1:], ".!?\"'…") && !strings.ContainsAny(rest[:1], " \n.,!?\"'") {
		return begun + " " + rest
	}
	return begun + rest
}

// prompt is what the speaker writes from.
func (c *Conversation) prompt(w wish, pack memory.Pack, room Room) (*Prompt, error) {
	last, err := c.thread.Last(room.Turns)
	if err != nil {
		return nil, err
	}
	user := c.userName(false)
	macros := c.macros(user)
	p := &Prompt{
		Language: c.languageOf(w.said), Char: c.Card.CharName(), User: user, Card: c.Card, Expand: macros.Expand,
		Others: w.others, Begun: w.begun, AsUser: w.asUser, Sampling: c.Sampling, account: c.account,
	}
	if c.Persona != nil {
		p.Persona = macros.Expand(c.Persona.Text())
	}
	if len(pack.Items)+len(pack.Asked) > 0 || !c.speaker.Corrected() { // to small talk, an empty pack would be something for a small model to deny
		p.Memory = pack.Text
	}
	if !c.speaker.Corrected() { // the small model was shown none
		p.Profile = c.thread.Profile(p.Language, profileTokens, c.speaker.Tokens)
	}
	for _, t := range last {
		p.Lines = append(p.Lines, c.line(t, w.who, user))
	}
	if !w.kept && !w.asUser {
		p.Lines = append(p.Lines, Line{Name: user, User: true, Text: w.said})
	}
	p.Lines = latest(p.Lines, room, c.speaker.Tokens)
	p.Asked = len(p.Lines)
	for i, l := range p.Lines {
		if l.User {
			p.Asked = i
		}
	}
	p.Lore = c.lore(p.Lines, room, macros)
	return p, nil
}

// line is a turn as the one called who sees it, "" for the only character.
func (c *Conversation) line(t memory.Turn, who, user string) Line {
	switch {
	case t.Speaker == fact.User:
		return Line{Name: user, User: true, Text: t.Text}
	case who == "" || t.Speaker == who:
		return Line{Name: c.Card.CharName(), Own: true, Text: t.Text}
	case t.Speaker == fact.Companion: // what the owner's rules said in a group
		return Line{Name: "Kuai", Text: t.Text}
	}
	return Line{Name: t.Speaker, Text: t.Text}
}

// lore is what the character's lorebook has for the scene.
func (c *Conversation) lore(lines []Line, room Room, macros card.Macros) []card.Entry {
	if c.Card.Book == nil {
		return nil
	}
	s := card.Scene{Turns: c.thread.Stats().Turns / 2, Budget: room.Card / 2, Count: c.speaker.Tokens, Expand: macros.Expand}
	for _, l := range lines {
		s.Messages = append(s.Messages, l.Text)
	}
	return c.Card.Book.Active(s)
}
