package gemm

import (
	"unsafe"

	"kuai/internal/check"
	"kuai/kernel/isa"
	"kuai/par"
)

const (
	panel = 32 // columns of a panel
	// laneChunk is how many lanes of a panel are packed at a time when the
	// values must be rounded or padded on the way: 32 rows of it stay in L2.
	laneChunk = 512
	lanePad   = 16 // lanes are padded to a multiple, for the transpose
)

// Weights is a packed matrix B [n, k].
type Weights struct {
	typ    Type
	native bool // pairs of bf16; otherwise f32, rounded already for BF16
	n, k   int
	lanes  int // of k
	pitch  int // lanes from panel to panel / 32
	raw    []float32
	buf    []float32 // raw, aligned

	src  View                   // what is being packed
	part func(task, worker int) // packPart, made once
}

// Pack makes the packed form of B [n, k].
func Pack(p *par.Pool, typ Type, b View, n, k int) *Weights {
	w := &Weights{}
	w.shape(typ, n, k)
	w.fill(p, b)
	return w
}

// Repack packs new values of the same shape in place.
func (w *Weights) Repack(p *par.Pool, b View) {
	w.shape(w.typ, w.n, w.k) // the instruction set may have changed
	w.fill(p, b)
}

// N returns the rows of B, K its columns.
func (w *Weights) N() int { return w.n }

// K returns the columns of B.
func (w *Weights) K() int { return w.k }

// shape prepares the buffer for a matrix.
func (w *Weights) shape(typ Type, n, k int) {
	if n < 0 || k < 0 {
		check.Fail("gemm: weights of %dx%d", n, k)
	}
	w.typ, w.n, w.k = typ, n, k
	w.native = typ == BF16 && isa.BF16()
	w.lanes = k
	if w.native {
		w.lanes = (k + 1) / 2
	}
	w.pitch = (w.lanes + lanePad - 1) &^ (lanePad - 1)
	size := (n + panel - 1) / panel * panel * w.pitch
	if cap(w.raw) < size+lanePad {
		w.raw = make([]float32, size+lanePad)
	}
	w.buf = aligned(w.raw[:size+lanePad])[:size]
}

// aligned cuts a slice so that it begins at a cache line.
func aligned(x []float32) []float32 {
	off := -uintptr(unsafe.Pointer(&x[0])) & 63 / 4
	return x[off:]
}

// fill packs b, a panel a task.
func (w *Weights) fill(p *par.Pool, b View) {
	b.fits(w.n, w.k)
	panels, parts := (w.n+panel-1)/panel, w.parts()
	if panels*parts < 4 || w.n*w.k < 1<<14 {
		p = nil // cheaper than a fork
	}
	if w.part == nil {
		w.part = w.packPart
	}
	w.src = b
	p.Do(panels*parts, w.part)
	w.src = View{}
}

// partLanes is how much of a panel is one task: a long k is shared out.
const partLanes = 4 * laneChunk

// parts is the number of tasks of a panel.
func (w *Weights) parts() int { return max((w.lanes+partLanes-1)/partLanes, 1) }

// packPart packs one part of a panel.
func (w *Weights) packPart(task, _ int) {
	parts := w.parts()
	j, l := task/parts*panel, task%parts*partLanes
	w.fillPanel(w.src, j, l, min(l+partLanes, w.lanes))
}

// fillPanel packs the lanes [l0, l1) of the panel of columns from j.
func (w *Weights) fillPanel(b View, j, l0, l1 int) {
	if l0 == l1 {
		return
	}
	dst := w.buf[j*w.pitch : (j+panel)*w.pitch]
	cols := min(panel, w.n-j)
	switch {
	case w.native && b.Row == 1:
		fillPairs(dst, b, j, cols, l0, l1, w.k)
	case b.K == 1 && isa.Now() == isa.AVX512:
		w.fillRows(dst, b, j, cols, l0, l1)
	case w.native:
		w.fillNative(dst, b, j, cols, l0, l1)
	case b.Row == 1:
		w.fillColumns(dst, b, j, cols, l0, l1)
	default:
		w.fillGo(dst, b, j, cols, l0, l1)
	}
	if w.typ == BF16 && !w.native {
		Round(dst[l0*panel : l1*panel])
	}
}

// fillNative packs any view as pairs of bf16, one after the other.
func (w *Weights) fillNative(dst []float32, b View, j, cols, l0, l1 int) {
	for l := l0; l < l1; l++ {
		row := dst[l*panel : (l+1)*panel]
		clear(row[cols:])
		for c := range row[:cols] {
			lo, hi := b.P[(j+c)*b.Row+2*l*b.K], float32(0)
			if 2*l+1 < w.k {
				hi = b.P[(j+c)*b.Row+(2*l+1)*b.K]
			}
			row[c] = pairBF16(lo, hi)
		}
	}
}

// fillGo packs any view as f32, one value after the other.
func (w *Weights) fillGo(dst []float32, b View, j, cols, l0, l1 int) {
	const block = 16 // of k, so that a line of B is used up while it is near
	for ; l0 < l1; l0 += block {
		end := min(l0+block, l1)
		for c := range panel {
			if c >= cols {
				for l := l0; l < end; l++ {
					dst[l*panel+c] = 0
				}
				continue
			}
			at := (j+c)*b.Row + l0*b.K
			for l := l0; l < end; l++ {
				dst[l*panel+c] = b.P[at]
				at += b.K
			}
		}
	}
}

// fillColumns packs rows that are contiguous along the columns.
func (w *Weights) fillColumns(dst []float32, b View, j, cols, l0, l1 int) {
	if cols == panel && isa.Now() == isa.AVX512 {
		copyPanel(&dst[l0*panel], &b.P[j+l0*b.K], b.K*4, l1-l0)
		return
	}
	for l := l0; l < l1; l++ {
		row := dst[l*panel : (l+1)*panel]
		clear(row[copy(row, b.P[j+l*b.K:j+l*b.K+cols]):])
	}
}

// fillPairs packs pairs of rows that are contiguous along the columns.
func fillPairs(dst []float32, b View, j, cols, l0, l1, k int) {
	whole := min(l1, k/2)
	for half := 0; half < panel; half += 16 {
		mask := columnMask(cols - half)
		if whole > l0 {
			at := min(j+half+2*l0*b.K, len(b.P)-1) // an empty half may lie past the end
			pairRows(&dst[l0*panel+half], &b.P[at], b.K*4, panel*4, whole-l0, mask&0xffff)
		}
		if l1 > whole { // an odd k's last
			for c := range 16 {
				v := float32(0)
				if half+c < cols {
					v = b.P[j+half+c+(k-1)*b.K]
				}
				dst[whole*panel+half+c] = pairBF16(v, 0)
			}
		}
	}
}

// fillRows packs rows that are contiguous along k, through a transpose.
func (w *Weights) fillRows(dst []float32, b View, j, cols, l0, l1 int) {
	if !w.native && cols == panel && (l1-l0)%lanePad == 0 {
		transposePanel(&dst[l0*panel], &b.P[j*b.Row+l0], b.Row*4, l1-l0)
		return
	}
	s := scratches.get()
	defer scratches.put(s)
	const pitch = laneChunk + lanePad
	for ; l0 < l1; l0 += laneChunk {
		lanes := min(laneChunk, l1-l0)
		padded := (lanes + lanePad - 1) &^ (lanePad - 1)
		for c := range panel {
			row := s.rows[c*pitch : c*pitch+padded]
			switch {
			case c >= cols:
				clear(row)
			case w.native:
				from := (j+c)*b.Row + 2*l0
				convertRow(row, b.P[from:from+min(2*lanes, w.k-2*l0)], &s.tail)
			default:
				clear(row[copy(row, b.P[(j+c)*b.Row+l0:(j+c)*b.Row+l0+lanes]):])
			}
		}
		transposePanel(&dst[l0*panel], &s.rows[0], pitch*4, padded)
	}
}

// convertRow rounds src to pairs of bf16 and pads dst with zeros to 16 lanes.
func convertRow(dst, src []float32, tail *[panel]float32) {
	n := len(src) &^ (panel - 1)
	if n > 0 {
		convertBF16(&dst[0], &src[0], n)
	}
	if n < len(src) {
		clear(tail[copy(tail[:], src[n:]):])
		convertBF16(&dst[n/2], &tail[0], panel)
	}
}

// columnMask has a bit for each of the first n columns, at most 32.
func columnMask(n int) uint32 {
	if n >= panel {
		return 1<<panel - 1
	}
	return 1<<max(n, 0) - 1
}
