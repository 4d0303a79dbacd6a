package optim

import (
	"math"

	"kuai/kernel/vec"
	"kuai/nn"
	"kuai/par"
)

// ClipNorm returns the norm of all gradients together, and the factor that
// brings it down to limit, at most 1. Update takes the factor. A norm that is
// not finite gives the factor 0, with which Update leaves the step out.
func ClipNorm(pool *par.Pool, params []nn.Named, limit float32) (norm, scale float32) {
	all := pieces(params)
	sums := make([]float64, len(all))
	each(pool, all, func(k int, at piece) {
		if g := params[at.p].P.G; g != nil {
			sums[k] = float64(vec.SumSquares(g[at.i:at.j]))
		}
	})
	var total float64
	for _, s := range sums {
		total += s
	}
	n := math.Sqrt(total)
	switch {
	case math.IsNaN(n) || math.IsInf(n, 0):
		return float32(n), 0
	case n <= float64(limit):
		return float32(n), 1
	}
	return float32(n), limit / float32(n)
}
