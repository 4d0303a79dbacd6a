// Package attn has the attention kernels: softmax attention for short and
// crossed sequences, bidirectional linear attention for image and video
// transformers, and lightning attention, causal with a decay, for text. Each
// has its backward beside it.
//
// Queries, keys, values and outputs are contiguous [B, N, NH, D]; gradients are
// added to what the destination holds. Strips of heads are the tasks of the
// pool: a task runs its products serially, so results do not depend on the
// number of workers. With gemm.BF16 the products round their inputs to bf16,
// while sums, exponentials and states stay float32. Scratch memory is reused
// from call to call.
//
// Letters: B sequences, N query and M key positions, NH heads, D the width of a
// head, C the positions of a chunk.
package attn

import (
	"sync"

	"kuai/internal/check"
	"kuai/kernel/gemm"
	"kuai/kernel/vec"
	"kuai/par"
)

// Shape holds the sizes of a call.
type Shape struct {
	B  int // sequences
	N  int // query positions
	M  int // key positions; softmax attention alone may differ from N
	NH int // heads
	D  int // width of a head
}

func (s Shape) row() int { return s.NH * s.D }

// queries and keys check the lengths of slices [B, N, NH, D] and [B, M, NH, D].
func (s Shape) queries(xs ...[]float32) { s.check(s.N, xs) }
func (s Shape) keys(xs ...[]float32)    { s.check(s.M, xs) }

func (s Shape) check(n int, xs [][]float32) {
	for _, x := range xs {
		check.True(len(x) == s.B*n*s.row(), "attn: slice of %d values for [%d, %d, %d, %d]", len(x), s.B, n, s.NH, s.D)
	}
}

// length checks the lengths of other slices.
func length(n int, xs ...[]float32) {
	for _, x := range xs {
		check.True(len(x) == n, "attn: slice of %d values, want %d", len(x), n)
	}
}

// square checks a shape whose keys are as many as its queries.
func (s Shape) square() {
	check.True(s.M == s.N, "attn: %d keys for %d queries", s.M, s.N)
}

// strip is a run of neighbouring heads of one sequence, the task of a worker.
// Walking down the positions with all of its heads reads memory in whole rows.
type strip struct{ b, h0, h1 int }

func (t strip) heads() int { return t.h1 - t.h0 }

// eachStrip runs f for strips that cover all heads: whole sequences if there
// are eight or more, else at least eight parts while there are heads enough.
// The division does not depend on the number of workers.
func (s Shape) eachStrip(p *par.Pool, f func(t strip)) {
	const tasks = 8
	if s.B == 0 || s.N == 0 || s.D == 0 || s.NH == 0 {
		return
	}
	parts := min(s.NH, (tasks+s.B-1)/s.B)
	p.Do(s.B*parts, func(task, _ int) {
		b, i := task/parts, task%parts
		f(strip{b, s.NH * i / parts, s.NH * (i + 1) / parts})
	})
}

// cut is a strip's [n, heads*D] part of a [B, n, NH, D] slice.
func (s Shape) cut(x []float32, n int, t strip) rows {
	if n == 0 {
		return rows{nil, s.row()}
	}
	o := t.b*n*s.row() + t.h0*s.D
	return rows{x[o : (t.b+1)*n*s.row()-(s.NH-t.h1)*s.D], s.row()}
}

// rows is a matrix of which each row is contiguous.
type rows struct {
	p      []float32
	stride int
}

// from is the matrix without its first rows.
func (r rows) from(i int) rows { return rows{r.p[min(i*r.stride, len(r.p)):], r.stride} }

// right is the matrix without its first columns.
func (r rows) right(col int) rows { return rows{r.p[min(col, len(r.p)):], r.stride} }

// as is the matrix as a GEMM operand, t its transpose.
func (r rows) as() gemm.View { return gemm.View{P: r.p, Row: r.stride, K: 1} }
func (r rows) t() gemm.View  { return gemm.View{P: r.p, Row: 1, K: r.stride} }

// prefetch brings n rows from i on, of the width of a strip, to the cache before
// the heads take their columns.
func prefetch(i, n, width int, xs ...rows) {
	for _, x := range xs {
		vec.Prefetch(x.from(i).p, x.stride, n, width)
	}
}

// product computes c (+)= a * b, where c is [m, n] and the sum has k terms; b
// is given as [n, k].
func product(typ gemm.Type, c rows, m, n, k int, a, b gemm.View, acc bool) {
	gemm.Mul(nil, typ, c.p, c.stride, m, n, k, a, b, gemm.Opt{Acc: acc})
}

// scratch is one task's memory.
type scratch struct {
	buf  []float32
	used int
}

var scratches = sync.Pool{New: func() any { return new(scratch) }}

// borrow returns a scratch of at least n values in at most a dozen pieces.
func borrow(n int) *scratch {
	s := scratches.Get().(*scratch)
	if n += 12 * 16; len(s.buf) < n {
		s.buf = make([]float32, n)
	}
	s.used = 0
	return s
}

// take cuts the next n values off; they hold anything.
func (s *scratch) take(n int) []float32 {
	x := s.buf[s.used : s.used+n : s.used+n]
	s.used += (n + 15) &^ 15
	return x
}

func (s *scratch) matrix(m, n int) rows { return rows{s.take(m * n), n} }

func (s *scratch) free() { scratches.Put(s) }

// filled is take with every value v.
func (s *scratch) filled(n int, v float32) []float32 {
	x := s.take(n)
	vec.Fill(x, v)
	return x
}
