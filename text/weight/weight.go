// Package weight holds the matrices of a language model, packed for the kernels
// that multiply by them: floats for kernel/gemm, blocks of quantised values for
// kernel/qgemm, half precision as it is. An [Input] computes several products of
// the same rows together.
package weight

import (
	"kuai/kernel/gemm"
	"kuai/kernel/qgemm"
	"kuai/par"
)

// Matrix is a weight [n, k], packed.
type Matrix interface {
	Size() (n, k int)
	Bytes() int64
	Exact() bool // in float32
}

// Block is how many values of k kernel/qgemm takes at a time.
const Block = 32

// InBytes says whether a matrix wants its inputs in bytes.
func InBytes(m Matrix) bool {
	_, ok := m.(quantised)
	return ok
}

type floats struct {
	w   *gemm.Weights
	typ gemm.Type
}

func (f floats) Size() (n, k int) { return f.w.N(), f.w.K() }
func (f floats) Exact() bool      { return f.typ == gemm.F32 }
func (f floats) Bytes() int64 {
	if f.typ.Native() {
		return 2 * int64(f.w.N()) * int64(f.w.K())
	}
	return 4 * int64(f.w.N()) * int64(f.w.K())
}

type quantised struct{ w *qgemm.Weights }

func (q quantised) Size() (n, k int) { return q.w.N(), q.w.K() }
func (q quantised) Exact() bool      { return false }
func (q quantised) Bytes() int64     { return int64(q.w.Bytes()) }

// Input is the left side of products, m rows of k values without gaps.
type Input struct {
	x    []float32
	m, k int
	at   []int32 // where gathered rows begin

	q     qgemm.Activations // rows in bytes
	ready *float32          // the first of those that q has already
	jobs  []qgemm.Job

	half halfJobs
}

// Product is C = x Wᵀ, rows of C Ldc apart, for the rows of the input that are
// named, all where Rows is nil.
type Product struct {
	C    []float32
	Ldc  int
	Rows []int32
	W    Matrix
}

// Expect makes room for m rows of x in bytes, which a stage then sets one by
// one while they are in the cache.
func (in *Input) Expect(x []float32, m, k int) {
	in.q.Reserve(m, k)
	in.ready = &x[0]
}

// SetRows leaves rows of x, k values each, in bytes, where Expect has announced
// x; elsewhere it does nothing. Several goroutines may set different rows.
func (in *Input) SetRows(x []float32, from, to, k int) {
	if in.ready == &x[0] {
		for i := from; i < to; i++ {
			in.q.SetRow(i, x[i*k:][:k])
		}
	}
}

// Forget takes back what Expect has announced.
func (in *Input) Forget() { in.ready = nil }

// Reset forgets all, of what a panic may have left as well.
func (in *Input) Reset() { in.half.jobs, in.ready = in.half.jobs[:0], nil }

// Multiply computes several products of m rows of k values; those with
// quantised weights together, so that the pool meets once.
func (in *Input) Multiply(p *par.Pool, x []float32, m, k int, all []Product) {
	in.x, in.m, in.k = x[:m*k], m, k
	in.jobs = in.jobs[:0]
	for i := range all {
		j := &all[i]
		switch w := j.W.(type) {
		case quantised:
			in.jobs = append(in.jobs, qgemm.Job{C: j.C, Ldc: j.Ldc, X: &in.q, Rows: j.Rows, W: w.w})
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
func (in *Input) floats(p *par.Pool, j *Product, w *gemm.Weights) {
	if j.Rows == nil {
		gemm.MulPacked(p, j.C, j.Ldc, in.m, gemm.View{P: in.x, Row: in.k, K: 1}, w, gemm.Opt{})
		return
	}
	in.at = in.at[:0]
	for _, r := range j.Rows {
		in.at = append(in.at, r*int32(in.k))
	}
	gemm.MulRows(p, j.C, j.Ldc, gemm.Rows{P: in.x, At: in.at, Seg: oneSegment[:], SegLen: in.k}, w, 0, gemm.Opt{})
}

var oneSegment [1]int32
