package optim

import "math"

// Schedule gives the learning rate of a step, which counts from 0.
type Schedule func(step int) float32

// Shape is the curve of a decay from 1 to 0.
type Shape func(x float64) float64

// Linear falls evenly.
func Linear(x float64) float64 { return 1 - x }

// HalfCosine falls slowly first and last.
func HalfCosine(x float64) float64 { return (1 + math.Cos(math.Pi*x)) / 2 }

// Constant rises over the warm-up steps and stays at rate.
func Constant(rate float64, warmup int) Schedule {
	return func(step int) float32 { return float32(rate * rise(step, warmup)) }
}

// WSD warms up, is stable, and decays to 0 over the last steps, so that a
// training can be prolonged from before the decay.
//
// Source: Hu et al., MiniCPM, arXiv:2404.06395.
func WSD(rate float64, warmup, steps, decay int, shape Shape) Schedule {
	return func(step int) float32 {
		r := rate * rise(step, warmup)
		if into := step - (steps - decay); into > 0 && decay > 0 {
			r *= shape(min(float64(into)/float64(decay), 1))
		}
		return float32(r)
	}
}

// Cosine warms up and decays to floor, a share of rate, over all the steps.
//
// Source: Loshchilov and Hutter, arXiv:1608.03983.
func Cosine(rate float64, warmup, steps int, floor float64) Schedule {
	return func(step int) float32 {
		if step < warmup {
			return float32(rate * rise(step, warmup))
		}
		x := min(float64(step-warmup)/float64(max(steps-warmup, 1)), 1)
		return float32(rate * (floor + (1-floor)*HalfCosine(x)))
	}
}

// rise is the factor of a linear warm-up.
func rise(step, warmup int) float64 {
	if step >= warmup {
		return 1
	}
	return float64(step+1) / float64(warmup)
}
