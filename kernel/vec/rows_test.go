package vec

import (
	"math"
	"math/rand/v2"
	"testing"

	"kuai/internal/near"
)

// gradient checks a backward against central differences of a float64 forward.
// f maps x (all inputs, one after the other) to the outputs; back returns the
// gradient of sum(f(x)*dy).
func gradient(t *testing.T, name string, f func(x []float64) []float64, x []float32, dy, got []float32) {
	t.Helper()
	in := make([]float64, len(x))
	for i, v := range x {
		in[i] = float64(v)
	}
	want := make([]float32, len(x))
	const h = 1e-4
	for i, v := range in {
		in[i] = v + h
		up := f(in)
		in[i] = v - h
		down := f(in)
		in[i] = v
		var g float64
		for j := range up {
			g += (up[j] - down[j]) / (2 * h) * float64(dy[j])
		}
		want[i] = float32(g)
	}
	near.Check(t, name, got, want, 1e-5)
}

func to32(x []float64) []float32 {
	y := make([]float32, len(x))
	for i, v := range x {
		y[i] = float32(v)
	}
	return y
}

func to64(x []float32) []float64 {
	y := make([]float64, len(x))
	for i, v := range x {
		y[i] = float64(v)
	}
	return y
}

func concat(xs ...[]float32) []float32 {
	var y []float32
	for _, x := range xs {
		y = append(y, x...)
	}
	return y
}

// ones returns n ones: gradients start from these, so that a kernel that
// overwrites instead of adding is found out.
func ones(n int) []float32 {
	x := make([]float32, n)
	Fill(x, 1)
	return x
}

func minus1(x []float32) []float32 {
	y := make([]float32, len(x))
	for i, v := range x {
		y[i] = v - 1
	}
	return y
}

var widths = []int{2, 3, 7, 8, 13, 16, 31, 32, 33, 65}

func rmsRef(rows, d int, eps float64, mul, add func(r, i int) float64) func(x []float64) []float64 {
	return func(x []float64) []float64 {
		y := make([]float64, rows*d)
		for r := range rows {
			var s float64
			for i := range d {
				s += x[r*d+i] * x[r*d+i]
			}
			inv := 1 / math.Sqrt(s/float64(d)+eps)
			for i := range d {
				y[r*d+i] = x[r*d+i]*inv*mul(r, i) + add(r, i)
			}
		}
		return y
	}
}

func zero(int, int) float64 { return 0 }

func TestRMSNorm(t *testing.T) {
	everyISA(t, func(t *testing.T) {
		const rows, eps = 3, 1e-3
		r := rand.New(rand.NewPCG(5, 6))
		for _, d := range widths {
			x, w, dy := random(r, rows*d, 2), random(r, d, 1), random(r, rows*d, 1)
			ref := func(in []float64) []float64 {
				return rmsRef(rows, d, eps, func(_, i int) float64 { return in[rows*d+i] }, zero)(in)
			}
			y, inv := nans(rows*d), nans(rows)
			RMSNorm(y, inv, x, w, rows, d, eps)
			near.Check(t, "y", y, to32(ref(to64(concat(x, w)))), 1e-6)
			dx, dw := ones(rows*d), ones(d)
			RMSNormBack(dx, dw, dy, x, inv, w, rows, d)
			gradient(t, "dx dw", ref, concat(x, w), dy, minus1(concat(dx, dw)))

			plain := rmsRef(rows, d, eps, func(int, int) float64 { return 1 }, zero)
			RMSNorm(y, inv, x, nil, rows, d, eps)
			near.Check(t, "y plain", y, to32(plain(to64(x))), 1e-6)
			dx = ones(rows * d)
			RMSNormBack(dx, nil, dy, x, inv, nil, rows, d)
			gradient(t, "dx plain", plain, x, dy, minus1(dx))
		}
	})
}

func TestRMSNormMod(t *testing.T) {
	everyISA(t, func(t *testing.T) {
		const rows, eps = 3, 1e-3
		r := rand.New(rand.NewPCG(5, 7))
		for _, d := range widths {
			x, s, b, dy := random(r, rows*d, 2), random(r, d, 1), random(r, d, 1), random(r, rows*d, 1)
			all := concat(x, s, b)
			ref := func(in []float64) []float64 {
				return rmsRef(rows, d, eps, func(_, i int) float64 { return 1 + in[rows*d+i] },
					func(_, i int) float64 { return in[rows*d+d+i] })(in)
			}
			y, inv := nans(rows*d), nans(rows)
			RMSNormMod(y, inv, x, s, b, rows, d, eps)
			near.Check(t, "y", y, to32(ref(to64(all))), 1e-6)
			dx, ds, db := ones(rows*d), ones(d), ones(d)
			RMSNormModBack(dx, ds, db, dy, x, inv, s, rows, d)
			gradient(t, "RMSNormModBack", ref, all, dy, minus1(concat(dx, ds, db)))

			mod := func(in []float64) []float64 {
				y := make([]float64, rows*d)
				for i := range y {
					y[i] = in[i]*(1+in[rows*d+i%d]) + in[rows*d+d+i%d]
				}
				return y
			}
			Modulate(y, x, s, b, rows, d)
			near.Check(t, "Modulate", y, to32(mod(to64(all))), 1e-6)
			dx, ds, db = ones(rows*d), ones(d), ones(d)
			ModulateBack(dx, ds, db, dy, x, s, rows, d)
			gradient(t, "ModulateBack", mod, all, dy, minus1(concat(dx, ds, db)))
		}
	})
}

func softmaxRef(rows, d int, log bool) func(x []float64) []float64 {
	return func(x []float64) []float64 {
		y := make([]float64, rows*d)
		for r := range rows {
			var s float64
			for i := range d {
				s += math.Exp(x[r*d+i])
			}
			for i := range d {
				y[r*d+i] = math.Exp(x[r*d+i]) / s
				if log {
					y[r*d+i] = x[r*d+i] - math.Log(s)
				}
			}
		}
		return y
	}
}

func TestSoftmax(t *testing.T) {
	everyISA(t, func(t *testing.T) {
		const rows = 3
		r := rand.New(rand.NewPCG(7, 8))
		for _, d := range widths {
			x, dy := random(r, rows*d, 3), random(r, rows*d, 1)
			for _, c := range []struct {
				name string
				f    func(y, x []float32, rows, d int)
				back func(dx, y, dy []float32, rows, d int)
				ref  func(x []float64) []float64
			}{
				{"Softmax", Softmax, SoftmaxBack, softmaxRef(rows, d, false)},
				{"LogSoftmax", LogSoftmax, LogSoftmaxBack, softmaxRef(rows, d, true)},
			} {
				y := nans(rows * d)
				c.f(y, x, rows, d)
				near.Check(t, c.name, y, to32(c.ref(to64(x))), 1e-6)
				dx := ones(rows * d)
				c.back(dx, y, dy, rows, d)
				gradient(t, c.name+"Back", c.ref, x, dy, minus1(dx))
			}
		}
	})
}

func TestSwiGLU(t *testing.T) {
	everyISA(t, func(t *testing.T) {
		const rows = 3
		r := rand.New(rand.NewPCG(9, 10))
		for _, f := range widths {
			x, dy := random(r, 2*rows*f, 2), random(r, rows*f, 1)
			ref := func(x []float64) []float64 {
				y := make([]float64, rows*f)
				for i := range y {
					a, b := x[i/f*2*f+i%f], x[i/f*2*f+f+i%f]
					y[i] = a * sig(a) * b
				}
				return y
			}
			y := nans(rows * f)
			SwiGLU(y, x, rows, f)
			near.Check(t, "y", y, to32(ref(to64(x))), 1e-6)
			dx := ones(2 * rows * f)
			SwiGLUBack(dx, x, dy, rows, f)
			gradient(t, "dx", ref, x, dy, minus1(dx))
		}
	})
}

func TestRope(t *testing.T) {
	everyISA(t, func(t *testing.T) {
		r := rand.New(rand.NewPCG(11, 12))
		for _, hd := range []int{2, 6, 8, 14, 16, 30, 32, 34, 64} {
			const n, heads = 3, 5
			ac, as := make([]float32, n*hd/2), make([]float32, n*hd/2)
			for i := range ac {
				s, c := math.Sincos(float64(i))
				ac[i], as[i] = float32(c), float32(s)
			}
			cos, sin := nans(n*hd), nans(n*hd)
			RopeTable(cos, sin, ac, as)
			x, dy := random(r, n*heads*hd, 1), random(r, n*heads*hd, 1)
			ref := func(x []float64) []float64 {
				y := make([]float64, len(x))
				for i := 0; i < len(x); i += 2 {
					p := i/(heads*hd)*hd/2 + i%hd/2
					c, s := float64(ac[p]), float64(as[p])
					y[i], y[i+1] = x[i]*c-x[i+1]*s, x[i]*s+x[i+1]*c
				}
				return y
			}
			y, whole := guarded(nans(len(x)))
			Rope(y, x, cos, sin, n, heads, hd)
			near.Check(t, "y", y, to32(ref(to64(x))), 1e-6)
			checkGuard(t, "Rope", whole)
			dx := ones(len(x))
			RopeBack(dx, dy, cos, sin, n, heads, hd)
			gradient(t, "dx", ref, x, dy, minus1(dx))
			Rope(x, x, cos, sin, n, heads, hd)
			near.Check(t, "in place", x, y, 0)
		}
	})
}

func TestAdamW(t *testing.T) {
	everyISA(t, func(t *testing.T) {
		r := rand.New(rand.NewPCG(13, 14))
		for _, n := range sizes {
			w, m, v := random(r, n, 1), make([]float32, n), make([]float32, n)
			w64, m64, v64 := to64(w), make([]float64, n), make([]float64, n)
			for step := 1; step <= 3; step++ {
				g := random(r, n, 0.01)
				AdamW(w, m, v, g, Adam{Rate: 0.01, Beta1: 0.875, Beta2: 0.984375, Eps: 1e-8, Decay: 0.1, Scale: 0.5, Step: step})
				for i, x := range to64(g) {
					x *= 0.5
					m64[i] = 0.875*m64[i] + 0.125*x
					v64[i] = 0.984375*v64[i] + 0.015625*x*x
					mh, vh := m64[i]/(1-math.Pow(0.875, float64(step))), v64[i]/(1-math.Pow(0.984375, float64(step)))
					w64[i] -= 0.01 * (mh/(math.Sqrt(vh)+1e-8) + 0.1*w64[i])
				}
			}
			near.Check(t, "w", w, to32(w64), 1e-6)
			near.Check(t, "m", m, to32(m64), 1e-6)
			near.Check(t, "v", v, to32(v64), 1e-6)
		}
	})
}

func TestHalf(t *testing.T) {
	everyISA(t, func(t *testing.T) {
		every := make([]uint16, 1<<16)
		for i := range every {
			every[i] = uint16(i)
		}
		wide, back := nans(len(every)), make([]uint16, len(every))
		FromF16(wide, every)
		for i, v := range every {
			if w := f16float(v); w != wide[i] && w == w {
				t.Fatalf("FromF16(%#x) = %v, want %v", v, wide[i], w)
			}
		}
		ToF16(back, wide)
		for i, v := range every {
			if v != back[i] && v&0x7c00 != 0x7c00 { // NaN payloads become quiet
				t.Fatalf("ToF16(FromF16(%#x)) = %#x", v, back[i])
			}
		}
		FromBF16(wide, every)
		ToBF16(back, wide)
		for i, v := range every {
			if v != back[i] && v&0x7f80 != 0x7f80 {
				t.Fatalf("ToBF16(FromBF16(%#x)) = %#x", v, back[i])
			}
		}
		inf, nan := float32(math.Inf(1)), float32(math.NaN())
		x := []float32{1, 1.00390625, 1.01171875, 65504, 65519, 65520, -7e4, inf, nan, 6e-8, 3e-8, 2.9802322e-8, 1e-7, float32(math.Copysign(0, -1)), 0.33333334, 1e-40}
		h, b := make([]uint16, len(x)), make([]uint16, len(x))
		ToF16(h, x)
		ToBF16(b, x)
		wantH := []uint16{0x3c00, 0x3c04, 0x3c0c, 0x7bff, 0x7bff, 0x7c00, 0xfc00, 0x7c00, 0x7e00, 1, 1, 0, 2, 0x8000, 0x3555, 0}
		wantB := []uint16{0x3f80, 0x3f80, 0x3f82, 0x4780, 0x4780, 0x4780, 0xc789, 0x7f80, 0x7fc0, 0x3381, 0x3301, 0x3300, 0x33d7, 0x8000, 0x3eab, 1}
		for i := range x {
			if h[i] != wantH[i] {
				t.Errorf("ToF16(%v) = %#x, want %#x", x[i], h[i], wantH[i])
			}
			if b[i] != wantB[i] {
				t.Errorf("ToBF16(%v) = %#x, want %#x", x[i], b[i], wantB[i])
			}
		}
	})
}

func TestStrided(t *testing.T) {
	everyISA(t, func(t *testing.T) {
		const n, heads, h = 5, 3, 1
		r := rand.New(rand.NewPCG(15, 16))
		for _, d := range widths {
			stride := heads * d
			a, b, s := random(r, n*stride, 1), random(r, n*stride, 1), random(r, n, 1)
			at := func(x []float32, i, j int) float64 { return float64(x[i*stride+h*d+j]) }
			dst := nans(n)
			DotRows(dst, a[h*d:], stride, b[h*d:], stride, d)
			want := make([]float32, n)
			for i := range want {
				var sum float64
				for j := range d {
					sum += at(a, i, j) * at(b, i, j)
				}
				want[i] = float32(sum)
			}
			near.Check(t, "DotRows", dst, want, 1e-6)

			y, wy, total, wt := random(r, n*stride, 1), make([]float32, n*stride), random(r, d, 1), make([]float32, d)
			copy(wy, y)
			copy(wt, total)
			for i := range n {
				for j := range d {
					wy[i*stride+h*d+j] = float32(at(y, i, j) + float64(s[i])*at(a, i, j))
					wt[j] += float32(float64(s[i]) * at(a, i, j))
				}
			}
			AxpyRows(y[h*d:], stride, s, a[h*d:], stride, d)
			near.Check(t, "AxpyRows", y, wy, 1e-6)
			AxpyRows(total, 0, s, a[h*d:], stride, d)
			near.Check(t, "AxpyRows to one", total, wt, 1e-6)

			y, wy = nans(n*d), nans(n*d)
			for i := range n {
				for j := range d {
					wy[i*d+j] = float32(float64(s[i]) * at(a, i, j))
				}
			}
			ScaleRows(y, d, a[h*d:], stride, s, d)
			near.Check(t, "ScaleRows", y, wy, 1e-6)

			if d%2 != 0 {
				continue
			}
			cos, sin := random(r, n*d, 1), random(r, n*d, 1)
			one := nans(n * d)
			CopyRows(one, d, a[h*d:], stride, n, d)
			Rope(wy, one, cos, sin, n, 1, d)
			RopeRows(y, d, a[h*d:], stride, cos, sin, n, 1, d)
			near.Check(t, "RopeRows", y, wy, 0)
			one, wy = ones(n*d), ones(n*d)
			RopeBack(wy, y, cos, sin, n, 1, d)
			RopeRowsBack(one, d, y, d, cos, sin, n, 1, d)
			near.Check(t, "RopeRowsBack", one, wy, 0)
		}
	})
}

func TestExpSumAndSoftmaxTile(t *testing.T) {
	everyISA(t, func(t *testing.T) {
		r := rand.New(rand.NewPCG(17, 18))
		for _, n := range sizes[1:] {
			x, dp, y := random(r, n, 2), random(r, n, 1), nans(n)
			wantP, wantD := make([]float32, n), make([]float32, n)
			var sum float64
			for i, v := range x {
				p := math.Exp(0.5*float64(v) - 1.25)
				sum += p
				wantP[i], wantD[i] = float32(p), float32(0.5*p*(float64(dp[i])-0.75))
			}
			if got := ExpSum(y, x, 0.5, 1.25); math.Abs(float64(got)-sum) > 1e-6*sum {
				t.Errorf("ExpSum of %d: %v, want %v", n, got, sum)
			}
			near.Check(t, "ExpSum", y, wantP, 1e-6)
			SoftmaxTile(x, dp, 0.5, 1.25, 0.75)
			near.Check(t, "p", x, wantP, 1e-6)
			near.Check(t, "ds", dp, wantD, 1e-6)
		}
	})
}
