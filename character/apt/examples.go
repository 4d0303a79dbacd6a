package apt

import (
	"math/rand/v2"

	"kuai/companion"
	"kuai/companion/fact"
)

// Example is a comparison of something that a user says in a situation, with
// values drawn, and another line of the index.
type Example struct {
	Features [Features]float32
	Same     bool // of the same situation, or of one in which the same words are said
	score    float32
}

// Examples are comparisons for some lines of an index's situations, each with
// the nearest other lines: of the situations for tuning, or of the others.
func (x *Index) Examples(r *rand.Rand, lines int, split companion.Split) (out [][]Example) {
	for len(out) < lines {
		i := r.IntN(len(x.first))
		p := x.first[i]
		s := x.situations[p.situation]
		if s.Tuned() != (split == companion.Tune) || len(s.Heard(0)) < 2 {
			continue
		}
		q := x.search(s.Drawn(r, p.line))
		var all []Example
		var of []int
		same := map[int]bool{p.situation: true}
		for _, j := range q.nearest() {
			c := x.first[j]
			m := q.match(c.situation, 0, c.line, nil)
			if j == i || len(m.Replies) == 0 {
				continue
			}
			if m.features[3]+m.features[4] == 0 { // no word is only in one
				same[c.situation] = true
			}
			all, of = append(all, Example{Features: m.features, score: m.Score}), append(of, c.situation)
		}
		for k := range all {
			all[k].Same = same[of[k]]
		}
		out = append(out, all)
	}
	return out
}

// Found is how well lines are found that are for tuning: the share for which the
// likeliest line is as likely as least, and the share of those in which it is of the
// same situation; what it takes for another that says the same counts as wrong.
func (x *Index) Found(seed uint64, lines int, least float32) (answered, right float64) {
	r := rand.New(rand.NewPCG(seed, uint64(x.lang))) //nolint:gosec // no secrets
	var n, good float64
	for _, all := range x.Examples(r, lines, companion.Tune) {
		var best Example
		for _, e := range all {
			if e.score > best.score {
				best = e
			}
		}
		if best.score < least {
			continue
		}
		n++
		if best.Same {
			good++
		}
	}
	return n / float64(lines), good / max(n, 1)
}

// Languages are those that there is an index for.
var Languages = [...]fact.Language{fact.English, fact.Chinese}
