package vec

import "math"

// Adam holds the numbers of one AdamW step.
type Adam struct {
	Rate         float32 // learning rate
	Beta1, Beta2 float32
	Eps          float32
	Decay        float32 // decoupled weight decay; Rate*Decay*w is taken off w
	Scale        float32 // factor on the gradient first, such as from clipping; 1 to leave it
	Step         int     // from 1, for the bias corrections
}

// AdamW updates the weights w and the moments m and v from the gradient g,
//
//	m = β₁m + (1-β₁)g,  v = β₂v + (1-β₂)g²,
//	w -= rate * (m̂/(√v̂+eps) + decay*w),  m̂ = m/(1-β₁^t),  v̂ = v/(1-β₂^t).
//
// All slices have one length; g is not changed.
//
// Source: Loshchilov and Hutter, arXiv:1711.05101.
func AdamW(w, m, v, g []float32, a Adam) {
	same(len(w), len(m), len(v), len(g))
	c1 := 1 - math.Pow(float64(a.Beta1), float64(a.Step))
	c2 := math.Sqrt(1 - math.Pow(float64(a.Beta2), float64(a.Step)))
	// Multiplying both sides of the fraction by c2 leaves one factor and eps.
	k := [8]float32{
		a.Scale, 1 - a.Beta1, 1 - a.Beta2, a.Eps * float32(c2),
		-float32(float64(a.Rate) * c2 / c1), 1 - a.Rate*a.Decay,
	}
	adamW(w, m, v, g, k[:])
}
