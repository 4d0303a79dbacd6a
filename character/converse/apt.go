package converse

import (
	"math/rand/v2"
	"strings"

	"kuai/character/apt"
	"kuai/character/memory"
	"kuai/companion"
	"kuai/companion/fact"
)

// selected is where the last reply that was written for a situation came from.
type selected struct {
	place apt.Place
	reply string
}

// apt returns a reply that was written for what was said, or for what comes next
// after the one before: the character's own, or anybody's; "" where none is near
// enough.
func (c *Conversation) apt(t turn) (string, error) {
	if t.looked {
		return "", nil // the model speaks
	}
	if t.aside {
		t.told = nil
	}
	for _, said := range t.parts() {
		s, err := c.voiced(said, t.l, func(s string) bool { return t.suits(s) && (len(t.told) == 0 || t.fits(s)) })
		if s != "" || err != nil {
			return s, err
		}
	}
	x, err := apt.Open(t.l)
	if err != nil {
		return "", err
	}
	for _, said := range t.parts() {
		if s, err := c.selected(x, said, t.fits); s != "" || err != nil {
			return s, err
		}
	}
	return "", nil
}

// voiced is what the character itself says to something: what was written for it
// or stands in its card; "" where nothing is near enough.
func (c *Conversation) voiced(said string, l fact.Language, fits func(string) bool) (string, error) {
	talk := c.Card.Talk()
	if strings.Contains(talk, "{{") {
		talk = c.macros(c.userName(true)).Expand(talk)
	}
	_, voice := companion.Voice(c.Card.Voice(), l)
	for _, text := range []string{voice, talk} {
		x, err := apt.Of(l, text)
		if x == nil || err != nil {
			continue // a card's own text is not worth a turn
		}
		s, err := c.selected(x, said, func(s string) bool { return hasHan(s) == (l == fact.Chinese) && fits(s) })
		if s != "" || err != nil {
			return s, err
		}
	}
	return "", nil
}

// selected draws one of the replies of the place in an index that is nearest to
// what was said, of those that fit and were not said lately.
func (c *Conversation) selected(x *apt.Index, said string, fits func(string) bool) (string, error) {
	last, err := c.thread.Last(recentTurns)
	if err != nil {
		return "", err
	}
	recent := map[string]bool{}
	var after *apt.Place
	for _, t := range last {
		if t.Speaker == fact.User {
			continue
		}
		recent[t.Text] = true
		after = nil
		if c.chosen != nil && t.Text == c.chosen.reply {
			after = &c.chosen.place
		}
	}
	draw := rand.New(rand.NewPCG(c.Sampling.Seed, pick(said)+uint64(c.thread.Stats().Turns))) //nolint:gosec // a count, and no secrets
	for _, m := range x.Find(said, after) {
		for _, i := range draw.Perm(len(m.Replies)) {
			if s := m.Replies[i]; !recent[s] && fits(s) {
				c.chosen = &selected{m.Place, s}
				return s, nil
			}
		}
	}
	return "", nil
}

// parts are what a turn says that may be answered by itself: all of it, or else
// what it asks, or else its last sentence.
func (t turn) parts() []string {
	out := []string{t.said}
	all := memory.Sentences(t.said)
	if len(all) < 2 {
		return out
	}
	for _, s := range all {
		if s.Asks {
			out = append(out, s.Text)
		}
	}
	if last := all[len(all)-1]; !last.Asks && !t.asks {
		out = append(out, last.Text)
	}
	return out
}
