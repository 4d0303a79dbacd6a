package attn

import (
	"kuai/kernel/gemm"
	"kuai/kernel/vec"
	"kuai/par"
)

// LightningBack adds the gradients of Lightning to dq, dk and dv.
//
//	dq, dk, dv, do, q, k, v  [B, N, NH, D]
//	state   [B, NH, D, D]   S_0, as Lightning found it; nil for zero
//	dstate  [B, NH, D, D]   gradient of S_N on entry, of S_0 on return; nil for
//	                        zero, and to drop it
//
// The states between the chunks are made anew; the whole costs about three
// times the forward.
func LightningBack(p *par.Pool, typ gemm.Type, s Shape, dq, dk, dv, do, q, k, v, decay, state, dstate []float32) {
	s.square()
	s.queries(dq, dk, dv, do, q, k, v)
	s.lightning(decay, state)
	s.lightning(decay, dstate)
	chunks := (s.N + chunk - 1) / chunk
	s.eachStrip(p, func(t strip) {
		size := t.heads() * s.D * s.D // of all states at one time
		l := newLightningStrip(typ, s, t, decay, chunks*size+chunk*s.D)
		defer l.mem.free()
		at := func(x []float32, i int) rows { return s.cut(x, s.N, t).from(i) }
		saved, scaled := l.mem.take(chunks*size), l.mem.matrix(chunk, s.D)
		copy(saved, l.states(state, t))
		for c := 1; c < chunks; c++ {
			i := (c - 1) * chunk
			copy(saved[c*size:][:size], saved[(c-1)*size:])
			ki, vi := at(k, i), at(v, i)
			prefetch(0, chunk, t.heads()*s.D, ki, vi)
			for h := range t.heads() {
				l.advance(l.square(saved[c*size:], h), ki.right(h*s.D), vi.right(h*s.D), h, chunk)
			}
		}
		dst := l.states(dstate, t)
		for c := chunks - 1; c >= 0; c-- {
			i := c * chunk
			n := min(chunk, s.N-i)
			prefetch(0, n, t.heads()*s.D, at(do, i), at(q, i), at(k, i), at(v, i), at(dq, i), at(dk, i), at(dv, i))
			for h := range t.heads() {
				in := func(x []float32) rows { return at(x, i).right(h * s.D) }
				g := lightningGrad{l, h, scaled, in(do), in(q), in(k), in(v), l.square(saved[c*size:], h), l.square(dst, h)}
				g.queries(in(dq), n)
				g.keys(in(dk), in(dv), n)
				g.retreat(n)
			}
		}
	})
}

// lightningGrad is the backward of one chunk of a head. Its steps share scratch
// and run in the order queries, keys, retreat.
type lightningGrad struct {
	*lightningStrip
	h           int
	scaled      rows // do times λ^(i+1)
	do, q, k, v rows
	st, dst     rows // state before the chunk; gradient of the state after it
}

// queries makes the gradient of the scores in y, and adds to dq.
func (g *lightningGrad) queries(dq rows, n int) {
	d := g.s.D
	product(g.typ, g.y, n, n, d, g.do.as(), g.v.as(), false)
	g.decayed(g.y, g.h, n)
	product(g.typ, dq, n, d, n, g.y.as(), g.k.t(), true)
	vec.ScaleRows(g.scaled.p, d, g.do.p, g.do.stride, g.powers(g.h)[1:n+1], d)
	product(g.typ, dq, n, d, d, g.scaled.as(), g.st.as(), true)
}

// keys adds to dk and dv.
func (g *lightningGrad) keys(dk, dv rows, n int) {
	d := g.s.D
	fall := g.falls(g.h)[chunk-n : chunk]
	product(g.typ, dk, n, d, n, g.y.t(), g.q.t(), true)
	vec.ScaleRows(g.a.p, d, g.v.p, g.v.stride, fall, d)
	product(g.typ, dk, n, d, d, g.a.as(), g.dst.as(), true)

	product(g.typ, g.x, n, n, d, g.q.as(), g.k.as(), false)
	g.decayed(g.x, g.h, n)
	product(g.typ, dv, n, d, n, g.x.t(), g.do.t(), true)
	vec.ScaleRows(g.a.p, d, g.k.p, g.k.stride, fall, d)
	product(g.typ, dv, n, d, d, g.a.as(), g.dst.t(), true)
}

// retreat moves the gradient of the state before the chunk.
func (g *lightningGrad) retreat(n int) {
	d := g.s.D
	vec.Scale(g.dst.p, g.dst.p, g.powers(g.h)[n])
	product(g.typ, g.dst, d, d, n, g.q.t(), g.scaled.t(), true)
}
