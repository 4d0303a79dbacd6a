package grad

import "kuai/internal/check"

// Checkpoint returns f(x) without keeping what f made on the way: the backward
// pass runs f again. It costs one more forward of f and saves its memory. f
// must compute the same again; it may use other tensors and parameters, which
// get their gradients too. The result is that of plain f, bit for bit.
func (t *Tape) Checkpoint(f func(t *Tape, x *Var) *Var, x *Var) *Var {
	if !t.Recording() {
		return f(t, x)
	}
	mark := t.mark()
	var made *Var
	t.NoGrad(func() { made = f(t, x) })
	t.release(mark)
	y := t.New(made.Shape...) // may overlap made, which copy allows
	copy(y.X, made.X)
	t.Then(func() {
		if y.Got() != nil {
			t.replay(f, x, y)
		}
	})
	return y
}

// replay runs f again, recording, and then backwards from y's gradient.
func (t *Tape) replay(f func(t *Tape, x *Var) *Var, x, y *Var) {
	t.Grad(x) // made here, so that it outlives the memory of the replay
	mark, outer := t.mark(), t.back
	t.back, t.depth = nil, t.depth+1
	again := f(t, x)
	check.True(again.Len() == y.Len(), "grad: a checkpoint gave shape %v, then %v", y.Shape, again.Shape)
	t.Accumulate(again, y.G)
	t.unwind()
	t.back, t.depth = outer, t.depth-1
	t.release(mark)
}
