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
	// runLanes is how long the tiles' sums are at most: long enough to hide
	// the loads and stores of dw, short enough for a block of dy in L1.
	runLanes = 512
	// panelLanes bounds the panels of x of one task: 3/4 of a 1 MiB L2.
	panelLanes = 3 << 16
	// splitValues bounds the sums of all splits together.
	splitValues = 1 << 20
	// blockGap keeps the blocks of dy apart: a row is packed a vector wide.
	blockGap = 16
	// wantTasks is how many tasks keep a few cores busy. It is fixed, for the
	// sums must not depend on the workers.
	wantTasks = 8
)

// BackWeights adds to dw [Cout, KT, KH, KW, Cin] and, unless nil, db [Cout]
// the gradients of weight and bias, given x and dy.
//
// For a row of taps (kt, kh) it is the product dyᵀ · x over all pixels, where
// x's columns are the KW·Cin values under the row of taps. A task has some
// panels of 32 of these columns and goes through its pixels chunk by chunk.
// Within a chunk the panels are laid out as [frame][row][clip][column], so
// that the pixels under a row of taps are one run for all clips of the chunk,
// wherever the row of taps is: a panel is packed once for all of them.
func BackWeights(p *par.Pool, a *mem.Arena, typ gemm.Type, s Shape, dw, db, x, dy []float32) {
	s.check(dy, x)
	if len(dw) != s.Cout*s.K() || db != nil && len(db) != s.Cout {
		check.Fail("conv: %d and %d gradients for %+v", len(dw), len(db), s)
	}
	if db != nil {
		backBias(p, db, dy)
	}
	if s.KT*s.KH*s.KW == 1 {
		gemm.Mul(p, typ, dw, s.Cin, s.Cout, s.Cin, s.pixels(), gemm.View{P: dy, Row: 1, K: s.Cout}, gemm.View{P: x, Row: 1, K: s.Cin}, gemm.Opt{Acc: true})
		return
	}
	mark := marked(a)
	j := backJobs.Get().(*backJob)
	j.plan(typ, s)
	j.dw, j.x, j.dy = dw, x, dy
	j.scratch = mem.Make[float32](a, p.Workers()*j.scratchLanes())
	if j.splits > 1 {
		j.parts = mem.Make[float32](a, j.splits*len(dw))
	}
	if j.groups > 1 { // all groups need all of dy: pack it once
		j.packed = mem.Make[float32](a, j.chunks()*j.packedLanes())
		p.Do(j.chunks(), j.pack)
	}
	p.Do(j.splits*j.groups, j.run)
	if j.splits > 1 {
		p.Do(wantTasks, j.sum)
	}
	j.dw, j.x, j.dy, j.scratch, j.parts, j.packed = nil, nil, nil, nil, nil, nil
	backJobs.Put(j)
	release(a, mark)
}

// backJob is one BackWeights on its way.
type backJob struct {
	s         Shape // with KT = 1 each frame is a clip
	typ       gemm.Type
	native    bool
	cols      int // under a row of taps
	rowLanes  int // of a row of pixels
	clips     int // of a chunk
	rows      int // of pixels of a chunk
	panels    int // of 32 columns
	groupSize int // panels of a task
	groups    int
	splits    int // of the pixels, each with dw of its own

	dw, x, dy      []float32
	scratch, parts []float32
	packed         []float32 // the chunks of dy, where several groups share them
	run, sum, pack func(task, worker int)
}

var backJobs = sync.Pool{New: func() any {
	j := &backJob{}
	j.run, j.sum, j.pack = j.task, j.reduce, j.packOutputs
	return j
}}

// plan cuts the work, by the shape alone.
func (j *backJob) plan(typ gemm.Type, s Shape) {
	if s.KT == 1 {
		s.B, s.T = s.B*s.T, 1
	}
	j.s, j.typ, j.native = s, typ, typ.Native()
	j.cols = s.KW * s.Cin
	j.rowLanes = s.W
	if j.native {
		j.rowLanes = (s.W + 1) / 2
	}
	j.rows, j.clips = s.H, 1
	if lanes := s.H * j.rowLanes; lanes > runLanes {
		j.rows = max(runLanes/j.rowLanes, 1)
		j.rows = ceil(s.H, ceil(s.H, j.rows))
	} else {
		j.clips = min(runLanes/lanes, s.B)
		j.clips = ceil(s.B, ceil(s.B, j.clips))
	}
	j.panels = ceil(j.cols, gemm.Panel)
	// Large groups read x in longer pieces; splits cost a dw each.
	j.groupSize = min(max(panelLanes/j.panelLanes(), 1), j.panels)
	j.splits = min(ceil(wantTasks, ceil(j.panels, j.groupSize)), j.chunks())
	if j.splits*s.Cout*s.K() > splitValues {
		j.groupSize = min(j.groupSize, max(ceil(j.panels, wantTasks), 2))
		j.splits = 1
	}
	j.groups = ceil(j.panels, j.groupSize)
}

// panelLanes is the size of one packed panel of a chunk of x.
func (j *backJob) panelLanes() int {
	return j.s.KT * (j.rows + j.s.KH - 1) * j.clips * j.rowLanes * gemm.Panel
}

// blockLanes is the size of one packed block of a chunk of dy.
func (j *backJob) blockLanes() int {
	return (j.rows*j.clips*j.rowLanes+blockGap)*16 + gemm.Panel
}

// packedLanes is the size of a packed chunk of dy.
func (j *backJob) packedLanes() int {
	return (j.rows*j.clips*j.rowLanes+blockGap)*j.s.Cout + gemm.Panel
}

func (j *backJob) scratchLanes() int { return j.groupSize*j.panelLanes() + j.blockLanes() }

// chunks is the number of chunks: frames x blocks of clips x blocks of rows.
func (j *backJob) chunks() int {
	return j.s.T * ceil(j.s.B, j.clips) * ceil(j.s.H, j.rows)
}

// chunk is a range of pixels: rows [h0, h1) of frame t of clips [b0, b1).
type chunk struct{ t, b0, b1, h0, h1 int }

func (j *backJob) chunk(i int) chunk {
	hs, bs := ceil(j.s.H, j.rows), ceil(j.s.B, j.clips)
	h, b, t := i%hs, i/hs%bs, i/(hs*bs)
	return chunk{t, b * j.clips, min((b+1)*j.clips, j.s.B), h * j.rows, min((h+1)*j.rows, j.s.H)}
}

// task goes through one part of the pixels for one group of panels.
func (j *backJob) task(task, worker int) {
	group, split := task%j.groups, task/j.groups
	p0 := group * j.groupSize
	p1 := min(p0+j.groupSize, j.panels)
	scratch := j.scratch[worker*j.scratchLanes():][:j.scratchLanes()]
	xs, block := scratch[:j.groupSize*j.panelLanes()], scratch[j.groupSize*j.panelLanes():]
	out, acc := j.dw, true
	if j.splits > 1 {
		out, acc = j.parts[split*len(j.dw):][:len(j.dw)], false
	}
	n := j.chunks()
	for i := split * n / j.splits; i < (split+1)*n/j.splits; i++ {
		c := j.chunk(i)
		j.packInput(xs, c, p0, p1)
		for o := 0; o < j.s.Cout; {
			width := blockWidth(j.s.Cout - o)
			if j.packed == nil {
				j.packOutput(block, c, o, o+width)
			} else {
				block = j.packed[i*j.packedLanes()+o*(j.lanes(c)+blockGap):]
			}
			for panel := p0; panel < p1; panel++ {
				j.multiply(out, acc, block, xs[(panel-p0)*j.panelLanes():], c, o, width, panel*gemm.Panel)
			}
			o += width
		}
		acc = true
	}
}

// blockWidth is how many channels of dy are packed together, of those left: a
// tile's height, or two tiles of 8.
func blockWidth(left int) int {
	if left == 16 || left == 32 {
		return 16
	}
	return gemm.Height(left)
}

// lanes is the length of a chunk's sums.
func (j *backJob) lanes(c chunk) int { return (c.h1 - c.h0) * (c.b1 - c.b0) * j.rowLanes }

// multiply adds a block of channels of dy times one panel of x, for all rows
// of taps.
func (j *backJob) multiply(out []float32, acc bool, block, xs []float32, c chunk, o, width, col int) {
	s := j.s
	row := (c.b1 - c.b0) * j.rowLanes // lanes of a row of all clips
	lanes, k := j.lanes(c), s.K()
	cols := min(gemm.Panel, j.cols-col)
	mr := width
	if width == 16 {
		mr = 8
	}
	for tap := range s.KT * s.KH {
		kt, kh := tap/s.KH, tap%s.KH
		from := (kt*(c.h1-c.h0+s.KH-1) + kh) * row * gemm.Panel
		for r := 0; r < width; r += mr {
			to := (o+r)*k + tap*j.cols + col
			gemm.Tile(j.native, mr, lanes, block[r:], 1, width, xs[from:], out[to:], k, cols, acc)
		}
	}
}

// packOutputs packs all channels of a chunk of dy.
func (j *backJob) packOutputs(task, _ int) {
	j.packOutput(j.packed[task*j.packedLanes():][:j.packedLanes()], j.chunk(task), 0, j.s.Cout)
}

// packOutput packs the channels [o0, o1) of a chunk of dy, block after block.
func (j *backJob) packOutput(dst []float32, c chunk, o0, o1 int) {
	s := j.s
	lanes := j.lanes(c)
	at := 0
	for h := c.h0; h < c.h1; h++ {
		for b := c.b0; b < c.b1; b++ {
			from := ((b*s.T+c.t)*s.H + h) * s.W * s.Cout
			for o := o0; o < o1; {
				width := blockWidth(s.Cout - o)
				to := dst[(o-o0)*(lanes+blockGap)+at*width:][:j.rowLanes*width+gemm.Panel]
				j.packPixels(to, width, j.dy[from+o:], s.Cout, width)
				o += width
			}
			at += j.rowLanes
		}
	}
}

// packPixels packs a row of pixels, each size values apart.
func (j *backJob) packPixels(dst []float32, pitch int, src []float32, size, cols int) {
	gemm.PackRows(j.native, dst, pitch, src, size, j.s.W, cols)
	if j.typ == gemm.BF16 && !j.native {
		gemm.Round(dst[:j.rowLanes*pitch])
	}
}

// packInput packs the panels [p0, p1) of a chunk of x, with the frames and
// rows around it.
func (j *backJob) packInput(dst []float32, c chunk, p0, p1 int) {
	s := j.s
	size := j.rowLanes * gemm.Panel
	at := 0
	for kt := range s.KT {
		t := max(c.t+kt-s.KT+1, 0)
		for h := c.h0 - s.KH/2; h < c.h1+s.KH/2; h++ {
			for b := c.b0; b < c.b1; b++ {
				for panel := p0; panel < p1; panel++ {
					row := dst[(panel-p0)*j.panelLanes()+at:][:size]
					if h < 0 || h >= s.H {
						clear(row)
					} else {
						j.packRow(row, ((b*s.T+t)*s.H+h)*s.W*s.Cin, panel*gemm.Panel)
					}
				}
				at += size
			}
		}
	}
}

// packRow packs 32 columns of the row of pixels that begins at x[begin]. The
// row's neighbours in memory come along where the taps reach over its ends;
// zeros replace them afterwards.
func (j *backJob) packRow(dst []float32, begin, col int) {
	s := j.s
	cols := min(gemm.Panel, j.cols-col)
	from := begin + col - s.KW/2*s.Cin
	if from < 0 || from+(s.W-1)*s.Cin+gemm.Panel > len(j.x) {
		j.packEnds(dst, begin, col, cols)
		return
	}
	if !j.native {
		cols = gemm.Panel // what follows is as good as zeros, and faster
	}
	j.packPixels(dst, gemm.Panel, j.x[from:], s.Cin, cols)
	for w := range s.KW / 2 {
		j.zero(dst, w, 0, (s.KW/2-w)*s.Cin-col)
		j.zero(dst, s.W-1-w, (w+1+s.KW/2)*s.Cin-col, gemm.Panel)
	}
}

// zero clears the columns [from, to) of one pixel of a packed row.
func (j *backJob) zero(dst []float32, w, from, to int) {
	from, to = max(from, 0), min(to, gemm.Panel)
	if from >= to || w < 0 {
		return
	}
	if !j.native {
		clear(dst[w*gemm.Panel+from : w*gemm.Panel+to])
		return
	}
	row := gemm.Halves(dst[w/2*gemm.Panel:][:gemm.Panel])
	for c := from; c < to; c++ {
		row[2*c+w%2] = 0
	}
}

// packEnds is packRow next to the ends of x, through a copy with zeros.
func (j *backJob) packEnds(dst []float32, begin, col, cols int) {
	s := j.s
	var pair [2 * gemm.Panel]float32 // a pixel, or two that share lanes
	step := 1
	if j.native {
		step = 2
	}
	for w := 0; w < s.W; w += step {
		clear(pair[:])
		for i := range step * gemm.Panel {
			r, c := i/gemm.Panel, i%gemm.Panel
			at := (w+r-s.KW/2)*s.Cin + col + c // in the row
			if c < cols && at >= 0 && at < s.W*s.Cin && w+r < s.W {
				pair[i] = j.x[begin+at]
			}
		}
		gemm.PackRows(j.native, dst[w/step*gemm.Panel:], gemm.Panel, pair[:], gemm.Panel, step, gemm.Panel)
	}
	if j.typ == gemm.BF16 && !j.native {
		gemm.Round(dst[:j.rowLanes*gemm.Panel])
	}
}

// reduce adds the splits' sums to dw, a share of the values a task.
func (j *backJob) reduce(task, _ int) {
	n := len(j.dw)
	from, to := task*n/wantTasks, (task+1)*n/wantTasks
	for i := range j.splits {
		vec.Acc(j.dw[from:to], j.parts[i*n+from:i*n+to])
	}
}

func ceil(n, d int) int { return (n + d - 1) / d }
