package attn

import (
	"kuai/kernel/gemm"
	"kuai/kernel/vec"
	"kuai/par"
)

// linearBlock is how many positions pass through the first-level cache at once.
const linearBlock = 256

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
	s.eachHead(p, func(b, h int) {
		l := newLinearHead(typ, s, r)
		defer l.mem.free()
		l.sums(s.head(k, s.N, b, h), s.head(v, s.N, b, h))
		oh, qh := s.head(o, s.N, b, h), s.head(q, s.N, b, h)
		for i := 0; i < s.N; i += linearBlock {
			n := min(linearBlock, s.N-i)
			ob := oh.from(i)
			inv := l.denominators(qh.from(i), n, eps)
			product(typ, ob, n, s.D, s.D, l.rotated(qh, i, n).as(), l.kv.t(), false)
			vec.ScaleRows(ob.p, ob.stride, ob.p, ob.stride, inv, s.D)
		}
	})
}

// linearHead is the work of one head.
type linearHead struct {
	typ   gemm.Type
	s     Shape
	r     Rotary
	mem   *scratch
	kv    rows      // Σ R(k)ᵀ v, [D, D]
	ksum  []float32 // Σ k, [D]
	block rows      // rotated positions
	inv   []float32 // 1 over the denominators of a block
	ones  []float32
}

func newLinearHead(typ gemm.Type, s Shape, r Rotary) *linearHead {
	d := s.D
	m := borrow(2*d*d + 2*d + 3*linearBlock*d + 3*linearBlock)
	return &linearHead{
		typ: typ, s: s, r: r, mem: m,
		kv: m.matrix(d, d), ksum: m.take(d), block: m.matrix(linearBlock, d),
		inv: m.take(linearBlock), ones: m.filled(linearBlock, 1),
	}
}

// rotated returns n positions of x from i on with the rotary embedding.
func (l *linearHead) rotated(x rows, i, n int) rows {
	x = x.from(i)
	if l.r.Cos == nil {
		return x
	}
	d := l.s.D
	vec.RopeRows(l.block.p, d, x.p, x.stride, l.r.Cos[i*d:][:n*d], l.r.Sin[i*d:][:n*d], n, d)
	return l.block
}

// sums makes kv and ksum.
func (l *linearHead) sums(k, v rows) {
	d := l.s.D
	clear(l.ksum)
	for i := 0; i < l.s.N; i += linearBlock {
		n := min(linearBlock, l.s.N-i)
		kb := k.from(i)
		vec.AxpyRows(l.ksum, 0, l.ones[:n], kb.p, kb.stride, d)
		product(l.typ, l.kv, d, d, n, l.rotated(k, i, n).t(), v.from(i).t(), i > 0)
	}
}

// denominators returns 1/(q·ksum+eps) of n positions.
func (l *linearHead) denominators(q rows, n int, eps float32) []float32 {
	inv := l.inv[:n]
	vec.DotRows(inv, q.p, q.stride, l.ksum, 0, l.s.D)
	for i, x := range inv {
		inv[i] = 1 / (x + eps)
	}
	return inv
}

// LinearBack adds the gradients of Linear to dq, dk and dv. o is what Linear
// gave, do its gradient; all are [B, N, NH, D]. It costs 5·B·N·NH·D²
// multiply-adds, of which one part repeats the sums of the forward.
func LinearBack(p *par.Pool, typ gemm.Type, s Shape, dq, dk, dv, do, o, q, k, v []float32, r Rotary, eps float32) {
	s.square()
	s.queries(dq, dk, dv, do, o, q, k, v)
	s.eachHead(p, func(b, h int) {
		at := func(x []float32) rows { return s.head(x, s.N, b, h) }
		l := newLinearHead(typ, s, r)
		defer l.mem.free()
		l.sums(at(k), at(v))
		g := &linearGrad{
			linearHead: l, dkv: l.mem.matrix(s.D, s.D), dksum: l.mem.take(s.D),
			dn: l.mem.matrix(linearBlock, s.D), dx: l.mem.matrix(linearBlock, s.D), dden: l.mem.take(linearBlock),
		}
		clear(g.dksum)
		for i := 0; i < s.N; i += linearBlock {
			g.queries(at(dq), at(do).from(i), at(o).from(i), at(q), i, eps)
		}
		for i := 0; i < s.N; i += linearBlock {
			g.keys(at(dk), at(dv).from(i), at(k), at(v).from(i), i)
		}
	})
}

// linearGrad adds to a linearHead the gradients of its sums.
type linearGrad struct {
	*linearHead
	dkv   rows
	dksum []float32
	dn    rows // gradient of a block's numerators
	dx    rows // gradient of a block's rotated positions
	dden  []float32
}

// queries handles the block of queries at i: dq, dkv and dksum.
func (g *linearGrad) queries(dq, do, o, q rows, i int, eps float32) {
	d := g.s.D
	n := min(linearBlock, g.s.N-i)
	qb := q.from(i)
	inv := g.denominators(qb, n, eps)
	dden := g.dden[:n]
	vec.DotRows(dden, do.p, do.stride, o.p, o.stride, d)
	for j, x := range dden {
		dden[j] = -x * inv[j]
	}
	vec.ScaleRows(g.dn.p, d, do.p, do.stride, inv, d)
	g.throughRope(dq.from(i), i, n, g.dn.as(), g.kv.as())
	dqb := dq.from(i)
	vec.AxpyRows(dqb.p, dqb.stride, dden, g.ksum, 0, d)
	vec.AxpyRows(g.dksum, 0, dden, qb.p, qb.stride, d)
	product(g.typ, g.dkv, d, d, n, g.rotated(q, i, n).t(), g.dn.t(), i > 0)
}

// keys handles the block of keys and values at i.
func (g *linearGrad) keys(dk, dv, k, v rows, i int) {
	d := g.s.D
	n := min(linearBlock, g.s.N-i)
	product(g.typ, dv, n, d, d, g.rotated(k, i, n).as(), g.dkv.t(), true)
	g.throughRope(dk.from(i), i, n, v.as(), g.dkv.as())
	dkb := dk.from(i)
	vec.AxpyRows(dkb.p, dkb.stride, g.ones[:n], g.dksum, 0, d)
}

// throughRope adds a*b, the gradient of n rotated positions from i on, to dx
// of the positions as they were.
func (g *linearGrad) throughRope(dx rows, i, n int, a, b gemm.View) {
	d := g.s.D
	if g.r.Cos == nil {
		product(g.typ, dx, n, d, d, a, b, true)
		return
	}
	product(g.typ, g.dx, n, d, d, a, b, false)
	vec.RopeRowsBack(dx.p, dx.stride, g.dx.p, d, g.r.Cos[i*d:][:n*d], g.r.Sin[i*d:][:n*d], n, d)
}
