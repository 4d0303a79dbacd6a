package weight

import (
	"encoding/binary"

	"kuai/internal/check"
	"kuai/kernel/attn"
	"kuai/kernel/gemm"
	"kuai/kernel/quant"
	"kuai/kernel/vec"
	"kuai/mem"
	"kuai/par"
	"kuai/text/checkpoint"
)

const (
	// lanes is the width of a panel, as kernel/gemm's tiles want it.
	lanes = 32
	// halfRows is how many rows are multiplied without turning weights into
	// float32 in memory first.
	halfRows = 24
	// halfGather is how many rows are gathered at a time: a panel is turned once
	// for them.
	halfGather = 96
	// halfPanels is the panels of a task: rows are gathered once for them.
	halfPanels = 4
	// halfDepth is how much of k is turned at a time: the first cache holds half
	// of it, the second all.
	halfDepth = 512
)

// halves is a matrix in half precision, in panels of 32 rows, [⌈n/32⌉][k][32]:
// as exact as the file, at half the bytes of float32.
type halves struct {
	n, k int
	buf  []uint16
}

func (h *halves) Size() (n, k int) { return h.n, h.k }
func (h *halves) Exact() bool      { return true }
func (h *halves) Bytes() int64     { return 2 * int64(len(h.buf)) }

// halfValues is the values that a packed matrix has.
func halfValues(n, k int) int { return (n + lanes - 1) / lanes * lanes * k }

// packHalves packs rows of half precision.
func packHalves(p *par.Pool, a *mem.Arena, r checkpoint.Rows) *halves {
	check.True(r.Tensor.Type == quant.F16, "text: packing %v as half precision", r.Tensor.Type)
	h := &halves{n: r.N, k: r.K, buf: mem.Make[uint16](a, halfValues(r.N, r.K))}
	p.Do((r.N+lanes-1)/lanes, func(task, _ int) {
		panel := h.buf[task*lanes*h.k:][:lanes*h.k]
		for c := range lanes {
			if task*lanes+c >= r.N {
				for k := range h.k {
					panel[k*lanes+c] = 0
				}
				continue
			}
			row := r.Data[(task*lanes+c)*r.Pitch:][:r.Pitch]
			for k := range h.k {
				panel[k*lanes+c] = binary.LittleEndian.Uint16(row[2*k:])
			}
		}
	})
	return h
}

// halfJobs are the products of one input with matrices of halves.
type halfJobs struct {
	in      *Input
	jobs    []Product
	last    []int // tasks of the jobs up to each
	run     func(task, worker int)
	scratch []halfScratch
}

// halfScratch is a worker's memory.
type halfScratch struct {
	a [halfGather * halfDepth]float32 // gathered rows, a part of k
	b [halfDepth * lanes]float32      // a panel turned into float32
	c [halfRows * lanes]float32       // a panel that is not full
}

// multiply computes the jobs that were collected and forgets them.
func (t *halfJobs) multiply(p *par.Pool, in *Input) {
	if t.run == nil {
		t.run = t.compute
		t.scratch = make([]halfScratch, p.Workers())
	}
	t.in, t.last = in, t.last[:0]
	tasks := 0
	for i := range t.jobs {
		n, _ := t.jobs[i].W.Size()
		tasks += (n + lanes*halfPanels - 1) / (lanes * halfPanels)
		t.last = append(t.last, tasks)
	}
	p.Do(tasks, t.run)
	clear(t.jobs)
	t.jobs = t.jobs[:0]
}

// compute does one task: all rows, some panels, a part of k after the other.
func (t *halfJobs) compute(task, worker int) {
	i := 0
	for task >= t.last[i] {
		i++
	}
	if i > 0 {
		task -= t.last[i-1]
	}
	j := &t.jobs[i]
	w, _ := j.W.(*halves)
	m := t.in.m
	if j.Rows != nil {
		m = len(j.Rows)
	}
	from := task * lanes * halfPanels
	to := min(from+lanes*halfPanels, w.n)
	s := &t.scratch[worker]
	block := halfGather
	if j.Rows == nil {
		block = max(m, 1)
	}
	for r := 0; r < m; r += block {
		n := min(block, m-r)
		for k := 0; k < w.k; k += halfDepth {
			depth := min(halfDepth, w.k-k)
			a, lda := t.rows(s, j, r, n, k, depth)
			for col := from; col < to; col += lanes {
				s.panel(j.C[r*j.Ldc+col:], j.Ldc, a, lda, w.buf[col*w.k+k*lanes:][:depth*lanes], n, depth, min(lanes, to-col), k > 0, m >= halfRows)
			}
		}
	}
}

// rows returns a part of k of n rows of the input, gathered if they must be.
func (t *halfJobs) rows(s *halfScratch, j *Product, r, n, k, depth int) (a []float32, lda int) {
	width := t.in.k
	if j.Rows == nil {
		return t.in.x[r*width+k:], width
	}
	for i, row := range j.Rows[r : r+n] {
		copy(s.a[i*depth:][:depth], t.in.x[int(row)*width+k:])
	}
	return s.a[:], depth
}

// panel computes c (+)= a b for one panel of some columns.
func (s *halfScratch) panel(c []float32, ldc int, a []float32, lda int, b []uint16, n, depth, cols int, acc, many bool) {
	if many {
		vec.FromF16(s.b[:len(b)], b)
		for r := 0; r < n; {
			mr := gemm.Height(n - r)
			gemm.Tile(false, mr, depth, a[r*lda:], lda, 1, s.b[:], c[r*ldc:], ldc, cols, acc)
			r += mr
		}
		return
	}
	if cols == lanes {
		attn.HalfTile(c, ldc, a, lda, b, n, depth, acc)
		return
	}
	attn.HalfTile(s.c[:], lanes, a, lda, b, n, depth, false)
	for r := range n {
		if out := c[r*ldc:][:cols]; acc {
			vec.Acc(out, s.c[r*lanes:][:cols])
		} else {
			copy(out, s.c[r*lanes:])
		}
	}
}
