// Package conv convolves clips: causal in time, zero padded in space, stride
// 1, channels last. Nothing is unrolled in memory: the input is copied once
// into a frame of zeros, and the product's gathered rows do the rest.
//
// Letters: B clips of T frames of H rows and W columns; Cin and Cout channels;
// KT, KH, KW the kernel's sides.
package conv

import (
	"sync"

	"kuai/internal/check"
	"kuai/kernel/gemm"
	"kuai/mem"
	"kuai/par"
)

// Shape is one convolution of a batch of clips. KH and KW are odd; BackData in
// bf16 with KT > 1 wants an even Cout.
type Shape struct {
	B, T, H, W int
	Cin, Cout  int
	KT, KH, KW int
}

// K is the number of inputs of one output value.
func (s Shape) K() int { return s.KT * s.KH * s.KW * s.Cin }

func (s Shape) pixels() int { return s.B * s.T * s.H * s.W }

// plane is the padded size of a frame: a column of zeros after each row and a
// row of zeros after each frame serve both neighbours.
type plane struct {
	w, frame int // pixels of a padded row and frame
	front    int // pixels of zeros before the first frame
}

func (s Shape) plane() plane {
	pw, ph := s.KW/2, s.KH/2
	w := s.W + pw
	return plane{w: w, frame: w * (s.H + ph), front: ph*w + pw}
}

// Forward computes y [B, T, H, W, Cout] from x [B, T, H, W, Cin]:
//
//	y[t,h,w] = bias + Σ W[kt,kh,kw] x[t-KT+1+kt, h-KH/2+kh, w-KW/2+kw].
//
// The KT-1 frames before a clip's first are copies of it, or past
// [B, KT-1, H, W, Cin] where a clip goes on. w packs the weight
// [Cout, KT, KH, KW, Cin] as [Cout, K]. Scratch comes from the arena, which is
// left as it was.
func Forward(p *par.Pool, a *mem.Arena, s Shape, y, x, past []float32, w *gemm.Weights, bias []float32) {
	s.check(y, x)
	check.True(past == nil || len(past) == s.B*(s.KT-1)*s.H*s.W*s.Cin, "conv: %d values of past for %+v", len(past), s)
	if s.KT*s.KH*s.KW == 1 {
		gemm.MulPacked(p, y, s.Cout, s.pixels(), gemm.View{P: x, Row: s.Cin, K: 1}, w, gemm.Opt{Bias: bias})
		return
	}
	defer release(a)()
	padded := pad(p, a, s, s.Cin, x, past, s.KT-1, 0)
	rows := s.rows(s.Cin, s.KT-1)
	gemm.MulRows(p, y, s.Cout, gemm.Rows{P: padded, At: rows.at, Seg: rows.seg, SegLen: s.KW * s.Cin}, w, 0, gemm.Opt{Bias: bias})
}

// BackData adds to dx the gradient of the input, given dy. flipped packs the
// weight with [Flip] as [Cin, KT·KH·KW·Cout].
func BackData(p *par.Pool, a *mem.Arena, s Shape, dx, dy []float32, flipped *gemm.Weights) {
	s.check(dy, dx)
	if s.KT*s.KH*s.KW == 1 {
		gemm.MulPacked(p, dx, s.Cin, s.pixels(), gemm.View{P: dy, Row: s.Cout, K: 1}, flipped, gemm.Opt{Acc: true})
		return
	}
	defer release(a)()
	padded := pad(p, a, s, s.Cout, dy, nil, 0, s.KT-1)
	back := s
	back.Cin, back.Cout = s.Cout, s.Cin
	rows := back.rows(s.Cout, s.KT-1)
	gemm.MulRows(p, dx, s.Cin, gemm.Rows{P: padded, At: rows.at, Seg: rows.seg, SegLen: s.KW * s.Cout}, flipped, 0, gemm.Opt{Acc: true})
	for lead := 1; lead < s.KT; lead++ {
		backLead(p, a, s, dx, padded, flipped, lead)
	}
}

// backLead adds what the lead-th copy before the first frame hands back to
// the first frame. It saw only the frames from the first on, through the
// kernel's first KT-lead frames: the last columns of the flipped weight.
func backLead(p *par.Pool, a *mem.Arena, s Shape, dx, padded []float32, flipped *gemm.Weights, lead int) {
	pl := s.plane()
	n := s.H * s.W
	at := mem.Make[int32](a, n)
	seg := mem.Make[int32](a, (s.KT-lead)*s.KH)
	for i := range seg {
		kt, kh := i/s.KH, i%s.KH
		seg[i] = int32((kt*pl.frame + kh*pl.w) * s.Cout)
	}
	from := lead * s.KH * s.KW * s.Cout
	for b := range s.B {
		first := b * (s.T + s.KT - 1) * pl.frame
		for i := range at {
			at[i] = int32((first + i/s.W*pl.w + i%s.W) * s.Cout)
		}
		out := dx[b*s.T*n*s.Cin : (b*s.T+1)*n*s.Cin]
		gemm.MulRows(p, out, s.Cin, gemm.Rows{P: padded, At: at, Seg: seg, SegLen: s.KW * s.Cout}, flipped, from, gemm.Opt{Acc: true})
	}
}

// Flip writes the weight w [Cout, KT, KH, KW, Cin] for BackData:
// [Cin, KT, KH, KW, Cout] with the kernel reversed on all three axes.
func Flip(dst, w []float32, s Shape) {
	taps := s.KT * s.KH * s.KW
	check.True(len(dst) == len(w) && len(w) == s.Cout*taps*s.Cin, "conv: weight of %d values for %+v", len(w), s)
	for o := range s.Cout {
		for tap := range taps {
			src := w[(o*taps+tap)*s.Cin:][:s.Cin]
			to := (taps-1-tap)*s.Cout + o
			for i, v := range src {
				dst[i*taps*s.Cout+to] = v
			}
		}
	}
}

// check panics unless the slices fit the shape.
func (s Shape) check(y, x []float32) {
	check.True(len(y) == s.pixels()*s.Cout && len(x) == s.pixels()*s.Cin && s.KH%2 == 1 && s.KW%2 == 1,
		"conv: %d outputs and %d inputs for %+v", len(y), len(x), s)
}

// release returns a function that gives back what is made from now on.
func release(a *mem.Arena) func() {
	if a == nil {
		return func() {}
	}
	m := a.Mark()
	return func() { a.Release(m) }
}

// pad copies frames of c channels into a frame of zeros, with lead frames
// before each clip, copies of its first or the past, and trail frames of
// zeros after it.
func pad(p *par.Pool, a *mem.Arena, s Shape, c int, x, past []float32, lead, trail int) []float32 {
	pl := s.plane()
	frames := s.T + lead + trail
	// Rows are read in segments of KW pixels, which may run past the end.
	out := mem.Make[float32](a, (s.B*frames*pl.frame+2*pl.front+s.KW)*c)
	clear(out[:pl.front*c])
	clear(out[(pl.front+s.B*frames*pl.frame)*c:])
	size := s.H * s.W * c
	p.Do(s.B*frames, func(task, _ int) {
		b, f := task/frames, task%frames
		dst := out[(pl.front+task*pl.frame)*c:][:pl.frame*c]
		var src []float32
		switch {
		case f < lead && past != nil:
			src = past[(b*lead+f)*size:][:size]
		case f >= lead+s.T: // zeros
		default:
			src = x[(b*s.T+max(f-lead, 0))*size:][:size]
		}
		padFrame(dst, src, s.H, s.W*c, pl.w*c)
	})
	return out
}

// padFrame copies the rows of a frame and clears what lies between; no rows
// make a frame of zeros.
func padFrame(dst, src []float32, h, width, pitch int) {
	if src == nil {
		clear(dst)
		return
	}
	for i := range h {
		row := dst[i*pitch : (i+1)*pitch]
		copy(row, src[i*width:(i+1)*width])
		clear(row[width:])
	}
	clear(dst[h*pitch:])
}

// table is where a product's rows begin and how their segments lie.
type table struct{ at, seg []int32 }

type tableKey struct {
	shape Shape
	c     int
	extra int
}

var tables sync.Map // tableKey -> *table; a model has a few dozen shapes

// rows returns the gather table of a shape: one row a pixel, one segment a
// row of taps, in an input of c channels with extra padded frames a clip.
func (s Shape) rows(c, extra int) *table {
	key := tableKey{s, c, extra}
	if t, ok := tables.Load(key); ok {
		return t.(*table)
	}
	pl := s.plane()
	t := &table{at: make([]int32, s.pixels()), seg: make([]int32, s.KT*s.KH)}
	for i := range t.at {
		w, h, f := i%s.W, i/s.W%s.H, i/(s.W*s.H)
		frame := f/s.T*(s.T+extra) + f%s.T
		t.at[i] = int32((frame*pl.frame + h*pl.w + w) * c)
	}
	for i := range t.seg {
		t.seg[i] = int32((i/s.KH*pl.frame + i%s.KH*pl.w) * c)
	}
	check.True(int64(s.B)*int64(s.T+extra)*int64(pl.frame)*int64(c) < 1<<31, "conv: %+v is too large", s)
	tables.Store(key, t)
	return t
}
