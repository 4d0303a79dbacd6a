package nn

import (
	"math"

	"kuai/grad"
	"kuai/internal/check"
	"kuai/kernel/vec"
)

// Rows gathers rows of x [..., D] into [len(at), D]. A row may be taken more
// than once.
func Rows(t *grad.Tape, x *grad.Var, at []int32) *grad.Var {
	d, rows := x.Dim(-1), x.Rows()
	y := t.From([]*grad.Var{x}, len(at), d)
	for i, r := range at {
		check.True(int(r) < rows, "nn: row %d of shape %v", r, x.Shape)
		copy(y.X[i*d:(i+1)*d], x.X[int(r)*d:])
	}
	t.Then(func() {
		dy, dx := y.Got(), t.Grad(x)
		if dy == nil || dx == nil {
			return
		}
		for i, r := range at {
			vec.Acc(dx[int(r)*d:int(r+1)*d], dy[i*d:(i+1)*d])
		}
	})
	return y
}

// never is the score of a place that cannot be pointed at: its exponential is
// zero in f32.
const never = -1e4

// Point scores the positions of a batch for queries that point at one of them:
// y_ij = q_i·k_bj/√D with b the batch of query i.
//
//	q      [R, D]
//	k      [B, N, D]
//	batch  [R]        of each query
//	lens   [B]        positions that there are; those after score never
//	y      [R, N]
//
// Source: Vinyals et al., Pointer Networks, arXiv:1506.03134.
func Point(t *grad.Tape, q, k *grad.Var, batch, lens []int32) *grad.Var {
	r, n, d := q.Rows(), k.Dim(1), k.Dim(2)
	check.True(len(batch) == r && len(lens) == k.Dim(0) && q.Dim(-1) == d, "nn: %d pointers of %v into %v", len(batch), q.Shape, k.Shape)
	scale := float32(1 / math.Sqrt(float64(d)))
	y := t.From([]*grad.Var{q, k}, r, n)
	keys := func(i int) []float32 { return k.X[int(batch[i])*n*d:][:n*d] }
	for i := range r {
		row := y.X[i*n : (i+1)*n]
		vec.Fill(row, never)
		for j := range int(lens[batch[i]]) {
			row[j] = scale * vec.Dot(q.X[i*d:(i+1)*d], keys(i)[j*d:(j+1)*d])
		}
	}
	t.Then(func() {
		dy := y.Got()
		if dy == nil {
			return
		}
		dq, dk := t.Grad(q), t.Grad(k)
		for i := range r {
			for j := range int(lens[batch[i]]) {
				g := scale * dy[i*n+j]
				if dq != nil {
					vec.Axpy(dq[i*d:(i+1)*d], g, keys(i)[j*d:(j+1)*d])
				}
				if dk != nil {
					vec.Axpy(dk[(int(batch[i])*n+j)*d:][:d], g, q.X[i*d:(i+1)*d])
				}
			}
		}
	})
	return y
}
