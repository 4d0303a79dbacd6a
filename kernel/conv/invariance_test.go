package conv

import (
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
	"testing"

	"kuai/kernel/gemm"
	"kuai/mem"
	"kuai/par"
)

// layers are shapes of a video autoencoder, too large for the twin.
var layers = []Shape{
	{4, 3, 8, 8, 96, 128, 2, 3, 3},
	{3, 2, 16, 16, 96, 96, 1, 3, 3},
	{2, 2, 64, 64, 16, 16, 1, 3, 3},
	{2, 1, 64, 64, 16, 3, 1, 3, 3},
	{1, 3, 32, 32, 48, 64, 3, 3, 3},
	{2, 3, 16, 16, 300, 12, 2, 1, 1},
}

// results runs all directions of a convolution.
func results(p *par.Pool, a *mem.Arena, typ gemm.Type, s Shape) [][]float32 {
	r := rand.New(rand.NewPCG(9, 10))
	x, w, dy := random(r, s.pixels()*s.Cin), random(r, s.Cout*s.K()), random(r, s.pixels()*s.Cout)
	y, dx := nan(len(dy)), nan(len(x))
	dw, db := make([]float32, len(w)), make([]float32, s.Cout)
	Forward(p, a, s, y, x, nil, Pack(p, typ, s, w), nil)
	BackData(p, a, s, dx, dy, PackBack(p, typ, s, w), false)
	BackWeights(p, a, typ, s, dw, db, x, dy)
	return [][]float32{y, dx, dw, db, x, w, dy}
}

// TestWorkers checks that the number of workers changes no bit.
func TestWorkers(t *testing.T) {
	for _, typ := range []gemm.Type{gemm.F32, gemm.BF16} {
		for _, s := range layers {
			want := results(nil, nil, typ, s)
			for _, workers := range []int{2, 3} {
				p := par.New(workers)
				a := mem.NewArena(1 << 28)
				for i, got := range results(p, a, typ, s) {
					if !slices.Equal(got, want[i]) {
						t.Errorf("type %d, %+v: with %d workers result %d differs", typ, s, workers, i)
					}
				}
				a.Close()
				p.Close()
			}
		}
	}
}

// dot is the product of two arrays in float64.
func dot(a, b []float32) (sum float64) {
	for i, v := range a {
		sum += float64(v) * float64(b[i])
	}
	return sum
}

// TestAdjoint checks <dy, conv(x)> = <BackData(dy), x> = <BackWeights(dy, x), w>.
func TestAdjoint(t *testing.T) {
	for _, typ := range []gemm.Type{gemm.F32, gemm.BF16} {
		for _, s := range layers {
			v := results(nil, nil, typ, s)
			y, dx, dw, x, w, dy := v[0], v[1], v[2], v[4], v[5], v[6]
			want := dot(dy, y)
			// The products are sums of random signs: their size is that of the vectors.
			size := math.Sqrt(dot(dy, dy) * dot(y, y) / float64(len(y)))
			tol := map[gemm.Type]float64{gemm.F32: 1e-5, gemm.BF16: 0.02}[typ] * size
			if got := dot(dx, x); math.Abs(got-want) > tol {
				t.Errorf("type %d, %+v: <dx, x> is %v, <dy, y> %v", typ, s, got, want)
			}
			if got := dot(dw, w); math.Abs(got-want) > tol {
				t.Errorf("type %d, %+v: <dw, w> is %v, <dy, y> %v", typ, s, got, want)
			}
		}
	}
}

// TestDepthwiseWorkers checks the same for depthwise convolutions.
func TestDepthwiseWorkers(t *testing.T) {
	r := rand.New(rand.NewPCG(11, 12))
	for _, s := range []Shape{
		{B: 5, T: 3, H: 8, W: 8, Cin: 96, KT: 1, KH: 3, KW: 3},
		{B: 3, T: 7, H: 5, W: 8, Cin: 72, KT: 3, KH: 1, KW: 1},
	} {
		n, nw := s.pixels()*s.Cin, s.KT*s.KH*s.KW*s.Cin
		x, w, dy := random(r, n), random(r, nw), random(r, n)
		run := func(p *par.Pool) []float32 {
			y, dx, dw := nan(n), make([]float32, n), make([]float32, nw)
			Depthwise(p, s, y, x, w)
			DepthwiseBack(p, s, dx, dw, dy, x, w)
			return slices.Concat(y, dx, dw)
		}
		want := run(nil)
		for _, workers := range []int{2, 3} {
			p := par.New(workers)
			if !slices.Equal(run(p), want) {
				t.Errorf("%+v: with %d workers the result differs", s, workers)
			}
			p.Close()
		}
	}
}

// TestNoAllocations checks that a training step's convolutions leave the heap
// alone.
func TestNoAllocations(t *testing.T) {
	a := mem.NewArena(1 << 26)
	defer a.Close()
	r := rand.New(rand.NewPCG(13, 14))
	s := Shape{2, 2, 8, 8, 32, 48, 2, 3, 3}
	x, w, dy := random(r, s.pixels()*s.Cin), random(r, s.Cout*s.K()), random(r, s.pixels()*s.Cout)
	y, dx, dw, db := nan(len(dy)), nan(len(x)), make([]float32, len(w)), make([]float32, s.Cout)
	d := Shape{B: 1, T: 2, H: 8, W: 8, Cin: 32, KT: 1, KH: 3, KW: 3}
	kernel := w[:9*32]
	for _, typ := range []gemm.Type{gemm.F32, gemm.BF16} {
		packed, back := Pack(nil, typ, s, w), PackBack(nil, typ, s, w)
		for name, f := range map[string]func(){
			"forward":   func() { Forward(nil, a, s, y, x, nil, packed, db) },
			"data":      func() { BackData(nil, a, s, dx, dy, back, true) },
			"weights":   func() { BackWeights(nil, a, typ, s, dw, db, x, dy) },
			"depthwise": func() { Depthwise(nil, d, y[:4096], x[:4096], kernel) },
			"back":      func() { DepthwiseBack(nil, d, dx[:4096], dw[:288], dy[:4096], x[:4096], kernel) },
		} {
			t.Run(fmt.Sprintf("type=%d/%s", typ, name), func(t *testing.T) {
				if n := testing.AllocsPerRun(20, f); n > 0 {
					t.Errorf("%v allocations a call", n)
				}
			})
		}
	}
}
