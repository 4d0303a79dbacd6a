package memory

import (
	"cmp"
	"slices"
	"sync"

	"kuai/embedder"
	"kuai/models"
)

// nearest is how many of the best by words are compared by their meaning: a
// vector is made in some microseconds when it is needed, and nothing is kept,
// so that this costs the same after eight million characters.
const nearest = 64

// vectors are those that come with Kuai, read at the first search.
var vectors = sync.OnceValues(func() (*embedder.Model, error) { return embedder.Open(models.Embedder()) })

// near counts for the best turns how near they are to a question in meaning:
// where the user asks what is so, as the vectors were trained. Questions about
// somebody who speaks here by their name, and those for what was said word for
// word, have found more without (LoCoMo among 8 million characters: 0.751 and
// 0.741; MR-NIAH in English after 10 thousand tokens: 0.93 and 0.87).
func (t *Thread) near(r *ranking, query string) error {
	if _, named := t.asked(query); t.tune.Near <= 0 || named || asksBack.MatchString(query) {
		return nil
	}
	m, err := vectors()
	if err != nil {
		return err
	}
	best := make([]candidate, 0, len(r.score))
	for c := range r.score {
		if !c.isFact {
			best = append(best, c)
		}
	}
	slices.SortFunc(best, func(x, y candidate) int {
		return cmp.Or(cmp.Compare(r.score[y].score, r.score[x].score), cmp.Compare(y.id, x.id))
	})
	best = best[:min(len(best), nearest)]
	q := m.Encode(&t.made.split, query)
	cosines, most := make([]float32, len(best)), float32(0)
	for i, c := range best {
		turn, err := t.log.Get(c.id)
		if err != nil {
			continue // damaged since
		}
		v := m.Encode(&t.made.split, turn.Text)
		cosines[i] = embedder.Near(&q, &v)
		most = max(most, cosines[i])
	}
	for i, c := range best {
		if most > 0 {
			r.add(c, cosines[i], most, t.tune.Near, "near")
		}
	}
	return nil
}
