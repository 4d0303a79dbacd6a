package attn

import (
	"kuai/kernel/gemm"
	"kuai/kernel/vec"
	"kuai/par"
)

// SoftmaxBack adds the gradients of Softmax to dq, dk and dv. It makes the
// probabilities anew from q, k and lse.
//
//	dq, do, o, q  [B, N, NH, D]   o and lse as Softmax gave them
//	dk, dv, k, v  [B, M, NH, D]
//	lse           [B, NH, N]
//
// It costs 5·B·NH·N·M·D multiply-adds.
func SoftmaxBack(p *par.Pool, typ gemm.Type, s Shape, dq, dk, dv, do, o, lse, q, k, v []float32, m Mask) {
	s.queries(dq, do, o, q)
	s.keys(dk, dv, k, v)
	m.check(s)
	length(s.B*s.NH*s.N, lse)
	s.eachStrip(p, func(t strip) {
		const tile = queryTile * (keyTile + pad)
		mem := borrow(2*tile + queryTile)
		defer mem.free()
		g := &softmaxGrad{
			softmaxHead: softmaxHead{typ: typ, s: s, m: m, keys: m.keys(s, t.b), c: s.scale(), x: mem.take(tile)},
			dx:          mem.take(tile), delta: mem.take(queryTile),
		}
		all := []rows{s.cut(q, s.N, t), s.cut(o, s.N, t), s.cut(do, s.N, t), s.cut(dq, s.N, t)}
		s.eachTile(t, all, func(h, i, n int) {
			in := func(x []float32, n int) rows { return s.cut(x, n, t).right(h * s.D) }
			g.q, g.k, g.v, g.o = in(q, s.N), in(k, s.M), in(v, s.M), in(o, s.N)
			g.dq, g.dk, g.dv, g.do = in(dq, s.N), in(dk, s.M), in(dv, s.M), in(do, s.N)
			g.lse = lse[(t.b*s.NH+t.h0+h)*s.N:][:s.N]
			g.queries(i, n)
		})
	})
}

// softmaxGrad is the backward of a strip, at one head at a time.
type softmaxGrad struct {
	softmaxHead
	do, dq, dk, dv rows
	dx             []float32 // gradient of a tile's probabilities, then of its scores
	delta          []float32 // do·o of each query of a tile
}

// queries handles n queries from i on.
func (g *softmaxGrad) queries(i, n int) {
	o, do := g.o.from(i), g.do.from(i)
	vec.DotRows(g.delta[:n], do.p, do.stride, o.p, o.stride, g.s.D)
	end := g.m.seen(g.s, i+n-1, g.keys)
	for j := g.m.first(g.s, i); j < end; j += keyTile {
		g.tile(i, n, j, min(keyTile, end-j))
	}
}

// tile handles n queries from i on and w keys from j on.
func (g *softmaxGrad) tile(i, n, j, w int) {
	d := g.s.D
	x, dx := rows{g.x, w + pad}, rows{g.dx, w + pad}
	q, k, v, do := g.q.from(i), g.k.from(j), g.v.from(j), g.do.from(i)
	product(g.typ, x, n, w, d, q.as(), k.as(), false)
	product(g.typ, dx, n, w, d, do.as(), v.as(), false)
	for r := range n {
		xr, dxr := x.p[r*x.stride:][:w], dx.p[r*dx.stride:][:w]
		seen := max(0, min(w, g.m.seen(g.s, i+r, g.keys)-j))
		from := min(seen, max(0, g.m.first(g.s, i+r)-j))
		vec.SoftmaxTile(xr[from:seen], dxr[from:seen], g.c, g.lse[i+r], g.delta[r])
		for _, row := range [...][]float32{xr, dxr} {
			clear(row[:from])
			clear(row[seen:])
		}
	}
	product(g.typ, g.dv.from(j), w, d, n, x.t(), do.t(), true)
	product(g.typ, g.dk.from(j), w, d, n, dx.t(), q.t(), true)
	product(g.typ, g.dq.from(i), n, d, w, dx.as(), k.t(), true)
}
