package conv

import (
	"sync"
	"unsafe"
)

const (
	// blockPixels bounds a block with the pixels around it: with 64 channels
	// at a time they fill the first cache.
	blockPixels   = 128
	blockChannels = 64
	vector        = 16
)

// planes is a depthwise convolution over n planes of h x w pixels of c
// channels with a kernel of 3 x kw. A task has a block of rows x cols pixels,
// 64 channels at a time: it copies their input with zeros around it to scratch
// in the first cache and runs the kernel over that, 16 channels with their
// weights in registers.
type planes struct {
	n, h, w, c, kw int
	rows, cols     int
}

func (j planes) tasks() int { return j.n * ceil(j.h, j.rows) * ceil(j.w, j.cols) }

// block is one task's pixels.
type block struct {
	plane          int // where its plane begins, in values
	h0, h1, w0, w1 int
	pitch          int // pixels of a row of scratch
}

func (j planes) block(task int) block {
	ws, hs := ceil(j.w, j.cols), ceil(j.h, j.rows)
	w, h, n := task%ws*j.cols, task/ws%hs*j.rows, task/(ws*hs)
	b := block{plane: n * j.h * j.w * j.c, h0: h, h1: min(h+j.rows, j.h), w0: w, w1: min(w+j.cols, j.w)}
	b.pitch = b.w1 - b.w0 + j.kw - 1
	return b
}

// at returns where the block's first output value of channel c is.
func (j planes) at(b block, c int) int { return b.plane + (b.h0*j.w+b.w0)*j.c + c }

// filter computes a block of y from x, or adds to it with the kernel turned
// around.
func (j planes) filter(task int, y, x, w []float32, turned bool) {
	b := j.block(task)
	s := blockScratch.Get().(*blockInput)
	clear(s.v)
	for c := 0; c < j.c; c += vector {
		if c%blockChannels == 0 {
			j.load(s.v, x, b, c)
		}
		mask := vectorMask(j.c - c)
		tap, first, acc := j.c*4, c, uint32(0)
		if turned {
			tap, first, acc = -tap, (3*j.kw-1)*j.c+c, mask
		}
		run := filter3x1
		if j.kw == 3 {
			run = filter3x3
		}
		run(&y[j.at(b, c)], &s.v[c%blockChannels], &w[first], b.h1-b.h0, b.w1-b.w0, j.w*j.c*4, j.c*4, b.pitch*blockChannels*4, tap, mask, acc)
	}
	blockScratch.Put(s)
}

// gradient adds to dw what a block gives.
func (j planes) gradient(task int, dw, dy, x []float32) {
	b := j.block(task)
	s := blockScratch.Get().(*blockInput)
	clear(s.v)
	for c := 0; c < j.c; c += vector {
		if c%blockChannels == 0 {
			j.load(s.v, x, b, c)
		}
		run := gradient3x1
		if j.kw == 3 {
			run = gradient3x3
		}
		run(&dw[c], &dy[j.at(b, c)], &s.v[c%blockChannels], b.h1-b.h0, b.w1-b.w0, j.w*j.c*4, j.c*4, b.pitch*blockChannels*4, j.c*4, vectorMask(j.c-c))
	}
	blockScratch.Put(s)
}

// load copies 64 channels from c on of the pixels of a block and around it;
// outside the plane the scratch stays zero.
func (j planes) load(dst, x []float32, b block, c int) {
	mask := uint64(1)<<min(j.c-c, blockChannels-1) - 1
	if j.c-c >= blockChannels {
		mask = 1<<blockChannels - 1
	}
	left := b.w0 - j.kw/2
	w0, w1 := max(left, 0), min(b.w1+j.kw/2, j.w)
	for h := max(b.h0-1, 0); h < min(b.h1+1, j.h); h++ {
		to := ((h-b.h0+1)*b.pitch + w0 - left) * blockChannels
		from := b.plane + (h*j.w+w0)*j.c + c
		copyPixels(&dst[to], &x[from], w1-w0, j.c*4, mask)
	}
}

func vectorMask(channels int) uint32 {
	if channels >= vector {
		return 1<<vector - 1
	}
	return 1<<channels - 1
}

// blockInput is a task's scratch, aligned.
type blockInput struct{ v []float32 }

var blockScratch = sync.Pool{New: func() any {
	x := make([]float32, blockPixels*blockChannels+vector)
	off := -uintptr(unsafe.Pointer(&x[0])) & 63 / 4
	return &blockInput{x[off:][:blockPixels*blockChannels]}
}}
