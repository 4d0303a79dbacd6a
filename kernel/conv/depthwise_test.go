package conv

import (
	"math/rand/v2"
	"testing"

	"kuai/internal/near"
	"kuai/kernel/isa"
	"kuai/par"
)

func TestDepthwise(t *testing.T) {
	p := par.New(2)
	defer p.Close()
	isa.ForEach(t, func(t *testing.T) { checkDepthwise(t, p) })
}

func checkDepthwise(t *testing.T, p *par.Pool) {
	t.Helper()
	r := rand.New(rand.NewPCG(1, 2))
	for _, s := range []Shape{
		{B: 2, T: 3, H: 4, W: 5, Cin: 7, KT: 1, KH: 3, KW: 3},
		{B: 1, T: 4, H: 2, W: 2, Cin: 33, KT: 3, KH: 1, KW: 1},
		{B: 1, T: 1, H: 1, W: 1, Cin: 3, KT: 3, KH: 3, KW: 3},
		{B: 2, T: 2, H: 3, W: 9, Cin: 16, KT: 3, KH: 3, KW: 3},
		{B: 1, T: 2, H: 5, W: 12, Cin: 49, KT: 1, KH: 5, KW: 5},
		{B: 1, T: 1, H: 8, W: 1, Cin: 31, KT: 1, KH: 3, KW: 3},
		{B: 1, T: 2, H: 19, W: 33, Cin: 70, KT: 1, KH: 3, KW: 3},
		{B: 1, T: 17, H: 3, W: 7, Cin: 130, KT: 3, KH: 1, KW: 1},
		{B: 1, T: 1, H: 2, W: 20, Cin: 64, KT: 1, KH: 3, KW: 1},
	} {
		n, nw := s.pixels()*s.Cin, s.KT*s.KH*s.KW*s.Cin
		x, w, dy := random(r, n), random(r, nw), random(r, n)
		yr, dxr, dwr := make([]float64, n), make([]float64, n), make([]float64, nw)
		inside := func(v, n int) bool { return v >= 0 && v < n }
		for i := range n {
			c, pix := i%s.Cin, i/s.Cin
			w0, h0, t0 := pix%s.W, pix/s.W%s.H, pix/(s.W*s.H)%s.T
			for tap := range nw / s.Cin {
				dt, dh, dw := tap/(s.KH*s.KW)-s.KT/2, tap/s.KW%s.KH-s.KH/2, tap%s.KW-s.KW/2
				if !inside(t0+dt, s.T) || !inside(h0+dh, s.H) || !inside(w0+dw, s.W) {
					continue
				}
				j := (pix+(dt*s.H+dh)*s.W+dw)*s.Cin + c
				yr[i] += float64(x[j]) * float64(w[tap*s.Cin+c])
				dxr[j] += float64(dy[i]) * float64(w[tap*s.Cin+c])
				dwr[tap*s.Cin+c] += float64(dy[i]) * float64(x[j])
			}
		}
		y, dx, dw := nan(n), make([]float32, n), make([]float32, nw)
		Depthwise(p, s, y, x, w)
		DepthwiseBack(p, s, dx, dw, dy, x, w)
		near.Check(t, "y", y, f32(yr), 1e-5)
		near.Check(t, "dx", dx, f32(dxr), 1e-5)
		near.Check(t, "dw", dw, f32(dwr), 1e-5)
	}
}
