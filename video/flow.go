package video

import (
	"math"
	"math/rand/v2"
)

// Rectified flow: a noisy latent is x_t = (1-t) x_0 + t ε, and the transformer
// learns the velocity ε - x_0 that leads from clean (t = 0) to noise (t = 1).
//
// Source: Liu et al., Flow Straight and Fast, arXiv:2209.03003; the logit
// normal timesteps and the shift: Esser et al., arXiv:2403.03206.

// SampleTimestep draws a training timestep: logit-normal, shifted towards
// noise.
func SampleTimestep(r *rand.Rand, shift float32) float32 {
	u := 1 / (1 + math.Exp(-r.NormFloat64()))
	return shiftTimestep(float32(u), shift)
}

// shiftTimestep moves t in [0, 1] towards 1 for shift > 1.
func shiftTimestep(t, shift float32) float32 {
	return shift * t / (1 + (shift-1)*t)
}

// Noise fills dst with Gaussian noise.
func Noise(r *rand.Rand, dst []float32) {
	for i := range dst {
		dst[i] = float32(r.NormFloat64())
	}
}

// Mix writes the noisy latent at timestep t to noisy and the velocity to
// learn to velocity.
func Mix(noisy, velocity, clean, noise []float32, t float32) {
	for i, c := range clean {
		noisy[i] = c + t*(noise[i]-c)
		velocity[i] = noise[i] - c
	}
}

// timesteps returns the steps+1 timesteps of a sampler, from 1 down to 0.
func timesteps(steps int, shift float32) []float32 {
	ts := make([]float32, steps+1)
	for i := range ts {
		ts[i] = shiftTimestep(1-float32(i)/float32(steps), shift)
	}
	return ts
}
