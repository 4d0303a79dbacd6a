package nn

import (
	"slices"

	"kuai/grad"
	"kuai/internal/check"
	"kuai/kernel/vec"
)

// Reshape returns x under another shape; values and gradient are shared.
func Reshape(t *grad.Tape, x *grad.Var, shape ...int) *grad.Var { return t.View(x, shape...) }

// Split cuts the last dimension of x into tensors of the given sizes.
func Split(t *grad.Tape, x *grad.Var, sizes ...int) []*grad.Var {
	rows, d := x.Rows(), x.Dim(-1)
	pieces := make([]*grad.Var, len(sizes))
	at := 0
	for k, n := range sizes {
		y := t.From([]*grad.Var{x}, withLast(x.Shape, n)...)
		from := x.X[min(at, len(x.X)):]
		t.RowChunks(rows, n, func(_, i, j int) {
			vec.CopyRows(y.X[i*n:], n, from[i*d:], d, j-i, n)
		})
		pieces[k] = y
		at += n
	}
	check.True(at == d, "nn: shape %v split into %v", x.Shape, sizes)
	t.Then(func() { splitBack(t, x, pieces) })
	return slices.Clone(pieces) // the caller may change its slice
}

// splitBack puts the pieces' gradients side by side into x's.
func splitBack(t *grad.Tape, x *grad.Var, pieces []*grad.Var) {
	if !slices.ContainsFunc(pieces, func(y *grad.Var) bool { return y.Got() != nil }) {
		return
	}
	dx, fresh := t.Fresh(x)
	if dx == nil {
		return
	}
	d := x.Dim(-1)
	t.RowChunks(x.Rows(), d, func(_, i, j int) {
		at := 0
		for _, y := range pieces {
			n := y.Dim(-1)
			for r := i; r < j; r++ {
				to := dx[r*d+at : r*d+at+n]
				switch {
				case y.G == nil && fresh:
					clear(to)
				case y.G == nil:
				case fresh:
					copy(to, y.G[r*n:])
				default:
					vec.Acc(to, y.G[r*n:(r+1)*n])
				}
			}
			at += n
		}
	})
}

// Concat joins tensors along the last dimension.
func Concat(t *grad.Tape, xs ...*grad.Var) *grad.Var {
	d, rows := 0, xs[0].Rows()
	for _, x := range xs {
		check.True(x.Rows() == rows, "nn: shapes %v and %v joined", xs[0].Shape, x.Shape)
		d += x.Dim(-1)
	}
	y := t.From(xs, withLast(xs[0].Shape, d)...)
	each := func(f func(x *grad.Var, at, n int)) {
		at := 0
		for _, x := range xs {
			f(x, at, x.Dim(-1))
			at += x.Dim(-1)
		}
	}
	each(func(x *grad.Var, at, n int) {
		t.RowChunks(rows, n, func(_, i, j int) {
			vec.CopyRows(y.X[i*d+at:], d, x.X[i*n:], n, j-i, n)
		})
	})
	t.Then(func() {
		dy := y.Got()
		if dy == nil {
			return
		}
		each(func(x *grad.Var, at, n int) {
			dx, fresh := t.Fresh(x)
			if dx == nil {
				return
			}
			t.RowChunks(rows, n, func(_, i, j int) {
				for r := i; r < j; r++ {
					g := part(dx, r*n, (r+1)*n, fresh)
					vec.Acc(g, dy[r*d+at:r*d+at+n])
				}
			})
		})
	})
	return y
}

// SelectFrames returns n frames of x [B, T, ...] from the given one on.
func SelectFrames(t *grad.Tape, x *grad.Var, from, n int) *grad.Var {
	batch, frames := x.Dim(0), x.Dim(1)
	check.True(from >= 0 && n >= 0 && from+n <= frames, "nn: frames %d to %d of shape %v", from, from+n, x.Shape)
	shape := slices.Clone(x.Shape)
	shape[1] = n
	y := t.From([]*grad.Var{x}, shape...)
	size := x.Len() / max(batch*frames, 1)
	for b := range batch {
		copy(y.X[b*n*size:(b+1)*n*size], x.X[(b*frames+from)*size:])
	}
	t.Then(func() {
		dy := y.Got()
		if dy == nil {
			return
		}
		if dx := t.Grad(x); dx != nil {
			for b := range batch {
				at := (b*frames + from) * size
				vec.Acc(dx[at:at+n*size], dy[b*n*size:(b+1)*n*size])
			}
		}
	})
	return y
}
