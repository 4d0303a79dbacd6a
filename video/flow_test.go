package video

import (
	"math/rand/v2"
	"testing"

	"kuai/internal/near"
)

// TestMixIsStraight checks that stepping back along the velocity from any
// timestep lands on the clean latent.
func TestMixIsStraight(t *testing.T) {
	t.Parallel()
	r := rand.New(rand.NewPCG(1, 2))
	clean, noise := make([]float32, 33), make([]float32, 33)
	Noise(r, clean)
	Noise(r, noise)
	noisy, velocity := make([]float32, 33), make([]float32, 33)
	for _, at := range []float32{0, 0.3, 1} {
		Mix(noisy, velocity, clean, noise, at)
		back := make([]float32, len(noisy))
		for i := range back {
			back[i] = noisy[i] - at*velocity[i]
		}
		near.Check(t, "clean", back, clean, 1e-6)
	}
}

func TestTimesteps(t *testing.T) {
	t.Parallel()
	ts := timesteps(8, 3)
	if ts[0] != 1 || ts[8] != 0 {
		t.Errorf("timesteps run from %v to %v, want from 1 to 0", ts[0], ts[8])
	}
	for i := 1; i < len(ts); i++ {
		if ts[i] >= ts[i-1] {
			t.Errorf("timestep %d is %v, not below %v", i, ts[i], ts[i-1])
		}
	}
}

func TestSampleTimestepShift(t *testing.T) {
	t.Parallel()
	r := rand.New(rand.NewPCG(3, 4))
	var mean float64
	const n = 10_000
	for range n {
		v := SampleTimestep(r, 3)
		if v < 0 || v > 1 {
			t.Fatalf("timestep %v outside [0, 1]", v)
		}
		mean += float64(v) / n
	}
	if mean < 0.65 || mean > 0.75 {
		t.Errorf("mean timestep %.3f with shift 3, want about 0.7", mean)
	}
}
