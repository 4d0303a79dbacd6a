package attn

import (
	"kuai/kernel/gemm"
	"kuai/kernel/vec"
	"kuai/par"
)

// linearBlock is how many positions are done at once: a block of a strip with
// 256 columns, rotated, is 120 KiB and stays in the second-level cache.
const linearBlock = 120

// Rotary is the table of a rotary embedding, as vec.RopeTable spreads it; the
// zero value rotates nothing.
type Rotary struct {
	Cos, Sin []float32 // [N, D]
}

// Linear computes bidirectional linear attention, whose cost grows with N, not
// N²:
//
//	o_i = R(q_i) Σ_j R(k_j)ᵀ v_j / (q_i · Σ_j k_j + eps),
//
// where R is the rotary embedding of the position. The denominator is without
// R, so that it stays positive for the non-negative q and k (after a ReLU) that
// the method wants.
//
//	o, q, k, v  [B, N, NH, D]   o must not overlap the inputs; s.M = s.N
//
// It costs 2·B·N·NH·D² multiply-adds.
//
// Source: Xie et al., SANA, arXiv:2410.10629; Chen et al., SANA-Video,
// arXiv:2509.24695. Twin: linearRef.
func Linear(p *par.Pool, typ gemm.Type, s Shape, o, q, k, v []float32, r Rotary, eps float32) {
	s.square()
	s.queries(o, q, k, v)
	s.rotary(r)
	s.eachStrip(p, func(t strip) {
		l := newLinearStrip(typ, s, r, t, 0)
		defer l.mem.free()
		at := func(x []float32) rows { return s.cut(x, s.N, t) }
		l.sums(at(k), at(v))
		for i := 0; i < s.N; i += linearBlock {
			l.outputs(at(o).from(i), at(q).from(i), i, min(linearBlock, s.N-i), eps)
		}
	})
}

func (s Shape) rotary(r Rotary) {
	if r.Cos != nil {
		length(s.N*s.D, r.Cos, r.Sin)
	}
}

// linearStrip is the work of one strip.
type linearStrip struct {
	typ   gemm.Type
	s     Shape
	r     Rotary
	heads int
	width int // heads*D
	mem   *scratch
	kv    []float32 // Σ R(k)ᵀ v of each head, [heads, D, D]
	ksum  []float32 // Σ k, [heads, D]
	block rows      // rotated positions
	inv   []float32 // 1 over the denominators of a block
	ones  []float32
}

// newLinearStrip borrows what a strip needs, and extra values more.
func newLinearStrip(typ gemm.Type, s Shape, r Rotary, t strip, extra int) *linearStrip {
	d, w := s.D, t.heads()*s.D
	m := borrow(w*d + w + linearBlock*w + 2*linearBlock + extra)
	return &linearStrip{
		typ: typ, s: s, r: r, heads: t.heads(), width: w, mem: m,
		kv: m.take(w * d), ksum: m.take(w), block: m.matrix(linearBlock, w),
		inv: m.take(linearBlock), ones: m.filled(linearBlock, 1),
	}
}

// square is the [D, D] matrix of head h in a slice like kv.
func (l *linearStrip) square(x []float32, h int) rows {
	dd := l.s.D * l.s.D
	return rows{x[h*dd:][:dd], l.s.D}
}

// rotated returns n positions with the rotary embedding; x is from position i
// on.
func (l *linearStrip) rotated(x rows, i, n int) rows {
	if l.r.Cos == nil {
		return x
	}
	d := l.s.D
	vec.RopeRows(l.block.p, l.width, x.p, x.stride, l.r.Cos[i*d:][:n*d], l.r.Sin[i*d:][:n*d], n, l.heads, d)
	return l.block
}

// sums makes kv and ksum.
func (l *linearStrip) sums(k, v rows) {
	d := l.s.D
	clear(l.ksum)
	for i := 0; i < l.s.N; i += linearBlock {
		n := min(linearBlock, l.s.N-i)
		kb, vb := k.from(i), v.from(i)
		prefetch(0, n, l.width, vb)
		vec.AxpyRows(l.ksum, 0, l.ones[:n], kb.p, kb.stride, l.width)
		kr := l.rotated(kb, i, n)
		for h := range l.heads {
			product(l.typ, l.square(l.kv, h), d, d, n, kr.right(h*d).t(), vb.right(h*d).t(), i > 0)
		}
	}
}

// outputs computes n positions from i on.
func (l *linearStrip) outputs(o, q rows, i, n int, eps float32) {
	d := l.s.D
	prefetch(0, n, l.width, o)
	qr := l.rotated(q, i, n)
	for h := range l.heads {
		oh := o.right(h * d)
		inv := l.denominators(q.right(h*d), h, n, eps)
		product(l.typ, oh, n, d, d, qr.right(h*d).as(), l.square(l.kv, h).t(), false)
		vec.ScaleRows(oh.p, oh.stride, oh.p, oh.stride, inv, d)
	}
}

// denominators returns 1/(q·ksum+eps) of n positions of head h.
func (l *linearStrip) denominators(q rows, h, n int, eps float32) []float32 {
	inv := l.inv[:n]
	vec.DotRows(inv, q.p, q.stride, l.ksum[h*l.s.D:], 0, l.s.D)
	for i, x := range inv {
		inv[i] = 1 / (x + eps)
	}
	return inv
}
