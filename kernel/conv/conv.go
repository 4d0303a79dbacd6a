// Package conv convolves clips: causal in time, zero padded in space, stride
// 1, channels last. Nothing is unrolled in memory: a task copies its part of
// the input into a frame of zeros in the second cache, and the matrix tiles
// read their rows from there in place.
//
// Letters: B clips of T frames of H rows and W columns; Cin and Cout channels;
// KT, KH, KW the kernel's sides.
package conv

import (
	"kuai/internal/check"
	"kuai/mem"
	"kuai/par"
)

// Shape is one convolution of a batch of clips. KH and KW are odd.
type Shape struct {
	B, T, H, W int
	Cin, Cout  int
	KT, KH, KW int
}

// K is the number of inputs of one output value.
func (s Shape) K() int { return s.KT * s.KH * s.KW * s.Cin }

func (s Shape) pixels() int { return s.B * s.T * s.H * s.W }

// Forward computes y [B, T, H, W, Cout] from x [B, T, H, W, Cin]:
//
//	y[t,h,w] = bias + Σ W[kt,kh,kw] x[t-KT+1+kt, h-KH/2+kh, w-KW/2+kw].
//
// The KT-1 frames before a clip's first are copies of it, or past
// [B, KT-1, H, W, Cin] where a clip goes on. w comes from [Pack]; bias [Cout]
// may be nil. Scratch comes from the arena, which is left as it was.
func Forward(p *par.Pool, a *mem.Arena, s Shape, y, x, past []float32, w *Weights, bias []float32) {
	s.check(y, x)
	w.fits(s, false)
	if past != nil && len(past) != s.B*(s.KT-1)*s.H*s.W*s.Cin || bias != nil && len(bias) != s.Cout {
		check.Fail("conv: %d values of past and %d biases for %+v", len(past), len(bias), s)
	}
	multiply(p, a, s, w, y, x, past, bias, false)
}

// BackData computes the gradient of the input, given dy, and adds it to dx
// where acc is set. w comes from [PackBack].
//
//	dx[t] = Σ Wᵀ[kt] dy[t+KT-1-kt], and the same at t = -1 .. -(KT-1) into dx[0]
func BackData(p *par.Pool, a *mem.Arena, s Shape, dx, dy []float32, w *Weights, acc bool) {
	s.check(dy, dx)
	s.Cin, s.Cout = s.Cout, s.Cin
	w.fits(s, true)
	multiply(p, a, s, w, dx, dy, nil, nil, acc)
}

// check panics unless the slices fit the shape.
func (s Shape) check(y, x []float32) {
	if len(y) != s.pixels()*s.Cout || len(x) != s.pixels()*s.Cin || s.KH%2 == 0 || s.KW%2 == 0 || s.KT < 1 {
		check.Fail("conv: %d outputs and %d inputs for %+v", len(y), len(x), s)
	}
}

// marked returns the arena's mark; a nil arena is the heap.
func marked(a *mem.Arena) mem.Mark {
	if a == nil {
		return 0
	}
	return a.Mark()
}

func release(a *mem.Arena, m mem.Mark) {
	if a != nil {
		a.Release(m)
	}
}
