package conv

import (
	"kuai/internal/check"
	"kuai/kernel/gemm"
	"kuai/par"
)

// Weights is a packed weight of a convolution, for one direction: [Pack] for
// Forward, [PackBack] for BackData. It serves any B, T, H and W.
type Weights struct {
	typ     gemm.Type
	native  bool
	back    bool
	s       Shape // the kernel's sides and channels as the product sees them
	one     form
	several form // of several neighbouring pixels at a time; unset for pixels == 1
}

// form is the weight as a matrix with a row for each output of a few
// neighbouring pixels and a column for each input under any of them. With few
// output channels, the zeros where a pixel does not reach cost less than empty
// columns of a panel.
type form struct {
	pixels int
	cin    int // with padding, so that pixels begin at whole lanes
	buf    []float32
	w      *gemm.Weights
}

// Pack packs w [Cout, KT, KH, KW, Cin] for Forward. Only the kernel's sides
// and the channels of s matter.
func Pack(p *par.Pool, typ gemm.Type, s Shape, w []float32) *Weights {
	return pack(p, typ, s, w, false)
}

// PackBack packs w [Cout, KT, KH, KW, Cin] for BackData.
func PackBack(p *par.Pool, typ gemm.Type, s Shape, w []float32) *Weights {
	s.Cin, s.Cout = s.Cout, s.Cin
	return pack(p, typ, s, w, true)
}

func pack(p *par.Pool, typ gemm.Type, s Shape, w []float32, back bool) *Weights {
	s.B, s.T, s.H, s.W = 0, 0, 0, 0
	x := &Weights{typ: typ, native: typ.Native(), back: back, s: s}
	x.one = form{pixels: 1, cin: s.Cin}
	if x.native && s.KT*s.KH*s.KW > 1 {
		x.one.cin += s.Cin % 2
	}
	x.several = form{pixels: bestPixels(s), cin: x.one.cin}
	x.Repack(p, w)
	return x
}

// Repack packs new values.
func (x *Weights) Repack(p *par.Pool, w []float32) {
	check.True(len(w) == x.s.Cout*x.s.K(), "conv: weight of %d values for %+v", len(w), x.s)
	check.True(x.native == x.typ.Native(), "conv: weights of another instruction set")
	x.fill(p, &x.one, w)
	if x.several.pixels > 1 {
		x.fill(p, &x.several, w)
	}
}

// fits panics unless the weights are for this product.
func (x *Weights) fits(s Shape, back bool) {
	s.B, s.T, s.H, s.W = 0, 0, 0, 0
	if x.s != s || x.back != back {
		check.Fail("conv: weights for %+v, back %v, in %+v", x.s, x.back, s)
	}
}

// bestPixels returns how many pixels a row of the product should have for the
// least work: the share of panels' columns in use times that of non-zeros.
func bestPixels(s Shape) int {
	best, most := 1, 0.0
	for pixels := 1; pixels <= 8; pixels *= 2 {
		n := pixels * s.Cout
		use := float64(n) / float64(ceil(n, gemm.Panel)*gemm.Panel) * float64(s.KW) / float64(s.KW+pixels-1)
		if use > 1.1*most {
			best, most = pixels, use
		}
	}
	return best
}

// fill packs one form.
func (x *Weights) fill(p *par.Pool, f *form, w []float32) {
	s := x.s
	n := f.pixels * s.Cout
	k := s.KT * s.KH * (s.KW + f.pixels - 1) * f.cin
	var v gemm.View
	switch {
	case x.back && s.KT*s.KH*s.KW == 1:
		v = gemm.View{P: w, Row: 1, K: n}
	case !x.back && f.pixels == 1 && f.cin == s.Cin:
		v = gemm.View{P: w, Row: k, K: 1}
	case x.back:
		f.spreadBack(s, w, n, k)
		v = gemm.View{P: f.buf, Row: 1, K: n}
	default:
		f.spread(s, w, n, k)
		v = gemm.View{P: f.buf, Row: k, K: 1}
	}
	if f.w == nil {
		f.w = gemm.Pack(p, x.typ, v, n, k)
		return
	}
	f.w.Repack(p, v)
}

// spread writes the matrix [n, k] of a forward weight.
func (f *form) spread(s Shape, w []float32, n, k int) {
	if f.buf == nil {
		f.buf = make([]float32, n*k)
	}
	wide := s.KW + f.pixels - 1
	for row := range n {
		pixel, o := row/s.Cout, row%s.Cout
		for tap := range s.KT * s.KH * s.KW {
			to := row*k + (tap/s.KW*wide+tap%s.KW+pixel)*f.cin
			copy(f.buf[to:to+s.Cin], w[(o*s.KT*s.KH*s.KW+tap)*s.Cin:])
		}
	}
}

// spreadBack writes the matrix [k, n] for BackData of w [Cin, KT, KH, KW,
// Cout], in the names of that product: the kernel is reversed on all axes.
func (f *form) spreadBack(s Shape, w []float32, n, k int) {
	if f.buf == nil {
		f.buf = make([]float32, n*k)
	}
	wide := s.KW + f.pixels - 1
	taps := s.KT * s.KH * s.KW
	for tap := range taps {
		for pixel := range f.pixels {
			for i := range s.Cin {
				row := (tap/s.KW*wide+tap%s.KW+pixel)*f.cin + i
				copy(f.buf[row*n+pixel*s.Cout:][:s.Cout], w[(i*taps+taps-1-tap)*s.Cout:])
			}
		}
	}
}
