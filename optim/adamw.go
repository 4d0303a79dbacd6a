package optim

import (
	"slices"

	"kuai/kernel/vec"
	"kuai/nn"
	"kuai/par"
)

// AdamConfig holds the constants of AdamW. The zero value of a field stands
// for the usual one, except Decay.
type AdamConfig struct {
	Beta1, Beta2 float32 // 0.9, 0.99
	Eps          float32 // 1e-8
	Decay        float32 // decoupled, of matrices only
}

func (c AdamConfig) complete() AdamConfig {
	if c.Beta1 == 0 {
		c.Beta1 = 0.9
	}
	if c.Beta2 == 0 {
		c.Beta2 = 0.99
	}
	if c.Eps == 0 {
		c.Eps = 1e-8
	}
	return c
}

// AdamW adapts the step of each weight to the size of its gradients.
//
// Source: Loshchilov and Hutter, arXiv:1711.05101.
type AdamW struct {
	Steps int // updates so far

	config AdamConfig
	params []nn.Named
	m, v   []Slot
	pieces []piece
}

// NewAdamW returns an optimiser of the parameters.
func NewAdamW(params []nn.Named, c AdamConfig) *AdamW {
	return &AdamW{
		config: c.complete(),
		params: params,
		m:      newSlots(params, ".m"),
		v:      newSlots(params, ".v"),
		pieces: pieces(params),
	}
}

// Update changes the weights by their gradients times scale, which clipping
// sets, at the given learning rate, and clears the gradients. A parameter that
// no backward pass reached is left alone. With scale 0 the step is left out:
// the gradients, which may not be finite, are only cleared.
func (o *AdamW) Update(pool *par.Pool, rate, scale float32) {
	if scale == 0 {
		nn.ZeroGrad(o.params)
		return
	}
	o.Steps++
	a := vec.Adam{
		Rate: rate, Beta1: o.config.Beta1, Beta2: o.config.Beta2,
		Eps: o.config.Eps, Scale: scale, Step: o.Steps,
	}
	each(pool, o.pieces, func(_ int, at piece) {
		p := o.params[at.p].P
		if p.G == nil {
			return
		}
		a := a
		if p.Matrix {
			a.Decay = o.config.Decay
		}
		g := p.G[at.i:at.j]
		vec.AdamW(p.X[at.i:at.j], o.m[at.p].X[at.i:at.j], o.v[at.p].X[at.i:at.j], g, a)
		clear(g)
	})
	for _, p := range o.params {
		p.P.Changed()
	}
}

// State returns the moments, to be stored together with Steps.
func (o *AdamW) State() []Slot { return slices.Concat(o.m, o.v) }
