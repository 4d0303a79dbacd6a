package nn

import (
	"math/rand/v2"
	"slices"

	"kuai/grad"
	"kuai/internal/check"
	"kuai/kernel/gemm"
	"kuai/kernel/vec"
)

// FeedForward is a gated unit, y = W_down(SiLU(W_gate x) ⊙ W_up x).
//
// Source: Shazeer, arXiv:2002.05202.
type FeedForward struct {
	GateUp *Linear `name:"gate_up_proj"` // [2F, D]: gate first, then up
	Down   *Linear `name:"down_proj"`    // [D, F]
}

// NewFeedForward returns a unit of hidden width f whose output begins at zero.
func NewFeedForward(r *rand.Rand, d, f int) *FeedForward {
	l := &FeedForward{GateUp: NewLinear(r, d, 2*f, false), Down: NewLinear(r, f, d, false)}
	clear(l.Down.W.X)
	return l
}

// Forward maps x [..., D] to the same shape.
func (l *FeedForward) Forward(t *grad.Tape, x *grad.Var) *grad.Var {
	return l.Down.Forward(t, SwiGLU(t, l.GateUp.Forward(t, x)))
}

// Experts is a mixture of gated units. A router scores the experts of each
// token by a sigmoid; the Used ones with the highest score plus bias are taken
// and weighed by their scores, made to sum to one. Balance moves the biases,
// so that no loss is needed that keeps the experts equally busy.
//
// Sources: Shazeer et al., arXiv:1701.06538; the biases: Wang et al.,
// arXiv:2408.15664, and DeepSeek-V3, arXiv:2412.19437.
type Experts struct {
	Router  *Linear        `name:"gate"`                    // [E, D]
	Bias    *Param         `name:"e_score_correction_bias"` // [E], moved by Balance alone
	Experts []*FeedForward `name:"experts"`
	Used    int

	load []int // tokens of each expert in the last forward pass
}

// NewExperts returns a mixture of n units of hidden width f, of which each
// token takes used.
func NewExperts(r *rand.Rand, d, f, n, used int) *Experts {
	l := &Experts{Router: NewLinear(r, d, n, false), Bias: newParam(n), Used: used, load: make([]int, n)}
	for range n {
		l.Experts = append(l.Experts, NewFeedForward(r, d, f))
	}
	return l
}

// Balance moves the bias of each expert by rate towards an equal share of the
// last forward pass's tokens.
func (l *Experts) Balance(rate float32) {
	total := 0
	for _, n := range l.load {
		total += n
	}
	for e, n := range l.load {
		switch mean := total / len(l.load); {
		case n > mean:
			l.Bias.X[e] -= rate
		case n < mean:
			l.Bias.X[e] += rate
		}
	}
	l.Bias.Changed()
}

// Busiest returns the load of the busiest expert in the last forward pass,
// over the mean.
func (l *Experts) Busiest() float64 {
	most, total := 0, 0
	for _, n := range l.load {
		most, total = max(most, n), total+n
	}
	return float64(most*len(l.load)) / float64(max(total, 1))
}

// mixture is a forward pass on its way. A routed row is one expert's work for
// one token; rows lie by expert and then by token.
type mixture struct {
	l      *Experts
	x      *grad.Var // [N, D]
	score  *grad.Var // [N, E]
	n, d   int
	hidden int // F
	begin  []int
	token  []int32   // [R] of a routed row
	chosen []int32   // [N, Used]
	where  []int32   // [N, Used]: routed row
	weight []float32 // [N, Used]

	in, gu, act, out []float32 // [R, D], [R, 2F], [R, F], [R, D]
}

// Forward maps x [..., D] to the same shape.
func (l *Experts) Forward(t *grad.Tape, x *grad.Var) *grad.Var {
	score := Sigmoid(t, l.Router.Forward(t, x))
	m := &mixture{l: l, x: x, score: score, n: x.Rows(), d: x.Dim(-1), hidden: l.Experts[0].Down.W.Dim(1)}
	check.True(l.Used > 0 && l.Used <= len(l.Experts), "nn: %d of %d experts used", l.Used, len(l.Experts))
	m.route(t)
	y := t.New(x.Shape...)
	m.forward(t, y.X)
	t.Then(func() {
		if dy := y.Got(); dy != nil {
			m.backward(t, dy)
		}
	})
	return y
}

// route chooses the experts and gives every choice a row.
func (m *mixture) route(t *grad.Tape) {
	used, experts := m.l.Used, len(m.l.Experts)
	routed := m.n * used
	m.token, m.chosen, m.where = make([]int32, routed), make([]int32, routed), make([]int32, routed)
	m.weight = make([]float32, routed)
	t.RowChunks(m.n, experts, func(_, i, j int) {
		for ; i < j; i++ {
			m.choose(i)
		}
	})
	m.begin = make([]int, experts+1)
	for _, e := range m.chosen {
		m.begin[e+1]++
	}
	for e := range experts {
		m.l.load[e] = m.begin[e+1]
		m.begin[e+1] += m.begin[e]
	}
	next := append([]int(nil), m.begin...)
	for i, e := range m.chosen {
		m.where[i], m.token[next[e]] = int32(next[e]), int32(i/used)
		next[e]++
	}
}

// choose takes the experts of a token.
func (m *mixture) choose(i int) {
	used, bias := m.l.Used, m.l.Bias.X
	score := m.score.X[i*len(bias):][:len(bias)]
	chosen, weight := m.chosen[i*used:][:used], m.weight[i*used:][:used]
	var sum float32
	for j := range chosen {
		best := int32(-1)
		for e := range score {
			if taken(chosen[:j], int32(e)) {
				continue
			}
			if best < 0 || score[e]+bias[e] > score[best]+bias[best] {
				best = int32(e)
			}
		}
		chosen[j], weight[j] = best, score[best]
		sum += score[best]
	}
	for j := range weight {
		weight[j] /= sum + normEps
	}
}

func taken(chosen []int32, e int32) bool {
	return slices.Contains(chosen, e)
}

// rows calls f for every expert that has routed rows [i, j).
func (m *mixture) rows(f func(e *FeedForward, i, j int)) {
	for e, unit := range m.l.Experts {
		if i, j := m.begin[e], m.begin[e+1]; i < j {
			f(unit, i, j)
		}
	}
}

func (m *mixture) forward(t *grad.Tape, y []float32) {
	d, f, routed := m.d, m.hidden, len(m.token)
	m.in, m.gu = t.Make(routed*d), t.Make(routed*2*f)
	m.act, m.out = t.Make(routed*f), t.Make(routed*d)
	t.RowChunks(routed, d, func(_, i, j int) {
		for ; i < j; i++ {
			copy(m.in[i*d:][:d], m.x.X[int(m.token[i])*d:])
		}
	})
	m.rows(func(e *FeedForward, i, j int) {
		gemm.MulPacked(t.Pool, m.gu[i*2*f:], 2*f, j-i, gemm.View{P: m.in[i*d:], Row: d, K: 1}, e.GateUp.W.forward(t, 2*f, d), gemm.Opt{})
	})
	t.RowChunks(routed, 2*f, func(_, i, j int) { vec.SwiGLU(m.act[i*f:j*f], m.gu[2*i*f:2*j*f], j-i, f) })
	m.rows(func(e *FeedForward, i, j int) {
		gemm.MulPacked(t.Pool, m.out[i*d:], d, j-i, gemm.View{P: m.act[i*f:], Row: f, K: 1}, e.Down.W.forward(t, d, f), gemm.Opt{})
	})
	used := m.l.Used
	t.RowChunks(m.n, d, func(_, i, j int) {
		for ; i < j; i++ {
			row := y[i*d:][:d]
			clear(row)
			for c := i * used; c < (i+1)*used; c++ {
				vec.Axpy(row, m.weight[c], m.out[int(m.where[c])*d:][:d])
			}
		}
	})
}

// backward runs the same way back; gradients of rows lie in the memory of what
// is no longer needed.
func (m *mixture) backward(t *grad.Tape, dy []float32) {
	d, f, routed := m.d, m.hidden, len(m.token)
	m.weightsBack(t, dy)
	dact, dgu := t.Make(routed*f), t.Make(routed*2*f)
	m.rows(func(e *FeedForward, i, j int) {
		dout := gemm.View{P: m.out[i*d:], Row: d, K: 1}
		gemm.MulPacked(t.Pool, dact[i*f:], f, j-i, dout, e.Down.W.backward(t, d, f), gemm.Opt{})
		gemm.Mul(t.Pool, t.Type, t.Grad(&e.Down.W.Var), f, d, f, j-i, gemm.View{P: m.out[i*d:], Row: 1, K: d}, gemm.View{P: m.act[i*f:], Row: 1, K: f}, gemm.Opt{Acc: true})
	})
	t.RowChunks(routed, 2*f, func(_, i, j int) {
		clear(dgu[2*i*f : 2*j*f])
		vec.SwiGLUBack(dgu[2*i*f:2*j*f], m.gu[2*i*f:2*j*f], dact[i*f:j*f], j-i, f)
	})
	din := m.out // its last use was above
	m.rows(func(e *FeedForward, i, j int) {
		gemm.Mul(t.Pool, t.Type, t.Grad(&e.GateUp.W.Var), d, 2*f, d, j-i, gemm.View{P: dgu[2*i*f:], Row: 1, K: 2 * f}, gemm.View{P: m.in[i*d:], Row: 1, K: d}, gemm.Opt{Acc: true})
		gemm.MulPacked(t.Pool, din[i*d:], d, j-i, gemm.View{P: dgu[2*i*f:], Row: 2 * f, K: 1}, e.GateUp.W.backward(t, 2*f, d), gemm.Opt{})
	})
	dx, fresh := t.Fresh(m.x)
	if dx == nil {
		return
	}
	used := m.l.Used
	t.RowChunks(m.n, d, func(_, i, j int) {
		for ; i < j; i++ {
			row := part(dx, i*d, (i+1)*d, fresh)
			for c := i * used; c < (i+1)*used; c++ {
				vec.Acc(row, din[int(m.where[c])*d:][:d])
			}
		}
	})
}

// weightsBack sends dy to the outputs of the experts, which it overwrites, and
// to the scores: with w_j = s_j/Σs, ds_j = (dw_j - Σ_k w_k dw_k)/Σs.
func (m *mixture) weightsBack(t *grad.Tape, dy []float32) {
	d, used, experts := m.d, m.l.Used, len(m.l.Experts)
	ds := t.Grad(m.score)
	t.RowChunks(m.n, d, func(_, i, j int) {
		dw := make([]float32, used)
		for ; i < j; i++ {
			g := dy[i*d:][:d]
			var mean, sum float32
			for k := range used {
				out := m.out[int(m.where[i*used+k])*d:][:d]
				w := m.weight[i*used+k]
				dw[k] = vec.Dot(g, out)
				mean += w * dw[k]
				sum += m.score.X[i*experts+int(m.chosen[i*used+k])]
				vec.Scale(out, g, w)
			}
			for k := range used {
				ds[i*experts+int(m.chosen[i*used+k])] += (dw[k] - mean) / (sum + normEps)
			}
		}
	})
}
