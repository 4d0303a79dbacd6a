package text

import (
	"fmt"
	"math"

	"kuai/kernel/gemm"
	"kuai/kernel/vec"
	"kuai/mem"
	"kuai/par"
	"kuai/text/attention"
	"kuai/text/checkpoint"
	"kuai/text/weight"
)

// rowsPerTask is how many rows an element-wise task takes: enough to be worth
// a hand-over, few enough to share a chunk out.
const rowsPerTask = 16

// maxPassValues bounds the address space of a pass; memory is taken as it is
// used.
const maxPassValues = 1 << 38

// part is a session's share of a pass.
type part struct {
	s      *Session
	row, n int // its rows of the pass
	pos    int // position of the first
	frozen int // leading rows whose keys and values the cache has already

	logits []float32 // [V] of the last row, or nil
	all    []float32 // [n-frozen, V], or nil
}

// pass is one run through the layers, and the memory it works in. A model has
// one; all buffers are for its greatest number of rows.
type pass struct {
	m     *Model
	pool  *par.Pool
	arena *mem.Arena

	parts  []part
	tokens []int32 // [N]
	n      int
	single []int // parts of one row, for the linear layers
	drafts []draft

	layer *layer
	task  func(p *pass, task, worker int)
	call  func(task, worker int) // runs task, made once

	lookUp func() error // runs embedRows, made once

	x, h, y    []float32 // [N, E]: the stream, a normalised input, a branch's output
	q, k, v, g []float32 // [N, H·D]; k and v fewer in softmax layers
	o          []float32 // [N, H·D]
	cos, sin   []float32 // [N, D]
	logits     []float32 // [headRows, V]

	moe      experts
	feed     *feedForward         // the present one
	attn     *attention.Attention // of layers that see everything
	local    *attention.Attention // of layers with a window; nil: there are none
	tail     []float32            // of each worker: what a convolution keeps
	in       weight.Input
	products []weight.Product
	head     heads

	// rounded has the products of prompts within mixers round to bfloat16, at
	// twice the speed: for models whose weights are coarser still.
	rounded bool
}

// newPass reserves the memory for passes of at most rows rows.
func newPass(m *Model, rows int) (*pass, error) {
	c := &m.config
	p := &pass{m: m, pool: m.pool}
	hd := c.Heads * c.HeadDim
	used := max(c.ExpertsUsed, 1)
	routed := rows * used
	size := rows*(3*c.Hidden+5*hd+2*c.HeadDim) + headRows*(c.Vocab+c.Hidden) + routed*(3*c.FeedForward+c.Hidden) + rows*c.Experts
	if size > maxPassValues {
		return nil, fmt.Errorf("text: a pass of %d tokens needs %d values, at most %d", rows, size, maxPassValues)
	}
	p.arena = mem.NewArena(4*size + 64*mem.Align)
	get := func(n int) []float32 { return mem.Make[float32](p.arena, n) }
	p.x, p.h, p.y = get(rows*c.Hidden), get(rows*c.Hidden), get(rows*c.Hidden)
	p.q, p.k, p.v, p.g, p.o = get(rows*hd), get(rows*hd), get(rows*hd), get(rows*hd), get(rows*hd)
	p.cos, p.sin = get(rows*c.HeadDim), get(rows*c.HeadDim)
	p.logits, p.head.x = get(headRows*c.Vocab), get(headRows*c.Hidden)
	p.moe.gu, p.moe.act = get(routed*2*c.FeedForward), get(routed*c.FeedForward)
	p.moe.out, p.moe.scores = get(routed*c.Hidden), get(rows*c.Experts)
	p.moe.reserve(c, rows)
	p.attn = attention.New(p.pool, &m.layout, c.Heads)
	if c.Companion.Window > 0 {
		p.local = attention.New(p.pool, &m.layout, c.Heads)
		p.local.Window = c.Companion.Window
	}
	p.tail = make([]float32, p.pool.Workers()*c.Companion.Conv*hd)
	p.tokens = make([]int32, 0, rows)
	p.call = func(task, worker int) { p.task(p, task, worker) }
	p.lookUp = func() error { p.each((*pass).embedRows); return nil }
	return p, nil
}

// begin empties the pass, of what a panic may have left as well.
func (p *pass) begin() {
	p.products = p.products[:0]
	p.in.Reset()
	p.parts, p.tokens, p.single, p.drafts, p.n = p.parts[:0], p.tokens[:0], p.single[:0], p.drafts[:0], 0
}

// add makes the tokens the next part: those that the cache knows already, and
// new ones.
func (p *pass) add(pt part, known, tokens []int32) {
	pt.row, pt.n, pt.frozen = p.n, len(known)+len(tokens), len(known)
	if pt.n == 1 {
		p.single = append(p.single, len(p.parts))
	}
	p.parts = append(p.parts, pt)
	p.tokens = append(append(p.tokens, known...), tokens...)
	p.n += pt.n
}

// do runs n tasks of a stage. f is a function without a closure, so that
// nothing is allocated; what it needs stands in the pass.
func (p *pass) do(n int, f func(p *pass, task, worker int)) {
	p.task = f
	p.pool.Do(n, p.call)
	p.task = nil
}

// each runs a stage that takes rows, a block a task.
func (p *pass) each(f func(p *pass, task, worker int)) {
	p.do((p.n+rowsPerTask-1)/rowsPerTask, f)
}

// span returns the rows of a task of each.
func (p *pass) span(task int) (from, to int) {
	return task * rowsPerTask, min((task+1)*rowsPerTask, p.n)
}

// multiply computes the collected products of n rows of x and forgets them.
func (p *pass) multiply(x []float32, m, k int) {
	p.in.Multiply(p.pool, x, m, k, p.products)
	clear(p.products)
	p.products = p.products[:0]
}

// want collects a product.
func (p *pass) want(c []float32, ldc int, w weight.Matrix) {
	p.products = append(p.products, weight.Product{C: c, Ldc: ldc, W: w})
}

// embed looks the tokens up: all that a pass reads of the model's files.
func (p *pass) embed() error {
	if p.m.src == nil {
		p.each((*pass).embedRows)
		return nil
	}
	return p.m.src.Guard(p.lookUp)
}

// run computes the pass after embed: states, caches and the wanted logits.
func (p *pass) run() {
	if p.m.layout.Layers > 0 {
		p.rotary()
		p.plan(p.attn, p.m.lastSees)
		p.plan(p.local, false)
	}
	p.wanted()
	c := &p.m.config
	for i := range p.m.layers {
		p.layer = &p.m.layers[i]
		p.expect(p.h, p.n, c.Hidden)
		p.each((*pass).mixerNorm)
		p.layer.mixer.mix(p)
		if i == len(p.m.layers)-1 && !p.narrow() {
			break
		}
		p.want(p.y, c.Hidden, p.layer.out)
		p.multiply(p.o, p.n, c.Heads*c.HeadDim)
		p.expect(p.h, p.n, c.Hidden)
		p.each((*pass).mixerResidual)
		p.layer.mlp.run(p)
		p.each((*pass).mlpResidual)
	}
	p.layer = nil
	for _, a := range [...]*attention.Attention{p.attn, p.local} {
		if a != nil {
			a.Begin() // its pages belong to the sessions
		}
	}
	p.outputs()
}

// plan shares the pass's attention out, for the wanted rows alone or for all; a
// may be nil.
func (p *pass) plan(a *attention.Attention, wanted bool) {
	if a == nil {
		return
	}
	a.Begin()
	for i := range p.parts {
		pt := &p.parts[i]
		from, to := 0, pt.n
		if wanted {
			from, to = pt.wanted()
		}
		if from < to {
			one := attention.Part{Row: pt.row + from, N: to - from, Pos: pt.pos + from, Pages: pt.s.pages}
			if pt.s.room != nil && a == p.attn {
				one.Far, one.Before = pt.s.far, p.m.before
			}
			a.Add(one)
		}
	}
	a.Plan()
}

// wanted returns the rows of a part whose logits are wanted.
func (pt *part) wanted() (from, to int) {
	switch {
	case pt.all != nil:
		return pt.frozen, pt.n
	case pt.logits != nil:
		return pt.n - 1, pt.n
	}
	return 0, 0
}

// narrow leaves only the rows whose logits are wanted, once the last state and
// cache are made, and says whether there are any.
func (p *pass) narrow() bool {
	c := &p.m.config
	e, hd := c.Hidden, c.Heads*c.HeadDim
	rows := p.head.row
	if len(rows) < p.n {
		for i, r := range rows {
			copy(p.x[i*e:][:e], p.x[int(r)*e:][:e])
			copy(p.h[i*e:][:e], p.h[int(r)*e:][:e])
			copy(p.o[i*hd:][:hd], p.o[int(r)*hd:][:hd])
			rows[i] = int32(i)
		}
		p.n = len(rows)
		p.in.Forget()
	}
	return p.n > 0
}

// expect has the next stage leave its rows in bytes too, with setRow, where the
// present layer's weights want them so.
func (p *pass) expect(x []float32, m, k int) {
	p.in.Forget()
	if p.layer.bytes && k%weight.Block == 0 {
		p.in.Expect(x, m, k)
	}
}

// setRows leaves rows in bytes, as expect has announced.
func (p *pass) setRows(x []float32, from, to, k int) {
	p.in.SetRows(x, from, to, k)
}

// embedRows looks the tokens of a block of rows up.
func (p *pass) embedRows(task, _ int) {
	e := p.m.config.Hidden
	from, to := p.span(task)
	for i := from; i < to; i++ {
		p.m.embedding.Row(p.x[i*e:][:e], int(p.tokens[i]))
	}
	if p.m.config.Companion.Conv > 0 {
		p.embedPairs(from, to)
	}
}

// mixerNorm makes the mixer's input.
func (p *pass) mixerNorm(task, _ int) { p.norm(task, p.layer.mixerNorm) }

func (p *pass) norm(task int, w []float32) {
	e := p.m.config.Hidden
	from, to := p.span(task)
	vec.RMSNorm(p.h[from*e:to*e], nil, p.x[from*e:to*e], w, to-from, e, p.m.config.NormEps)
	p.setRows(p.h, from, to, e)
}

// mixerResidual adds the mixer's output to the stream and makes the input of
// the feed-forward.
func (p *pass) mixerResidual(task, _ int) {
	p.residual(task, p.layer.mixerScale)
	p.norm(task, p.layer.mlpNorm)
}

// mlpResidual adds the feed-forward's output to the stream.
func (p *pass) mlpResidual(task, _ int) { p.residual(task, p.layer.mlpScale) }

// residual computes x = alpha r + beta y, where r is the stream or, in a model
// with post-norm, the branch's input.
func (p *pass) residual(task int, s checkpoint.Scales) {
	e := p.m.config.Hidden
	from, to := p.span(task)
	x, y := p.x[from*e:to*e], p.y[from*e:to*e]
	switch {
	case p.m.config.PostNorm:
		vec.Scale(x, p.h[from*e:to*e], s.Alpha)
	case s.Alpha != 1:
		vec.Scale(x, x, s.Alpha)
	}
	if s.Beta == 1 {
		vec.Acc(x, y)
	} else {
		vec.Axpy(x, s.Beta, y)
	}
}

// typ is how the products of prompts within mixers round.
func (p *pass) typ() gemm.Type {
	if p.rounded {
		return gemm.BF16
	}
	return gemm.F32
}

// rotary makes the table of the rows' positions. Angles are taken in float64:
// at a position of a million a float32 angle is wrong by 0.06.
func (p *pass) rotary() {
	p.each(func(p *pass, task, _ int) {
		d, freq := p.m.config.HeadDim, p.m.frequencies
		from, to := p.span(task)
		for i := from; i < to; i++ {
			cos, sin := p.cos[i*d:][:d], p.sin[i*d:][:d]
			for j, f := range freq {
				s, c := math.Sincos(float64(p.position(i)) * f)
				cos[2*j], cos[2*j+1] = float32(c), float32(c)
				sin[2*j], sin[2*j+1] = float32(-s), float32(s)
			}
			for j := 2 * len(freq); j < d; j++ {
				cos[j], sin[j] = 1, 0
			}
		}
	})
}

// position returns the position of a row in its session.
func (p *pass) position(row int) int {
	pt := p.partOf(row)
	return pt.pos + row - pt.row
}

// partOf returns the part of a row.
func (p *pass) partOf(row int) *part {
	lo, hi := 0, len(p.parts)
	for hi-lo > 1 {
		mid := (lo + hi) / 2
		if p.parts[mid].row <= row {
			lo = mid
		} else {
			hi = mid
		}
	}
	return &p.parts[lo]
}
