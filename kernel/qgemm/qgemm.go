// Package qgemm multiplies by matrices whose weights are quantised to eight or
// four bits in blocks of 32, at the speed of the machine's byte products.
//
// Activations are quantised to signed bytes, each block of 32 with a scale of
// its own. The products of a block add up exactly in integers; then the block
// joins the sum in float32, in the order of k. A row's result is the same
// whatever the other rows are and however many workers there are: prefill
// equals decode to the bit.
//
// Weights lie in panels of 32 rows of W, which are columns of C:
// [N/32][K/32] blocks. A block holds groups of four k for all 32 columns,
// unsigned: byte 128·g + 4·column + k%4, eight groups of bytes or four of
// nibbles, whose high halves are the groups 4 to 7; then 32 scales in half
// precision, and 32 minima where the format has them.
package qgemm

import (
	"math"

	"kuai/internal/check"
	"kuai/mem"
	"kuai/par"
)

//go:generate go run -C _asm . -out ../tile_amd64.s -stubs ../stubs_amd64.go -pkg qgemm

const (
	panel = 32 // columns
	block = 32 // of k

	groupBytes = 128
	halfBytes  = 64
	metaLen    = 4           // values: scale, -128 times the sum (an integer's bits), scale times the sum, unused
	maxRows    = 6           // of a tile
	fewRows    = 4 * maxRows // that go over a panel together
)

// Activations are rows quantised to bytes. The zero value is ready; its memory
// is kept from one use to the next.
type Activations struct {
	m, k int
	q    []int8    // [m, k], rows pitch apart
	meta []float32 // [m, k/32, 4], rows metaPitch apart

	pitch, metaPitch int

	a    []float32 // what is being quantised
	lda  int
	task func(task, worker int) // rows, made once
}

// Rows returns how many rows there are.
func (x *Activations) Rows() int { return x.m }

// Reserve makes room for m rows of k values.
func (x *Activations) Reserve(m, k int) {
	if m < 0 || k < 0 || k%block != 0 {
		check.Fail("qgemm: %d rows of %d values, want blocks of %d", m, k, block)
	}
	x.m, x.k = m, k
	x.pitch, x.metaPitch = oddLines(k), oddLines(k/block*metaLen*4)/4
	if cap(x.q) < m*x.pitch || cap(x.meta) < m*x.metaPitch {
		x.q = mem.Make[int8](nil, m*x.pitch)
		x.meta = mem.Make[float32](nil, m*x.metaPitch)
	}
	x.q, x.meta = x.q[:m*x.pitch], x.meta[:m*x.metaPitch]
}

// oddLines rounds a row's bytes up to an odd number of cache lines: rows at a
// distance of a power of two would share a few places of the first cache.
func oddLines(n int) int { return (n+63)/64*64 | 64 }

// row returns what there is of a row.
func (x *Activations) row(i int) (q []int8, meta []float32) {
	return x.q[i*x.pitch:][:x.k], x.meta[i*x.metaPitch:][:x.k/block*metaLen]
}

// valuesPerTask is how many values a task of Quantize takes.
const valuesPerTask = 1 << 14

// Quantize rounds m rows of k values, lda apart in a: to 127 times a block's
// largest magnitude, ties to even.
func (x *Activations) Quantize(p *par.Pool, a []float32, lda, m, k int) {
	if m > 0 && (lda < k || (m-1)*lda+k > len(a)) {
		check.Fail("qgemm: %d rows of %d values, %d apart in %d", m, k, lda, len(a))
	}
	x.Reserve(m, k)
	if m*k == 0 {
		return
	}
	if m*k <= 2*valuesPerTask || p.Workers() == 1 {
		for i := range m {
			x.SetRow(i, a[i*lda:i*lda+k])
		}
		return
	}
	if x.task == nil {
		x.task = x.quantizeRows
	}
	x.a, x.lda = a, lda
	rows := max(1, valuesPerTask/k)
	p.Do((m+rows-1)/rows, x.task)
	x.a = nil
}

func (x *Activations) quantizeRows(task, _ int) {
	rows := max(1, valuesPerTask/x.k)
	for i := task * rows; i < min(x.m, (task+1)*rows); i++ {
		x.SetRow(i, x.a[i*x.lda:i*x.lda+x.k])
	}
}

// SetRow quantises one row, for callers that compute rows in parallel
// themselves after Reserve.
func (x *Activations) SetRow(i int, a []float32) {
	if x.k == 0 {
		return
	}
	q, meta := x.row(i)
	quantize(q, meta, a[:x.k])
}

// quantizeGo is the plain twin of the quantisers.
func quantizeGo(q []int8, meta, a []float32) {
	for b := range len(a) / block {
		x, out := a[b*block:(b+1)*block], q[b*block:(b+1)*block]
		var most float32
		for _, v := range x {
			most = max(most, math.Float32frombits(math.Float32bits(v)&^(1<<31)))
		}
		scale, inverse, sum := most*(1.0/127), float32(0), int32(0)
		if most > 0 {
			inverse = 127 / most
		}
		for i, v := range x {
			r := int8(math.RoundToEven(float64(v * inverse)))
			out[i] = r
			sum += int32(r)
		}
		m := meta[b*metaLen : (b+1)*metaLen]
		m[0], m[1], m[2] = scale, math.Float32frombits(uint32(-128*sum)), scale*float32(sum)
	}
}

// Job is one product: C (+)= X Wᵀ.
type Job struct {
	C   []float32 // rows ldc apart, one for each row taken of X
	Ldc int
	X   *Activations
	// Rows names the rows of X to take, in order; nil takes all.
	Rows []int32
	W    *Weights
	Acc  bool // add to C
}

func (j *Job) rows() int {
	if j.Rows != nil {
		return len(j.Rows)
	}
	return j.X.m
}

// Mul computes C [m, n] (+)= X Wᵀ, with rows ldc apart.
func Mul(p *par.Pool, c []float32, ldc int, x *Activations, w *Weights, acc bool) {
	one := [1]Job{{C: c, Ldc: ldc, X: x, W: w, Acc: acc}}
	MulMany(p, one[:])
}

// MulRows is Mul for some rows of X.
func MulRows(p *par.Pool, c []float32, ldc int, x *Activations, rows []int32, w *Weights) {
	one := [1]Job{{C: c, Ldc: ldc, X: x, Rows: rows, W: w}}
	MulMany(p, one[:])
}
