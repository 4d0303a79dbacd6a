package text

import (
	"kuai/kernel/attn"
	"kuai/text/checkpoint"
	"kuai/text/weight"
)

// loader builds a model's layers. Errors are kept: the first one ends Open.
type loader struct {
	m      *Model
	config *Config
	src    *checkpoint.Checkpoint
	packer *weight.Packer

	tasks []func()
	err   error
}

// fail keeps the first error.
func (l *loader) fail(err error) {
	if l.err == nil {
		l.err = err
	}
}

// rows returns a tensor as rows and checks its shape.
func (l *loader) rows(part string, i, x int, shape ...int) checkpoint.Rows {
	r, err := l.src.Rows(part, i, x, shape...)
	if err != nil {
		l.fail(err)
	}
	return r
}

// vector returns a tensor of one dimension as float32.
func (l *loader) vector(part string, i, n int) []float32 {
	r := l.rows(part, i, -1, n)
	if r.Data == nil {
		return make([]float32, n)
	}
	return r.Floats()
}

// pack has a matrix made of rows, in the given order unless it is nil.
func (l *loader) pack(dst *weight.Matrix, r checkpoint.Rows, order []int) {
	if r.Data == nil {
		return // an error is kept already
	}
	l.m.config.Parameters += int64(r.N) * int64(r.K)
	matrix := l.packer.Plan(r, order)
	l.tasks = append(l.tasks, func() {
		*dst = matrix()
		l.m.config.WeightBytes += (*dst).Bytes()
	})
}

// run packs everything, one matrix after the other by all workers, or takes it
// from the cache.
func (l *loader) run(o Options) error {
	if l.err != nil {
		return l.err
	}
	var cache *weight.Cache
	if o.Cache != "" {
		identity, err := l.src.Identity()
		if err != nil {
			return err
		}
		cache = weight.NewCache(o.Cache, l.m.path, identity, l.packer)
	}
	var cached bool
	l.m.weights, cached = l.packer.Reserve(cache)
	for i, f := range l.tasks {
		f()
		l.tasks[i] = nil
	}
	told := o.Cached
	if told == nil {
		told = func(bool, error) {}
	}
	switch {
	case cached:
		told(true, nil)
	case cache != nil && l.m.weights != nil:
		l.m.storing.Go(func() { told(false, l.packer.Store(cache)) })
	}
	return nil
}

// turned is the order in which rotary pairs, rotary/2 apart in each head, become
// neighbours.
func turned(heads, d, rotary int) []int {
	order := make([]int, heads*d)
	for i := range order {
		h, j := i/d*d, i%d
		order[i] = i
		if j < rotary {
			order[i] = h + j/2 + j%2*(rotary/2)
		}
	}
	return order
}

// out loads what projects a mixer's output back.
func (l *loader) out(dst *weight.Matrix, i int) {
	l.pack(dst, l.rows("attn_output", i, -1, l.config.Hidden, l.config.Heads*l.config.HeadDim), nil)
}

// softmax loads a layer of softmax attention.
func (l *loader) softmax(i int) mixer {
	c := l.config
	e, hd, kv := c.Hidden, c.Heads*c.HeadDim, c.KVHeads*c.HeadDim
	a := &softmaxMixer{heads: c.Heads, kvHeads: c.KVHeads, d: c.HeadDim, hidden: e, hdd: hd}
	var orderQ, orderK []int
	if !l.src.Neighbours() {
		orderQ, orderK = turned(c.Heads, c.HeadDim, c.RotaryDim), turned(c.KVHeads, c.HeadDim, c.RotaryDim)
	}
	l.pack(&a.q, l.rows("attn_q", i, -1, hd, e), orderQ)
	l.pack(&a.k, l.rows("attn_k", i, -1, kv, e), orderK)
	l.pack(&a.v, l.rows("attn_v", i, -1, kv, e), nil)
	return a
}

// lightning loads a layer of lightning attention. Its stored rows are q, k and
// v of one head after the other.
func (l *loader) lightning(i int) mixer {
	c := l.config
	e, hd, d := c.Hidden, c.Heads*c.HeadDim, c.HeadDim
	a := &lightning{heads: c.Heads, d: d, decay: attn.Decays(c.Heads, i, c.Layers), norm: l.vector("attn_norm_2", i, hd)}
	qkv := l.rows("attn_qkv", i, -1, 3*hd, e)
	for n, dst := range []*weight.Matrix{&a.q, &a.k, &a.v} {
		order := make([]int, hd)
		for r := range order {
			order[r] = (r/d*3+n)*d + r%d
		}
		l.pack(dst, qkv, order)
	}
	if qkv.Data != nil {
		l.m.config.Parameters -= 2 * int64(hd) * 3 * int64(e) // counted thrice
	}
	l.pack(&a.gate, l.rows("attn_gate", i, -1, hd, e), nil)
	return a
}

// feedForward loads a layer's feed-forward.
func (l *loader) feedForward(i int) *feedForward {
	c := l.config
	n := max(c.Experts, 1)
	if c.Arch == "kuai" {
		return l.kuaiFeedForward(i)
	}
	f := &feedForward{width: c.FeedForward, gate: make([]weight.Matrix, n), up: make([]weight.Matrix, n), down: make([]weight.Matrix, n)}
	if c.Experts == 0 {
		l.pack(&f.gate[0], l.rows("ffn_gate", i, -1, c.FeedForward, c.Hidden), nil)
		l.pack(&f.up[0], l.rows("ffn_up", i, -1, c.FeedForward, c.Hidden), nil)
		l.pack(&f.down[0], l.rows("ffn_down", i, -1, c.Hidden, c.FeedForward), nil)
		return f
	}
	l.router(f, i)
	for x := range n {
		gate, up, down := l.expert(i, x)
		l.pack(&f.gate[x], gate, nil)
		l.pack(&f.up[x], up, nil)
		l.pack(&f.down[x], down, nil)
	}
	return f
}

// router loads the matrix that chooses; it stays in float32, since a rounded
// score would choose another expert.
func (l *loader) router(f *feedForward, i int) {
	r := l.rows("ffn_gate_inp", i, -1, l.config.Experts, l.config.Hidden)
	if r.Data == nil {
		return
	}
	l.m.config.Parameters += int64(r.N) * int64(r.K)
	f.router = weight.Floats(l.m.pool, r)
	l.m.config.WeightBytes += f.router.Bytes()
}

// expert returns the three matrices of an expert: stacked in GGUF, fused or
// apart in safetensors.
func (l *loader) expert(i, x int) (gate, up, down checkpoint.Rows) {
	n, e, f := l.config.Experts, l.config.Hidden, l.config.FeedForward
	part := func(r checkpoint.Rows, from, n int) checkpoint.Rows {
		if r.Data == nil {
			return r
		}
		return r.Cut(from, n)
	}
	if l.src.GGUF {
		return part(l.rows("ffn_gate_exps", i, -1, n, f, e), x*f, f),
			part(l.rows("ffn_up_exps", i, -1, n, f, e), x*f, f),
			part(l.rows("ffn_down_exps", i, -1, n, e, f), x*e, e)
	}
	if t, ok := l.src.Part("gate_up_exps", i, -1); ok {
		both, err := t.Shaped(n, 2*f, e)
		if err != nil {
			l.fail(err)
		}
		return part(both, 2*x*f, f), part(both, (2*x+1)*f, f), part(l.rows("down_exps", i, -1, n, e, f), x*e, e)
	}
	return l.rows("ffn_gate_exp_n", i, x, f, e), l.rows("ffn_up_exp_n", i, x, f, e), l.rows("ffn_down_exp_n", i, x, e, f)
}
