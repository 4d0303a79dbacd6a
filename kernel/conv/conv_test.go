package conv

import (
	"fmt"
	"math"
	"math/rand/v2"
	"testing"

	"kuai/internal/near"
	"kuai/kernel/gemm"
	"kuai/kernel/isa"
	"kuai/mem"
	"kuai/par"
)

func random(r *rand.Rand, n int) []float32 {
	x := make([]float32, n)
	for i := range x {
		x[i] = float32(r.NormFloat64())
	}
	return x
}

func nan(n int) []float32 {
	x := make([]float32, n)
	for i := range x {
		x[i] = float32(math.NaN())
	}
	return x
}

// each visits every product of the convolution: output, weight and input index.
func each(s Shape, f func(y, w, x int)) {
	for b := range s.B {
		for t := range s.T {
			for h := range s.H {
				for w := range s.W {
					for tap := range s.KT * s.KH * s.KW {
						kt, kh, kw := tap/(s.KH*s.KW), tap/s.KW%s.KH, tap%s.KW
						st, sh, sw := max(t-s.KT+1+kt, 0), h-s.KH/2+kh, w-s.KW/2+kw
						if sh < 0 || sh >= s.H || sw < 0 || sw >= s.W {
							continue
						}
						in := ((b*s.T+st)*s.H+sh)*s.W + sw
						out := ((b*s.T+t)*s.H+h)*s.W + w
						for o := range s.Cout {
							for i := range s.Cin {
								f(out*s.Cout+o, (o*s.KT*s.KH*s.KW+tap)*s.Cin+i, in*s.Cin+i)
							}
						}
					}
				}
			}
		}
	}
}

var shapes = []Shape{
	{1, 1, 1, 1, 1, 1, 1, 1, 1},
	{2, 3, 4, 5, 3, 6, 2, 3, 3},
	{1, 4, 3, 3, 5, 6, 3, 3, 3},
	{2, 2, 5, 4, 4, 33, 1, 3, 3},
	{1, 5, 2, 3, 3, 4, 3, 1, 1},
	{2, 2, 3, 3, 13, 11, 1, 1, 1},
	{3, 2, 6, 16, 16, 3, 1, 3, 3},
	{1, 2, 9, 14, 34, 16, 3, 3, 3},
	{1, 5, 40, 26, 3, 8, 2, 3, 3},
	{1, 2, 2, 5, 300, 290, 2, 3, 3},
	{5, 2, 8, 8, 33, 12, 3, 1, 1},
	{1, 2, 9, 65, 16, 40, 1, 5, 3},
}

func TestConv(t *testing.T) {
	p := par.New(2)
	defer p.Close()
	arena := mem.NewArena(1 << 28)
	defer arena.Close()
	isa.ForEach(t, func(t *testing.T) {
		for _, typ := range []gemm.Type{gemm.F32, gemm.BF16} {
			tol := map[gemm.Type]float64{gemm.F32: 1e-5, gemm.BF16: 1e-2}[typ]
			for i, s := range shapes {
				t.Run(fmt.Sprintf("type=%d/shape=%d", typ, i), func(t *testing.T) {
					checkConv(t, p, arena, typ, s, tol)
				})
			}
		}
	})
}

func checkConv(t *testing.T, p *par.Pool, arena *mem.Arena, typ gemm.Type, s Shape, tol float64) {
	t.Helper()
	r := rand.New(rand.NewPCG(1, 2))
	nx, ny, nw := s.pixels()*s.Cin, s.pixels()*s.Cout, s.Cout*s.K()
	x, w, dy, bias := random(r, nx), random(r, nw), random(r, ny), random(r, s.Cout)
	yr, dxr, dwr, dbr := make([]float64, ny), make([]float64, nx), make([]float64, nw), make([]float64, s.Cout)
	for i := range yr {
		yr[i] = float64(bias[i%s.Cout])
		dbr[i%s.Cout] += float64(dy[i])
	}
	each(s, func(yi, wi, xi int) {
		yr[yi] += float64(w[wi]) * float64(x[xi])
		dxr[xi] += float64(w[wi]) * float64(dy[yi])
		dwr[wi] += float64(x[xi]) * float64(dy[yi])
	})

	// Whatever the arena held must not matter.
	mark := arena.Mark()
	for i, dirty := 0, mem.Make[float32](arena, 1<<16); i < len(dirty); i++ {
		dirty[i] = float32(math.NaN())
	}
	arena.Release(mark)

	y := nan(ny)
	packed := Pack(p, typ, s, w)
	Forward(p, arena, s, y, x, nil, packed, bias)
	near.Check(t, "y", y, f32(yr), tol)

	flipped := PackBack(p, typ, s, w)
	dx, dw, db := make([]float32, nx), make([]float32, nw), make([]float32, s.Cout)
	BackData(p, arena, s, dx, dy, flipped, true)
	near.Check(t, "dx", dx, f32(dxr), tol)
	BackWeights(p, arena, typ, s, dw, db, x, dy)
	near.Check(t, "dw", dw, f32(dwr), tol)
	near.Check(t, "db", db, f32(dbr), 1e-5)
}

func f32(x []float64) []float32 {
	out := make([]float32, len(x))
	for i, v := range x {
		out[i] = float32(v)
	}
	return out
}

// TestStream checks that a clip convolved in pieces, each given the frames
// before it, equals the clip convolved whole.
func TestStream(t *testing.T) {
	r := rand.New(rand.NewPCG(3, 4))
	s := Shape{1, 6, 4, 3, 5, 7, 3, 3, 3}
	x, w := random(r, s.pixels()*s.Cin), random(r, s.Cout*s.K())
	packed := Pack(nil, gemm.F32, s, w)
	whole := make([]float32, s.pixels()*s.Cout)
	Forward(nil, nil, s, whole, x, nil, packed, nil)

	frame := s.H * s.W * s.Cin
	var got []float32
	for from := 0; from < s.T; from += 2 {
		piece := s
		piece.T = 2
		var past []float32
		if from > 0 {
			past = x[(from-s.KT+1)*frame : from*frame]
		}
		y := make([]float32, piece.pixels()*s.Cout)
		Forward(nil, nil, piece, y, x[from*frame:(from+2)*frame], past, packed, nil)
		got = append(got, y...)
	}
	near.Check(t, "streamed", got, whole, 0)
}
