package nn

import (
	"math"
	"math/rand/v2"
	"slices"

	"kuai/grad"
	"kuai/internal/check"
	"kuai/kernel/vec"
)

// Embedding is a table of rows.
type Embedding struct {
	W *Param `name:"weight"` // [V, D]
}

// embeddingDeviation is that of fresh rows: small, so that those seen rarely do
// not drown the others.
const embeddingDeviation = 0.02

// NewEmbedding returns a table of v rows of width d.
func NewEmbedding(r *rand.Rand, v, d int) *Embedding {
	return &Embedding{W: newParam(v, d).normal(r, embeddingDeviation)}
}

// Forward looks up one row for each id; shape is the result's without D.
func (l *Embedding) Forward(t *grad.Tape, ids []int32, shape ...int) *grad.Var {
	d := l.W.Dim(1)
	y := t.New(append(slices.Clone(shape), d)...)
	check.True(len(y.X) == len(ids)*d, "nn: %d ids for shape %v", len(ids), shape)
	for i, id := range ids {
		copy(y.X[i*d:(i+1)*d], l.W.X[int(id)*d:])
	}
	t.Then(func() {
		if dy := y.Got(); dy != nil {
			dw := t.Grad(&l.W.Var)
			for i, id := range ids {
				vec.Acc(dw[int(id)*d:int(id+1)*d], dy[i*d:(i+1)*d])
			}
		}
	})
	return y
}

// Bag returns for each bag the mean of its rows, [n, D]; an empty bag gives
// zeros. Bag i has the ids from offsets[i] to offsets[i+1].
func (l *Embedding) Bag(t *grad.Tape, ids, offsets []int32) *grad.Var {
	d, n := l.W.Dim(1), len(offsets)-1
	y := t.New(n, d)
	bag := func(i int) ([]int32, float32) {
		b := ids[offsets[i]:offsets[i+1]]
		return b, 1 / float32(max(len(b), 1))
	}
	t.Pool.Do(n, func(i, _ int) {
		row := y.X[i*d : (i+1)*d]
		clear(row)
		b, weight := bag(i)
		for _, id := range b {
			vec.Axpy(row, weight, l.W.X[int(id)*d:int(id+1)*d])
		}
	})
	t.Then(func() {
		if dy := y.Got(); dy != nil {
			l.bagBack(t, dy, n, bag)
		}
	})
	return y
}

// bagBack adds to the table's gradient. Bags share rows, so each task has some
// columns of all of them.
func (l *Embedding) bagBack(t *grad.Tape, dy []float32, n int, bag func(i int) ([]int32, float32)) {
	const columns = 64
	d, dw := l.W.Dim(1), t.Grad(&l.W.Var)
	t.Range(d, columns, func(lo, hi int) {
		for i := range n {
			b, weight := bag(i)
			for _, id := range b {
				at := int(id) * d
				vec.Axpy(dw[at+lo:at+hi], weight, dy[i*d+lo:i*d+hi])
			}
		}
	})
}

// TimeEmbedding returns sinusoids of timesteps in [0, 1]: [len(ts), dim], half
// cosines, half sines, as in DiT with timesteps of 0 to 1000.
func TimeEmbedding(ts []float32, dim int) []float32 {
	const scale, period = 1000, 10_000
	out := make([]float32, len(ts)*dim)
	half := dim / 2
	for b, at := range ts {
		for i := range half {
			angle := float64(at) * scale * math.Pow(period, -float64(i)/float64(half))
			sin, cos := math.Sincos(angle)
			out[b*dim+i], out[b*dim+half+i] = float32(cos), float32(sin)
		}
	}
	return out
}
