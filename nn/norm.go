package nn

import (
	"kuai/grad"
	"kuai/internal/check"
	"kuai/kernel/vec"
)

// normEps keeps the norm of a zero vector finite.
const normEps = 1e-6

// RMSNorm divides each vector by its root mean square and scales each feature.
type RMSNorm struct {
	W *Param `name:"weight"` // [D], or nil for a norm without weights
}

// NewRMSNorm returns a norm of d features with weights of one, or one for any
// number of features without weights if d is 0.
func NewRMSNorm(d int) *RMSNorm {
	if d == 0 {
		return &RMSNorm{}
	}
	return &RMSNorm{W: newParam(d).fill(1)}
}

// Forward normalises the last dimension of x.
func (l *RMSNorm) Forward(t *grad.Tape, x *grad.Var) *grad.Var {
	rows, d := x.Rows(), x.Dim(-1)
	var w []float32
	if l.W != nil {
		w = l.W.X
		check.True(len(w) == d, "nn: norm of %d features got shape %v", len(w), x.Shape)
	}
	y := l.output(t, x)
	inv := t.Make(rows)
	t.RowChunks(rows, d, func(_, i, j int) {
		vec.RMSNorm(y.X[i*d:j*d], inv[i:j], x.X[i*d:j*d], w, j-i, d, normEps)
	})
	t.Then(func() { l.back(t, y, x, inv) })
	return y
}

func (l *RMSNorm) output(t *grad.Tape, x *grad.Var) *grad.Var {
	if l.W == nil {
		return t.From([]*grad.Var{x}, x.Shape...)
	}
	return t.New(x.Shape...)
}

func (l *RMSNorm) back(t *grad.Tape, y, x *grad.Var, inv []float32) {
	dy := y.Got()
	dx, fresh := t.Fresh(x)
	if dy == nil || l.W == nil && dx == nil {
		return
	}
	rows, d := x.Rows(), x.Dim(-1)
	if dx == nil {
		dx, fresh = t.Make(x.Len()), true // only the weight's gradient is wanted
	}
	one := func(dw []float32, i, j int) {
		if fresh {
			clear(dx[i*d : j*d])
		}
		var w []float32
		if l.W != nil {
			w = l.W.X
		}
		vec.RMSNormBack(dx[i*d:j*d], dw, dy[i*d:j*d], x.X[i*d:j*d], inv[i:j], w, j-i, d)
	}
	if l.W == nil {
		t.RowChunks(rows, d, func(_, i, j int) { one(nil, i, j) })
		return
	}
	sumParts(t, t.Grad(&l.W.Var), rows, d, func(part, _ []float32, i, j int) { one(part, i, j) })
}
