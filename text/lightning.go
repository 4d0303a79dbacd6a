package text

import (
	"kuai/kernel/attn"
	"kuai/kernel/vec"
	"kuai/text/weight"
)

// mixer is the part of a layer that mixes positions. mix reads p.h [N, E] and
// writes p.o [N, H·D], which the layer projects back; what it keeps of a
// session is what it asks for in needs.
type mixer interface {
	needs() needs
	mix(p *pass)
}

// needs is what a layer keeps of a session.
type needs struct {
	state int  // values of constant size: matrices, tails of convolutions
	cache bool // a key and a value of each position, by the model's layout
}

// lightning is linear attention with a constant decay per head,
//
//	q, k, v = SiLU(W h),   S_t = λ S_{t-1} + k_tᵀ v_t,   o_t = q_t S_t,
//
// and what it gives is sigmoid(W_g h) * RMSNorm(o).
//
// Source: MiniMax-01, arXiv:2501.08313.
type lightning struct {
	q, k, v, gate weight.Matrix
	norm          []float32 // [H·D]
	decay         []float32 // [H]
	heads, d      int
}

func (l *lightning) needs() needs { return needs{state: l.heads * l.d * l.d} }

func (l *lightning) mix(p *pass) {
	hd := l.heads * l.d
	p.want(p.q, hd, l.q)
	p.want(p.k, hd, l.k)
	p.want(p.v, hd, l.v)
	p.want(p.g, hd, l.gate)
	p.multiply(p.h, p.n, p.m.config.Hidden)
	p.each((*pass).lightningActivate)
	for i := range p.parts {
		pt := &p.parts[i]
		if pt.n == 1 {
			continue
		}
		from, to := pt.row*hd, (pt.row+pt.n)*hd
		s := attn.Shape{B: 1, N: pt.n, M: pt.n, NH: l.heads, D: l.d}
		attn.Lightning(p.pool, p.typ(), s, p.o[from:to], p.q[from:to], p.k[from:to], p.v[from:to], l.decay, p.state(pt, hd*l.d))
	}
	p.do(len(p.single)*l.heads, (*pass).lightningStep)
	p.expect(p.o, p.n, hd)
	p.each((*pass).lightningGate)
}

// state is the present layer's n values of a session.
func (p *pass) state(pt *part, n int) []float32 {
	return pt.s.state[p.layer.state:][:n]
}

// lightningActivate applies the activations of the projections.
func (p *pass) lightningActivate(task, _ int) {
	l := p.layer.mixer.(*lightning)
	hd := l.heads * l.d
	from, to := p.span(task)
	for _, x := range [...][]float32{p.q, p.k, p.v} {
		vec.SiLU(x[from*hd:to*hd], x[from*hd:to*hd])
	}
}

// lightningStep moves one head of a single token on.
func (p *pass) lightningStep(task, _ int) {
	l := p.layer.mixer.(*lightning)
	pt, h := &p.parts[p.single[task/l.heads]], task%l.heads
	d := l.d
	at := (pt.row*l.heads + h) * d
	s := p.state(pt, l.heads*d*d)[h*d*d:][:d*d]
	attn.LightningStep(p.o[at:][:d], p.q[at:][:d], p.k[at:][:d], p.v[at:][:d], s, l.decay[h])
}

// lightningGate normalises the outputs of all heads together and gates them.
func (p *pass) lightningGate(task, _ int) {
	l := p.layer.mixer.(*lightning)
	hd := l.heads * l.d
	from, to := p.span(task)
	o, g := p.o[from*hd:to*hd], p.g[from*hd:to*hd]
	vec.RMSNorm(o, nil, o, l.norm, to-from, hd, p.m.config.NormEps)
	vec.Sigmoid(g, g)
	vec.Mul(o, o, g)
	p.setRows(p.o, from, to, hd)
}
