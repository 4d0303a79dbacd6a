package conv

import (
	"sync"

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
	j := getDepthwise(s)
	j.y, j.x, j.w, j.turned = y, x, w, false
	j.share(p)
	putDepthwise(j)
}

// DepthwiseBack adds to dx and dw the gradients of input and weight. Either
// may be nil.
func DepthwiseBack(p *par.Pool, s Shape, dx, dw, dy, x, w []float32) {
	s.checkDepthwise(dy, x, w)
	j := getDepthwise(s)
	if dx != nil {
		// Turned around, the kernel scatters dy: filter with mirrored taps.
		j.y, j.x, j.w, j.turned = dx, dy, w, true
		j.share(p)
	}
	if dw != nil {
		sums := getSums(biasParts * len(dw))
		j.y, j.x, j.sums = dy, x, sums.v
		p.Do(biasParts, j.gradient)
		for i := range biasParts {
			vec.Acc(dw, sums.v[i*len(dw):(i+1)*len(dw)])
		}
		putSums(sums)
	}
	putDepthwise(j)
}

// depthwise is one pass on its way, over blocks of planes where there are
// kernels for them, else over rows of pixels.
type depthwise struct {
	s             Shape
	planes        planes
	blocks        bool
	n, tasks      int // blocks or rows, and how they are shared out
	y, x, w, sums []float32
	turned        bool

	filter, gradient func(task, worker int)
}

var depthwises = sync.Pool{New: func() any {
	j := &depthwise{}
	j.filter, j.gradient = j.filterTask, j.gradientTask
	return j
}}

func getDepthwise(s Shape) *depthwise {
	j := depthwises.Get().(*depthwise)
	j.s, j.n = s, s.B*s.T*s.H
	if j.planes, j.blocks = planesOf(s); j.blocks {
		j.n = j.planes.blocks()
	}
	return j
}

func putDepthwise(j *depthwise) {
	j.y, j.x, j.w, j.sums = nil, nil, nil, nil
	depthwises.Put(j)
}

// share runs the filter for runs of neighbouring blocks or rows.
func (j *depthwise) share(p *par.Pool) {
	const perWorker = 8
	j.tasks = min(j.n, perWorker*p.Workers())
	p.Do(j.tasks, j.filter)
}

func (j *depthwise) filterTask(task, _ int) {
	from, to := task*j.n/j.tasks, (task+1)*j.n/j.tasks
	if j.blocks {
		j.planes.filter(from, to, j.y, j.x, j.w, j.turned)
		return
	}
	for row := from; row < to; row++ {
		j.s.filterRow(j.y, j.x, j.w, row, j.turned)
	}
}

func (j *depthwise) gradientTask(part, _ int) {
	size := len(j.sums) / biasParts
	sum := j.sums[part*size : (part+1)*size]
	clear(sum)
	from, to := part*j.n/biasParts, (part+1)*j.n/biasParts
	if j.blocks && from < to {
		j.planes.gradient(from, to, sum, j.y, j.x)
		return
	}
	for row := from; row < to; row++ {
		j.s.gradientRow(sum, j.y, j.x, row)
	}
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
	if len(y) != n || len(x) != n || len(w) != s.KT*s.KH*s.KW*s.Cin || s.KT%2*s.KH%2*s.KW%2 == 0 {
		check.Fail("conv: depthwise: %d outputs, %d inputs and %d weights for %+v", len(y), len(x), len(w), s)
	}
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
