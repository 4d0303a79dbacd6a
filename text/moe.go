package text

import (
	"slices"

	"kuai/kernel/vec"
	"kuai/text/weight"
)

// feedForward is the gated unit of a layer, W_down(SiLU(W_gate x) * W_up x),
// or a mixture of them: a router chooses ExpertsUsed experts for each token
// and weighs them by its probabilities, made to sum to one.
type feedForward struct {
	router         weight.Matrix // nil: one expert that all tokens go to
	gate, up, down []weight.Matrix
	width          int // F

	// Another way to choose: by sigmoids of the scores, biased; the weights are
	// the sigmoids. nil: by probabilities.
	bias   []float32    // [X]
	shared *feedForward // that all tokens pass besides; nil: none
}

// experts is the memory of the feed-forwards.
type experts struct {
	gu     []float32 // [R, 2F]: gate and up; R = N·ExpertsUsed routed rows
	act    []float32 // [R, F]
	out    []float32 // [R, E]
	scores []float32 // [N, X]

	chosen []int32   // [N, used]: experts of a token
	weight []float32 // [N, used]
	where  []int32   // [N, used]: routed row
	rows   []int32   // [R]: token of a routed row
	self   []int32   // [R]: 0, 1, 2, ...
	begin  []int32   // [X+1]: first routed row of an expert
	used   int
	routed int
}

// reserve makes the routing's memory.
func (e *experts) reserve(c *Config, rows int) {
	e.used = max(c.ExpertsUsed, 1)
	n := rows * e.used
	e.chosen, e.where = make([]int32, n), make([]int32, n)
	e.weight = make([]float32, n)
	e.rows, e.self = make([]int32, n), make([]int32, n)
	for i := range e.self {
		e.self[i] = int32(i)
	}
	e.begin = make([]int32, c.Experts+2)
}

// run reads p.h and writes p.y.
func (f *feedForward) run(p *pass) {
	e := &p.moe
	c := &p.m.config
	if f.shared != nil {
		f.shared.run(p)
	}
	p.feed = f
	if f.router == nil {
		e.routed = p.n
		p.want(e.gu, 2*f.width, f.gate[0])
		p.want(e.gu[f.width:], 2*f.width, f.up[0])
		p.multiply(p.h, p.n, c.Hidden)
		p.expect(e.act, e.routed, f.width)
		p.do((p.n+rowsPerTask-1)/rowsPerTask, (*pass).gateRows)
		p.want(p.y, c.Hidden, f.down[0])
		p.multiply(e.act, p.n, f.width)
		return
	}
	p.want(e.scores, c.Experts, f.router)
	p.multiply(p.h, p.n, c.Hidden)
	p.each((*pass).route)
	e.sort(p.n, c.Experts)
	f.wantExperts(p, f.gate, e.gu, 2*f.width, e.rows)
	f.wantExperts(p, f.up, e.gu[f.width:], 2*f.width, e.rows)
	p.multiply(p.h, p.n, c.Hidden)
	p.expect(e.act, e.routed, f.width)
	p.do((e.routed+rowsPerTask-1)/rowsPerTask, (*pass).gateRows)
	f.wantExperts(p, f.down, e.out, c.Hidden, e.self)
	p.multiply(e.act, e.routed, f.width)
	p.each((*pass).combine)
}

// wantExperts collects the products of all experts that have rows.
func (f *feedForward) wantExperts(p *pass, w []weight.Matrix, c []float32, ldc int, rows []int32) {
	for x := range w {
		from, to := p.moe.begin[x], p.moe.begin[x+1]
		if from < to {
			p.products = append(p.products, weight.Product{C: c[int(from)*ldc:], Ldc: ldc, Rows: rows[from:to], W: w[x]})
		}
	}
}

// route chooses the experts of a block of rows.
func (p *pass) route(task, _ int) {
	e, n := &p.moe, p.m.config.Experts
	from, to := p.span(task)
	for i := from; i < to; i++ {
		score := e.scores[i*n:][:n]
		chosen, weight := e.chosen[i*e.used:][:e.used], e.weight[i*e.used:][:e.used]
		if bias := p.feed.bias; bias != nil {
			vec.Sigmoid(score, score)
			chooseBiased(score, bias, chosen, weight)
			continue
		}
		vec.Softmax(score, score, 1, n)
		var sum float32
		for j := range chosen {
			best := 0
			for x, s := range score {
				if s > score[best] {
					best = x
				}
			}
			chosen[j], weight[j] = int32(best), score[best]
			sum += score[best]
			score[best] = -1
		}
		for j := range weight {
			weight[j] /= sum
		}
	}
}

// chooseBiased takes the experts with the highest score plus bias, and weighs
// them by their scores.
func chooseBiased(score, bias []float32, chosen []int32, weight []float32) {
	var sum float32
	for j := range chosen {
		best := -1
		for x, s := range score {
			if !slices.Contains(chosen[:j], int32(x)) && (best < 0 || s+bias[x] > score[best]+bias[best]) {
				best = x
			}
		}
		chosen[j], weight[j] = int32(best), score[best]
		sum += score[best]
	}
	for j := range weight {
		weight[j] /= sum
	}
}

// sort gives every chosen expert of every token a row, by expert and then by
// token: a counting sort.
func (e *experts) sort(n, experts int) {
	e.routed = n * e.used
	begin := e.begin[:experts+2]
	clear(begin)
	for _, x := range e.chosen[:e.routed] {
		begin[x+2]++
	}
	for x := 2; x < len(begin); x++ {
		begin[x] += begin[x-1]
	}
	for i, x := range e.chosen[:e.routed] {
		r := begin[x+1]
		begin[x+1]++
		e.where[i], e.rows[r] = r, int32(i/e.used)
	}
}

// gateRows computes SiLU(gate) * up of a block of routed rows.
func (p *pass) gateRows(task, _ int) {
	e, f := &p.moe, p.feed.width
	from, to := task*rowsPerTask, min((task+1)*rowsPerTask, e.routed)
	vec.SwiGLU(e.act[from*f:to*f], e.gu[2*from*f:2*to*f], to-from, f)
	p.setRows(e.act, from, to, f)
}

// combine adds up each token's experts, in the order of their choice.
func (p *pass) combine(task, _ int) {
	e, d := &p.moe, p.m.config.Hidden
	from, to := p.span(task)
	for i := from; i < to; i++ {
		y := p.y[i*d:][:d]
		for j := range e.used {
			x := e.out[int(e.where[i*e.used+j])*d:][:d]
			if w := e.weight[i*e.used+j]; j == 0 && p.feed.shared == nil {
				vec.Scale(y, x, w)
			} else {
				vec.Axpy(y, w, x)
			}
		}
	}
}
