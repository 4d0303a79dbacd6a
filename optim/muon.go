package optim

import (
	"math"
	"slices"

	"kuai/kernel/gemm"
	"kuai/kernel/vec"
	"kuai/mem"
	"kuai/nn"
	"kuai/par"
)

// MuonConfig holds the constants of Muon. The zero value of a field stands for
// the usual one, except Decay.
type MuonConfig struct {
	Momentum float32    // 0.95, Nesterov's
	Decay    float32    // decoupled
	Type     gemm.Type  // of the products that orthogonalise; BF16 is enough
	Adam     AdamConfig // for everything that is no matrix
	Except   []string   // names of matrices left to AdamW, such as the output layer
}

// Muon moves each matrix by its momentum with all singular values brought
// near one, so that rare directions count as much as frequent ones. The rest is
// left to AdamW. The step is scaled to AdamW's usual size, so that one learning
// rate serves both.
//
// Sources: Jordan et al., Muon, 2024 (kellerjordan.github.io/posts/muon); the
// scale and the decay: Liu et al., arXiv:2502.16982.
type Muon struct {
	config  MuonConfig
	params  []nn.Named // the matrices
	m       []Slot
	pieces  []piece
	adam    *AdamW
	scratch [4][]float32 // matrix, its next value, Gram matrix, its polynomial
}

// NewMuon returns an optimiser of the parameters.
func NewMuon(params []nn.Named, c MuonConfig) *Muon {
	if c.Momentum == 0 {
		c.Momentum = 0.95
	}
	var matrices, rest []nn.Named
	large, short := 1, 1
	for _, p := range params {
		if !p.P.Matrix || slices.Contains(c.Except, p.Name) {
			rest = append(rest, p)
			continue
		}
		matrices = append(matrices, p)
		large = max(large, p.P.Len())
		rows, cols := matrixShape(p.P)
		short = max(short, min(rows, cols))
	}
	o := &Muon{
		config: c,
		params: matrices,
		m:      newSlots(matrices, ".momentum"),
		pieces: pieces(matrices),
		adam:   NewAdamW(rest, c.Adam),
	}
	arena := mem.NewArena(4*(2*large+2*short*short) + 4*mem.Align)
	for i, n := range []int{large, large, short * short, short * short} {
		o.scratch[i] = mem.Make[float32](arena, n)
	}
	return o
}

// matrixShape returns the sides of a parameter seen as a matrix.
func matrixShape(p *nn.Param) (rows, cols int) {
	rows = p.Dim(0)
	return rows, p.Len() / max(rows, 1)
}

// Update changes the weights by their gradients times scale at the given
// learning rate, and clears the gradients. With scale 0 it only clears them.
func (o *Muon) Update(pool *par.Pool, rate, scale float32) {
	o.adam.Update(pool, rate, scale)
	if scale == 0 {
		nn.ZeroGrad(o.params)
		return
	}
	for i, p := range o.params {
		if p.P.G != nil && p.P.Len() > 0 {
			o.update(pool, p.P, o.m[i].X, rate, scale)
		}
	}
}

// Steps returns how many updates there were; SetSteps continues from there.
func (o *Muon) Steps() int { return o.adam.Steps }

// SetSteps restores the number of updates.
func (o *Muon) SetSteps(n int) { o.adam.Steps = n }

// State returns the momenta and what AdamW keeps.
func (o *Muon) State() []Slot { return slices.Concat(o.m, o.adam.State()) }

func (o *Muon) update(pool *par.Pool, p *nn.Param, m []float32, rate, scale float32) {
	mu, n := o.config.Momentum, p.Len()
	x := o.scratch[0][:n]
	chunks(pool, n, func(i, j int) { // m = μm + g, x = g + μm
		vec.Scale(m[i:j], m[i:j], mu)
		vec.Axpy(m[i:j], scale, p.G[i:j])
		vec.Scale(x[i:j], m[i:j], mu)
		vec.Axpy(x[i:j], scale, p.G[i:j])
	})
	rows, cols := matrixShape(p)
	x = o.orthogonal(pool, rows, cols)
	step := -rate * 0.2 * float32(math.Sqrt(float64(max(rows, cols))))
	chunks(pool, n, func(i, j int) {
		vec.Scale(p.X[i:j], p.X[i:j], 1-rate*o.config.Decay)
		vec.Axpy(p.X[i:j], step, x[i:j])
		clear(p.G[i:j])
	})
	p.Changed()
}

// The quintic X ← aX + bAX + cA²X, A = XXᵀ, drives singular values in (0, 1]
// towards 1 as fast as five rounds allow; they end between about 0.7 and 1.2,
// which is near enough.
const (
	quinticA, quinticB, quinticC = 3.4445, -4.7750, 2.0315
	newtonSchulzRounds           = 5
)

// orthogonal brings the singular values of the matrix in scratch[0] near 1.
func (o *Muon) orthogonal(pool *par.Pool, rows, cols int) []float32 {
	n, k := rows*cols, min(rows, cols)
	x, next := o.scratch[0][:n], o.scratch[1][:n]
	gram, poly := o.scratch[2][:k*k], o.scratch[3][:k*k]
	inv := float32(1 / (math.Sqrt(sumSquares(pool, x)) + 1e-7))
	chunks(pool, n, func(i, j int) { vec.Scale(x[i:j], x[i:j], inv) })
	for range newtonSchulzRounds {
		side := gemm.View{P: x, Row: cols, K: 1} // the short side first
		if rows > cols {
			side = side.T()
		}
		gemm.Mul(pool, o.config.Type, gram, k, k, k, n/k, side, side, gemm.Opt{})
		g := gemm.View{P: gram, Row: k, K: 1} // symmetric
		gemm.Mul(pool, o.config.Type, poly, k, k, k, k, g, g, gemm.Opt{})
		chunks(pool, k*k, func(i, j int) {
			vec.Scale(poly[i:j], poly[i:j], quinticC)
			vec.Axpy(poly[i:j], quinticB, gram[i:j])
		})
		b := gemm.View{P: poly, Row: k, K: 1} // symmetric too
		if rows > cols {
			gemm.Mul(pool, o.config.Type, next, cols, rows, cols, k, gemm.View{P: x, Row: cols, K: 1}, b, gemm.Opt{})
		} else {
			gemm.Mul(pool, o.config.Type, next, cols, rows, cols, k, b, gemm.View{P: x, Row: 1, K: cols}, gemm.Opt{})
		}
		chunks(pool, n, func(i, j int) { vec.Axpy(next[i:j], quinticA, x[i:j]) })
		x, next = next, x
	}
	return x
}

// chunks shares [0, n) out in pieces of pieceLen.
func chunks(pool *par.Pool, n int, f func(i, j int)) {
	pool.Do((n+pieceLen-1)/pieceLen, func(task, _ int) {
		f(task*pieceLen, min((task+1)*pieceLen, n))
	})
}

// sumSquares adds up in an order that does not depend on the workers.
func sumSquares(pool *par.Pool, x []float32) float64 {
	sums := make([]float64, (len(x)+pieceLen-1)/pieceLen)
	chunks(pool, len(x), func(i, j int) { sums[i/pieceLen] = float64(vec.SumSquares(x[i:j])) })
	var total float64
	for _, s := range sums {
		total += s
	}
	return total
}
