package nn

import (
	"kuai/grad"
	"kuai/internal/check"
	"kuai/kernel/vec"
)

// Unshuffle folds space and time into channels: x [B, T, H, W, C] becomes
// [B, T/ft, H/fs, W/fs, ft·fs·fs·C], the new channels in the order frame, row,
// column, channel.
func Unshuffle(t *grad.Tape, x *grad.Var, ft, fs int) *grad.Var {
	s := x.Shape
	check.True(len(s) == 5 && s[1]%ft == 0 && s[2]%fs == 0 && s[3]%fs == 0, "nn: unshuffle of %v by %d, %d", s, ft, fs)
	y := t.From([]*grad.Var{x}, s[0], s[1]/ft, s[2]/fs, s[3]/fs, ft*fs*fs*s[4])
	g := geometry{frames: s[0] * s[1] / ft, h: s[2] / fs, w: s[3] / fs, ft: ft, fs: fs, run: fs * s[4]}
	g.each(t, func(folded, flat int) { copy(y.X[folded:folded+g.run], x.X[flat:flat+g.run]) })
	t.Then(func() {
		g.back(t, x, y, func(folded, flat int) (to, from int) { return flat, folded })
	})
	return y
}

// Shuffle undoes Unshuffle: x [B, T, H, W, ft·fs·fs·C] becomes
// [B, T·ft, H·fs, W·fs, C].
func Shuffle(t *grad.Tape, x *grad.Var, ft, fs int) *grad.Var {
	s := x.Shape
	check.True(len(s) == 5 && s[4]%(ft*fs*fs) == 0, "nn: shuffle of %v by %d, %d", s, ft, fs)
	c := s[4] / (ft * fs * fs)
	y := t.From([]*grad.Var{x}, s[0], s[1]*ft, s[2]*fs, s[3]*fs, c)
	g := geometry{frames: s[0] * s[1], h: s[2], w: s[3], ft: ft, fs: fs, run: fs * c}
	g.each(t, func(folded, flat int) { copy(y.X[flat:flat+g.run], x.X[folded:folded+g.run]) })
	t.Then(func() {
		g.back(t, x, y, func(folded, flat int) (to, from int) { return folded, flat })
	})
	return y
}

// geometry is how folded and flat positions correspond: runs of fs pixels are
// contiguous in both.
type geometry struct {
	frames, h, w int // of the folded form, frames through the batch
	ft, fs, run  int
}

// each calls f with the folded and the flat index of every run, a folded row
// of positions a task.
func (g geometry) each(t *grad.Tape, f func(folded, flat int)) {
	t.Pool.Do(g.frames*g.h, func(task, _ int) {
		frame, h := task/g.h, task%g.h
		folded := task * g.w * g.ft * g.fs * g.run
		for w := range g.w {
			for dt := range g.ft {
				for dy := range g.fs {
					row := ((frame*g.ft+dt)*g.h+h)*g.fs + dy
					f(folded, (row*g.w+w)*g.run)
					folded += g.run
				}
			}
		}
	})
}

// back moves y's gradient to x's; at gives the index in x's and in y's.
func (g geometry) back(t *grad.Tape, x, y *grad.Var, at func(folded, flat int) (to, from int)) {
	dy := y.Got()
	if dy == nil {
		return
	}
	dx, fresh := t.Fresh(x)
	if dx == nil {
		return
	}
	g.each(t, func(folded, flat int) {
		to, from := at(folded, flat)
		if fresh {
			copy(dx[to:to+g.run], dy[from:from+g.run])
		} else {
			vec.Acc(dx[to:to+g.run], dy[from:from+g.run])
		}
	})
}
