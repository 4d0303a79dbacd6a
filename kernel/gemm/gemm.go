// Package gemm multiplies matrices of float32, in f32 or with inputs rounded
// to bf16, at the speed of the machine.
//
// A product runs over panels of 32 columns of B: [N/32][K][32], in lanes of
// 32 bits, one f32 or two bf16 of neighbouring k. A tile of up to 12 rows by
// 32 columns stays in registers while k runs; rows of A are copied (and
// rounded) a block at a time into the first cache, which also gathers rows
// from anywhere and makes convolution and mixture of experts plain products.
// The order of summation is fixed: results do not depend on the number of
// workers.
//
// Letters: M rows of A and C, N rows of B and columns of C, K the common side.
package gemm

import (
	"kuai/internal/check"
	"kuai/par"
)

//go:generate go run -C _asm . -out ../tile_amd64.s -stubs ../stubs_amd64.go -pkg gemm

// Type is how the inputs of a product are rounded.
type Type uint8

const (
	// F32 multiplies in float32.
	F32 Type = iota
	// BF16 rounds both inputs to bfloat16 and adds up in float32, at twice the
	// speed where the CPU has the instruction. Storage remains float32.
	BF16
)

// View is a matrix inside a slice: element (i, k) is P[i·Row + k·K]. A
// transposed view has the strides exchanged.
type View struct {
	P      []float32
	Row, K int
}

// T returns the transposed view.
func (v View) T() View { return View{v.P, v.K, v.Row} }

// fits panics unless a view of rows x cols lies within its slice.
func (v View) fits(rows, cols int) {
	if rows > 0 && cols > 0 {
		last := (rows-1)*v.Row + (cols-1)*v.K
		if last >= len(v.P) || v.Row < 0 || v.K < 0 {
			check.Fail("gemm: view of %dx%d with strides %d, %d in %d values", rows, cols, v.Row, v.K, len(v.P))
		}
	}
}

// Rows is a matrix whose rows begin anywhere in P and consist of segments:
// element (i, s·SegLen + k) is P[At[i] + Seg[s] + k].
type Rows struct {
	P      []float32
	At     []int32
	Seg    []int32
	SegLen int
}

// Opt changes what a product does with C. The zero value overwrites C.
type Opt struct {
	Acc  bool      // add to C
	Bias []float32 // [N], added to each row; not together with Acc
}

// Mul computes C(i,j) = Σ_k A(i,k) B(j,k) for C [m, n] with rows ldc apart,
// A [m, k] and B [n, k]. B as [n, k] is the layout of a linear layer's weight;
// for a plain product pass the transposed view.
func Mul(p *par.Pool, typ Type, c []float32, ldc, m, n, k int, a, b View, o Opt) {
	w := packed.get()
	w.shape(typ, n, k)
	w.fill(p, b)
	MulPacked(p, c, ldc, m, a, w, o)
	packed.put(w)
}

// MulPacked is Mul with B packed beforehand.
func MulPacked(p *par.Pool, c []float32, ldc, m int, a View, w *Weights, o Opt) {
	a.fits(m, w.k)
	s := source{p: a.P, row: a.Row, k: a.K}
	drive(p, c, ldc, m, s, w, 0, o)
}

// MulRows is MulPacked for gathered rows. The k of A begin at the weights'
// from: A's len(Seg)·SegLen columns meet the last columns of B.
func MulRows(p *par.Pool, c []float32, ldc int, a Rows, w *Weights, from int, o Opt) {
	if len(a.Seg)*a.SegLen != w.k-from || from%2 == 1 && w.native {
		check.Fail("gemm: %d segments of %d for %d columns from %d", len(a.Seg), a.SegLen, w.k, from)
	}
	s := source{p: a.P, rows: a.At, seg: a.Seg, segLen: a.SegLen}
	drive(p, c, ldc, len(a.At), s, w, from, o)
}
