package text

import (
	"kuai/kernel/gemm"
	"kuai/kernel/qgemm"
	"kuai/par"
)

// matrix is a weight [n, k], packed for the kernel that multiplies by it:
// floats for kernel/gemm, quantised for kernel/qgemm, halves for neither.
type matrix interface {
	size() (n, k int)
	bytes() int64
	exact() bool // in float32
}

type floats struct {
	w   *gemm.Weights
	typ gemm.Type
}

func (f floats) size() (n, k int) { return f.w.N(), f.w.K() }
func (f floats) exact() bool      { return f.typ == gemm.F32 }
func (f floats) bytes() int64 {
	if f.typ.Native() {
		return 2 * int64(f.w.N()) * int64(f.w.K())
	}
	return 4 * int64(f.w.N()) * int64(f.w.K())
}

type quantised struct{ w *qgemm.Weights }

func (q quantised) size() (n, k int) { return q.w.N(), q.w.K() }
func (q quantised) exact() bool      { return false }
func (q quantised) bytes() int64     { return int64(q.w.Bytes()) }

// input is the left side of products, m rows of k values without gaps.
type input struct {
	x    []float32
	m, k int
	at   []int32 // where gathered rows begin

	q     qgemm.Activations // rows in bytes
	ready *float32          // the first of those that q has already
	jobs  []qgemm.Job

	half halfJobs
}

// product is c = x wᵀ, rows ldc apart, for the rows of the input that are
// named, all where rows is nil.
type product struct {
	c    []float32
	ldc  int
	rows []int32
	w    matrix
}

// expect makes room for m rows of x in bytes, which a stage then sets one by
// one while they are in the cache.
func (in *input) expect(x []float32, m, k int) {
	in.q.Reserve(m, k)
	in.ready = &x[0]
}

// multiply computes several products of m rows of k values; those with
// quantised weights together, so that the pool meets once.
func (in *input) multiply(p *par.Pool, x []float32, m, k int, all []product) {
	in.x, in.m, in.k = x[:m*k], m, k
	in.jobs = in.jobs[:0]
	for i := range all {
		j := &all[i]
		switch w := j.w.(type) {
		case quantised:
			in.jobs = append(in.jobs, qgemm.Job{C: j.c, Ldc: j.ldc, X: &in.q, Rows: j.rows, W: w.w})
		case floats:
			in.floats(p, j, w.w)
		case *halves:
			in.half.jobs = append(in.half.jobs, *j)
		}
	}
	if len(in.half.jobs) > 0 {
		in.half.multiply(p, in)
	}
	if len(in.jobs) == 0 {
		return
	}
	if in.ready != &x[0] {
		in.q.Quantize(p, in.x, k, m, k)
		in.ready = nil
	}
	qgemm.MulMany(p, in.jobs)
	clear(in.jobs)
}

// floats computes a product with kernel/gemm.
func (in *input) floats(p *par.Pool, j *product, w *gemm.Weights) {
	if j.rows == nil {
		gemm.MulPacked(p, j.c, j.ldc, in.m, gemm.View{P: in.x, Row: in.k, K: 1}, w, gemm.Opt{})
		return
	}
	in.at = in.at[:0]
	for _, r := range j.rows {
		in.at = append(in.at, r*int32(in.k))
	}
	gemm.MulRows(p, j.c, j.ldc, gemm.Rows{P: in.x, At: in.at, Seg: oneSegment[:], SegLen: in.k}, w, 0, gemm.Opt{})
}

var oneSegment [1]int32
