package nn

import (
	"math/rand/v2"

	"kuai/grad"
	"kuai/internal/check"
	"kuai/kernel/vec"
)

// ShortConv convolves each channel with its own last few positions,
//
//	y_t = Σ_j w_j ⊙ x_{t-j},   j < K,
//
// from zeros before the first. A sequence model mixes neighbours with it for
// nearly nothing, so that attention need not.
//
// Sources: the short convolutions of H3, arXiv:2212.14052, and Gated DeltaNet,
// arXiv:2412.06464.
type ShortConv struct {
	W *Param `name:"weight"` // [K, D]
}

// NewShortConv returns a layer of k taps that begins as the identity, but for
// a little of the earlier positions.
func NewShortConv(r *rand.Rand, k, d int) *ShortConv {
	l := &ShortConv{W: newParam(k, d).normal(r, embeddingDeviation)}
	vec.Fill(l.W.X[:d], 1)
	return l
}

// Forward maps x [B, N, D] to the same shape.
func (l *ShortConv) Forward(t *grad.Tape, x *grad.Var) *grad.Var {
	k, d := l.W.Dim(0), l.W.Dim(1)
	check.True(len(x.Shape) == 3 && x.Dim(2) == d, "nn: short convolution of %d channels got shape %v", d, x.Shape)
	y := t.New(x.Shape...)
	w := l.W.X
	groupChunks(t, x.Dim(0), x.Dim(1), d, func(_, b, i, j int) {
		base := b * x.Dim(1)
		for at := i; at < j; at++ {
			row := y.X[(base+at)*d:][:d]
			vec.Mul(row, x.X[(base+at)*d:][:d], w[:d])
			for tap := 1; tap < min(k, at+1); tap++ {
				vec.MulAdd(row, x.X[(base+at-tap)*d:][:d], w[tap*d:][:d])
			}
		}
	})
	t.Then(func() { l.back(t, y, x) })
	return y
}

// back computes dx_t += Σ_j w_j ⊙ dy_{t+j} and dw_j += Σ_t dy_t ⊙ x_{t-j}.
func (l *ShortConv) back(t *grad.Tape, y, x *grad.Var) {
	dy := y.Got()
	if dy == nil {
		return
	}
	k, d, n := l.W.Dim(0), l.W.Dim(1), x.Dim(1)
	if dx, fresh := t.Fresh(x); dx != nil {
		groupChunks(t, x.Dim(0), n, d, func(_, b, i, j int) {
			for at := i; at < j; at++ {
				row := part(dx, (b*n+at)*d, (b*n+at+1)*d, fresh)
				for tap := range min(k, n-at) {
					vec.MulAdd(row, dy[(b*n+at+tap)*d:][:d], l.W.X[tap*d:][:d])
				}
			}
		})
	}
	sumParts(t, t.Grad(&l.W.Var), x.Rows(), d, func(part, _ []float32, i, j int) {
		for at := i; at < j; at++ {
			for tap := range min(k, at%n+1) {
				vec.MulAdd(part[tap*d:][:d], dy[at*d:][:d], x.X[(at-tap)*d:][:d])
			}
		}
	})
}
