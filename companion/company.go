package companion

import (
	"slices"
	"strings"
	"sync"

	"kuai/companion/fact"
)

// conversation is one that was written for training: who the companion is, "" for
// nobody in particular, and the turns, the user's first and the companion's last.
type conversation struct {
	system string
	turns  []string
}

// heldCompany is one in how many of the written conversations is kept for the
// Test split.
const heldCompany = 20

// company are the written conversations, those to learn from and those held out,
// by language.
var company = sync.OnceValue(func() (out [2][2][]conversation) {
	values := heldNames()
	for l, key := range languageKeys {
		for block := range strings.SplitSeq(moreText("company_"+key), "\n\n") {
			c, ok := parseConversation(block)
			if !ok {
				continue
			}
			part := 0
			switch {
			case held(c.turns[0], heldCompany):
				part = 1
			case c.names(values): // for neither
				continue
			}
			out[part][l] = append(out[part][l], c)
		}
	}
	return out
})

// heldNames are the places and instruments, in English and one word, that
// training does not show: nobody who wrote knew of them.
func heldNames() map[string]bool {
	out := map[string]bool{}
	for _, kind := range []string{"city", "country", "instrument"} {
		for _, v := range files().lexicon[kind] {
			if held(kind+v[fact.English], heldValues) {
				out[strings.ToLower(v[fact.English])] = true
			}
		}
	}
	return out
}

// names says whether one of the words is in a conversation.
func (c conversation) names(words map[string]bool) bool {
	return slices.ContainsFunc(append([]string{c.system}, c.turns...), func(t string) bool { return hasWord(t, words) })
}

// heldIn is the part of company that a split has.
func heldIn(s Split) int {
	if s == Test {
		return 1
	}
	return 0
}

// parseConversation reads lines that begin with S:, U: and A:, and reports
// whether they are a conversation.
func parseConversation(block string) (c conversation, ok bool) {
	for line := range strings.Lines(block) {
		who, text, found := strings.Cut(strings.TrimSpace(line), ": ")
		if text = strings.TrimSpace(text); !found || text == "" {
			return c, false
		}
		switch {
		case who == "S" && c.system == "" && len(c.turns) == 0:
			c.system = text
		case who == "U" && len(c.turns)%2 == 0, who == "A" && len(c.turns)%2 == 1:
			c.turns = append(c.turns, text)
		default:
			return c, false
		}
	}
	return c, len(c.turns) > 0 && len(c.turns)%2 == 0
}

// situatedShare is that of situations, where nobody in particular speaks.
const situatedShare = 0.6

// written draws a written conversation, with or without somebody whom the
// companion is.
func (w *writer) written(system bool) (conversation, bool) {
	if !system && w.chance(situatedShare) {
		if all := situations()[heldIn(w.split)][w.lang]; len(all) > 0 {
			return w.situated(all), true
		}
	}
	all := company()[heldIn(w.split)][w.lang]
	for range 64 {
		if len(all) == 0 {
			break
		}
		if c := all[w.r.IntN(len(all))]; (c.system != "") == system {
			return c, true
		}
	}
	return conversation{}, false
}

// said adds a conversation's turns.
func (s Sample) said(c conversation) Sample {
	for i, t := range c.turns {
		if i%2 == 0 {
			s = s.user(t)
		} else {
			s = s.reply(t)
		}
	}
	return s
}

// voiceShare is that of the characters that come with Kuai among conversations as
// somebody.
const voiceShare = 0.4

// voiced is small talk with one of them.
func (w *writer) voiced() (s Sample, ok bool) {
	if w.split != Train {
		return nil, false
	}
	all := figures()[w.lang]
	if len(all) == 0 {
		return nil, false
	}
	v := all[Voices(w.lang)[w.r.IntN(len(all))]]
	s = Sample{{System, v.system, 0}}
	for range 1 + w.r.IntN(4) {
		s = s.said(w.situated(v.situations))
	}
	return s, true
}

// together is written small talk alone: a conversation as somebody, or one after
// the other as anybody.
func (w *writer) together() (s Sample, ok bool) {
	if w.chance(0.35) {
		if w.chance(voiceShare) {
			if s, ok := w.voiced(); ok {
				return s, true
			}
		}
		if c, ok := w.written(true); ok {
			return Sample{{System, c.system, 0}}.said(c), true
		}
	}
	s = w.begin()
	somebody := false
	if who, ok := w.written(true); ok && len(s) > 0 && w.chance(0.5) { // whoever the companion is, it has plain sense
		s[0].Text, somebody = who.system, true
	}
	for range 1 + w.r.IntN(4) {
		c, ok := w.written(false)
		if !ok {
			return nil, false
		}
		if !somebody || c.inRole(w.lang) {
			s = s.said(c)
		}
	}
	return s, s[len(s)-1].Role == Assistant
}

// Company are written conversations, as samples.
func Company(split Split, l fact.Language) (out []Sample) {
	for _, c := range company()[heldIn(split)][l] {
		var s Sample
		if c.system != "" {
			s = Sample{{System, c.system, 0}}
		}
		out = append(out, s.said(c))
	}
	return out
}
