package companion

import (
	"math/rand/v2"
	"slices"
	"sync"

	"kuai/companion/fact"
)

// heldAlike is one in how many situations is kept from training what finds them,
// for tuning.
const heldAlike = 10

// alike are the situations with several ways to say something, to learn from and
// for tuning, by language.
var alike = sync.OnceValue(func() (out [2][2][]Situation) {
	for l := range languageKeys {
		all := slices.Clone(situations()[0][l])
		for _, name := range Voices(fact.Language(l)) {
			all = append(all, figures()[l][name].situations...)
		}
		for _, s := range all {
			part := 0
			if s.Tuned() {
				part = 1
			}
			if len(s.Heard(0)) > 1 {
				out[part][l] = append(out[part][l], s)
			}
		}
	}
	return out
})

// Alike draws two ways to say the same, with the same values in their slots. Of
// those held out for tuning the Tune split has all, and the others none.
func Alike(r *rand.Rand, l fact.Language, split Split) (a, b string) {
	part := 0
	if split == Tune {
		part = 1
	}
	all := alike()[part][l]
	s := all[r.IntN(len(all))]
	lines := s.Heard(r.IntN(s.Rounds()))
	if len(lines) < 2 {
		lines = s.Heard(0)
	}
	i, j := r.IntN(len(lines)), r.IntN(len(lines)-1)
	if j >= i {
		j++
	}
	bound := map[string]string{}
	w := &writer{r: r}
	return w.fill(lines[i], s, bound), w.fill(lines[j], s, bound)
}
