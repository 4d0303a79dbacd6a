package talk

import (
	"context"
	"math/rand/v2"
	"slices"

	"kuai/companion"
	"kuai/companion/fact"
	"kuai/kernel/vec"
	"kuai/text"
)

// pairPool is how many replies of other contexts there are to choose from, and
// pairTries how many are looked at for the one that is as long as the right one:
// length alone should not tell.
const (
	pairPool  = 300
	pairTries = 40
)

// pairFormats are the kinds of dialogues that pairs are drawn from.
var pairFormats = []struct {
	name   string
	format companion.Format
}{{"small", companion.Small}, {"chat", companion.Chat}, {"pack", companion.Packed}}

// pair is a context with the reply that follows it and one that follows
// another.
type pair struct {
	before       companion.Sample
	right, other string
}

// pairs measures how often the right reply to a context is likelier, a byte,
// than the reply to another one, in words and with values that training never
// showed; and how often it is without any context, where nothing but the
// replies themselves can tell.
func (e *evaluation) pairs(ctx context.Context) error {
	all, blind := tally{}, tally{}
	for _, l := range []fact.Language{fact.English, fact.Chinese} {
		for i, f := range pairFormats {
			e.cfg.View("right or wrong reply: " + f.name + ", " + languages[l])
			t := tally{}
			n := e.cfg.Pairs / len(pairFormats)
			if i < e.cfg.Pairs%len(pairFormats) {
				n++
			}
			for _, p := range drawPairs(rand.New(rand.NewPCG(9, uint64(l))), e.cfg.Split, l, f.format, n) {
				for _, c := range []struct {
					before companion.Sample
					to     []*tally
				}{{p.before, []*tally{&t, &all}}, {nil, []*tally{&blind}}} {
					right, err := e.likelier(ctx, c.before, p.right, p.other)
					if err != nil {
						return err
					}
					for _, to := range c.to {
						to.n++
						count(&to.right, right)
					}
				}
			}
			e.rep.Share("pairs_"+f.name+"_"+languages[l], t.right, t.n, "of pairs")
		}
	}
	e.rep.Share("pairs", all.right, all.n, "of pairs: the right reply is likelier than another context's")
	e.rep.Share("pairs_without_context", blind.right, blind.n, "of pairs")
	return nil
}

// drawPairs draws n pairs of one kind.
func drawPairs(r *rand.Rand, split companion.Split, l fact.Language, f companion.Format, n int) []pair {
	mix := companion.Mix{Chinese: float64(l)}
	mix.Formats[f] = 1
	draw := func() (before companion.Sample, reply string) {
		for {
			d := companion.Draw(r, split, mix)
			var at []int
			for i := 1; i < len(d); i++ {
				if d[i].Role == companion.Assistant && d[i-1].Role == companion.User && d[i].Text != "" {
					at = append(at, i)
				}
			}
			if len(at) > 0 {
				i := at[r.IntN(len(at))]
				return d[:i], d[i].Text
			}
		}
	}
	pool := make([]string, pairPool)
	for i := range pool {
		_, pool[i] = draw()
	}
	out := make([]pair, n)
	for i := range out {
		p := &out[i]
		p.before, p.right = draw()
		best := -1
		for range pairTries {
			s := pool[r.IntN(len(pool))]
			if d := abs(len(s) - len(p.right)); s != p.right && (best < 0 || d < best) {
				p.other, best = s, d
			}
		}
		if best < 0 { // all alike
			p.other = p.right + p.right
		}
	}
	return slices.Clip(out)
}

func abs(n int) int { return max(n, -n) }

// likelier says whether a reply is likelier than another, a byte, its end
// included.
func (e *evaluation) likelier(ctx context.Context, before companion.Sample, right, other string) (bool, error) {
	s := e.m.NewSession()
	defer s.Close()
	first := make([]float32, e.m.Config().Vocab)
	if err := s.Prefill(ctx, e.codec.Prompt(before, companion.Assistant), first, nil); err != nil {
		return false, err
	}
	var nats [2]float64
	for i, reply := range []string{right, other} {
		n, err := e.nats(ctx, s, first, reply)
		if err != nil {
			return false, err
		}
		nats[i] = n / float64(len(reply)+1)
	}
	return nats[0] < nats[1], nil
}

// nats is what a reply costs after what a session has read, given the logits of
// its first token.
func (e *evaluation) nats(ctx context.Context, s *text.Session, first []float32, reply string) (float64, error) {
	f := s.Fork()
	defer f.Close()
	v := len(first)
	ids := append(e.codec.Tokenizer.Encode(reply, false), e.codec.End)
	logits := make([]float32, v*len(ids))
	copy(logits, first)
	if len(ids) > 1 {
		if err := e.m.Step(ctx, []text.Slice{{Session: f, Tokens: ids[:len(ids)-1], All: logits[v:]}}); err != nil {
			return 0, err
		}
	}
	sum, logp := 0.0, make([]float32, v)
	for i, id := range ids {
		vec.LogSoftmax(logp, logits[i*v:(i+1)*v], 1, v)
		sum -= float64(logp[id])
	}
	return sum, nil
}
