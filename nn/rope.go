package nn

import (
	"math"

	"kuai/grad"
	"kuai/internal/check"
	"kuai/kernel/vec"
)

// ropeBase is the longest period of a rotary table, in radians per position:
// grids of latents are short.
const ropeBase = 100

// Rope is a table of rotary embeddings for the positions of a grid.
//
// Source: Su et al., RoFormer, arXiv:2104.09864.
type Rope struct {
	cos, sin []float32 // [N, headDim], as vec.RopeTable spreads them
	n, d     int
}

// NewRope3 returns the table for a grid of frames, rows and columns: a quarter
// of each head turns with the frame, the rest half and half with row and
// column.
func NewRope3(frames, rows, cols, headDim int) *Rope {
	pairs := headDim / 2
	forTime := pairs / 4
	forRow := (pairs - forTime) / 2
	axes := []int{forTime, forRow, pairs - forTime - forRow}
	r := &Rope{n: frames * rows * cols, d: headDim}
	r.cos, r.sin = make([]float32, r.n*headDim), make([]float32, r.n*headDim)
	c, s := make([]float32, pairs), make([]float32, pairs)
	for i := range r.n {
		at := [3]int{i / (rows * cols), i / cols % rows, i % cols}
		p := 0
		for axis, n := range axes {
			for k := range n {
				sin, cos := math.Sincos(float64(at[axis]) * math.Pow(ropeBase, -float64(k)/float64(n)))
				c[p], s[p] = float32(cos), float32(sin)
				p++
			}
		}
		vec.RopeTable(r.cos[i*headDim:(i+1)*headDim], r.sin[i*headDim:(i+1)*headDim], c, s)
	}
	return r
}

// NewRope returns the table for the positions of a text, whose pairs turn at
// rates from 1 down to nearly 1/base.
func NewRope(positions, headDim int, base float64) *Rope {
	pairs := headDim / 2
	r := &Rope{n: positions, d: headDim}
	r.cos, r.sin = make([]float32, r.n*headDim), make([]float32, r.n*headDim)
	c, s := make([]float32, pairs), make([]float32, pairs)
	for i := range r.n {
		for k := range pairs {
			sin, cos := math.Sincos(float64(i) * math.Pow(base, -float64(k)/float64(pairs)))
			c[k], s[k] = float32(cos), float32(sin)
		}
		vec.RopeTable(r.cos[i*headDim:(i+1)*headDim], r.sin[i*headDim:(i+1)*headDim], c, s)
	}
	return r
}

// Apply rotates the pairs (0, 1), (2, 3), ... of each head of
// x [B, N, NH, headDim].
func (r *Rope) Apply(t *grad.Tape, x *grad.Var) *grad.Var {
	check.True(len(x.Shape) == 4 && x.Dim(1) == r.n && x.Dim(3) == r.d, "nn: rotary table of %d positions of %d for shape %v", r.n, r.d, x.Shape)
	batch, heads := x.Dim(0), x.Dim(2)
	w := heads * r.d
	y := t.Like(x)
	groupChunks(t, batch, r.n, w, func(_, b, i, j int) {
		lo, hi := (b*r.n+i)*w, (b*r.n+j)*w
		vec.Rope(y.X[lo:hi], x.X[lo:hi], r.cos[i*r.d:j*r.d], r.sin[i*r.d:j*r.d], j-i, heads, r.d)
	})
	t.Then(func() {
		dy := y.Got()
		if dy == nil {
			return
		}
		dx, fresh := t.Fresh(x)
		if dx == nil {
			return
		}
		groupChunks(t, batch, r.n, w, func(_, b, i, j int) {
			lo, hi := (b*r.n+i)*w, (b*r.n+j)*w
			vec.RopeBack(part(dx, lo, hi, fresh), dy[lo:hi], r.cos[i*r.d:j*r.d], r.sin[i*r.d:j*r.d], j-i, heads, r.d)
		})
	})
	return y
}
