package gemm

import (
	"unsafe"

	"kuai/internal/check"
	"kuai/kernel/isa"
	"kuai/par"
)

const (
	maxRows    = 12  // of a tile
	blockLanes = 384 // of k at a time: 12 rows of A and a panel of B fit the first cache
	blockCols  = 320 // of C at a time: the block of B, 480 KiB, stays in the second cache
	// minRows is the least number of rows of a task: fewer would read the
	// block of B more often than the memory allows.
	minRows      = 4 * maxRows
	tasksPerCore = 6
)

// source is A as the driver sees it: strided, or gathered where rows is set.
type source struct {
	p      []float32
	row, k int
	rows   []int32
	seg    []int32
	segLen int
}

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

// block computes C[i0:i1, j0:j1].
func (j *job) block(i0, i1, j0, j1 int) {
	s := scratches.get()
	defer scratches.put(s)
	w := j.w
	first := j.from
	if w.native {
		first /= 2
	}
	if first >= w.lanes {
		j.empty(i0, i1, j0, j1)
		return
	}
	for l0 := first; l0 < w.lanes; {
		lanes := min(blockLanes, w.lanes-l0)
		if left := w.lanes - l0; left > blockLanes && left < 2*blockLanes {
			lanes = (left/2 + lanePad - 1) &^ (lanePad - 1) // even halves for the last two
		}
		acc := j.o.Acc || l0 > first || j.o.Bias != nil
		for i := i0; i < i1; {
			mr := height(i1 - i)
			if l0 == first && j.o.Bias != nil {
				for r := range mr {
					copy(j.c[(i+r)*j.ldc+j0:(i+r)*j.ldc+j1], j.o.Bias[j0:j1])
				}
			}
			a, rs, ks := j.packA(s, i, mr, l0-first, lanes, j1-j0)
			for col := j0; col < j1; col += panel {
				b := &w.buf[col*w.pitch+l0*panel]
				tile(s, w.native, mr, lanes, a, rs, ks, b, &j.c[i*j.ldc+col], j.ldc, min(panel, j1-col), acc)
			}
			i += mr
		}
		l0 += lanes
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

// packA gives rows [i, i+mr) of A, lanes [l0, l0+lanes), as lanes with the
// strides rs and ks in bytes, in scratch unless they can be read in place.
func (j *job) packA(s *scratch, i, mr, l0, lanes, cols int) (a *float32, rs, ks int) {
	src, w := &j.a, j.w
	k0, kc := l0, lanes
	if w.native {
		k0 = 2 * l0
		kc = min(2*lanes, w.k-j.from-k0)
	}
	strided := src.rows == nil
	if strided && !w.native && w.typ == F32 && (src.k != 1 || cols <= panel) {
		return &src.p[i*src.row+k0*src.k], src.row * 4, src.k * 4
	}
	if strided && src.k != 1 && src.row == 1 && w.native {
		j.packPairs(s, i, mr, k0, kc)
		return &s.a[0], 4, 16 * 4
	}
	pitch := lanes + lanePad
	if w.native {
		pitch = (lanes+lanePad-1)&^(lanePad-1) + lanePad
	}
	for r := range mr {
		row := src.gather(s.row[:kc], i+r, k0)
		dst := s.a[r*pitch:]
		switch {
		case w.native:
			convertRow(dst, row, &s.tail)
		case w.typ == BF16:
			for x, v := range row {
				dst[x] = roundBF16(v)
			}
		default:
			copy(dst, row)
		}
	}
	return &s.a[0], pitch * 4, 4
}

// packPairs packs a transposed A, contiguous along the rows, for bf16.
func (j *job) packPairs(s *scratch, i, mr, k0, kc int) {
	src := j.a
	if pairs := kc / 2; pairs > 0 {
		pairRows(&s.a[0], &src.p[i+k0*src.k], src.k*4, 16*4, pairs, columnMask(mr))
	}
	if kc%2 == 1 {
		last := src.p[i+(k0+kc-1)*src.k:]
		for r := range mr {
			s.a[kc/2*16+r] = pairBF16(last[r], 0)
		}
	}
}

// gather returns row i from k0 on, in place where it is contiguous, else in
// tmp.
func (a *source) gather(tmp []float32, i, k0 int) []float32 {
	if a.rows == nil {
		at := i*a.row + k0*a.k
		if a.k == 1 {
			return a.p[at : at+len(tmp)]
		}
		for x := range tmp {
			tmp[x] = a.p[at+x*a.k]
		}
		return tmp
	}
	base := int(a.rows[i])
	seg, off := k0/a.segLen, k0%a.segLen
	if n := len(tmp); off+n <= a.segLen {
		at := base + int(a.seg[seg]) + off
		return a.p[at : at+n]
	}
	for done := 0; done < len(tmp); {
		at := base + int(a.seg[seg]) + off
		n := min(a.segLen-off, len(tmp)-done)
		copy(tmp[done:done+n], a.p[at:at+n])
		done += n
		seg, off = seg+1, 0
	}
	return tmp
}

// tile computes one tile with the kernel at hand.
func tile(s *scratch, native bool, mr, lanes int, a *float32, rs, ks int, b, c *float32, ldc, cols int, acc bool) {
	switch isa.Now() {
	case isa.AVX512:
		var flag uint32
		if acc {
			flag = 1
		}
		if native {
			tileBF16(mr, lanes, a, rs, ks, b, c, ldc*4, columnMask(cols), flag)
		} else {
			tileF32(mr, lanes, a, rs, ks, b, c, ldc*4, columnMask(cols), flag)
		}
	case isa.AVX2:
		tile256(s, mr, lanes, a, rs, ks, b, c, ldc, cols, acc)
	default:
		tileGo(mr, lanes, a, rs, ks, b, c, ldc, cols, acc)
	}
}

// at returns the value at a byte offset.
func at(p *float32, bytes int) float32 {
	return *(*float32)(unsafe.Add(unsafe.Pointer(p), bytes))
}
