package companion

import (
	"iter"
	"math/rand/v2"

	"kuai/companion/fact"
)

// Retrieval is a question and the text that answers it, for training vectors
// that find one by the other.
type Retrieval struct {
	Lang     fact.Language
	Question string
	Fact     string   // in words, or as the user said it
	Line     string   // the fact as a line
	Others   []string // what looks like it and does not answer: others' facts of the kind, the subject's other facts
}

// Retrievals draws endless pairs, a share of them Chinese.
func Retrievals(seed uint64, split Split, chinese float64) iter.Seq[Retrieval] {
	return func(yield func(Retrieval) bool) {
		r := rand.New(rand.NewPCG(seed, 0x9A125+uint64(split)))
		for yield(retrieval(r, split, chinese)) {
		}
	}
}

// retrievalOthers is how many texts do not answer.
const retrievalOthers = 4

func retrieval(r *rand.Rand, split Split, chinese float64) Retrieval {
	w := &writer{r: r, split: split}
	if w.chance(chinese) {
		w.lang = fact.Chinese
	}
	p := w.predicate(nil)
	f := w.fact(p, w.somebody(p), w.date())
	text := func(f *told) string {
		if w.chance(0.5) {
			return w.note(f)
		}
		return f.text
	}
	out := Retrieval{Lang: w.lang, Question: w.ask(f, value{}).ask, Fact: text(f), Line: f.line(w.lang)}
	for len(out.Others) < retrievalOthers {
		q, who := p, w.another(p, f.who)
		if len(out.Others)%2 == 1 && p.who == anyone {
			q, who = w.predicate(func(q *predicate) bool { return q != p && q.who == anyone }), f.who
		}
		out.Others = append(out.Others, text(w.fact(q, who, w.date())))
	}
	return out
}
