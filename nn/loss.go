package nn

import (
	"kuai/grad"
	"kuai/internal/check"
	"kuai/kernel/vec"
)

// lossGrain is how many values a piece of a loss has: fixed pieces, summed in
// order, so that the loss does not depend on the workers.
const lossGrain = 1 << 14

// sumPieces adds up f over pieces of [0, n).
func sumPieces(t *grad.Tape, n int, f func(lo, hi int) float32) float64 {
	sums := make([]float64, (n+lossGrain-1)/lossGrain)
	t.Pool.Do(len(sums), func(task, _ int) {
		lo := task * lossGrain
		sums[task] = float64(f(lo, min(lo+lossGrain, n)))
	})
	var total float64
	for _, s := range sums {
		total += s
	}
	return total
}

// scalar is a loss variable.
func scalar(t *grad.Tape, v float64) *grad.Var {
	y := t.New(1)
	y.X[0] = float32(v)
	return y
}

// MSE is the mean squared error of pred against target. weight, unless nil,
// has one factor for each of the batch (the first dimension).
func MSE(t *grad.Tape, pred *grad.Var, target, weight []float32) *grad.Var {
	n := len(pred.X)
	check.True(len(target) == n, "nn: MSE of %v against %d values", pred.Shape, len(target))
	if weight != nil {
		return weightedMSE(t, pred, target, weight)
	}
	y := scalar(t, sumPieces(t, n, func(lo, hi int) float32 {
		return vec.SquaredError(pred.X[lo:hi], target[lo:hi])
	})/float64(n))
	lossBack(t, y, pred, func(dp []float32, g float32, lo, hi int) {
		vec.AxpyDiff(dp, 2*g/float32(n), pred.X[lo:hi], target[lo:hi])
	})
	return y
}

// lossBack records the backward of an element-wise loss: back adds to the
// piece [lo, hi) of pred's gradient, given the loss's own gradient g.
func lossBack(t *grad.Tape, y, pred *grad.Var, back func(dp []float32, g float32, lo, hi int)) {
	t.Then(func() {
		if y.Got() == nil {
			return
		}
		dp, fresh := t.Fresh(pred)
		if dp == nil {
			return
		}
		t.Chunks(len(dp), func(lo, hi int) { back(part(dp, lo, hi, fresh), y.G[0], lo, hi) })
	})
}

func weightedMSE(t *grad.Tape, pred *grad.Var, target, weight []float32) *grad.Var {
	n, batch := len(pred.X), len(weight)
	check.True(batch == pred.Dim(0), "nn: %d weights for shape %v", batch, pred.Shape)
	each := n / batch
	sums := make([]float64, batch)
	t.Pool.Do(batch, func(b, _ int) {
		sums[b] = float64(weight[b]) * float64(vec.SquaredError(pred.X[b*each:(b+1)*each], target[b*each:(b+1)*each]))
	})
	var sum float64
	for _, s := range sums {
		sum += s
	}
	y := scalar(t, sum/float64(n))
	t.Then(func() {
		dp := t.Grad(pred)
		if y.Got() == nil || dp == nil {
			return
		}
		t.Pool.Do(batch, func(b, _ int) {
			c := 2 * y.G[0] * weight[b] / float32(n)
			vec.AxpyDiff(dp[b*each:(b+1)*each], c, pred.X[b*each:(b+1)*each], target[b*each:(b+1)*each])
		})
	})
	return y
}

// Charbonnier is the mean of √(d²+eps²) over the differences d: absolute error
// that is smooth below eps.
//
// Source: Charbonnier et al., 1994; for images Lai et al., arXiv:1710.01992.
func Charbonnier(t *grad.Tape, pred *grad.Var, target []float32, eps float32) *grad.Var {
	n := len(pred.X)
	check.True(len(target) == n, "nn: Charbonnier of %v against %d values", pred.Shape, len(target))
	y := scalar(t, sumPieces(t, n, func(lo, hi int) float32 {
		return vec.Charbonnier(pred.X[lo:hi], target[lo:hi], eps)
	})/float64(n))
	lossBack(t, y, pred, func(dp []float32, g float32, lo, hi int) {
		vec.CharbonnierBack(dp, g/float32(n), pred.X[lo:hi], target[lo:hi], eps)
	})
	return y
}

// L1 is the mean absolute error of pred against target.
func L1(t *grad.Tape, pred *grad.Var, target []float32) *grad.Var {
	return Charbonnier(t, pred, target, 0)
}

// KL is the mean over all values of the divergence of the Gaussians with the
// given means and log variances from the standard one,
// (mean² + e^logvar - 1 - logvar)/2.
func KL(t *grad.Tape, mean, logvar *grad.Var) *grad.Var {
	sameShape("divergence", mean, logvar)
	n := mean.Len()
	variance := t.Make(n)
	y := scalar(t, sumPieces(t, n, func(lo, hi int) float32 {
		vec.Exp(variance[lo:hi], logvar.X[lo:hi])
		s := vec.SumSquares(mean.X[lo:hi]) + vec.Sum(variance[lo:hi]) - vec.Sum(logvar.X[lo:hi])
		return (s - float32(hi-lo)) / 2
	})/float64(n))
	lossBack(t, y, mean, func(dm []float32, g float32, lo, hi int) {
		vec.Axpy(dm, g/float32(n), mean.X[lo:hi])
	})
	lossBack(t, y, logvar, func(dl []float32, g float32, lo, hi int) {
		g /= float32(2 * n)
		for i := range dl {
			dl[i] += g * (variance[lo+i] - 1)
		}
	})
	return y
}

// edgeEps rounds off the absolute value in EdgeLoss.
const edgeEps = 0.02

// EdgeLoss compares the differences between neighbouring pixels, to the right
// and below, of pred [..., H, W, C] with the target's: the mean smooth
// absolute error. It is what keeps outlines sharp.
func EdgeLoss(t *grad.Tape, pred *grad.Var, target []float32) *grad.Var {
	k := len(pred.Shape)
	h, w := pred.Shape[k-3], pred.Shape[k-2]*pred.Shape[k-1]
	c, n := pred.Shape[k-1], len(pred.X)
	e := t.New(pred.Shape...) // the error; its neighbours' differences are what is compared
	t.Chunks(n, func(lo, hi int) { vec.Sub(e.X[lo:hi], pred.X[lo:hi], target[lo:hi]) })
	frames := n / (h * w)
	sums := make([]float64, frames)
	t.Pool.Do(frames, func(f, _ int) {
		frame := e.X[f*h*w : (f+1)*h*w]
		s := float64(vec.Charbonnier(frame[w:], frame[:(h-1)*w], edgeEps))
		for r := range h {
			row := frame[r*w : (r+1)*w]
			s += float64(vec.Charbonnier(row[c:], row[:w-c], edgeEps))
		}
		sums[f] = s
	})
	var total float64
	for _, s := range sums {
		total += s
	}
	y := scalar(t, total/float64(n))
	t.Then(func() {
		dp := t.Grad(pred)
		if y.Got() == nil || dp == nil {
			return
		}
		g := y.G[0] / float32(n)
		t.Pool.Do(frames, func(f, _ int) {
			frame, df := e.X[f*h*w:(f+1)*h*w], dp[f*h*w:(f+1)*h*w]
			difference(df[w:], df[:(h-1)*w], frame[w:], frame[:(h-1)*w], g)
			for r := range h {
				row, dr := frame[r*w:(r+1)*w], df[r*w:(r+1)*w]
				difference(dr[c:], dr[:w-c], row[c:], row[:w-c], g)
			}
		})
	})
	return y
}

// difference adds the gradient of a smooth |a-b| to both.
func difference(da, db, a, b []float32, g float32) {
	vec.CharbonnierBack(da, g, a, b, edgeEps)
	vec.CharbonnierBack(db, g, b, a, edgeEps)
}

// CrossEntropy is the mean of -log softmax(logits)[label] over the rows of
// logits [n, C] whose label is not -1.
func CrossEntropy(t *grad.Tape, logits *grad.Var, labels []int32) *grad.Var {
	n, c := len(labels), logits.Dim(-1)
	check.True(len(logits.X) == n*c, "nn: %d labels for %v", n, logits.Shape)
	logp := t.New(logits.Shape...)
	t.RowChunks(n, c, func(_, lo, hi int) { vec.LogSoftmax(logp.X[lo*c:hi*c], logits.X[lo*c:hi*c], hi-lo, c) })
	var sum float64
	count := 0
	for i, l := range labels {
		if l >= 0 {
			sum -= float64(logp.X[i*c+int(l)])
			count++
		}
	}
	y := scalar(t, sum/float64(max(count, 1)))
	t.Then(func() {
		dl := t.Grad(logits)
		if y.Got() == nil || dl == nil {
			return
		}
		g := y.G[0] / float32(max(count, 1))
		t.RowChunks(n, c, func(_, lo, hi int) {
			for i := lo; i < hi; i++ {
				if labels[i] >= 0 {
					p := logp.X[i*c : (i+1)*c]
					vec.Exp(p, p) // its last use
					p[labels[i]]--
					vec.Axpy(dl[i*c:(i+1)*c], g, p)
				}
			}
		})
	})
	return y
}
