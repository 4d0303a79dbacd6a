package eval

import (
	"math"
	"math/rand/v2"
	"testing"

	"kuai/media"
)

// ramp is a picture of 16x16 that the golden values below were made from:
// grey 8(x+y) mod 256, and the same with 10 added where x < y.
func ramp(add byte) *media.Clip {
	f := make([]byte, 16*16*3)
	for y := range 16 {
		for x := range 16 {
			v := byte(8 * (x + y))
			if x < y {
				v += add
			}
			for c := range 3 {
				f[(y*16+x)*3+c] = v
			}
		}
	}
	return &media.Clip{Width: 16, Height: 16, FPS: 12, Frames: [][]byte{f}}
}

func near(t *testing.T, name string, got, want, tolerance float64) {
	t.Helper()
	if !(math.Abs(got-want) <= tolerance) {
		t.Errorf("%s is %.6f, want %.6f", name, got, want)
	}
}

// TestMetrics compares with values of testdata/golden.py (NumPy and SciPy).
func TestMetrics(t *testing.T) {
	t.Parallel()
	a, b := ramp(0), ramp(10)
	psnr, err := PSNR(a, b)
	if err != nil {
		t.Fatal(err)
	}
	near(t, "PSNR", psnr, goldenPSNR, 1e-4)
	s, err := SSIM(a, b)
	if err != nil {
		t.Fatal(err)
	}
	near(t, "SSIM", s, goldenSSIM, 1e-5)
	if s, err = SSIM(a, a); err != nil {
		t.Fatal(err)
	}
	near(t, "SSIM of equals", s, 1, 1e-12)
	short := ramp(0)
	short.Frames = nil
	if _, err := PSNR(a, short); err == nil {
		t.Error("clips of other lengths gave no error")
	}
}

// TestFrechet checks that sets of one distribution are near, and that a shift
// of the mean costs its square.
func TestFrechet(t *testing.T) {
	t.Parallel()
	r := rand.New(rand.NewPCG(1, 2))
	sample := func(shift float32) [][]float32 {
		x := make([][]float32, 2000)
		for i := range x {
			x[i] = make([]float32, 64)
			for k := range x[i] {
				x[i][k] = float32(r.NormFloat64()) + shift
			}
		}
		return x
	}
	a := sample(0)
	same, err := Frechet(a, sample(0))
	if err != nil {
		t.Fatal(err)
	}
	near(t, "distance of one distribution", same, 0, 0.5)
	far, err := Frechet(a, sample(2))
	if err != nil {
		t.Fatal(err)
	}
	var want float64
	for _, v := range project([][]float32{repeat(2, 64)})[0] {
		want += v * v
	}
	near(t, "distance of a shift", far, want, 0.1*want+0.5)
	if _, err := Frechet(a[:3], a); err == nil {
		t.Error("three clips gave no error")
	}
}

func repeat(v float32, n int) []float32 {
	x := make([]float32, n)
	for i := range x {
		x[i] = v
	}
	return x
}

// Made by testdata/golden.py.
const (
	goldenPSNR = 31.42139080132135
	goldenSSIM = 0.9764967203730893
)
