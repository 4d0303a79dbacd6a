package conv

import (
	"sync"

	"kuai/internal/check"
	"kuai/kernel/gemm"
	"kuai/kernel/vec"
	"kuai/mem"
	"kuai/par"
)

const (
	// blockPanels is how many panels of 32 output columns a task goes through
	// for each of its pixels: with stepLanes of each, half of a 1 MiB L2.
	blockPanels = 8
	stepLanes   = 448
	maxSegments = 8
	// inputLanes bounds the padded input of a task, and taskPixels its output:
	// more of them read the weight less often.
	inputLanes = 160 << 10
	taskPixels = 384
	minPixels  = 64
)

// product is one Forward or BackData on its way. In the names of the product,
// In is what the gathered rows hold and Out what it computes.
//
// A task pads the input of a few rows of one frame of some clips into its
// scratch, in the lanes of the tiles; there the KW·In values under a row of
// taps are contiguous, and those of the next pixel begin In further. So the
// tiles read their rows in place, in segments of one row of taps each.
type product struct {
	s      Shape // Cin is In, Cout is Out; with KT = 1 each frame is a clip
	w      *Weights
	f      *form
	pixel  int // lanes of an input pixel
	row    int // lanes of a padded row of pixels
	rows   int // of pixels of a task
	clips  int // of a task
	panels int // of a block of columns
	blocks int // of columns

	y, x, past, bias []float32
	acc              bool
	scratch          []float32
	run              func(task, worker int)
}

var products = sync.Pool{New: func() any {
	j := &product{}
	j.run = j.task
	return j
}}

// multiply computes y (+)= the product of w with the pixels around each of x.
func multiply(p *par.Pool, a *mem.Arena, s Shape, w *Weights, y, x, past, bias []float32, acc bool) {
	if w.native != w.typ.Native() {
		check.Fail("conv: weights of another instruction set")
	}
	if s.KT*s.KH*s.KW == 1 {
		gemm.MulPacked(p, y, s.Cout, s.pixels(), gemm.View{P: x, Row: s.Cin, K: 1}, w.one.w, gemm.Opt{Bias: bias, Acc: acc})
		return
	}
	mark := marked(a)
	j := products.Get().(*product)
	j.plan(s, w, p.Workers())
	j.y, j.x, j.past, j.bias, j.acc = y, x, past, bias, acc
	j.scratch = mem.Make[float32](a, p.Workers()*j.scratchLanes())
	s = j.s
	p.Do(s.T*ceil(s.B, j.clips)*ceil(s.H, j.rows)*j.blocks, j.run)
	j.y, j.x, j.past, j.bias, j.scratch = nil, nil, nil, nil, nil
	products.Put(j)
	release(a, mark)
}

// plan cuts the work. No result depends on where it is cut.
func (j *product) plan(s Shape, w *Weights, workers int) {
	if s.KT == 1 {
		s.B, s.T = s.B*s.T, 1
	}
	j.s, j.w, j.f = s, w, &w.one
	if w.several.pixels > 1 && s.W%w.several.pixels == 0 {
		j.f = &w.several
	}
	j.pixel = j.f.cin
	if w.native {
		j.pixel /= 2
	}
	j.row = (s.W + s.KW - 1) * j.pixel
	panels := ceil(j.f.pixels*s.Cout, gemm.Panel)
	j.panels = ceil(panels, ceil(panels, blockPanels))
	j.blocks = ceil(panels, j.panels)

	const perWorker = 6
	want := min(max(s.pixels()/(perWorker*workers), minPixels), taskPixels)
	j.rows, j.clips = min(max(want/s.W, 1), s.H), 1
	if j.rows == s.H {
		j.clips = min(max(want/(s.H*s.W), 1), s.B)
	}
	for j.clips > 1 && j.scratchLanes() > inputLanes {
		j.clips--
	}
	for j.rows > 1 && j.scratchLanes() > inputLanes {
		j.rows--
	}
	j.clips = ceil(s.B, ceil(s.B, j.clips))
	j.rows = ceil(s.H, ceil(s.H, j.rows))
}

// scratchLanes is the size of a task's padded input.
func (j *product) scratchLanes() int {
	return j.s.KT * j.clips * (j.rows + j.s.KH - 1) * j.row
}

// task computes a block of columns of a chunk of pixels.
func (j *product) task(task, worker int) {
	s := j.s
	block, i := task%j.blocks, task/j.blocks
	hs, bs := ceil(s.H, j.rows), ceil(s.B, j.clips)
	h, b, t := i%hs*j.rows, i/hs%bs*j.clips, i/(hs*bs)
	c := chunk{t: t, b0: b, b1: min(b+j.clips, s.B), h0: h, h1: min(h+j.rows, s.H)}
	xs := j.scratch[worker*j.scratchLanes():][:j.scratchLanes()]
	j.pad(xs, c)
	acc := j.acc
	if j.bias != nil {
		j.fillBias(c, block)
		acc = true
	}
	leads := 1
	if j.w.back && t == 0 {
		leads = s.KT // the copies before the first frame hand back to it, too
	}
	for lead := range leads {
		for kt := lead; kt < s.KT; kt++ {
			slot := kt - lead
			if j.w.back && t+slot >= s.T {
				break
			}
			j.frame(c, xs, block, slot, kt, acc)
			acc = true
		}
	}
}

// frame adds the taps of frame kt of the kernel on the frame in slot.
func (j *product) frame(c chunk, xs []float32, block, slot, kt int, acc bool) {
	s := j.s
	width := (s.KW + j.f.pixels - 1) * j.pixel // lanes under a row of taps
	slotFrom := slot * (c.b1 - c.b0) * (c.h1 - c.h0 + s.KH - 1) * j.row
	parts := ceil(width, stepLanes)
	group := min(max(stepLanes/width, 1), s.KH, maxSegments)
	for kh := 0; kh < s.KH; kh += group {
		n := min(group, s.KH-kh)
		for part := range parts {
			st := step{acc: acc, n: n}
			from, to := part*width/parts, (part+1)*width/parts
			st.lanes = to - from
			st.b = ((kt*s.KH+kh)*width + from) * gemm.Panel
			for i := range n {
				st.from[i] = slotFrom + (kh+i)*j.row + from
			}
			j.step(c, xs, block, &st)
			acc = true
		}
	}
}

// step is a part of the sum: the lanes of a few rows of taps.
type step struct {
	from  [maxSegments]int // of the segments, from the first pixel's
	skip  [maxSegments]int // scratch
	n     int
	lanes int // of a segment
	b     int // where its rows of the weight begin in a panel
	acc   bool
}

// step runs one step for all pixels of a chunk.
func (j *product) step(c chunk, xs []float32, block int, st *step) {
	s := j.s
	per := j.f.pixels
	n := per * s.Cout
	col0 := block * j.panels * gemm.Panel
	col1 := min(col0+j.panels*gemm.Panel, n)
	for b := c.b0; b < c.b1; b++ {
		for h := c.h0; h < c.h1; h++ {
			in := xs[((b-c.b0)*(c.h1-c.h0+s.KH-1)+h-c.h0)*j.row:]
			out := j.y[((b*s.T+c.t)*s.H+h)*s.W*s.Cout:][:s.W*s.Cout]
			for w := 0; w < s.W/per; {
				mr := gemm.Height(s.W/per - w)
				a := in[w*per*j.pixel:]
				for col := col0; col < col1; col += gemm.Panel {
					lanes := j.f.w.Lanes(col / gemm.Panel)[st.b:]
					gemm.TileSegments(j.w.native, mr, st.lanes, a, per*j.pixel, st.from[:st.n], st.skip[:],
						lanes, out[w*n+col:], n, min(gemm.Panel, n-col), st.acc)
				}
				w += mr
			}
		}
	}
}

// fillBias sets a block of columns of a chunk of y to the bias.
func (j *product) fillBias(c chunk, block int) {
	s := j.s
	col0 := block * j.panels * gemm.Panel
	col1 := min(col0+j.panels*gemm.Panel, s.Cout)
	for b := c.b0; b < c.b1; b++ {
		from := ((b*s.T+c.t)*s.H + c.h0) * s.W * s.Cout
		out := j.y[from : from+(c.h1-c.h0)*s.W*s.Cout]
		if j.blocks > 1 {
			for ; len(out) > 0; out = out[s.Cout:] {
				copy(out[col0:col1], j.bias[col0:])
			}
			continue
		}
		for done := copy(out, j.bias); done < len(out); {
			done += copy(out[done:], out[:done])
		}
	}
}

// pad writes the input around a chunk as [slot][clip][row][column][In], in
// lanes, with zeros around the frames.
func (j *product) pad(dst []float32, c chunk) {
	s := j.s
	size := s.W * s.Cin
	for slot := range s.KT {
		for b := c.b0; b < c.b1; b++ {
			frame := j.source(c.t, slot, b)
			for h := c.h0 - s.KH/2; h < c.h1+s.KH/2; h++ {
				row := dst[:j.row]
				dst = dst[j.row:]
				if frame == nil || h < 0 || h >= s.H {
					clear(row)
					continue
				}
				j.padRow(row, frame[h*size:][:size])
			}
		}
	}
}

// source returns the frame of clip b that the kernel's frame slot meets at
// time t; nil is a frame of zeros.
func (j *product) source(t, slot, b int) []float32 {
	s := j.s
	size := s.H * s.W * s.Cin
	f := t + slot
	if !j.w.back {
		f -= s.KT - 1
	}
	switch {
	case f >= s.T:
		return nil
	case f < 0 && j.past != nil:
		return j.past[(b*(s.KT-1)+s.KT-1+f)*size:][:size]
	}
	return j.x[(b*s.T+max(f, 0))*size:][:size]
}

// padRow writes one row of pixels with zeros at both ends.
func (j *product) padRow(dst, src []float32) {
	left := j.s.KW / 2 * j.f.cin
	if !j.w.native {
		clear(dst[:left])
		n := left + copy(dst[left:], src)
		clear(dst[n:])
		if j.w.typ == gemm.BF16 {
			gemm.Round(dst[left:n])
		}
		return
	}
	row := gemm.Halves(dst)
	clear(row[:left])
	if j.f.cin == j.s.Cin {
		vec.ToBF16(row[left:left+len(src)], src)
		clear(row[left+len(src):])
		return
	}
	// Pixels with a channel of padding: rounded at the end of the row and
	// spread from there.
	end := row[len(row)-len(src):]
	vec.ToBF16(end, src)
	to := row[left:]
	for len(end) > 0 {
		pixel := to[:j.f.cin]
		copy(pixel, end[:j.s.Cin])
		pixel[j.s.Cin] = 0
		to, end = to[j.f.cin:], end[j.s.Cin:]
	}
	clear(to)
}
