package nn

import (
	"math/rand/v2"

	"kuai/grad"
	"kuai/internal/check"
	"kuai/kernel/conv"
	"kuai/kernel/gemm"
	"kuai/par"
)

// CausalConv3D is a convolution over time, rows and columns that sees no later
// frame. The first frame is repeated before the clip; in space there are zeros
// around it.
type CausalConv3D struct {
	W *Param `name:"weight"` // [Cout, KT, KH, KW, Cin]
	B *Param `name:"bias"`   // [Cout]

	forth, turned cached[*conv.Weights]
}

// NewCausalConv3D returns a layer with Gaussian weights of variance 1/inputs.
func NewCausalConv3D(r *rand.Rand, cin, cout, kt, kh, kw int) *CausalConv3D {
	return &CausalConv3D{
		W: newMatrix(r, cin*kt*kh*kw, cout, kt, kh, kw, cin),
		B: newParam(cout),
	}
}

// ConvCache holds the last frames that a convolution saw of a clip that comes
// in pieces. The zero value begins a clip.
type ConvCache struct {
	past []float32 // [B, KT-1, H, W, Cin]
}

func (l *CausalConv3D) shape(x *grad.Var) conv.Shape {
	w := l.W.Shape
	check.True(len(x.Shape) == 5 && x.Shape[4] == w[4], "nn: conv of %v over %v", w, x.Shape)
	return conv.Shape{
		B: x.Shape[0], T: x.Shape[1], H: x.Shape[2], W: x.Shape[3],
		Cin: w[4], Cout: w[0], KT: w[1], KH: w[2], KW: w[3],
	}
}

// Forward maps x [B, T, H, W, Cin] to [B, T, H, W, Cout].
func (l *CausalConv3D) Forward(t *grad.Tape, x *grad.Var) *grad.Var {
	return l.forward(t, x, nil)
}

// Stream is Forward for the next piece of a clip. It does not record.
func (l *CausalConv3D) Stream(t *grad.Tape, x *grad.Var, c *ConvCache) *grad.Var {
	var y *grad.Var
	t.NoGrad(func() { y = l.forward(t, x, c.past) })
	c.keep(l.shape(x), x.X)
	return y
}

// keep remembers the last KT-1 frames, from the past where the piece is
// shorter.
func (c *ConvCache) keep(s conv.Shape, x []float32) {
	frame := s.H * s.W * s.Cin
	lead := s.KT - 1
	next := make([]float32, s.B*lead*frame)
	for b := range s.B {
		for i := range lead {
			dst := next[(b*lead+i)*frame:][:frame]
			switch f := s.T - lead + i; {
			case f >= 0:
				copy(dst, x[(b*s.T+f)*frame:])
			case c.past != nil:
				copy(dst, c.past[(b*lead+lead+f)*frame:])
			default:
				copy(dst, x[b*s.T*frame:])
			}
		}
	}
	c.past = next
}

func (l *CausalConv3D) forward(t *grad.Tape, x *grad.Var, past []float32) *grad.Var {
	s := l.shape(x)
	y := t.New(s.B, s.T, s.H, s.W, s.Cout)
	if len(past) == 0 {
		past = nil
	}
	conv.Forward(t.Pool, t.Arena, s, y.X, x.X, past, l.pack(t, &l.forth, s, conv.Pack), l.B.X)
	t.Then(func() { l.backward(t, s, x, y) })
	return y
}

func (l *CausalConv3D) backward(t *grad.Tape, s conv.Shape, x, y *grad.Var) {
	dy := y.Got()
	if dy == nil {
		return
	}
	if dx, fresh := t.Fresh(x); dx != nil {
		conv.BackData(t.Pool, t.Arena, s, dx, dy, l.pack(t, &l.turned, s, conv.PackBack), !fresh)
	}
	conv.BackWeights(t.Pool, t.Arena, t.Type, s, t.Grad(&l.W.Var), t.Grad(&l.B.Var), x.X, dy)
}

// pack returns the packed form of the weight for one direction.
func (l *CausalConv3D) pack(t *grad.Tape, c *cached[*conv.Weights], s conv.Shape, pack func(*par.Pool, gemm.Type, conv.Shape, []float32) *conv.Weights) *conv.Weights {
	return c.get(l.W.key(t.Type), func(old *conv.Weights, same bool) *conv.Weights {
		if !same {
			return pack(t.Pool, t.Type, s, l.W.X)
		}
		old.Repack(t.Pool, l.W.X)
		return old
	})
}

// DepthwiseConv convolves each channel on its own, centred and zero padded in
// space and time.
type DepthwiseConv struct {
	W *Param `name:"weight"` // [KT, KH, KW, C]
}

// NewDepthwiseConv returns a layer with Gaussian weights of variance 1/taps.
func NewDepthwiseConv(r *rand.Rand, c, kt, kh, kw int) *DepthwiseConv {
	return &DepthwiseConv{W: newParam(kt, kh, kw, c).normal(r, fanIn(kt*kh*kw))}
}

// Forward maps x [B, T, H, W, C] to the same shape.
func (l *DepthwiseConv) Forward(t *grad.Tape, x *grad.Var) *grad.Var {
	w := l.W.Shape
	check.True(len(x.Shape) == 5 && x.Shape[4] == w[3], "nn: depthwise conv of %v over %v", w, x.Shape)
	s := conv.Shape{
		B: x.Shape[0], T: x.Shape[1], H: x.Shape[2], W: x.Shape[3],
		Cin: w[3], Cout: w[3], KT: w[0], KH: w[1], KW: w[2],
	}
	y := t.New(x.Shape...)
	conv.Depthwise(t.Pool, s, y.X, x.X, l.W.X)
	t.Then(func() {
		if dy := y.Got(); dy != nil {
			conv.DepthwiseBack(t.Pool, s, t.Grad(x), t.Grad(&l.W.Var), dy, x.X, l.W.X)
		}
	})
	return y
}
