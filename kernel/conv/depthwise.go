package conv

import (
	"kuai/internal/check"
	"kuai/kernel/isa"
	"kuai/kernel/vec"
	"kuai/par"
)

//go:generate go run -C _asm . -out ../depthwise_amd64.s -stubs ../depthwise_stubs_amd64.go -pkg conv

const (
	maxTaps = 64 // of a depthwise kernel
	// taskValues is about how many values a task computes: some 20 µs.
	taskValues = 32 << 10
)

// Depthwise computes y [B, T, H, W, C] = x convolved with one kernel a
// channel, w [KT, KH, KW, C], zero padded and centred on all axes. Cout is
// not used.
func Depthwise(p *par.Pool, s Shape, y, x, w []float32) {
	s.checkDepthwise(y, x, w)
	s.eachRow(p, func(row int) { s.gatherRow(y, x, w, row, false) })
}

// DepthwiseBack adds to dx and dw the gradients of input and weight. Either
// may be nil.
func DepthwiseBack(p *par.Pool, s Shape, dx, dw, dy, x, w []float32) {
	s.checkDepthwise(dy, x, w)
	if dx != nil {
		// Turned around, the kernel scatters dy: gather with mirrored taps.
		s.eachRow(p, func(row int) { s.gatherRow(dx, dy, w, row, true) })
	}
	if dw == nil {
		return
	}
	sums := getSums(biasParts * len(dw))
	defer putSums(sums)
	rows := s.B * s.T * s.H
	p.Do(biasParts, func(task, _ int) {
		sum := sums.v[task*len(dw) : (task+1)*len(dw)]
		clear(sum)
		for row := task * rows / biasParts; row < (task+1)*rows/biasParts; row++ {
			s.weightsRow(sum, dy, x, row)
		}
	})
	for i := range biasParts {
		vec.Acc(dw, sums.v[i*len(dw):(i+1)*len(dw)])
	}
}

// eachRow runs f for each row of pixels, counted through the batch.
func (s Shape) eachRow(p *par.Pool, f func(row int)) {
	rows := s.B * s.T * s.H
	per := max(taskValues/max(s.W*s.Cin, 1), 1)
	p.Do(ceil(rows, per), func(task, _ int) {
		for row := task * per; row < min((task+1)*per, rows); row++ {
			f(row)
		}
	})
}

// taps are those of a kernel that touch a pixel, as byte offsets from its
// input and from the kernel's first weight.
type taps struct {
	x, w [maxTaps]int
	n    int
}

// tapsAt returns the taps of column w in a row of pixels; turned, they are
// those of the mirrored kernel.
func (s Shape) tapsAt(row, w int, turned bool) (a taps) {
	h, t := row%s.H, row/s.H%s.T
	for tap := range s.KT * s.KH * s.KW {
		dt, dh, dw := tap/(s.KH*s.KW)-s.KT/2, tap/s.KW%s.KH-s.KH/2, tap%s.KW-s.KW/2
		if t+dt < 0 || t+dt >= s.T || h+dh < 0 || h+dh >= s.H || w+dw < 0 || w+dw >= s.W {
			continue
		}
		k := tap
		if turned {
			k = s.KT*s.KH*s.KW - 1 - tap
		}
		a.x[a.n] = ((dt*s.H+dh)*s.W + dw) * s.Cin * 4
		a.w[a.n] = k * s.Cin * 4
		a.n++
	}
	return a
}

// runs visits a row's runs of pixels that have the same taps: each of those at
// the ends, and all between.
func (s Shape) runs(row int, turned bool, f func(a *taps, from, n int)) {
	edge := s.KW / 2
	for w := 0; w < s.W; {
		n := 1
		if w >= edge && w < s.W-edge {
			n = s.W - edge - w
		}
		a := s.tapsAt(row, w, turned)
		f(&a, (row*s.W+w)*s.Cin, n)
		w += n
	}
}

// gatherRow computes one row of pixels, or adds to it where the kernel is
// turned.
func (s Shape) gatherRow(y, x, w []float32, row int, turned bool) {
	s.runs(row, turned, func(a *taps, from, n int) {
		c, pixel := s.Cin, s.Cin*4
		if isa.Now() != isa.AVX512 {
			gatherGo(y, x, w, a, from, n, c, turned)
			return
		}
		var acc uint32
		if turned {
			acc = 1
		}
		for ; n > 0 && c > 0; n-- {
			switch {
			case n >= 4:
				gather4(&y[from], &x[from], &w[0], &a.x[0], &a.w[0], a.n, c, pixel, acc)
				from, n = from+4*c, n-3
			case n >= 2:
				gather2(&y[from], &x[from], &w[0], &a.x[0], &a.w[0], a.n, c, pixel, acc)
				from, n = from+2*c, n-1
			default:
				gather1(&y[from], &x[from], &w[0], &a.x[0], &a.w[0], a.n, c, pixel, acc)
			}
		}
	})
}

// gatherGo is the twin of the gather kernels.
func gatherGo(y, x, w []float32, a *taps, from, n, c int, acc bool) {
	for i := from; i < from+n*c; i += c {
		if !acc {
			clear(y[i : i+c])
		}
		for k := range a.n {
			in, weight := i+a.x[k]/4, a.w[k]/4
			vec.MulAdd(y[i:i+c], x[in:in+c], w[weight:weight+c])
		}
	}
}

// weightsRow adds to dw what one row of pixels gives.
func (s Shape) weightsRow(dw, dy, x []float32, row int) {
	s.runs(row, false, func(a *taps, from, n int) {
		c, pixel := s.Cin, s.Cin*4
		if isa.Now() != isa.AVX512 {
			weightsGo(dw, dy, x, a, from, n, c)
			return
		}
		for ; n > 0 && c > 0; n-- {
			switch {
			case n >= 4:
				weights4(&dw[0], &dy[from], &x[from], &a.w[0], &a.x[0], a.n, c, pixel)
				from, n = from+4*c, n-3
			case n >= 2:
				weights2(&dw[0], &dy[from], &x[from], &a.w[0], &a.x[0], a.n, c, pixel)
				from, n = from+2*c, n-1
			default:
				weights1(&dw[0], &dy[from], &x[from], &a.w[0], &a.x[0], a.n, c, pixel)
			}
		}
	})
}

// weightsGo is the twin of the weights kernels.
func weightsGo(dw, dy, x []float32, a *taps, from, n, c int) {
	for i := from; i < from+n*c; i += c {
		for k := range a.n {
			in, weight := i+a.x[k]/4, a.w[k]/4
			vec.MulAdd(dw[weight:weight+c], dy[i:i+c], x[in:in+c])
		}
	}
}

func (s Shape) checkDepthwise(y, x, w []float32) {
	n := s.pixels() * s.Cin
	k := s.KT * s.KH * s.KW
	check.True(len(y) == n && len(x) == n && len(w) == k*s.Cin && s.KT%2*s.KH%2*s.KW%2 == 1 && k <= maxTaps,
		"conv: depthwise: %d outputs, %d inputs and %d weights for %+v", len(y), len(x), len(w), s)
}
