package grad

import "kuai/kernel/vec"

// Grad returns the gradient of v for adding to, zeroed at first use; nil if
// none is wanted.
func (t *Tape) Grad(v *Var) []float32 {
	g, fresh := t.Fresh(v)
	if fresh {
		t.Clear(g)
	}
	return g
}

// Fresh returns the gradient of v, nil if none is wanted. If fresh is true the
// caller is the first and must write every value; otherwise it must add.
func (t *Tape) Fresh(v *Var) (g []float32, fresh bool) {
	r := v.root()
	if !r.needs {
		return nil, false
	}
	if r.G == nil {
		switch {
		case r.leaf:
			r.G = persistent(len(r.X)) // zeroed, and added to from step to step
		case r.depth < t.depth:
			r.G = make([]float32, len(r.X)) // outlives the checkpoint's memory
			fresh = true
		default:
			r.G = t.Make(len(r.X))
			fresh = true
		}
	}
	v.G = r.G
	return r.G, fresh
}

// Accumulate adds dx to the gradient of v, if one is wanted.
func (t *Tape) Accumulate(v *Var, dx []float32) {
	g, fresh := t.Fresh(v)
	if g == nil {
		return
	}
	t.Chunks(len(g), func(i, j int) {
		if fresh {
			copy(g[i:j], dx[i:j])
		} else {
			vec.Acc(g[i:j], dx[i:j])
		}
	})
}

// Pass adds the gradient of y to v's. The producer of y calls it, for one
// input at most, as its last use of that gradient: where v has none yet, it
// takes over the memory.
func (t *Tape) Pass(v, y *Var) {
	r, dy := v.root(), y.Got()
	if !r.needs || dy == nil {
		return
	}
	if r.G == nil && !r.leaf && r.depth == t.depth && y.root().depth == t.depth {
		r.G = dy
		return
	}
	t.Accumulate(v, dy)
}
