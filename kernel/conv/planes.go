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
// channels with a kernel of 3 x kw. A block has rows x cols pixels,
// 64 channels at a time: it copies their input with zeros around it to scratch
// in the first cache and runs the kernel over that, 16 channels with their
// weights in registers.
type planes struct {
	n, h, w, c, kw int
	rows, cols     int
}

func (j planes) blocks() int { return j.n * ceil(j.h, j.rows) * ceil(j.w, j.cols) }

// block is where some pixels lie.
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

// filter computes the blocks [from, to) of y from x, or adds to them with the
// kernel turned around.
func (j planes) filter(from, to int, y, x, w []float32, turned bool) {
	s := blockScratch.Get().(*blockInput)
	run := filter3x1
	if j.kw == 3 {
		run = filter3x3
	}
	tap, first := j.c*4, 0
	if turned {
		tap, first = -tap, (3*j.kw-1)*j.c
	}
	j.each(from, to, s, x, y, func(b block, c int, in, next *float32, apart int) {
		mask, acc := vectorMask(j.c-c), uint32(0)
		if turned {
			acc = mask
		}
		run(&y[j.at(b, c)], in, &w[first+c], next, apart, b.h1-b.h0, b.w1-b.w0, j.w*j.c*4, j.c*4, b.pitch*blockChannels*4, tap, mask, acc)
	})
	blockScratch.Put(s)
}

// gradient adds to dw what the blocks [from, to) give.
func (j planes) gradient(from, to int, dw, dy, x []float32) {
	s := blockScratch.Get().(*blockInput)
	run := gradient3x1
	if j.kw == 3 {
		run = gradient3x3
	}
	j.each(from, to, s, x, dy, func(b block, c int, in, next *float32, apart int) {
		run(&dw[c], &dy[j.at(b, c)], in, next, apart, b.h1-b.h0, b.w1-b.w0, j.w*j.c*4, j.c*4, b.pitch*blockChannels*4, j.c*4, vectorMask(j.c-c))
	})
	blockScratch.Put(s)
}

// each visits the blocks [from, to), 16 channels at a time: in is their input
// in scratch. The kernels go through a block a few channels of each pixel at a
// time, which the CPU does not foresee; so they fetch the next block of x, and
// that of y apart bytes from there, in the order of memory, next being where
// their share of it begins.
func (j planes) each(from, to int, s *blockInput, x, y []float32, f func(b block, c int, in, next *float32, apart int)) {
	b := j.block(from)
	s.seen = j.fetch(x, b, 1) + j.fetch(y, b, 0)
	apart := int(uintptr(unsafe.Pointer(&y[0])) - uintptr(unsafe.Pointer(&x[0])))
	for i := from; i < to; i++ {
		next := b
		if i+1 < to {
			next = j.block(i + 1)
		}
		clear(s.v)
		for c := 0; c < j.c; c += vector {
			if c%blockChannels == 0 {
				j.load(s.v, x, b, c)
			}
			ahead := min(j.at(next, 0)+c*(b.w1-b.w0), len(x)-1)
			f(b, c, &s.v[c%blockChannels], &x[ahead], apart)
		}
		b = next
	}
}

// fetch reads a value of each cache line of a block and of some rows around
// it, in order.
func (j planes) fetch(x []float32, b block, around int) (sum float32) {
	for h := max(b.h0-around, 0); h < min(b.h1+around, j.h); h++ {
		row := x[b.plane+(h*j.w+b.w0)*j.c : b.plane+(h*j.w+b.w1)*j.c]
		for i := 0; i < len(row); i += vector {
			sum += row[i]
		}
	}
	return sum
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
type blockInput struct {
	v    []float32
	seen float32 // keeps fetch from being optimised away
}

var blockScratch = sync.Pool{New: func() any {
	x := make([]float32, blockPixels*blockChannels+vector)
	off := -uintptr(unsafe.Pointer(&x[0])) & 63 / 4
	return &blockInput{v: x[off:][:blockPixels*blockChannels]}
}}
