package apt

import (
	"math/rand/v2"

	"kuai/companion"
)

// Example is a comparison of something that a user says in a situation, with
// values drawn, and another line of the index.
type Example struct {
	Features [Features]float32
	Same     bool // of the same situation, or of one in which the same words are said
	score    float32
}

// Examples are comparisons for some lines of an index's situations, each with
// the nearest other lines: of the situations for tuning, or of those and with those
// that are not.
func (x *Index) Examples(r *rand.Rand, lines int, split companion.Split) (out [][]Example) {
	tuning := split == companion.Tune
	for range 100 * lines { // one in ten is for tuning
		if len(out) == lines {
			break
		}
		i := r.IntN(len(x.first))
		p := x.first[i]
		s := x.situations[p.situation]
		if s.Tuned() != tuning || len(s.Heard(0)) < 2 {
			continue
		}
		q := x.search(s.Drawn(r, p.line))
		var all []Example
		var of []int
		same := map[int]bool{p.situation: true}
		for _, j := range q.nearest() {
			c := x.first[j]
			if j == i || !tuning && x.situations[c.situation].Tuned() {
				continue
			}
			m := q.match(c.situation, 0, c.line, nil)
			if len(m.Replies) == 0 {
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
