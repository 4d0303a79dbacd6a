package attn

import (
	"math"

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
	s.eachStrip(p, func(t strip) {
		l := newLightningStrip(typ, s, t, decay, 0)
		defer l.mem.free()
		at := func(x []float32, i int) rows { return s.cut(x, s.N, t).from(i) }
		st := l.states(state, t)
		for i := 0; i < s.N; i += chunk {
			n := min(chunk, s.N-i)
			qi, ki, vi, oi := at(q, i), at(k, i), at(v, i), at(o, i)
			prefetch(0, n, t.heads()*s.D, qi, ki, vi, oi)
			for h := range t.heads() {
				c := h * s.D
				l.outputs(oi.right(c), qi.right(c), ki.right(c), vi.right(c), l.square(st, h), h, n)
				l.advance(l.square(st, h), ki.right(c), vi.right(c), h, n)
			}
		}
	})
}

func (s Shape) lightning(decay, state []float32) {
	length(s.NH, decay)
	if state != nil {
		length(s.B*s.NH*s.D*s.D, state)
	}
}

// lightningStrip is the work of one strip.
type lightningStrip struct {
	typ   gemm.Type
	s     Shape
	mem   *scratch
	power []float32 // [heads, 2*chunk]: λ^i, i = 0..chunk
	fall  []float32 // [heads, 2*chunk]: λ^(chunk-1-i), i < chunk, then zeros
	x, y  rows      // [chunk, chunk]: scores, and their gradient
	a     rows      // [chunk, D]: rows scaled by the decay
	zero  []float32 // states of the scratch's own
}

// newLightningStrip borrows what a strip needs, and extra values more.
func newLightningStrip(typ gemm.Type, s Shape, t strip, decay []float32, extra int) *lightningStrip {
	n := t.heads()
	m := borrow(4*chunk*n + 2*chunk*(chunk+pad) + chunk*s.D + n*s.D*s.D + extra)
	l := &lightningStrip{
		typ: typ, s: s, mem: m, power: m.filled(2*chunk*n, 0), fall: m.filled(2*chunk*n, 0),
		x: m.matrix(chunk, chunk+pad), y: m.matrix(chunk, chunk+pad), a: m.matrix(chunk, s.D), zero: m.take(n * s.D * s.D),
	}
	for h := range n {
		p := 1.0
		power, fall := l.powers(h), l.falls(h)
		for i := range chunk + 1 {
			power[i] = float32(p)
			if i < chunk {
				fall[chunk-1-i] = float32(p)
			}
			p *= float64(decay[t.h0+h])
		}
	}
	return l
}

func (l *lightningStrip) powers(h int) []float32 { return l.power[2*chunk*h:][:2*chunk] }
func (l *lightningStrip) falls(h int) []float32  { return l.fall[2*chunk*h:][:2*chunk] }

// states is the strip's part of the caller's states, zeros where there are
// none.
func (l *lightningStrip) states(state []float32, t strip) []float32 {
	if state == nil {
		clear(l.zero)
		return l.zero
	}
	dd := l.s.D * l.s.D
	return state[(t.b*l.s.NH+t.h0)*dd:][:t.heads()*dd]
}

// square is the [D, D] matrix of head h among states.
func (l *lightningStrip) square(x []float32, h int) rows {
	dd := l.s.D * l.s.D
	return rows{x[h*dd:][:dd], l.s.D}
}

// decayed multiplies score ij of a chunk by λ^(i-j), and by 0 above the
// diagonal.
func (l *lightningStrip) decayed(x rows, h, n int) {
	fall := l.falls(h)
	for i := range n {
		row := x.p[i*x.stride:][:n]
		vec.Mul(row, row, fall[chunk-1-i:][:n])
	}
}

// outputs computes a chunk of a head: what its own keys give and what the
// state gives.
func (l *lightningStrip) outputs(o, q, k, v, st rows, h, n int) {
	d := l.s.D
	product(l.typ, l.x, n, n, d, q.as(), k.as(), false)
	l.decayed(l.x, h, n)
	product(l.typ, o, n, d, n, l.x.as(), v.t(), false)
	vec.ScaleRows(l.a.p, d, q.p, q.stride, l.powers(h)[1:n+1], d)
	product(l.typ, o, n, d, d, l.a.as(), st.t(), true)
}

// advance moves the state past a chunk.
func (l *lightningStrip) advance(st, k, v rows, h, n int) {
	d := l.s.D
	vec.ScaleRows(l.a.p, d, k.p, k.stride, l.falls(h)[chunk-n:chunk], d)
	vec.Scale(st.p, st.p, l.powers(h)[n])
	product(l.typ, st, d, d, n, l.a.t(), v.t(), true)
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
