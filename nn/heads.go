package nn

import (
	"kuai/grad"
	"kuai/internal/check"
	"kuai/kernel/attn"
	"kuai/kernel/vec"
)

// RepeatHeads gives each head of x [B, N, KV, D] to n neighbouring ones,
// [B, N, KV·n, D]: keys and values of grouped-query attention.
//
// Source: Ainslie et al., GQA, arXiv:2305.13245.
func RepeatHeads(t *grad.Tape, x *grad.Var, n int) *grad.Var {
	check.True(len(x.Shape) == 4 && n > 0, "nn: heads of shape %v repeated %d times", x.Shape, n)
	if n == 1 {
		return x
	}
	rows, d := x.Rows(), x.Dim(-1)
	y := t.From([]*grad.Var{x}, x.Dim(0), x.Dim(1), x.Dim(2)*n, d)
	t.RowChunks(rows, n*d, func(_, i, j int) {
		for r := i * n; r < j*n; r++ {
			copy(y.X[r*d:][:d], x.X[r/n*d:])
		}
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
		t.RowChunks(rows, n*d, func(_, i, j int) {
			for r := i; r < j; r++ {
				row := part(dx, r*d, (r+1)*d, fresh)
				for h := range n {
					vec.Acc(row, dy[(r*n+h)*d:][:d])
				}
			}
		})
	})
	return y
}

// ScalePositions multiplies x [B, N, ...] at each position by its factor of
// s [N].
func ScalePositions(t *grad.Tape, x *grad.Var, s []float32) *grad.Var {
	n := len(s)
	check.True(len(x.Shape) >= 3 && x.Dim(1) == n, "nn: %d factors for shape %v", n, x.Shape)
	batch, d := x.Dim(0), x.Len()/(x.Dim(0)*n)
	y := t.Like(x)
	groupChunks(t, batch, n, d, func(_, b, i, j int) {
		o := (b*n + i) * d
		vec.ScaleRows(y.X[o:], d, x.X[o:], d, s[i:j], d)
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
		groupChunks(t, batch, n, d, func(_, b, i, j int) {
			for at := i; at < j; at++ {
				o := (b*n + at) * d
				vec.Axpy(part(dx, o, o+d, fresh), s[at], dy[o:o+d])
			}
		})
	})
	return y
}

// WindowAttention is CausalAttention in which a query sees the last window
// positions only, its own among them.
func WindowAttention(t *grad.Tape, q, k, v *grad.Var, window int) *grad.Var {
	return softmaxAttention(t, q, k, v, attn.Mask{Causal: true, Window: window})
}

// SigmoidGate returns x ⊙ sigmoid(g).
//
// Source: Qiu et al., Gated attention, arXiv:2505.06708.
func SigmoidGate(t *grad.Tape, x, g *grad.Var) *grad.Var {
	sameShape("gate", x, g)
	y := t.From([]*grad.Var{x, g}, x.Shape...)
	open := t.Make(g.Len())
	t.Chunks(y.Len(), func(i, j int) {
		vec.Sigmoid(open[i:j], g.X[i:j])
		vec.Mul(y.X[i:j], x.X[i:j], open[i:j])
	})
	t.Then(func() {
		dy := y.Got()
		if dy == nil {
			return
		}
		dx, freshX := t.Fresh(x)
		dg, freshG := t.Fresh(g)
		t.Chunks(len(dy), func(i, j int) {
			if dx != nil {
				vec.MulAdd(part(dx, i, j, freshX), dy[i:j], open[i:j])
			}
			if dg != nil {
				vec.Mul(y.X[i:j], dy[i:j], x.X[i:j]) // its last use
				vec.SigmoidBack(part(dg, i, j, freshG), open[i:j], y.X[i:j])
			}
		})
	})
	return y
}
