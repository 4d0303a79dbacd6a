package text

import (
	"kuai/kernel/gemm"
	"kuai/par"
)

// matrix is a weight [n, k], packed for the kernel that multiplies by it.
type matrix interface {
	size() (n, k int)
	bytes() int64
	exact() bool // in float32
}

// floats is a matrix for kernel/gemm.
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

// input is the left side of products, rows of k values without gaps.
type input struct {
	x    []float32
	m, k int
	at   []int32 // where gathered rows begin
}

// set makes m rows of k values the input.
func (in *input) set(x []float32, m, k int) {
	in.x, in.m, in.k = x[:m*k], m, k
}

// product is c = x wᵀ, rows ldc apart, for the rows of the input that are
// named, all where rows is nil.
type product struct {
	c    []float32
	ldc  int
	rows []int32
	w    matrix
}

// multiply computes several products of one input.
func (in *input) multiply(p *par.Pool, jobs []product) {
	for i := range jobs {
		j := &jobs[i]
		switch w := j.w.(type) {
		case floats:
			in.floats(p, j, w.w)
		}
	}
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
