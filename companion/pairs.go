package companion

import (
	"math"
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

const (
	// pairBytes and questionBytes are what a pair and a question with its answer
	// take of a text, made-up words counted double: they have more tokens.
	pairBytes     = 32
	questionBytes = 40
	// scriptBytes is what the chatter's last exchange may be longer by.
	scriptBytes = 500
	// bytesOfPair is what there is of a text for each pair at least: a quarter of it
	// is chatter then.
	bytesOfPair = 100
	// recallWeight is what a recalled word counts in the loss: there are few beside
	// a conversation's, and they are what such a text is for.
	recallWeight = 4
	// mostPairs is more than what is ever asked of a model.
	mostPairs = 160
)

// DrawRecall draws a text of at most about so many bytes from which to recall:
// pairs at uniform distances among chatter, few or many, and a question about
// each at its end. In a row of some thousand tokens most of them stand
// farther back than any window sees, which hardly happens in conversations.
func DrawRecall(r *rand.Rand, split Split, bytes int) Sample {
	w := &writer{r: r, split: split, lang: fact.English}
	if w.chance(Usual().Chinese) {
		w.lang = fact.Chinese
	}
	most := float64(max(4, min(mostPairs, bytes/bytesOfPair)))
	n := int(3 * math.Pow(most/3, w.r.Float64())) // as many times a few as many
	chatter := bytes - n*(pairBytes+questionBytes) - scriptBytes
	if w.chance(0.5) {
		chatter = int(float64(chatter) * w.r.Float64())
	}
	s := w.asked(w.ladder(n, max(0, chatter)), n)
	for i := range s {
		s[i].Weight *= recallWeight
	}
	return s
}
