package apt

import (
	"regexp"

	"kuai/character/memory"
	"kuai/character/memory/term"
	"kuai/embedder"
)

// Features is how many numbers say how two texts compare.
const Features = 19

// text is one with what comparing takes.
type text struct {
	v     embedder.Vector
	words []word // that say something, each once; in Chinese characters
	cost  float32
	asks  bool
	nots  int
}

type word struct {
	hash  uint64
	v     embedder.Vector
	cost  float32
	turns bool // what is said, round, or who is meant
}

// cutter takes texts apart. It belongs to one goroutine.
type cutter struct {
	*Index
	split embedder.Splitter
	words term.Analyzer
}

func (r *cutter) read(s string) (t text) {
	t.v, t.asks, t.nots = r.model.Vectors.Encode(&r.split, s), asks(s), nots(s)
	seen := map[uint64]bool{}
	r.words.Each(s, func(w term.Word) bool {
		if w.Pair || idle[w.Text] || seen[w.Hash] {
			return true
		}
		seen[w.Hash] = true
		known, ok := r.lexicon[w.Hash]
		if !ok {
			known = word{hash: w.Hash, v: r.model.Vectors.Encode(&r.split, w.Text), cost: r.cost(0), turns: turns[w.Hash]}
		}
		t.words = append(t.words, known)
		t.cost += known.cost
		return true
	})
	return t
}

// compare says how two texts compare: what is said, and a pattern with so many
// slots for which nothing was said.
func compare(said, pattern *text, unbound int) (f [Features]float32) {
	cos := embedder.Near(&said.v, &pattern.v)
	f[0], f[1], f[2] = cos, cos*cos, max(0, cos-0.8)
	for i, ab := range [2][2]*text{{said, pattern}, {pattern, said}} {
		only, soft, round := ab[0].only(ab[1])
		all := ab[0].cost + 0.02
		f[3+i], f[5+i], f[7+i] = 5*only, 5*soft, round
		f[9+i], f[11+i], f[13+i] = (ab[0].cost-only)/all, soft/all, 3*ab[0].cost
		f[15+i] = 1 / float32(len(ab[0].words)+1)
	}
	if said.asks != pattern.asks {
		f[17] = 1
	}
	f[18] = float32(unbound)
	return f
}

// only is what the words cost that another text has not; soft is less where the
// other has words near them; round is how many of them turn what is said round.
func (t *text) only(other *text) (only, soft, round float32) {
	for i := range t.words {
		w := &t.words[i]
		var best float32
		for j := range other.words {
			if other.words[j].hash == w.hash {
				best = 2
				break
			}
			best = max(best, embedder.Near(&w.v, &other.words[j].v))
		}
		if best > 1 {
			continue
		}
		only += w.cost
		soft += w.cost * (1 - best)
		if w.turns {
			round++
		}
	}
	return only, soft, round
}

// opposite is by how much less likely a comparison is where one of the texts says
// no once more than the other: what is written has too few such pairs for the nets
// to learn it from.
const opposite = 0.2

var (
	negations = regexp.MustCompile(`(?i)\b(?:not|no|never|without|nobody|nothing|none|cannot|hardly|stop(?:ped|s)?)\b|n['’]t\b|不|没|别|无|未`)
	noneSuch  = regexp.MustCompile(`(?i)\bno (?:way|idea|doubt)\b|特别|别人|别的|不错|不过|无聊|差别|不好意思|不管|不但|不仅|是不是|能不能|会不会|要不要|好不好|对不对|有没有|可不可以`)
)

// nots is how often a text says no.
func nots(s string) int { return len(negations.FindAllString(noneSuch.ReplaceAllString(s, ""), -1)) }

// asks says whether a text asks something at its end.
func asks(s string) bool {
	all := memory.Sentences(s)
	return len(all) > 0 && all[len(all)-1].Asks
}
