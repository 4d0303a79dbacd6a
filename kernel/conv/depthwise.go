package conv

import (
	"kuai/internal/check"
	"kuai/kernel/vec"
	"kuai/par"
)

// Depthwise computes y [B, T, H, W, C] = x convolved with one kernel a
// channel, w [KT, KH, KW, C], zero padded and centred on all axes. Cout is
// not used.
func Depthwise(p *par.Pool, s Shape, y, x, w []float32) {
	s.checkDepthwise(y, x, w)
	p.Do(s.B*s.T*s.H, func(task, _ int) {
		row := y[task*s.W*s.Cin : (task+1)*s.W*s.Cin]
		clear(row)
		s.taps(task, func(tap, from, to, src int) {
			for i := from; i < to; i++ {
				vec.MulAdd(row[i*s.Cin:(i+1)*s.Cin], x[(src+i)*s.Cin:(src+i+1)*s.Cin], w[tap*s.Cin:(tap+1)*s.Cin])
			}
		})
	})
}

// DepthwiseBack adds to dx and dw the gradients of input and weight.
func DepthwiseBack(p *par.Pool, s Shape, dx, dw, dy, x, w []float32) {
	s.checkDepthwise(dy, x, w)
	taps := s.KT * s.KH * s.KW
	rows := s.B * s.T * s.H
	if dx != nil {
		// Turned around, the kernel scatters dy: gather with mirrored taps.
		p.Do(rows, func(task, _ int) {
			row := dx[task*s.W*s.Cin : (task+1)*s.W*s.Cin]
			s.taps(task, func(tap, from, to, src int) {
				m := taps - 1 - tap
				for i := from; i < to; i++ {
					vec.MulAdd(row[i*s.Cin:(i+1)*s.Cin], dy[(src+i)*s.Cin:(src+i+1)*s.Cin], w[m*s.Cin:(m+1)*s.Cin])
				}
			})
		})
	}
	sums := getSums(biasParts * len(dw))
	defer putSums(sums)
	part := (rows + biasParts - 1) / biasParts
	p.Do(biasParts, func(task, _ int) {
		sum := sums.v[task*len(dw) : (task+1)*len(dw)]
		clear(sum)
		for r := task * part; r < min((task+1)*part, rows); r++ {
			row := dy[r*s.W*s.Cin : (r+1)*s.W*s.Cin]
			s.taps(r, func(tap, from, to, src int) {
				for i := from; i < to; i++ {
					vec.MulAdd(sum[tap*s.Cin:(tap+1)*s.Cin], row[i*s.Cin:(i+1)*s.Cin], x[(src+i)*s.Cin:(src+i+1)*s.Cin])
				}
			})
		}
	})
	for i := range biasParts {
		vec.Acc(dw, sums.v[i*len(dw):(i+1)*len(dw)])
	}
}

// taps visits the kernel's taps that touch a row of pixels (counted through
// the batch): output pixels [from, to) of the row read input pixels src + i.
func (s Shape) taps(row int, f func(tap, from, to, src int)) {
	h, t := row%s.H, row/s.H%s.T
	for kt := range s.KT {
		dt := kt - s.KT/2
		if t+dt < 0 || t+dt >= s.T {
			continue
		}
		for kh := range s.KH {
			dh := kh - s.KH/2
			if h+dh < 0 || h+dh >= s.H {
				continue
			}
			for kw := range s.KW {
				dw := kw - s.KW/2
				src := (row+dt*s.H+dh)*s.W + dw
				f((kt*s.KH+kh)*s.KW+kw, max(0, -dw), s.W-max(0, dw), src)
			}
		}
	}
}

func (s Shape) checkDepthwise(y, x, w []float32) {
	n := s.pixels() * s.Cin
	check.True(len(y) == n && len(x) == n && len(w) == s.KT*s.KH*s.KW*s.Cin && s.KT%2*s.KH%2*s.KW%2 == 1,
		"conv: depthwise: %d outputs, %d inputs and %d weights for %+v", len(y), len(x), len(w), s)
}
