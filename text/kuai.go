package text

import (
	"kuai/kernel/attn"
	"kuai/kernel/vec"
	"kuai/text/attention"
	"kuai/text/checkpoint"
	"kuai/text/weight"
)

// kuaiMixer is a layer of the kuai architecture, of any kind. Queries, keys and
// values pass a short convolution; then
//
//	Lightning  q, k, v = SiLU(·), linear attention, RMSNorm of each head
//	Windowed   RMSNorm of q and k, rotary, softmax over the last positions
//	Global     RMSNorm of q and k, q times log n, softmax over everything
//
// and sigmoid(W_g h) gates the output.
type kuaiMixer struct {
	kind             checkpoint.Kind
	q, k, v, gate    weight.Matrix
	conv             []float32 // [taps, (H+2·KV)·D], the present first
	values           []float32 // [V, KV·D], or none
	norm             []float32 // [D] of each head's output, Lightning
	normQ, normK     []float32 // [D], the others
	decay            []float32 // [H], Lightning
	heads, kvHeads   int
	d, taps          int
	cache            int // index among the layers with a cache
	room             int // index among those that a room keeps
	hidden, hdd, kvd int // E, H·D, KV·D
}

func (a *kuaiMixer) needs() needs {
	n := needs{state: (a.taps - 1) * (a.hdd + 2*a.kvd), cache: a.kind != checkpoint.Lightning}
	if a.kind == checkpoint.Lightning {
		n.state += a.matrices()
	}
	return n
}

// matrices is the size of the recurrent state, which comes before the tails of
// the convolution.
func (a *kuaiMixer) matrices() int {
	if a.kind != checkpoint.Lightning {
		return 0
	}
	return a.heads * a.d * a.d
}

// kuai loads a layer's mixer.
func (l *loader) kuai(i int) mixer {
	c := l.config
	k := &c.Companion
	a := &kuaiMixer{kind: c.Kinds[i], heads: c.Heads, kvHeads: c.KVHeads, d: c.HeadDim, taps: k.Conv, hidden: c.Hidden}
	if a.kind == checkpoint.Lightning {
		a.kvHeads = c.Heads
		before := 0
		for _, kind := range c.Kinds[:i] {
			if kind == checkpoint.Lightning {
				before++
			}
		}
		a.decay = checkpoint.KuaiDecays(k.LightningRates(c)[before])
		a.norm = l.vector("attn_norm_2", i, c.HeadDim)
	} else {
		a.normQ, a.normK = l.vector("attn_q_norm", i, c.HeadDim), l.vector("attn_k_norm", i, c.HeadDim)
	}
	a.hdd, a.kvd = a.heads*a.d, a.kvHeads*a.d
	width := a.hdd + 2*a.kvd
	if qkv := l.rows("attn_qkv", i, -1, width, c.Hidden); qkv.Data != nil {
		l.pack(&a.q, qkv.Cut(0, a.hdd), nil)
		l.pack(&a.k, qkv.Cut(a.hdd, a.kvd), nil)
		l.pack(&a.v, qkv.Cut(a.hdd+a.kvd, a.kvd), nil)
	}
	if conv := l.rows("attn_conv", i, -1, a.taps, width); conv.Data != nil {
		a.conv = conv.Floats()
	}
	for _, with := range k.Values {
		if with == i {
			if table := l.rows("value_embd", i, -1, c.Vocab, a.kvd); table.Data != nil {
				a.values = table.Floats()
			}
			c.Parameters += int64(c.Vocab) * int64(a.kvd)
		}
	}
	l.pack(&a.gate, l.rows("attn_gate", i, -1, a.hdd, c.Hidden), nil)
	return a
}

// kuaiFeedForward loads a layer's feed-forward: gate and up in one matrix.
func (l *loader) kuaiFeedForward(i int) *feedForward {
	c := l.config
	k := &c.Companion
	unit := func(f *feedForward, up, down string, at, x int) {
		if both := l.rows(up, i, x, 2*f.width, c.Hidden); both.Data != nil {
			l.pack(&f.gate[at], both.Cut(0, f.width), nil)
			l.pack(&f.up[at], both.Cut(f.width, f.width), nil)
		}
		l.pack(&f.down[at], l.rows(down, i, x, c.Hidden, f.width), nil)
	}
	units := func(n, width int) *feedForward {
		return &feedForward{width: width, gate: make([]weight.Matrix, n), up: make([]weight.Matrix, n), down: make([]weight.Matrix, n)}
	}
	if i < k.Dense || c.Experts == 0 {
		f := units(1, k.DenseWidth)
		unit(f, "ffn_gate_up", "ffn_down", 0, -1)
		return f
	}
	f := units(c.Experts, k.Experts)
	l.router(f, i)
	f.bias = l.vector("router_bias", i, c.Experts)
	for x := range c.Experts {
		unit(f, "gate_up_exp_n", "down_exp_n", x, x)
	}
	if k.Shared > 0 {
		f.shared = units(1, k.Shared)
		unit(f.shared, "shared_gate_up", "shared_down", 0, -1)
	}
	return f
}

// embedPairs adds the rows of the pairs of tokens to the embeddings [from, to)
// and normalises the sums.
func (p *pass) embedPairs(from, to int) {
	e, n := p.m.config.Hidden, p.m.config.Companion.Bigrams
	for i := from; n > 0 && i < to; i++ {
		before, pt := int32(-1), p.partOf(i)
		switch at := i - pt.row; {
		case at > 0:
			before = p.tokens[i-1]
		case pt.pos > 0:
			before = pt.s.tokens[pt.pos-1]
		}
		p.m.pairs.Row(p.h[i*e:][:e], int(checkpoint.BigramRow(before, p.tokens[i], n)))
		vec.Acc(p.x[i*e:][:e], p.h[i*e:][:e])
	}
	x := p.x[from*e : to*e]
	vec.RMSNorm(x, nil, x, nil, to-from, e, p.m.config.NormEps)
}

func (a *kuaiMixer) mix(p *pass) {
	p.want(p.q, a.hdd, a.q)
	p.want(p.k, a.kvd, a.k)
	p.want(p.v, a.kvd, a.v)
	p.want(p.g, a.hdd, a.gate)
	p.multiply(p.h, p.n, a.hidden)
	p.do(3*len(p.parts), (*pass).kuaiConvolve)
	if a.values != nil || a.kind == checkpoint.Lightning {
		p.each((*pass).kuaiActivate)
	}
	switch a.kind {
	case checkpoint.Lightning:
		a.lightning(p)
	case checkpoint.Windowed:
		p.each((*pass).kuaiStore)
		p.local.Run(p.o, p.q, a.cache)
	default:
		p.each((*pass).kuaiStore)
		p.do(len(p.drafts), (*pass).kuaiDraft)
		p.attn.Layer = a.room
		p.attn.Run(p.o, p.q, a.cache)
	}
	p.expect(p.o, p.n, a.hdd)
	p.each((*pass).kuaiGate)
}

// kuaiConvolve convolves the queries, the keys or the values of a part, last
// position first, so that what is read has not been written yet.
func (p *pass) kuaiConvolve(task, worker int) {
	a := p.layer.mixer.(*kuaiMixer)
	pt, keep := &p.parts[task/3], a.taps-1
	x, w, from := p.q[pt.row*a.hdd:], a.hdd, 0
	switch task % 3 {
	case 1:
		x, w, from = p.k[pt.row*a.kvd:], a.kvd, a.hdd
	case 2:
		x, w, from = p.v[pt.row*a.kvd:], a.kvd, a.hdd+a.kvd
	}
	state := p.state(pt, a.matrices()+keep*(a.hdd+2*a.kvd))
	tail := state[a.matrices()+keep*from:][:keep*w] // [keep, w], oldest first
	past := func(i int) []float32 {
		if i < 0 {
			return tail[(keep+i)*w:][:w]
		}
		return x[i*w:][:w]
	}
	next := p.tail[worker*len(p.tail)/p.pool.Workers():][:keep*w]
	for j := range keep {
		copy(next[j*w:][:w], past(pt.n-keep+j))
	}
	width := a.hdd + 2*a.kvd
	for i := pt.n - 1; i >= 0; i-- {
		row := x[i*w:][:w]
		vec.Mul(row, row, a.conv[from:][:w])
		for j := 1; j <= keep; j++ {
			vec.MulAdd(row, past(i-j), a.conv[j*width+from:][:w])
		}
	}
	copy(tail, next)
}

// kuaiActivate applies what follows the convolution in a block of rows.
func (p *pass) kuaiActivate(task, _ int) {
	a := p.layer.mixer.(*kuaiMixer)
	from, to := p.span(task)
	if a.kind == checkpoint.Lightning {
		for _, x := range [...][]float32{p.q, p.k, p.v} {
			vec.SiLU(x[from*a.hdd:to*a.hdd], x[from*a.hdd:to*a.hdd])
		}
	}
	if a.values == nil {
		return
	}
	for i := from; i < to; i++ {
		vec.Acc(p.v[i*a.kvd:][:a.kvd], a.values[int(p.tokens[i])*a.kvd:][:a.kvd])
	}
}

// lightning moves the recurrent states on.
func (a *kuaiMixer) lightning(p *pass) {
	for i := range p.parts {
		pt := &p.parts[i]
		if pt.n == 1 {
			continue
		}
		from, to := pt.row*a.hdd, (pt.row+pt.n)*a.hdd
		s := attn.Shape{B: 1, N: pt.n, M: pt.n, NH: a.heads, D: a.d}
		attn.Lightning(p.pool, p.typ(), s, p.o[from:to], p.q[from:to], p.k[from:to], p.v[from:to], a.decay, p.state(pt, a.matrices()))
	}
	p.do(len(p.single)*a.heads, (*pass).kuaiStep)
}

// kuaiStep moves one head of a single token on.
func (p *pass) kuaiStep(task, _ int) {
	a := p.layer.mixer.(*kuaiMixer)
	pt, h := &p.parts[p.single[task/a.heads]], task%a.heads
	d := a.d
	at := (pt.row*a.heads + h) * d
	s := p.state(pt, a.matrices())[h*d*d:][:d*d]
	attn.LightningStep(p.o[at:][:d], p.q[at:][:d], p.k[at:][:d], p.v[at:][:d], s, a.decay[h])
}

// kuaiStore normalises and turns a block of rows and puts keys and values into
// the cache.
func (p *pass) kuaiStore(task, _ int) {
	a := p.layer.mixer.(*kuaiMixer)
	from, to := p.span(task)
	eps := p.m.config.NormEps
	for i := from; i < to; i++ {
		cos, sin := p.cos[i*a.d:][:a.d], p.sin[i*a.d:][:a.d]
		q, k, v := p.q[i*a.hdd:][:a.hdd], p.k[i*a.kvd:][:a.kvd], p.v[i*a.kvd:][:a.kvd]
		vec.RMSNorm(q, nil, q, a.normQ, a.heads, a.d, eps)
		vec.RMSNorm(k, nil, k, a.normK, a.kvHeads, a.d, eps)
		pt := p.partOf(i)
		pos := pt.pos + i - pt.row
		if a.kind == checkpoint.Windowed {
			vec.Rope(q, q, cos, sin, 1, a.heads, a.d)
			vec.Rope(k, k, cos, sin, 1, a.kvHeads, a.d)
		} else {
			vec.Scale(q, q, checkpoint.LogScale(pos, p.m.config.Companion.LogLength))
		}
		if i-pt.row < pt.frozen && pt.s.room == nil {
			continue
		}
		pg := pt.s.pages[pos/attention.PageLen]
		for h := range a.kvHeads {
			p.m.layout.Store(pg, a.cache, h, pos%attention.PageLen, k[h*a.d:][:a.d], v[h*a.d:][:a.d])
		}
	}
}

// kuaiGate gates the outputs of a block of rows.
func (p *pass) kuaiGate(task, _ int) {
	a := p.layer.mixer.(*kuaiMixer)
	from, to := p.span(task)
	o, g := p.o[from*a.hdd:to*a.hdd], p.g[from*a.hdd:to*a.hdd]
	if a.kind == checkpoint.Lightning {
		vec.RMSNorm(o, nil, o, a.norm, (to-from)*a.heads, a.d, p.m.config.NormEps)
	}
	vec.Sigmoid(g, g)
	vec.Mul(o, o, g)
	p.setRows(p.o, from, to, a.hdd)
}
