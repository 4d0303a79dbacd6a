package qgemm

import (
	"sync"

	"kuai/internal/check"
	"kuai/par"
)

const (
	// groupPanelBytes bounds the weights that a task of many rows goes over
	// again for each tile of them: they stay in the second cache.
	groupPanelBytes = 384 << 10
	// minTaskBytes is the least of weights that is worth a task of its own.
	minTaskBytes = 48 << 10
	tasksPerCore = 4
	// minTaskRows keeps weights from being read too often for too few rows.
	minTaskRows = 48
)

// MulMany computes several products in one go of the pool. No two may write to
// the same values.
func MulMany(p *par.Pool, jobs []Job) {
	t := takePlan()
	defer givePlan(t)
	t.make(p.Workers(), jobs)
	if t.total < 1<<16 {
		p = nil // cheaper than a fork
	}
	p.Do(len(t.tasks), t.run)
	t.jobs = nil
}

// task is a block of a product.
type task struct {
	job            int32
	panel0, panel1 int32
	row0, row1     int32
}

// plan is how products are shared out.
type plan struct {
	jobs    []Job
	tasks   []task
	total   int       // multiply-adds
	scratch []scratch // by worker
	run     func(task, worker int)
	next    *plan
}

// make cuts the products into tasks of about as much work each.
func (t *plan) make(workers int, jobs []Job) {
	t.jobs, t.tasks, t.total = jobs, t.tasks[:0], 0
	for len(t.scratch) < workers {
		t.scratch = append(t.scratch, scratch{sum: make([]float32, maxRows*panel)})
	}
	for i := range jobs {
		for w := 0; w < workers && jobs[i].Rows != nil; w++ {
			t.scratch[w].fit(jobs[i].X)
		}
	}
	weights := 0
	for i := range jobs {
		j := &jobs[i]
		j.fits()
		t.total += j.rows() * j.W.n * j.W.k
		weights += j.W.Bytes()
	}
	share := max(weights/(workers*tasksPerCore), minTaskBytes)
	for i := range jobs {
		t.cut(int32(i), workers, share)
	}
}

// cut adds the tasks of one product.
func (t *plan) cut(i int32, workers, share int) {
	j := &t.jobs[i]
	m, panels := int32(j.rows()), int32((j.W.n+panel-1)/panel)
	if m == 0 || panels == 0 {
		return
	}
	per := max(1, j.W.k/block*j.W.kind.bytes())
	if m > fewRows {
		share = min(share, groupPanelBytes)
	}
	wide := int32(max(1, share/per))
	rows := m
	if m > maxRows && workers > 1 { // few panels: split the rows too
		groups := (panels + wide - 1) / wide
		want := int32(workers*tasksPerCore+int(groups)-1) / groups
		rows = max((m+want-1)/want, minTaskRows)
		rows = (rows + maxRows - 1) / maxRows * maxRows
	}
	for p := int32(0); p < panels; p += wide {
		for r := int32(0); r < m; r += rows {
			t.tasks = append(t.tasks, task{i, p, min(p+wide, panels), r, min(r+rows, m)})
		}
	}
}

// fits panics unless a product's shapes go together.
func (j *Job) fits() {
	m, n := j.rows(), j.W.n
	if j.X.k != j.W.k {
		check.Fail("qgemm: rows of %d values for weights of %d", j.X.k, j.W.k)
	}
	if m > 0 && n > 0 && (j.Ldc < n || (m-1)*j.Ldc+n > len(j.C)) {
		check.Fail("qgemm: C of %dx%d with rows %d apart in %d values", m, n, j.Ldc, len(j.C))
	}
	for _, r := range j.Rows {
		if r < 0 || int(r) >= j.X.m {
			check.Fail("qgemm: row %d of %d", r, j.X.m)
		}
	}
}

// compute does the i-th task.
func (t *plan) compute(i, worker int) {
	k := t.tasks[i]
	j := &t.jobs[k.job]
	if j.W.k == 0 {
		j.empty(k)
		return
	}
	s := &t.scratch[worker]
	blocks := j.W.k / block
	tiles := tiling{
		Job: j, blocks: blocks, size: blocks * j.W.kind.bytes(),
		pitch: j.X.pitch, metaPitch: j.X.metaPitch, scratch: s,
	}
	panels := [2]int{int(k.panel0), int(k.panel1)}
	step := maxRows
	if k.row1-k.row0 <= fewRows {
		step = fewRows
	}
	for r := int(k.row0); r < int(k.row1); {
		n := min(step, int(k.row1)-r)
		if step == maxRows {
			n = height(n)
		}
		if j.Rows != nil {
			tiles.q, tiles.meta = s.gather(j.X, j.Rows[r:r+n])
		} else {
			tiles.q, tiles.meta = j.X.q[r*j.X.pitch:], j.X.meta[r*j.X.metaPitch:]
		}
		tiles.over(panels, r, n)
		r += n
	}
}

// tiling is what the tiles of a task share.
type tiling struct {
	*Job
	blocks  int // of k
	size    int // of a panel in bytes
	scratch *scratch

	q                []int8 // the rows at hand
	meta             []float32
	pitch, metaPitch int
}

// over computes panels for a few rows, C's from r on. A panel is gone over tile
// after tile while it is in a cache; meanwhile the first two tiles fetch the
// next panel from memory, half of it each.
func (t *tiling) over(panels [2]int, r, rows int) {
	for p := panels[0]; p < panels[1]; p++ {
		w := t.W.buf[p*t.size:]
		for i := 0; i < rows; {
			mr := height(rows - i)
			next, half := w, 0
			if mr < rows && (i == 0 || i == height(rows)) && p+1 < panels[1] {
				half = t.W.kind.bytes() / 2
				next = w[t.size+min(i, 1)*t.size/2:]
			}
			c := t.C[(r+i)*t.Ldc+p*panel:]
			t.tile(mr, t.q[i*t.pitch:], t.meta[i*t.metaPitch:], w, next, half, c, min(panel, t.W.n-p*panel))
			i += mr
		}
	}
}

// empty is a product without any k.
func (j *Job) empty(k task) {
	for r := k.row0; r < k.row1 && !j.Acc; r++ {
		clear(j.C[int(r)*j.Ldc+int(k.panel0)*panel:][:min(int(k.panel1)*panel, j.W.n)-int(k.panel0)*panel])
	}
}

// height returns the rows of the next tile where some are left.
func height(rows int) int {
	switch {
	case rows >= 9 || rows == 6 || rows == 7:
		return 6
	case rows == 8:
		return 4
	case rows == 5:
		return 3
	}
	return rows
}

// scratch is what a worker's tasks work in.
type scratch struct {
	q    []int8 // a few rows, copied side by side
	meta []float32
	sum  []float32 // of a tile in float32
}

// fit makes room for a few rows: now, for a worker may come to them late.
func (s *scratch) fit(x *Activations) {
	if len(s.q) < fewRows*x.pitch {
		s.q, s.meta = make([]int8, fewRows*x.pitch), make([]float32, fewRows*x.metaPitch)
	}
}

// gather copies a few rows.
func (s *scratch) gather(x *Activations, rows []int32) (q []int8, meta []float32) {
	for i, r := range rows {
		q, meta := x.row(int(r))
		copy(s.q[i*x.pitch:], q)
		copy(s.meta[i*x.metaPitch:], meta)
	}
	return s.q, s.meta
}

// Plans are kept from call to call: a sync.Pool would forget them at every
// collection, and a decode step must not allocate.
var free struct {
	mu    sync.Mutex
	plans *plan
}

func takePlan() *plan {
	free.mu.Lock()
	defer free.mu.Unlock()
	t := free.plans
	if t == nil {
		t = &plan{}
		t.run = t.compute
		return t
	}
	free.plans = t.next
	return t
}

func givePlan(t *plan) {
	free.mu.Lock()
	defer free.mu.Unlock()
	t.next, free.plans = free.plans, t
}
