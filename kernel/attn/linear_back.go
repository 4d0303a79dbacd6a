package attn

import (
	"kuai/kernel/gemm"
	"kuai/kernel/vec"
	"kuai/par"
)

// LinearBack adds the gradients of Linear to dq, dk and dv. o is what Linear
// gave, do its gradient; all are [B, N, NH, D]. It costs 5·B·N·NH·D²
// multiply-adds, of which one part repeats the sums of the forward.
func LinearBack(p *par.Pool, typ gemm.Type, s Shape, dq, dk, dv, do, o, q, k, v []float32, r Rotary, eps float32) {
	s.square()
	s.queries(dq, dk, dv, do, o, q, k, v)
	s.rotary(r)
	s.eachStrip(p, func(t strip) {
		at := func(x []float32, i int) rows { return s.cut(x, s.N, t).from(i) }
		w := t.heads() * s.D
		l := newLinearStrip(typ, s, r, t, w*s.D+w+linearBlock*(s.D+w+1))
		defer l.mem.free()
		l.sums(at(k, 0), at(v, 0))
		g := &linearGrad{
			linearStrip: l, dkv: l.mem.take(w * s.D), dksum: l.mem.take(w),
			dn: l.mem.matrix(linearBlock, s.D), dx: l.mem.matrix(linearBlock, w), dden: l.mem.take(linearBlock),
		}
		clear(g.dksum)
		for i := 0; i < s.N; i += linearBlock {
			g.queries(at(dq, i), at(do, i), at(o, i), at(q, i), i, min(linearBlock, s.N-i), eps)
		}
		for i := 0; i < s.N; i += linearBlock {
			g.keys(at(dk, i), at(dv, i), at(k, i), at(v, i), i, min(linearBlock, s.N-i))
		}
	})
}

// linearGrad adds to a linearStrip the gradients of its sums.
type linearGrad struct {
	*linearStrip
	dkv   []float32
	dksum []float32
	dn    rows // gradient of a block's numerators, of one head
	dx    rows // gradient of a block's rotated positions
	dden  []float32
}

// queries handles n queries from i on: dq, dkv and dksum.
func (g *linearGrad) queries(dq, do, o, q rows, i, n int, eps float32) {
	d := g.s.D
	prefetch(0, n, g.width, do, o, dq)
	qr := g.rotated(q, i, n)
	dden := g.dden[:n]
	into, acc := g.unrotated(dq)
	for h := range g.heads {
		c := h * d
		qh, doh, oh := q.right(c), do.right(c), o.right(c)
		inv := g.denominators(qh, h, n, eps)
		vec.DotRows(dden, doh.p, doh.stride, oh.p, oh.stride, d)
		for j, x := range dden {
			dden[j] = -x * inv[j]
		}
		vec.ScaleRows(g.dn.p, d, doh.p, doh.stride, inv, d)
		product(g.typ, into.right(c), n, d, d, g.dn.as(), g.square(g.kv, h).as(), acc)
		product(g.typ, g.square(g.dkv, h), d, d, n, qr.right(c).t(), g.dn.t(), i > 0)
		dqh := dq.right(c)
		vec.AxpyRows(dqh.p, dqh.stride, dden, g.ksum[c:], 0, d)
		vec.AxpyRows(g.dksum[c:], 0, dden, qh.p, qh.stride, d)
	}
	g.rotateBack(dq, i, n)
}

// keys handles n keys and values from i on.
func (g *linearGrad) keys(dk, dv, k, v rows, i, n int) {
	d := g.s.D
	prefetch(0, n, g.width, v, dv, dk)
	kr := g.rotated(k, i, n)
	into, acc := g.unrotated(dk)
	for h := range g.heads {
		c := h * d
		product(g.typ, dv.right(c), n, d, d, kr.right(c).as(), g.square(g.dkv, h).t(), true)
		product(g.typ, into.right(c), n, d, d, v.right(c).as(), g.square(g.dkv, h).as(), acc)
	}
	vec.AxpyRows(dk.p, dk.stride, g.ones[:n], g.dksum, 0, g.width)
	g.rotateBack(dk, i, n)
}

// unrotated is where gradients of rotated positions go: to scratch, or added
// to dx itself if nothing is rotated.
func (g *linearGrad) unrotated(dx rows) (into rows, acc bool) {
	if g.r.Cos == nil {
		return dx, true
	}
	return g.dx, false
}

// rotateBack adds the scratch of unrotated to dx.
func (g *linearGrad) rotateBack(dx rows, i, n int) {
	if g.r.Cos == nil {
		return
	}
	d := g.s.D
	vec.RopeRowsBack(dx.p, dx.stride, g.dx.p, g.width, g.r.Cos[i*d:][:n*d], g.r.Sin[i*d:][:n*d], n, g.heads, d)
}
