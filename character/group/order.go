package group

import (
	"cmp"
	"math/rand/v2"
	"slices"
	"strings"
	"unicode"
)

// Next returns which of the members answer a text, by their places in the
// list. talkative has the chance of each to speak unasked. In the natural order
// those who are named come first, as they are named; the others come by chance,
// and where nobody would speak one of them does.
func (g *Group) Next(text string, talkative []float64, r *rand.Rand) []int {
	var may []int
	for i, m := range g.Members {
		if !m.Muted {
			may = append(may, i)
		}
	}
	if g.Order == Manual || len(may) == 0 {
		return nil
	}
	if g.Order == List {
		return may
	}
	at := map[int]int{}
	for _, i := range may {
		if n := mention(text, g.Members[i].Name); n >= 0 {
			at[i] = n
		}
	}
	var out, rest []int
	for _, i := range may {
		if _, named := at[i]; named {
			out = append(out, i)
		} else {
			rest = append(rest, i)
		}
	}
	slices.SortStableFunc(out, func(x, y int) int { return cmp.Compare(at[x], at[y]) })
	r.Shuffle(len(rest), func(i, j int) { rest[i], rest[j] = rest[j], rest[i] })
	for _, i := range rest {
		if r.Float64() < talkative[i] {
			out = append(out, i)
		}
	}
	if len(out) == 0 {
		out = rest[:1]
		if i := slices.IndexFunc(rest, func(i int) bool { return talkative[i] > 0 }); i >= 0 {
			out = rest[i : i+1]
		}
	}
	return out
}

// mention is where a text names somebody, by any word of the name; -1 is
// nowhere. Words of Chinese are not parted by spaces.
func mention(text, name string) int {
	text = strings.ToLower(text)
	best := -1
	for _, w := range strings.FieldsFunc(strings.ToLower(name), func(r rune) bool { return !unicode.IsLetter(r) && !unicode.IsDigit(r) }) {
		han := strings.ContainsFunc(w, func(r rune) bool { return unicode.Is(unicode.Han, r) })
		for from := 0; ; {
			i := strings.Index(text[from:], w)
			if i < 0 {
				break
			}
			i += from
			from = i + len(w)
			if (han || wordEnds(text[:i], text[from:])) && (best < 0 || i < best) {
				best = i
				break
			}
		}
	}
	return best
}

// wordEnds says whether a word stands alone between two texts.
func wordEnds(before, after string) bool {
	letter := func(r rune) bool { return unicode.IsLetter(r) && !unicode.Is(unicode.Han, r) || unicode.IsDigit(r) }
	b, a := []rune(before), []rune(after)
	return (len(b) == 0 || !letter(b[len(b)-1])) && (len(a) == 0 || !letter(a[0]))
}
