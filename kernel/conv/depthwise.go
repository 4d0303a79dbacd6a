package conv

import (
	"kuai/internal/check"
	"kuai/kernel/isa"
	"kuai/kernel/vec"
	"kuai/par"
)

//go:generate go run -C _asm . -out ../depthwise_amd64.s -stubs ../depthwise_stubs_amd64.go -pkg conv

// Depthwise computes y [B, T, H, W, C] = x convolved with one kernel a
// channel, w [KT, KH, KW, C], zero padded and centred on all axes. Cout is
// not used. Kernels of 1x3x3 and 3x1x1 are the fast ones.
func Depthwise(p *par.Pool, s Shape, y, x, w []float32) {
	s.checkDepthwise(y, x, w)
	j, ok := planesOf(s)
	if !ok {
		s.eachRow(p, func(row int) { s.filterRow(y, x, w, row, false) })
		return
	}
	j.share(p, func(from, to int) { j.filter(from, to, y, x, w, false) })
}

// DepthwiseBack adds to dx and dw the gradients of input and weight. Either
// may be nil.
func DepthwiseBack(p *par.Pool, s Shape, dx, dw, dy, x, w []float32) {
	s.checkDepthwise(dy, x, w)
	j, ok := planesOf(s)
	// Turned around, the kernel scatters dy: filter with mirrored taps.
	switch {
	case dx == nil:
	case ok:
		j.share(p, func(from, to int) { j.filter(from, to, dx, dy, w, true) })
	default:
		s.eachRow(p, func(row int) { s.filterRow(dx, dy, w, row, true) })
	}
	if dw == nil {
		return
	}
	sums := getSums(biasParts * len(dw))
	defer putSums(sums)
	n := s.B * s.T * s.H
	if ok {
		n = j.blocks()
	}
	p.Do(biasParts, func(part, _ int) {
		sum := sums.v[part*len(dw) : (part+1)*len(dw)]
		clear(sum)
		from, to := part*n/biasParts, (part+1)*n/biasParts
		if ok && from < to {
			j.gradient(from, to, sum, dy, x)
			return
		}
		for row := from; row < to; row++ {
			s.gradientRow(sum, dy, x, row)
		}
	})
	for i := range biasParts {
		vec.Acc(dw, sums.v[i*len(dw):(i+1)*len(dw)])
	}
}

// eachRow runs f for each row of pixels, counted through the batch.
func (s Shape) eachRow(p *par.Pool, f func(row int)) {
	p.Do(s.B*s.T*s.H, func(task, _ int) { f(task) })
}

// filterRow computes one row of pixels, or adds to it where the kernel is
// turned. It is the plain twin of the planes' filter and serves all kernels.
func (s Shape) filterRow(y, x, w []float32, row int, turned bool) {
	c := s.Cin
	out := y[row*s.W*c : (row+1)*s.W*c]
	if !turned {
		clear(out)
	}
	s.taps(row, func(tap, from, to, src int) {
		if turned {
			tap = s.KT*s.KH*s.KW - 1 - tap
		}
		for i := from; i < to; i++ {
			vec.MulAdd(out[i*c:(i+1)*c], x[(src+i)*c:(src+i+1)*c], w[tap*c:(tap+1)*c])
		}
	})
}

// gradientRow adds to dw what one row of pixels gives.
func (s Shape) gradientRow(dw, dy, x []float32, row int) {
	c := s.Cin
	d := dy[row*s.W*c : (row+1)*s.W*c]
	s.taps(row, func(tap, from, to, src int) {
		for i := from; i < to; i++ {
			vec.MulAdd(dw[tap*c:(tap+1)*c], d[i*c:(i+1)*c], x[(src+i)*c:(src+i+1)*c])
		}
	})
}

// taps visits the kernel's taps that touch a row of pixels (counted through
// the batch): output pixels [from, to) of the row read input pixels src + i.
func (s Shape) taps(row int, f func(tap, from, to, src int)) {
	h, t := row%s.H, row/s.H%s.T
	for tap := range s.KT * s.KH * s.KW {
		dt, dh, dw := tap/(s.KH*s.KW)-s.KT/2, tap/s.KW%s.KH-s.KH/2, tap%s.KW-s.KW/2
		if t+dt < 0 || t+dt >= s.T || h+dh < 0 || h+dh >= s.H {
			continue
		}
		f(tap, max(0, -dw), s.W-max(0, dw), (row+dt*s.H+dh)*s.W+dw)
	}
}

func (s Shape) checkDepthwise(y, x, w []float32) {
	n := s.pixels() * s.Cin
	check.True(len(y) == n && len(x) == n && len(w) == s.KT*s.KH*s.KW*s.Cin && s.KT%2*s.KH%2*s.KW%2 == 1,
		"conv: depthwise: %d outputs, %d inputs and %d weights for %+v", len(y), len(x), len(w), s)
}

// planesOf sees a convolution as one over planes with a kernel of 3 rows,
// where there are kernels for that; a temporal one has frames as its rows.
func planesOf(s Shape) (planes, bool) {
	j := planes{n: s.B * s.T, h: s.H, w: s.W, c: s.Cin, kw: s.KW}
	switch {
	case isa.Now() != isa.AVX512 || s.pixels()*s.Cin == 0:
		return j, false
	case s.KT == 1 && s.KH == 3 && s.KW <= 3:
	case s.KT == 3 && s.KH == 1 && s.KW == 1:
		j.n, j.h, j.w = s.B, s.T, s.H*s.W
	default:
		return j, false
	}
	const wide = 14 // of a block, where the other side leaves room
	if j.kw == 3 {
		j.cols = min(j.w, wide)
		j.rows = min(j.h, blockPixels/(j.cols+2)-2)
	} else {
		j.rows = min(j.h, wide)
		j.cols = min(j.w, blockPixels/(j.rows+2))
	}
	j.cols = ceil(j.w, ceil(j.w, j.cols))
	j.rows = ceil(j.h, ceil(j.h, j.rows))
	return j, true
}
