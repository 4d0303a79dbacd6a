package optim

import (
	"kuai/kernel/vec"
	"kuai/nn"
	"kuai/par"
)

// EMA is the exponential moving average of a model's weights, which samples
// better than the weights themselves.
type EMA struct {
	Steps int // updates so far
	Decay float32

	params []nn.Named
	avg    []Slot
	pieces []piece
}

// NewEMA returns an average that begins with the present weights.
func NewEMA(params []nn.Named, decay float32) *EMA {
	e := &EMA{Decay: decay, params: params, avg: newSlots(params, ""), pieces: pieces(params)}
	for i, p := range params {
		copy(e.avg[i].X, p.P.X)
	}
	return e
}

// Update takes the present weights in. The decay warms up as (1+n)/(10+n), so
// that the first weights are soon forgotten.
func (e *EMA) Update(pool *par.Pool) {
	n := float32(e.Steps)
	decay := min(e.Decay, (1+n)/(10+n))
	e.Steps++
	each(pool, e.pieces, func(_ int, at piece) {
		vec.Lerp(e.avg[at.p].X[at.i:at.j], e.params[at.p].P.X[at.i:at.j], 1-decay)
	})
}

// Swap exchanges the model's weights and the average, for evaluation; a second
// call undoes it. No Update may come between.
func (e *EMA) Swap(pool *par.Pool) {
	each(pool, e.pieces, func(_ int, at piece) {
		a, x := e.avg[at.p].X[at.i:at.j], e.params[at.p].P.X[at.i:at.j]
		for i := range a {
			a[i], x[i] = x[i], a[i]
		}
	})
	for _, p := range e.params {
		p.P.Changed()
	}
}

// State returns the average under the parameters' names, to be stored together
// with Steps.
func (e *EMA) State() []Slot { return e.avg }
