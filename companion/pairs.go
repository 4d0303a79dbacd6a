package companion

import (
	"math/rand/v2"
	"slices"
	"strings"

	"kuai/companion/fact"
)

// Ladder is made-up words that belong together, among chatter: nothing but
// copying from where they stood helps.
type Ladder struct {
	Lines        []string // a pair or a line of chatter each
	Keys, Values []string
}

// NewLadder draws pairs at uniform distances among chatter of about so many
// bytes.
func NewLadder(r *rand.Rand, split Split, lang fact.Language, pairs, chatter int) Ladder {
	w := &writer{r: r, split: split, lang: lang}
	return w.ladder(pairs, chatter)
}

func (w *writer) ladder(n, chatter int) Ladder {
	l := Ladder{}
	seen := map[string]bool{}
	var filler []string
	for bytes := 0; bytes < chatter; {
		for _, line := range w.script() {
			filler = append(filler, line)
			bytes += len(line)
		}
	}
	word := func() string {
		if w.lang == fact.Chinese {
			return w.sound(2 + w.r.IntN(2))
		}
		return strings.ToLower(w.syllables(1 + w.r.IntN(2)))
	}
	at := make([]int, n) // the line of chatter that a pair stands before
	for i := range at {
		at[i] = w.r.IntN(len(filler) + 1)
	}
	slices.Sort(at)
	next := 0
	for i := range len(filler) + 1 {
		for ; next < n && at[next] == i; next++ {
			key := word()
			for seen[key] {
				key = word() + word()
			}
			seen[key] = true
			l.Keys, l.Values = append(l.Keys, key), append(l.Values, word())
			l.Lines = append(l.Lines, key+" -> "+l.Values[next])
		}
		if i < len(filler) {
			l.Lines = append(l.Lines, filler[i])
		}
	}
	return l
}

// pairs is a ladder and questions about it.
func (w *writer) pairs() Sample {
	n, chatter := 2+w.r.IntN(12), 0
	if w.chance(0.2) {
		n += w.r.IntN(30)
	}
	if w.chance(0.5) {
		chatter = 50 << w.r.IntN(7)
	}
	return w.asked(w.ladder(n, chatter), 2+w.r.IntN(14))
}

// asked is a ladder and so many questions about it.
func (w *writer) asked(l Ladder, questions int) Sample {
	s := Sample{{Text, strings.Join(l.Lines, "\n"), 0}}
	for _, i := range w.r.Perm(len(l.Keys))[:min(len(l.Keys), questions)] {
		s = append(s, Part{User, l.Keys[i], 0}, Part{Assistant, l.Values[i], replyWeight})
	}
	return s
}

// DrawCopying draws a few pairs with nothing between them and a question about
// each: a text in which most of the loss is copying, from which a model learns
// that first.
func DrawCopying(r *rand.Rand, split Split) Sample {
	w := &writer{r: r, split: split, lang: fact.English}
	if w.chance(Usual().Chinese) {
		w.lang = fact.Chinese
	}
	n := 2 + w.r.IntN(9)
	return w.asked(w.ladder(n, 0), n)
}
