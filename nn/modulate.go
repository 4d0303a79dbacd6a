package nn

import (
	"kuai/grad"
	"kuai/internal/check"
	"kuai/kernel/vec"
)

// groupChunks shares out [groups, n, d]: a task gets the rows [i, j) of one
// group. Tasks number from 0, those of a group in order.
func groupChunks(t *grad.Tape, groups, n, d int, f func(task, group, i, j int)) {
	parts, each := grad.Parts(n, d)
	if parts == 0 {
		return
	}
	t.Pool.Do(groups*parts, func(task, _ int) {
		i := task % parts * each
		f(task, task/parts, i, min(i+each, n))
	})
}

// sumGroups is groupChunks for sums over the rows of each group: f adds its
// rows' share to k zeroed vectors of d values, which end up, in order, in the
// dst [groups, d]; a nil dst is left out.
func sumGroups(t *grad.Tape, groups, n, d int, dst [][]float32, f func(sums [][]float32, group, i, j int)) {
	t.Temp(func() {
		k := len(dst)
		parts, _ := grad.Parts(n, d)
		all := t.Make(groups * parts * k * d)
		groupChunks(t, groups, n, d, func(task, group, i, j int) {
			mine := all[task*k*d : (task+1)*k*d]
			clear(mine)
			sums := make([][]float32, k)
			for s := range sums {
				sums[s] = mine[s*d : (s+1)*d]
			}
			f(sums, group, i, j)
		})
		for task := range groups * parts {
			for s, to := range dst {
				if to != nil {
					g := task / parts
					vec.Acc(to[g*d:(g+1)*d], all[(task*k+s)*d:(task*k+s+1)*d])
				}
			}
		}
	})
}

// perGroup returns the sizes of x [B, N..., D] beside g [B, D].
func perGroup(x, g *grad.Var) (batch, n, d int) {
	batch, d = g.Dim(0), x.Dim(-1)
	check.True(g.Len() == batch*d && x.Dim(0) == batch, "nn: shape %v for each of %v", g.Shape, x.Shape)
	return batch, x.Rows() / max(batch, 1), d
}

// Modulate returns x*(1+scale) + shift for x [B, N, D], with scale and shift
// [B, D].
func Modulate(t *grad.Tape, x, scale, shift *grad.Var) *grad.Var {
	batch, n, d := perGroup(x, scale)
	sameShape("modulation", scale, shift)
	y := t.From([]*grad.Var{x, scale, shift}, x.Shape...)
	groupChunks(t, batch, n, d, func(_, b, i, j int) {
		lo, hi := (b*n+i)*d, (b*n+j)*d
		vec.Modulate(y.X[lo:hi], x.X[lo:hi], scale.X[b*d:(b+1)*d], shift.X[b*d:(b+1)*d], j-i, d)
	})
	t.Then(func() {
		dy := y.Got()
		if dy == nil || !y.Needs() {
			return
		}
		dscale, dshift := t.Grad(scale), t.Grad(shift)
		dx, fresh := t.Fresh(x)
		if dx == nil {
			dx, fresh = t.Make(x.Len()), true
		}
		sumGroups(t, batch, n, d, [][]float32{dscale, dshift}, func(sums [][]float32, b, i, j int) {
			lo, hi := (b*n+i)*d, (b*n+j)*d
			vec.ModulateBack(part(dx, lo, hi, fresh), sums[0], sums[1], dy[lo:hi], x.X[lo:hi], scale.X[b*d:(b+1)*d], j-i, d)
		})
	})
	return y
}

// GateAdd returns x + gate*y for x and y [B, N, D], with gate [B, D].
func GateAdd(t *grad.Tape, x, y, gate *grad.Var) *grad.Var {
	batch, n, d := perGroup(x, gate)
	sameShape("gated sum", x, y)
	z := t.From([]*grad.Var{x, y, gate}, x.Shape...)
	groupChunks(t, batch, n, d, func(_, b, i, j int) {
		g := gate.X[b*d : (b+1)*d]
		for r := b*n + i; r < b*n+j; r++ {
			vec.GateAdd(z.X[r*d:(r+1)*d], x.X[r*d:(r+1)*d], g, y.X[r*d:(r+1)*d])
		}
	})
	t.Then(func() {
		if z.Got() != nil && z.Needs() {
			gateBack(t, z, x, y, gate, batch, n, d)
		}
	})
	return z
}

func gateBack(t *grad.Tape, z, x, y, gate *grad.Var, batch, n, d int) {
	dgate, dz := t.Grad(gate), z.G
	dy, fresh := t.Fresh(y)
	sumGroups(t, batch, n, d, [][]float32{dgate}, func(sums [][]float32, b, i, j int) {
		g := gate.X[b*d : (b+1)*d]
		for r := b*n + i; r < b*n+j; r++ {
			row := dz[r*d : (r+1)*d]
			switch {
			case dy == nil:
			case fresh:
				vec.Mul(dy[r*d:(r+1)*d], g, row)
			default:
				vec.MulAdd(dy[r*d:(r+1)*d], g, row)
			}
			if dgate != nil {
				vec.MulAdd(sums[0], y.X[r*d:(r+1)*d], row)
			}
		}
	})
	t.Pass(x, z)
}

// AddRow returns x + r for x [B, N, D], with r [N, D] or [1, D] the same for
// all of the batch.
func AddRow(t *grad.Tape, x, r *grad.Var) *grad.Var {
	d, m := x.Dim(-1), r.Dim(0)
	rows := x.Rows()
	check.True(r.Len() == m*d && m > 0 && rows%m == 0 && (m == 1 || m == x.Dim(-2)), "nn: rows %v added to shape %v", r.Shape, x.Shape)
	y := t.From([]*grad.Var{x, r}, x.Shape...)
	t.RowChunks(rows, d, func(_, i, j int) {
		for k := i; k < j; k++ {
			vec.Add(y.X[k*d:(k+1)*d], x.X[k*d:(k+1)*d], r.X[k%m*d:(k%m+1)*d])
		}
	})
	t.Then(func() {
		dy := y.Got()
		if dy == nil {
			return
		}
		if dr := t.Grad(r); dr != nil {
			addColumns(t, dr, dy, rows/m, m*d)
		}
		t.Pass(x, y)
	})
	return y
}

// MeanPool averages the first lens[b] positions of x [B, N, D] to [B, D]; none
// give zeros.
func MeanPool(t *grad.Tape, x *grad.Var, lens []int32) *grad.Var {
	batch, n, d := x.Dim(0), x.Dim(1), x.Dim(2)
	check.True(len(lens) == batch, "nn: %d lengths for shape %v", len(lens), x.Shape)
	y := t.From([]*grad.Var{x}, batch, d)
	t.Pool.Do(batch, func(b, _ int) {
		row := y.X[b*d : (b+1)*d]
		clear(row)
		for i := range int(lens[b]) {
			vec.Axpy(row, 1/float32(lens[b]), x.X[(b*n+i)*d:(b*n+i+1)*d])
		}
	})
	t.Then(func() {
		dx, dy := t.Grad(x), y.Got()
		if dx == nil || dy == nil {
			return
		}
		t.Pool.Do(batch, func(b, _ int) {
			for i := range int(lens[b]) {
				vec.Axpy(dx[(b*n+i)*d:(b*n+i+1)*d], 1/float32(lens[b]), dy[b*d:(b+1)*d])
			}
		})
	})
	return y
}
