package embed

import (
	"math"
	"math/rand/v2"

	"kuai/companion/fact"
	"kuai/embedder"
	"kuai/grad"
	"kuai/nn"
	"kuai/train"
	"kuai/train/talk"
)

// sharpness is what cosines are multiplied by before the softmax.
const sharpness = 20

// Task trains an embedder.
type Task struct {
	Net     *embedder.Model
	Corpora []*talk.Corpus
	Pairs   int // of each source in a step
	Seed    uint64
	// Alike is whether ways to say the same are learned from and nothing else.
	Alike bool

	split embedder.Splitter // of Batch, which runs in one goroutine
}

// Batch is a step's pairs: those of a source have to be told apart.
type Batch struct {
	groups []group
	pairs  int
}

type group struct {
	texts   embedder.Batch
	asks    []int32 // numbers of the texts that ask
	answers []int32 // those that answer, in the same order, and then others
}

// Module returns what is trained.
func (k *Task) Module() any { return k.Net }

// Batch draws the pairs of a step.
func (k *Task) Batch(step int) (Batch, error) {
	r := rand.New(rand.NewPCG(k.Seed, uint64(step)))
	var b Batch
	add := func(pairs []pair) {
		var g group
		put := func(to *[]int32, text string) { *to = append(*to, int32(g.texts.Add(&k.split, text))) }
		for _, p := range pairs {
			put(&g.asks, p.a)
			put(&g.answers, p.b)
		}
		for _, p := range pairs {
			for _, o := range p.others {
				put(&g.answers, o)
			}
		}
		b.groups = append(b.groups, g)
		b.pairs += len(pairs)
	}
	if k.Alike {
		for l := range fact.Language(2) {
			add(said(r, l, k.Pairs))
		}
		return b, nil
	}
	add(made(r.Uint64(), k.Pairs))
	for _, c := range k.Corpora {
		add(drawn(r, c, k.Pairs))
	}
	return b, nil
}

// Work counts the pairs.
func (k *Task) Work(b Batch) train.Work {
	var flops float64
	for _, g := range b.groups {
		flops += 6*float64(len(g.asks)*len(g.answers)*embedder.Width) + 4*float64(g.texts.Features()*embedder.Width)
	}
	return train.Work{Items: float64(b.pairs), Unit: "pairs", FLOPs: flops}
}

// Loss is the cross entropy of the right partner, by cosines, and back.
func (k *Task) Loss(t *grad.Tape, _ int, b Batch) (*grad.Var, []train.Metric, error) {
	unit := nn.NewRMSNorm(0)
	var sum *grad.Var
	var found, madeFound float64
	for i := range b.groups {
		g := &b.groups[i]
		x := unit.Forward(t, k.Net.Forward(t, &g.texts)) // as long as √D
		q, a := nn.Rows(t, x, g.asks), nn.Rows(t, x, g.answers)
		there, share := contrast(t, q, a)
		back, _ := contrast(t, nn.Rows(t, x, g.answers[:len(g.asks)]), q)
		v := nn.Scale(t, nn.Add(t, there, back), 0.5/float32(len(b.groups)))
		if sum == nil {
			sum = v
		} else {
			sum = nn.Add(t, sum, v)
		}
		found += share / float64(len(b.groups))
		if i == 0 {
			madeFound = share
		}
	}
	return sum, []train.Metric{{Name: "found", Value: found}, {Name: "made", Value: madeFound}}, nil
}

// contrast is the cross entropy of the key with each query's own number, and
// the share of the queries that are nearest to theirs.
//
// Source: van den Oord et al., Contrastive Predictive Coding, arXiv:1807.03748.
func contrast(t *grad.Tape, q, keys *grad.Var) (loss *grad.Var, found float64) {
	n, m := q.Dim(0), keys.Dim(0)
	y := nn.Point(t, q, nn.Reshape(t, keys, 1, m, embedder.Width), make([]int32, n), []int32{int32(m)})
	y = nn.Scale(t, y, float32(sharpness/math.Sqrt(embedder.Width))) // y is √D cos
	labels := make([]int32, n)
	for i := range labels {
		labels[i] = int32(i)
		best := 0
		for j, v := range y.X[i*m : (i+1)*m] {
			if v > y.X[i*m+best] {
				best = j
			}
		}
		if best == i {
			found += 1 / float64(n)
		}
	}
	return nn.CrossEntropy(t, y, labels), found
}
