package converse

import (
	"cmp"
	"math/rand/v2"
	"slices"
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

// Likelihoods from which on a reply is said: chosen on turns by hand. A character's
// own goes before anybody's unless that is far likelier.
const (
	ownSure, ownEnough = 0.5, apt.Least
	anySure, anyEnough = 0.8, 0.25
)

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
	x, err := apt.Open(t.l)
	if err != nil {
		return "", err
	}
	s, err := c.uttered()
	if err != nil {
		return "", err
	}
	for _, said := range t.parts() {
		own, anybody := c.own(said, t.l, s), x.Find(said, s.after)
		for _, from := range []struct {
			all   []apt.Match
			least float32
			fits  func(string) bool
		}{
			{own, ownSure, t.mayBe}, {anybody, anySure, t.fits}, {own, ownEnough, t.mayBe}, {anybody, anyEnough, t.fits},
		} {
			if r := c.choose(from.all, from.least, s, said, from.fits); r != "" {
				return r, nil
			}
		}
	}
	return "", nil
}

// mayBe says whether what was written for the character can stand after a turn.
func (t turn) mayBe(reply string) bool {
	return t.suits(reply) && hasHan(reply) == (t.l == fact.Chinese) && (len(t.told) == 0 || t.fits(reply))
}

// voiced is what the character itself says to something; "" where nothing that was
// written for it is near enough.
func (c *Conversation) voiced(said string, l fact.Language) (string, error) {
	s, err := c.uttered()
	if err != nil {
		return "", err
	}
	return c.choose(c.own(said, l, s), ownEnough, s, said, func(r string) bool { return hasHan(r) == (l == fact.Chinese) }), nil
}

// otherwise is what the character itself says to any turn of a sort
// (apt.Index.Otherwise), or "".
func (c *Conversation) otherwise(said string, l fact.Language, sort string) (string, error) {
	s, err := c.uttered()
	if err != nil {
		return "", err
	}
	var whatever apt.Match
	for _, x := range c.written(l) {
		whatever.Replies = append(whatever.Replies, x.Otherwise(sort)...)
	}
	return c.choose([]apt.Match{whatever}, 0, s, said, func(r string) bool { return hasHan(r) == (l == fact.Chinese) }), nil
}

// own are the places in what was written for the character, or stands in its card,
// that are near to what was said.
func (c *Conversation) own(said string, l fact.Language, s uttered) (out []apt.Match) {
	for _, x := range c.written(l) {
		out = append(out, x.Find(said, s.after)...)
	}
	slices.SortStableFunc(out, func(a, b apt.Match) int { return cmp.Compare(b.Score, a.Score) })
	return out
}

// written are the indexes of what was written for the character, and of what
// stands in its card.
func (c *Conversation) written(l fact.Language) (out []*apt.Index) {
	talk := c.Card.Talk()
	if strings.Contains(talk, "{{") {
		talk = c.macros(c.userName(true)).Expand(talk)
	}
	_, voice := companion.Voice(c.Card.Voice(), l)
	for _, text := range []string{voice, talk} {
		if x, err := apt.Of(l, text); x != nil && err == nil {
			out = append(out, x)
		}
	}
	return out
}

// uttered is what the companion said lately.
type uttered struct {
	lately map[string]bool
	after  *apt.Place // of the last, where that was written
}

func (c *Conversation) uttered() (s uttered, err error) {
	last, err := c.thread.Last(recentTurns)
	if err != nil {
		return s, err
	}
	s.lately = map[string]bool{}
	for _, t := range last {
		if t.Speaker == fact.User {
			continue
		}
		s.lately[t.Text] = true
		s.after = nil
		if c.chosen != nil && t.Text == c.chosen.reply {
			s.after = &c.chosen.place
		}
	}
	return s, nil
}

// choose draws a reply of the likeliest place, of those that fit and were not said
// lately.
func (c *Conversation) choose(all []apt.Match, least float32, before uttered, said string, fits func(string) bool) string {
	draw := rand.New(rand.NewPCG(c.Sampling.Seed, pick(said)+uint64(c.thread.Stats().Turns))) //nolint:gosec // a count, and no secrets
	for _, m := range all {
		if m.Score < least {
			break
		}
		for _, i := range draw.Perm(len(m.Replies)) {
			if s := m.Replies[i]; !before.lately[s] && fits(s) {
				c.chosen = &selected{m.Place, s}
				return s
			}
		}
	}
	return ""
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
