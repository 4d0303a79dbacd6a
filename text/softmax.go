package text

import (
	"kuai/kernel/vec"
	"kuai/text/attention"
	"kuai/text/weight"
)

// softmaxMixer is grouped-query attention with a rotary embedding,
//
//	o_i = Σ_j p_ij v_j,   p_i = softmax(q_i·k_j/√D over j <= i).
//
// The rows of W_q and W_k are in the order in which pairs that turn together
// are neighbours.
type softmaxMixer struct {
	q, k, v           weight.Matrix
	heads, kvHeads, d int
	cache             int // index among the layers with a cache
	hidden, hdd       int // E, H·D
}

func (a *softmaxMixer) needs() needs { return needs{cache: true} }

func (a *softmaxMixer) mix(p *pass) {
	kv := a.kvHeads * a.d
	p.want(p.q, a.hdd, a.q)
	p.want(p.k, kv, a.k)
	p.want(p.v, kv, a.v)
	p.multiply(p.h, p.n, a.hidden)
	p.each((*pass).turnAndStore)
	p.attn.Run(p.o, p.q, a.cache)
}

// turnAndStore applies the rotary embedding to a block of rows and puts keys
// and values into the cache.
func (p *pass) turnAndStore(task, _ int) {
	a := p.layer.mixer.(*softmaxMixer)
	from, to := p.span(task)
	kv := a.kvHeads * a.d
	for i := from; i < to; i++ {
		cos, sin := p.cos[i*a.d:][:a.d], p.sin[i*a.d:][:a.d]
		q, k, v := p.q[i*a.hdd:][:a.hdd], p.k[i*kv:][:kv], p.v[i*kv:][:kv]
		vec.Rope(q, q, cos, sin, 1, a.heads, a.d)
		pt := p.partOf(i)
		if i-pt.row < pt.frozen {
			continue
		}
		vec.Rope(k, k, cos, sin, 1, a.kvHeads, a.d)
		pos := pt.pos + i - pt.row
		pg := pt.s.pages[pos/attention.PageLen]
		for h := range a.kvHeads {
			p.m.layout.Store(pg, a.cache, h, pos%attention.PageLen, k[h*a.d:][:a.d], v[h*a.d:][:a.d])
		}
	}
}
