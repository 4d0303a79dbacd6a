package attn

import (
	"math"

	"kuai/internal/check"
	"kuai/kernel/gemm"
	"kuai/kernel/vec"
	"kuai/par"
)

// chunk is how many positions of lightning attention are done at once: their
// square of scores costs as much as the state's update.
const chunk = 64

// Lightning computes causal linear attention with one decay λ per head,
//
//	S_t = λ S_{t-1} + k_tᵀ v_t,   o_t = q_t S_t,
//
// a chunk of positions at a time.
//
//	q, k, v, o  [B, N, NH, D]    q scaled by the caller; o must not overlap the
//	                             inputs; s.M = s.N
//	decay       [NH]             λ in (0, 1]
//	state       [B, NH, D, D]    S_0 on entry, S_N on return: feed a sequence in
//	                             pieces. nil starts from zero and drops the end
//
// It costs 2·B·N·NH·D·(D+C) multiply-adds with C = 64.
//
// Source: Qin et al., Lightning Attention-2, arXiv:2401.04658. Twin:
// lightningRef.
func Lightning(p *par.Pool, typ gemm.Type, s Shape, o, q, k, v, decay, state []float32) {
	s.square()
	s.queries(o, q, k, v)
	s.lightning(decay, state)
	s.eachHead(p, func(b, h int) {
		l := newLightningHead(typ, s, decay[h], 0)
		defer l.mem.free()
		at := func(x []float32) rows { return s.head(x, s.N, b, h) }
		st := l.start(state, b, h)
		for i := 0; i < s.N; i += chunk {
			n := min(chunk, s.N-i)
			l.outputs(at(o).from(i), at(q).from(i), at(k).from(i), at(v).from(i), st, n)
			l.advance(st, at(k).from(i), at(v).from(i), n)
		}
	})
}

func (s Shape) lightning(decay, state []float32) {
	check.True(len(decay) == s.NH, "attn: %d decays for %d heads", len(decay), s.NH)
	check.True(state == nil || len(state) == s.B*s.NH*s.D*s.D, "attn: state of %d values", len(state))
}

// lightningHead is the work of one head.
type lightningHead struct {
	typ   gemm.Type
	s     Shape
	mem   *scratch
	power []float32 // λ^i, i = 0..chunk
	fall  []float32 // λ^(chunk-1-i), i < chunk, then chunk zeros
	x, y  rows      // [chunk, chunk]: scores, and their gradient
	a     rows      // [chunk, D]: rows scaled by the decay
	zero  []float32 // a state of the scratch's own
}

// newLightningHead borrows what a head needs, and extra values more.
func newLightningHead(typ gemm.Type, s Shape, decay float32, extra int) *lightningHead {
	m := borrow(3*chunk + 16 + 2*chunk*(chunk+pad) + chunk*s.D + s.D*s.D + extra)
	l := &lightningHead{
		typ: typ, s: s, mem: m,
		power: m.take(chunk + 1), fall: m.take(2 * chunk),
		x: m.matrix(chunk, chunk+pad), y: m.matrix(chunk, chunk+pad), a: m.matrix(chunk, s.D), zero: m.take(s.D * s.D),
	}
	p := 1.0
	for i := range l.power {
		l.power[i] = float32(p)
		p *= float64(decay)
	}
	clear(l.fall)
	for i := range chunk {
		l.fall[i] = l.power[chunk-1-i]
	}
	return l
}

// start is the state of a head, zero where the caller has none.
func (l *lightningHead) start(state []float32, b, h int) rows {
	d := l.s.D
	if state == nil {
		clear(l.zero)
		return rows{l.zero, d}
	}
	return rows{state[(b*l.s.NH+h)*d*d:][:d*d], d}
}

// decayed multiplies score ij of a chunk by λ^(i-j), and by 0 above the
// diagonal.
func (l *lightningHead) decayed(x rows, n int) {
	for i := range n {
		row := x.p[i*x.stride:][:n]
		vec.Mul(row, row, l.fall[chunk-1-i:][:n])
	}
}

// outputs computes a chunk: what its own keys give and what the state gives.
func (l *lightningHead) outputs(o, q, k, v, st rows, n int) {
	d := l.s.D
	product(l.typ, l.x, n, n, d, q.as(), k.as(), false)
	l.decayed(l.x, n)
	product(l.typ, o, n, d, n, l.x.as(), v.t(), false)
	vec.ScaleRows(l.a.p, d, q.p, q.stride, l.power[1:n+1], d)
	product(l.typ, o, n, d, d, l.a.as(), st.t(), true)
}

// advance moves the state past a chunk.
func (l *lightningHead) advance(st, k, v rows, n int) {
	d := l.s.D
	vec.ScaleRows(l.a.p, d, k.p, k.stride, l.fall[chunk-n:chunk], d)
	vec.Scale(st.p, st.p, l.power[n])
	product(l.typ, st, d, d, n, l.a.t(), v.t(), true)
}

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
	dd := s.D * s.D
	chunks := max(1, (s.N+chunk-1)/chunk)
	s.eachHead(p, func(b, h int) {
		l := newLightningHead(typ, s, decay[h], chunks*dd+chunk*s.D)
		defer l.mem.free()
		at := func(x []float32, i int) rows { return s.head(x, s.N, b, h).from(i) }
		states, scaled := l.mem.take(chunks*dd), l.mem.matrix(chunk, s.D)
		copy(states, l.start(state, b, h).p)
		for c := 1; c < chunks; c++ {
			st := rows{states[c*dd:][:dd], s.D}
			copy(st.p, states[(c-1)*dd:])
			l.advance(st, at(k, (c-1)*chunk), at(v, (c-1)*chunk), chunk)
		}
		dst := l.start(dstate, b, h)
		for c := chunks - 1; c >= 0 && s.N > 0; c-- {
			i := c * chunk
			n := min(chunk, s.N-i)
			g := lightningGrad{l, scaled, at(do, i), at(q, i), at(k, i), at(v, i), rows{states[c*dd:], s.D}, dst}
			g.queries(at(dq, i), n)
			g.keys(at(dk, i), at(dv, i), n)
			g.retreat(n)
		}
	})
}

// lightningGrad is the backward of one chunk. Its steps share scratch and run
// in the order queries, keys, retreat.
type lightningGrad struct {
	*lightningHead
	scaled      rows // do times λ^(i+1)
	do, q, k, v rows
	st, dst     rows // state before the chunk; gradient of the state after it
}

// queries makes the gradient of the scores in y, and adds to dq.
func (g *lightningGrad) queries(dq rows, n int) {
	d := g.s.D
	product(g.typ, g.y, n, n, d, g.do.as(), g.v.as(), false)
	g.decayed(g.y, n)
	product(g.typ, dq, n, d, n, g.y.as(), g.k.t(), true)
	vec.ScaleRows(g.scaled.p, d, g.do.p, g.do.stride, g.power[1:n+1], d)
	product(g.typ, dq, n, d, d, g.scaled.as(), g.st.as(), true)
}

// keys adds to dk and dv.
func (g *lightningGrad) keys(dk, dv rows, n int) {
	d := g.s.D
	product(g.typ, dk, n, d, n, g.y.t(), g.q.t(), true)
	vec.ScaleRows(g.a.p, d, g.v.p, g.v.stride, g.fall[chunk-n:chunk], d)
	product(g.typ, dk, n, d, d, g.a.as(), g.dst.as(), true)

	product(g.typ, g.x, n, n, d, g.q.as(), g.k.as(), false)
	g.decayed(g.x, n)
	product(g.typ, dv, n, d, n, g.x.t(), g.do.t(), true)
	vec.ScaleRows(g.a.p, d, g.k.p, g.k.stride, g.fall[chunk-n:chunk], d)
	product(g.typ, dv, n, d, d, g.a.as(), g.dst.t(), true)
}

// retreat moves the gradient of the state before the chunk.
func (g *lightningGrad) retreat(n int) {
	d := g.s.D
	vec.Scale(g.dst.p, g.dst.p, g.power[n])
	product(g.typ, g.dst, d, d, n, g.q.t(), g.scaled.t(), true)
}

// Decays gives the decay of each head of a layer in the scheme of MiniMax-01:
//
//	λ_h = exp(-2^(-8(h+1)/heads) * (1 - layer/(layers-1+1e-5) + 1e-5)).
//
// Source: MiniMax-01, arXiv:2501.08313, and its released code.
func Decays(heads, layer, layers int) []float32 {
	depth := 1 - float64(layer)/(float64(layers-1)+1e-5) + 1e-5
	out := make([]float32, heads)
	for h := range out {
		out[h] = float32(math.Exp(-math.Pow(2, -8*float64(h+1)/float64(heads)) * depth))
	}
	return out
}
