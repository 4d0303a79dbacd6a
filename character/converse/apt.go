package converse

import (
	"math/rand/v2"

	"kuai/character/apt"
	"kuai/character/memory"
)

// selected is where the last reply that was written for a situation came from.
type selected struct {
	place apt.Place
	reply string
}

// apt returns a reply that was written for what was said, or for what comes next
// after the one before; "" where none is near enough.
func (c *Conversation) apt(t turn, p *Prompt) string {
	x, err := apt.Open(t.l)
	if err != nil || t.looked {
		return "" // the model speaks
	}
	if t.aside {
		t.told = nil
	}
	recent := map[string]bool{}
	var after *apt.Place
	for _, l := range p.Lines {
		if l.Own {
			recent[l.Text] = true
			after = nil
			if c.chosen != nil && l.Text == c.chosen.reply {
				after = &c.chosen.place
			}
		}
	}
	draw := rand.New(rand.NewPCG(p.Sampling.Seed, pick(t.said)+uint64(c.thread.Stats().Turns))) //nolint:gosec // a count, and no secrets
	for _, said := range t.parts() {
		for _, m := range x.Find(said, after) {
			for _, i := range draw.Perm(len(m.Replies)) {
				if s := m.Replies[i]; !recent[s] && t.fits(s) {
					c.chosen = &selected{m.Place, s}
					return s
				}
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
