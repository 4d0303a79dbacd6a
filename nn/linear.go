package nn

import (
	"math/rand/v2"
	"slices"

	"kuai/grad"
	"kuai/internal/check"
	"kuai/kernel/gemm"
	"kuai/kernel/vec"
)

// Linear is y = x Wᵀ + b.
type Linear struct {
	W *Param `name:"weight"` // [out, in]
	B *Param `name:"bias"`   // [out], or nil
}

// NewLinear returns a layer that keeps the variance of its input; its bias is
// zero.
func NewLinear(r *rand.Rand, in, out int, bias bool) *Linear {
	l := &Linear{W: newMatrix(r, in, out, in)}
	if bias {
		l.B = newParam(out)
	}
	return l
}

// Forward maps x [..., in] to [..., out].
func (l *Linear) Forward(t *grad.Tape, x *grad.Var) *grad.Var {
	out, in, rows := l.W.Dim(0), l.W.Dim(1), x.Rows()
	check.True(x.Dim(-1) == in, "nn: linear layer of %d inputs got shape %v", in, x.Shape)
	y := t.New(withLast(x.Shape, out)...)
	o := gemm.Opt{}
	if l.B != nil {
		o.Bias = l.B.X
	}
	gemm.MulPacked(t.Pool, y.X, out, rows, gemm.View{P: x.X, Row: in, K: 1}, l.W.forward(t, out, in), o)
	t.Then(func() { l.back(t, y, x) })
	return y
}

// back computes dX += dY W, dW += dYᵀ X and db += Σ dY.
func (l *Linear) back(t *grad.Tape, y, x *grad.Var) {
	dy := y.Got()
	if dy == nil {
		return
	}
	out, in, rows := l.W.Dim(0), l.W.Dim(1), x.Rows()
	if dx, fresh := t.Fresh(x); dx != nil {
		gemm.MulPacked(t.Pool, dx, in, rows, gemm.View{P: dy, Row: out, K: 1}, l.W.backward(t, out, in), gemm.Opt{Acc: !fresh})
	}
	dw := t.Grad(&l.W.Var)
	gemm.Mul(t.Pool, t.Type, dw, in, out, in, rows, gemm.View{P: dy, Row: 1, K: out}, gemm.View{P: x.X, Row: 1, K: in}, gemm.Opt{Acc: true})
	if l.B != nil {
		addColumns(t, t.Grad(&l.B.Var), dy, rows, out)
	}
}

// withLast returns shape with another last length.
func withLast(shape []int, d int) []int {
	return append(slices.Clone(shape[:len(shape)-1]), d)
}

// addColumns adds the sum of the rows of x [rows, d] to dst [d].
func addColumns(t *grad.Tape, dst, x []float32, rows, d int) {
	sumParts(t, dst, rows, d, func(part []float32, ones []float32, i, j int) {
		vec.AxpyRows(part, 0, ones[:j-i], x[i*d:], d, d)
	})
}

// sumParts adds to dst [d] what f sums up from rows [i, j) into a zeroed part
// of its own; parts do not depend on the workers and are added in order. ones
// has a 1 for each of the rows.
func sumParts(t *grad.Tape, dst []float32, rows, d int, f func(part, ones []float32, i, j int)) {
	t.Temp(func() {
		parts, each := grad.Parts(rows, d)
		n := len(dst)
		sums, ones := t.Make(parts*n), t.Make(min(each, rows))
		vec.Fill(ones, 1)
		t.RowChunks(rows, d, func(p, i, j int) {
			part := sums[p*n : (p+1)*n]
			clear(part)
			f(part, ones, i, j)
		})
		for p := range parts {
			vec.Acc(dst, sums[p*n:(p+1)*n])
		}
	})
}
