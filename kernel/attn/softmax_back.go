package attn

import (
	"math"

	"kuai/internal/check"
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
	check.True(len(lse) == s.B*s.NH*s.N, "attn: lse of %d values", len(lse))
	s.eachHead(p, func(b, h int) {
		const tile = queryTile * (keyTile + pad)
		mem := borrow(2*tile + s.N)
		defer mem.free()
		oh := s.head(o, s.N, b, h)
		g := &softmaxGrad{
			softmaxHead: softmaxHead{
				typ: typ, s: s, m: m, keys: m.keys(s, b), c: float32(1 / math.Sqrt(float64(s.D))),
				q: s.head(q, s.N, b, h), k: s.head(k, s.M, b, h), v: s.head(v, s.M, b, h),
				lse: lse[(b*s.NH+h)*s.N:][:s.N], x: mem.take(tile),
			},
			do: s.head(do, s.N, b, h), dq: s.head(dq, s.N, b, h), dk: s.head(dk, s.M, b, h), dv: s.head(dv, s.M, b, h),
			dx: mem.take(tile), delta: mem.take(s.N),
		}
		vec.DotRows(g.delta, g.do.p, g.do.stride, oh.p, oh.stride, s.D)
		for j := 0; j < g.keys; j += keyTile {
			for i := 0; i < s.N; i += queryTile {
				g.tile(i, min(queryTile, s.N-i), j)
			}
		}
	})
}

// softmaxGrad is the backward of one head.
type softmaxGrad struct {
	softmaxHead
	do, dq, dk, dv rows
	dx             []float32 // gradient of a tile's probabilities, then of its scores
	delta          []float32 // do·o of each query
}

// tile handles n queries from i on and a tile of keys from j on.
func (g *softmaxGrad) tile(i, n, j int) {
	w := min(keyTile, g.m.seen(g.s, i+n-1, g.keys)-j)
	if w <= 0 {
		return
	}
	d := g.s.D
	x, dx := rows{g.x, w + pad}, rows{g.dx, w + pad}
	q, k, v, do := g.q.from(i), g.k.from(j), g.v.from(j), g.do.from(i)
	product(g.typ, x, n, w, d, q.as(), k.as(), false)
	product(g.typ, dx, n, w, d, do.as(), v.as(), false)
	for r := range n {
		xr, dxr := x.p[r*x.stride:][:w], dx.p[r*dx.stride:][:w]
		seen := max(0, min(w, g.m.seen(g.s, i+r, g.keys)-j))
		vec.SoftmaxTile(xr[:seen], dxr[:seen], g.c, g.lse[i+r], g.delta[i+r])
		clear(xr[seen:])
		clear(dxr[seen:])
	}
	product(g.typ, g.dv.from(j), w, d, n, x.t(), do.t(), true)
	product(g.typ, g.dk.from(j), w, d, n, dx.t(), q.t(), true)
	product(g.typ, g.dq.from(i), n, d, w, dx.as(), k.t(), true)
}
