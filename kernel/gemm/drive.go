package gemm

import (
	"unsafe"

	"kuai/internal/check"
	"kuai/kernel/isa"
	"kuai/par"
)

const (
	maxRows    = 12  // of a tile
	blockLanes = 384 // of k at a time: 12 rows of A fit the first cache beside B passing by
	blockCols  = 512 // of C at a time: the block of B, 768 KiB, stays in the second cache
	// minRows is the least number of rows of a task: fewer would read the
	// block of B more often than the memory allows.
	minRows = 4 * maxRows
	// tasksPerCore is the least that keeps cores busy to the end: every task
	// reads its block of B from the third cache anew.
	tasksPerCore = 3
)

// drive shares C out in blocks of rows and columns.
func drive(p *par.Pool, c []float32, ldc, m int, a source, w *Weights, from int, o Opt) {
	n := w.n
	if m == 0 || n == 0 {
		return
	}
	if (m-1)*ldc+n > len(c) || ldc < n {
		check.Fail("gemm: C of %dx%d with rows %d apart in %d values", m, n, ldc, len(c))
	}
	if o.Bias != nil && (len(o.Bias) != n || o.Acc) {
		check.Fail("gemm: %d biases for %d columns", len(o.Bias), n)
	}
	colBlocks := (n + blockCols - 1) / blockCols
	cols := (n/colBlocks + panel - 1) / panel * panel
	if cols*colBlocks < n {
		cols += panel
	}
	colBlocks = (n + cols - 1) / cols
	rowBlocks := min((tasksPerCore*p.Workers()+colBlocks-1)/colBlocks, (m+minRows-1)/minRows)
	if p.Workers() == 1 {
		rowBlocks = 1
	}
	rows := ((m+rowBlocks-1)/rowBlocks + maxRows - 1) / maxRows * maxRows
	rowBlocks = (m + rows - 1) / rows
	if m*n*w.k < 1<<16 {
		p = nil // cheaper than a fork
	}
	j := jobs.get()
	j.c, j.ldc, j.m, j.a, j.w, j.from, j.o = c, ldc, m, a, w, from, o
	j.rows, j.cols, j.colBlocks = rows, cols, colBlocks
	p.Do(rowBlocks*colBlocks, j.task)
	j.c, j.a, j.w, j.o = nil, source{}, nil, Opt{}
	jobs.put(j)
}

// job is one product on its way, in blocks of rows x cols.
type job struct {
	c                     []float32
	ldc, m                int
	a                     source
	w                     *Weights
	from                  int
	o                     Opt
	rows, cols, colBlocks int
	task                  func(task, worker int) // run, made once
}

func newJob() *job {
	j := &job{}
	j.task = j.run
	return j
}

// run computes one block.
func (j *job) run(task, _ int) {
	i0, j0 := task/j.colBlocks*j.rows, task%j.colBlocks*j.cols
	j.block(i0, min(i0+j.rows, j.m), j0, min(j0+j.cols, j.w.n))
}

// span is a block of k.
type span struct {
	lane, lanes int // of the weights
	k0, kc      int // of A
}

// spans cuts the lanes from first on into even blocks and returns the one that
// begins at a lane.
func (j *job) span(first, lane int) span {
	w := j.w
	all := w.lanes - first
	blocks := (all + blockLanes - 1) / blockLanes
	size := ((all+blocks-1)/blocks + lanePad - 1) &^ (lanePad - 1)
	s := span{lane: lane, lanes: min(size, w.lanes-lane), k0: lane - first}
	s.kc = s.lanes
	if w.native {
		s.k0 *= 2
		s.kc = min(2*s.lanes, w.k-j.from-s.k0)
	}
	return s
}

// block computes C[i0:i1, j0:j1].
func (j *job) block(i0, i1, j0, j1 int) {
	w := j.w
	first := j.from
	if w.native {
		first /= 2
	}
	if first >= w.lanes {
		j.empty(i0, i1, j0, j1)
		return
	}
	s := scratches.get()
	defer scratches.put(s)
	panels := (j1 - j0 + panel - 1) / panel
	for lane := first; lane < w.lanes; {
		sp := j.span(first, lane)
		acc := j.o.Acc || lane > first || j.o.Bias != nil
		s.tilesEnd = 0
		for i := i0; i < i1; {
			mr := height(i1 - i)
			if lane == first && j.o.Bias != nil {
				for r := range mr {
					copy(j.c[(i+r)*j.ldc+j0:(i+r)*j.ldc+j1], j.o.Bias[j0:j1])
				}
			}
			a, rs, ks := j.packA(s, sp, i, i1, mr, panels)
			for t := range panels {
				col := j0 + t*panel
				b := &w.buf[col*w.pitch+lane*panel]
				tile(s, w.native, mr, sp.lanes, a, rs, ks, b, &j.c[i*j.ldc+col], j.ldc, min(panel, j1-col), acc, j.next(s, sp, i+mr, t, panels))
			}
			i += mr
		}
		lane += sp.lanes
	}
}

// empty is a product without any k.
func (j *job) empty(i0, i1, j0, j1 int) {
	for i := i0; i < i1; i++ {
		row := j.c[i*j.ldc+j0 : i*j.ldc+j1]
		switch {
		case j.o.Bias != nil:
			copy(row, j.o.Bias[j0:j1])
		case !j.o.Acc:
			clear(row)
		}
	}
}

// height returns the tallest tile for the rows that are left.
func height(rows int) int {
	for _, h := range [...]int{12, 8, 6, 4, 3, 2} {
		if rows >= h {
			return h
		}
	}
	return 1
}

// tile computes one tile with the kernel at hand.
func tile(s *scratch, native bool, mr, lanes int, a *float32, rs, ks int, b, c *float32, ldc, cols int, acc bool, next ahead) {
	switch isa.Now() {
	case isa.AVX512:
		var flag uint32
		if acc {
			flag = 1
		}
		if native {
			tileBF16(mr, lanes, a, rs, ks, b, c, ldc*4, columnMask(cols), flag, next.at, next.step)
		} else {
			tileF32(mr, lanes, a, rs, ks, b, c, ldc*4, columnMask(cols), flag, next.at, next.step)
		}
	case isa.AVX2:
		tile256(s, mr, lanes, a, rs, ks, b, c, ldc, cols, acc, next)
	default:
		tileGo(mr, lanes, a, rs, ks, b, c, ldc, cols, acc)
	}
}

// at returns the value at a byte offset.
func at(p *float32, bytes int) float32 {
	return *(*float32)(unsafe.Add(unsafe.Pointer(p), bytes))
}
