package nn

import (
	"slices"

	"kuai/grad"
	"kuai/internal/check"
	"kuai/kernel/vec"
)

func sameShape(op string, a, b *grad.Var) {
	check.True(slices.Equal(a.Shape, b.Shape), "nn: %s of shapes %v and %v", op, a.Shape, b.Shape)
}

// binary records y = f(a, b); back, if not nil, gets pieces of the values and
// gradients, the latter ready for adding to, nil where unwanted.
func binary(t *grad.Tape, a, b *grad.Var, f func(y, a, b []float32), back func(da, db, dy, a, b []float32)) *grad.Var {
	y := t.From([]*grad.Var{a, b}, a.Shape...)
	t.Chunks(y.Len(), func(i, j int) { f(y.X[i:j], a.X[i:j], b.X[i:j]) })
	t.Then(func() {
		dy := y.Got()
		if dy == nil {
			return
		}
		da, freshA := t.Fresh(a)
		db, freshB := t.Fresh(b)
		t.Chunks(len(dy), func(i, j int) {
			back(part(da, i, j, freshA), part(db, i, j, freshB), dy[i:j], a.X[i:j], b.X[i:j])
		})
	})
	return y
}

// part cuts a piece of a gradient and clears it if it is fresh.
func part(g []float32, i, j int, fresh bool) []float32 {
	if g == nil {
		return nil
	}
	if fresh {
		clear(g[i:j])
	}
	return g[i:j]
}

// Add returns a + b.
func Add(t *grad.Tape, a, b *grad.Var) *grad.Var {
	sameShape("sum", a, b)
	y := t.From([]*grad.Var{a, b}, a.Shape...)
	t.Chunks(y.Len(), func(i, j int) { vec.Add(y.X[i:j], a.X[i:j], b.X[i:j]) })
	t.Then(func() {
		if dy := y.Got(); dy != nil {
			t.Accumulate(b, dy)
			t.Pass(a, y)
		}
	})
	return y
}

// Sub returns a - b.
func Sub(t *grad.Tape, a, b *grad.Var) *grad.Var {
	sameShape("difference", a, b)
	return binary(t, a, b, vec.Sub, func(da, db, dy, _, _ []float32) {
		if da != nil {
			vec.Acc(da, dy)
		}
		if db != nil {
			vec.Axpy(db, -1, dy)
		}
	})
}

// Mul returns the element-wise product.
func Mul(t *grad.Tape, a, b *grad.Var) *grad.Var {
	sameShape("product", a, b)
	return binary(t, a, b, vec.Mul, func(da, db, dy, a, b []float32) {
		if da != nil {
			vec.MulAdd(da, b, dy)
		}
		if db != nil {
			vec.MulAdd(db, a, dy)
		}
	})
}

// unary records y = f(x); back gets pieces of x, y and the gradients, dx ready
// for adding to.
func unary(t *grad.Tape, x *grad.Var, f func(y, x []float32), back func(dx, x, y, dy []float32)) *grad.Var {
	y := t.From([]*grad.Var{x}, x.Shape...)
	t.Chunks(y.Len(), func(i, j int) { f(y.X[i:j], x.X[i:j]) })
	t.Then(func() {
		dy := y.Got()
		if dy == nil {
			return
		}
		dx, fresh := t.Fresh(x)
		if dx == nil {
			return
		}
		t.Chunks(len(dy), func(i, j int) {
			back(part(dx, i, j, fresh), x.X[i:j], y.X[i:j], dy[i:j])
		})
	})
	return y
}

// Scale returns s*x.
func Scale(t *grad.Tape, x *grad.Var, s float32) *grad.Var {
	return unary(t, x,
		func(y, x []float32) { vec.Scale(y, x, s) },
		func(dx, _, _, dy []float32) { vec.Axpy(dx, s, dy) })
}

// SiLU returns x*sigmoid(x).
func SiLU(t *grad.Tape, x *grad.Var) *grad.Var {
	return unary(t, x, vec.SiLU, func(dx, x, _, dy []float32) { vec.SiLUBack(dx, x, dy) })
}

// GELU returns the Gaussian error linear unit in its tanh form.
func GELU(t *grad.Tape, x *grad.Var) *grad.Var {
	return unary(t, x, vec.GELU, func(dx, x, _, dy []float32) { vec.GELUBack(dx, x, dy) })
}

// ReLU returns max(x, 0).
func ReLU(t *grad.Tape, x *grad.Var) *grad.Var {
	return unary(t, x, vec.ReLU, func(dx, x, _, dy []float32) { vec.ReLUBack(dx, x, dy) })
}

// Tanh returns the hyperbolic tangent.
func Tanh(t *grad.Tape, x *grad.Var) *grad.Var {
	return unary(t, x, vec.Tanh, func(dx, _, y, dy []float32) { vec.TanhBack(dx, y, dy) })
}

// Sigmoid returns 1/(1+e^-x).
func Sigmoid(t *grad.Tape, x *grad.Var) *grad.Var {
	return unary(t, x, vec.Sigmoid, func(dx, _, y, dy []float32) { vec.SigmoidBack(dx, y, dy) })
}

// SwiGLU maps [..., 2F] to [..., F]: silu of the first half times the second.
func SwiGLU(t *grad.Tape, x *grad.Var) *grad.Var {
	f, rows := x.Dim(-1)/2, x.Rows()
	check.True(x.Dim(-1) == 2*f, "nn: gated unit of shape %v", x.Shape)
	y := t.From([]*grad.Var{x}, withLast(x.Shape, f)...)
	t.RowChunks(rows, 2*f, func(_, i, j int) {
		vec.SwiGLU(y.X[i*f:j*f], x.X[2*i*f:2*j*f], j-i, f)
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
		t.RowChunks(rows, 2*f, func(_, i, j int) {
			vec.SwiGLUBack(part(dx, 2*i*f, 2*j*f, fresh), x.X[2*i*f:2*j*f], dy[i*f:j*f], j-i, f)
		})
	})
	return y
}
