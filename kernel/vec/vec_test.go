package vec

import (
	"fmt"
	"math"
	"math/rand/v2"
	"testing"

	"kuai/internal/near"
)

// sizes cross every tail of 8 and 16 lanes and the unrolled loops.
var sizes = []int{0, 1, 2, 3, 7, 8, 9, 11, 12, 13, 15, 16, 17, 31, 32, 33, 63, 64, 65, 127, 257, 4097}

func random(r *rand.Rand, n int, scale float64) []float32 {
	x := make([]float32, n)
	for i := range x {
		x[i] = float32(r.NormFloat64() * scale)
	}
	return x
}

func nans(n int) []float32 {
	x := make([]float32, n)
	Fill(x, float32(math.NaN()))
	return x
}

// guarded returns n values followed by NaN that the kernel must not touch.
func guarded(x []float32) (inner, whole []float32) {
	whole = append(append(nans(16), x...), nans(16)...)
	return whole[16 : 16+len(x) : 16+len(x)], whole
}

func checkGuard(t *testing.T, name string, whole []float32) {
	t.Helper()
	for i := range 16 {
		if !math.IsNaN(float64(whole[i])) || !math.IsNaN(float64(whole[len(whole)-1-i])) {
			t.Errorf("%s wrote outside its slice of %d", name, len(whole)-32)
			return
		}
	}
}

func sig(x float64) float64 { return 1 / (1 + math.Exp(-x)) }

func geluRef(x float64) float64 {
	return x / 2 * (1 + math.Tanh(math.Sqrt(2/math.Pi)*(x+0.044715*x*x*x)))
}

func diff(f func(float64) float64, x float64) float64 {
	const h = 1e-5
	return (f(x+h) - f(x-h)) / (2 * h)
}

// elementwise are the operations whose results depend on the same element of
// up to four inputs; in[0] of those with add set is the destination's old value.
var elementwise = []struct {
	name string
	add  bool
	run  func(dst, a, b, c []float32)
	ref  func(d, a, b, c float64) float64
}{
	{"Add", false, func(d, a, b, _ []float32) { Add(d, a, b) }, func(_, a, b, _ float64) float64 { return a + b }},
	{"Sub", false, func(d, a, b, _ []float32) { Sub(d, a, b) }, func(_, a, b, _ float64) float64 { return a - b }},
	{"Mul", false, func(d, a, b, _ []float32) { Mul(d, a, b) }, func(_, a, b, _ float64) float64 { return a * b }},
	{"MulAdd", true, func(d, a, b, _ []float32) { MulAdd(d, a, b) }, func(d, a, b, _ float64) float64 { return d + a*b }},
	{"Acc", true, func(d, a, _, _ []float32) { Acc(d, a) }, func(d, a, _, _ float64) float64 { return d + a }},
	{"Axpy", true, func(d, a, _, _ []float32) { Axpy(d, 0.75, a) }, func(d, a, _, _ float64) float64 { return d + 0.75*a }},
	{"Scale", false, func(d, a, _, _ []float32) { Scale(d, a, -1.5) }, func(_, a, _, _ float64) float64 { return -1.5 * a }},
	{"Lerp", true, func(d, a, _, _ []float32) { Lerp(d, a, 0.25) }, func(d, a, _, _ float64) float64 { return 0.75*d + 0.25*a }},
	{"GateAdd", false, GateAdd, func(_, a, b, c float64) float64 { return a + b*c }},
	{"Exp", false, func(d, a, _, _ []float32) { Exp(d, a) }, func(_, a, _, _ float64) float64 { return math.Exp(a) }},
	{"Sigmoid", false, func(d, a, _, _ []float32) { Sigmoid(d, a) }, func(_, a, _, _ float64) float64 { return sig(a) }},
	{"SigmoidBack", true, func(d, a, b, _ []float32) { SigmoidBack(d, a, b) }, func(d, a, b, _ float64) float64 { return d + b*a*(1-a) }},
	{"Tanh", false, func(d, a, _, _ []float32) { Tanh(d, a) }, func(_, a, _, _ float64) float64 { return math.Tanh(a) }},
	{"TanhBack", true, func(d, a, b, _ []float32) { TanhBack(d, a, b) }, func(d, a, b, _ float64) float64 { return d + b*(1-a*a) }},
	{"ReLU", false, func(d, a, _, _ []float32) { ReLU(d, a) }, func(_, a, _, _ float64) float64 { return max(a, 0) }},
	{"ReLUBack", true, func(d, a, b, _ []float32) { ReLUBack(d, a, b) }, func(d, a, b, _ float64) float64 {
		if a > 0 {
			return d + b
		}
		return d
	}},
	{"SiLU", false, func(d, a, _, _ []float32) { SiLU(d, a) }, func(_, a, _, _ float64) float64 { return a * sig(a) }},
	{"SiLUBack", true, func(d, a, b, _ []float32) { SiLUBack(d, a, b) }, func(d, a, b, _ float64) float64 {
		return d + b*diff(func(x float64) float64 { return x * sig(x) }, a)
	}},
	{"GELU", false, func(d, a, _, _ []float32) { GELU(d, a) }, func(_, a, _, _ float64) float64 { return geluRef(a) }},
	{"GELUBack", true, func(d, a, b, _ []float32) { GELUBack(d, a, b) }, func(d, a, b, _ float64) float64 { return d + b*diff(geluRef, a) }},
	{"AxpyDiff", true, func(d, a, b, _ []float32) { AxpyDiff(d, 0.3, a, b) }, func(d, a, b, _ float64) float64 { return d + 0.3*(a-b) }},
	{"CharbonnierBack", true, func(d, a, b, _ []float32) { CharbonnierBack(d, 0.3, a, b, 0.1) }, func(d, a, b, _ float64) float64 {
		return d + 0.3*(a-b)/math.Sqrt((a-b)*(a-b)+0.01)
	}},
}

func TestElementwise(t *testing.T) {
	everyISA(t, func(t *testing.T) {
		for _, op := range elementwise {
			r := rand.New(rand.NewPCG(1, 2))
			for _, n := range sizes {
				a, b, c := random(r, n, 2), random(r, n, 1), random(r, n, 1)
				d := nans(n)
				if op.add {
					d = random(r, n, 1)
				}
				want := make([]float32, n)
				for i := range want {
					want[i] = float32(op.ref(float64(d[i]), float64(a[i]), float64(b[i]), float64(c[i])))
				}
				got, whole := guarded(d)
				op.run(got, a, b, c)
				name := fmt.Sprintf("%s n=%d", op.name, n)
				near.Check(t, name, got, want, 6e-7)
				checkGuard(t, name, whole)
				if op.add || n == 0 {
					continue
				}
				op.run(a, a, b, c) // in place
				near.Check(t, name+" in place", a, want, 6e-7)
				sub := nans(n - 1) // an element's result does not depend on its place
				op.run(sub, a[1:], b[1:], c[1:])
				op.run(a, a, b, c)
				for i, v := range sub {
					if v != a[i+1] {
						t.Errorf("%s: result at %d depends on its place: %v, %v", name, i, v, a[i+1])
						break
					}
				}
			}
		}
	})
}

// relErr is the largest relative error of f over xs, against ref in float64.
func relErr(f func(dst, x []float32), ref func(float64) float64, xs []float32) (worst float64, at float32) {
	got := nans(len(xs))
	f(got, xs)
	for i, x := range xs {
		w := ref(float64(x))
		e := math.Abs(float64(got[i])-w) / math.Abs(w)
		if math.IsNaN(e) {
			e = math.Inf(1)
		}
		if e > worst {
			worst, at = e, x
		}
	}
	return worst, at
}

func TestAccuracy(t *testing.T) {
	everyISA(t, func(t *testing.T) {
		var xs []float32
		for x := float32(-86); x < 88; x += 0.0037 {
			xs = append(xs, x)
		}
		var small []float32
		for x := float32(1e-9); x < 30; x *= 1.001 {
			small = append(small, x, -x)
		}
		for _, c := range []struct {
			name string
			f    func(dst, x []float32)
			ref  func(float64) float64
			xs   []float32
			bar  float64
		}{
			{"Exp", Exp, math.Exp, xs, 2e-7},
			{"Sigmoid", Sigmoid, sig, xs, 4e-7},
			{"SiLU", SiLU, func(x float64) float64 { return x * sig(x) }, small, 4e-7},
			{"Tanh", Tanh, math.Tanh, small, 4e-7},
		} {
			if e, at := relErr(c.f, c.ref, c.xs); e > c.bar {
				t.Errorf("%s(%v) has a relative error of %.3g, want at most %.3g", c.name, at, e, c.bar)
			}
		}
	})
}

func TestExtremes(t *testing.T) {
	everyISA(t, func(t *testing.T) {
		inf, nan := float32(math.Inf(1)), float32(math.NaN())
		x := []float32{0, float32(math.Copysign(0, -1)), 100, -120, 1e30, -1e30, inf, -inf, nan}
		same := func(name string, f func(dst, x []float32), want ...float32) {
			got := nans(len(x))
			f(got, x)
			for i, w := range want {
				if g := got[i]; g != w && !(g != g && w != w) {
					t.Errorf("%s(%v) = %v, want %v", name, x[i], g, w)
				}
			}
		}
		same("Exp", Exp, 1, 1, inf, 0, inf, 0, inf, 0, nan)
		same("Sigmoid", Sigmoid, 0.5, 0.5, 1, 0, 1, 0, 1, 0, nan)
		same("Tanh", Tanh, 0, 0, 1, -1, 1, -1, 1, -1, nan)
		same("SiLU", SiLU, 0, 0, 100, 0, 1e30, 0)
		same("ReLU", ReLU, 0, 0, 100, 0, 1e30, 0, inf, 0, 0)
		same("GELU", GELU, 0, 0, 100, 0, 1e30, 0)
	})
}

func TestReductions(t *testing.T) {
	everyISA(t, func(t *testing.T) {
		r := rand.New(rand.NewPCG(3, 4))
		for _, n := range append(sizes, 100003) {
			a, b := random(r, n, 1), random(r, n, 1)
			var dot, sum, sq, dist, charb float64
			big := math.Inf(-1)
			for i := range a {
				x, y := float64(a[i]), float64(b[i])
				dot += x * y
				sum += x
				sq += x * x
				dist += (x - y) * (x - y)
				charb += math.Sqrt((x-y)*(x-y) + 0.01)
				big = max(big, x)
			}
			tol := func(w float64) float64 { return 1e-6 * (1 + math.Sqrt(float64(n)) + math.Abs(w)) }
			for _, c := range []struct {
				name string
				got  float32
				want float64
			}{
				{"Dot", Dot(a, b), dot},
				{"Sum", Sum(a), sum},
				{"SumSquares", SumSquares(a), sq},
				{"SquaredError", SquaredError(a, b), dist},
				{"Charbonnier", Charbonnier(a, b, 0.1), charb},
			} {
				if math.Abs(float64(c.got)-c.want) > tol(c.want) {
					t.Errorf("%s of %d: %v, want %v", c.name, n, c.got, c.want)
				}
			}
			if got := MaxVal(a); float64(got) != big {
				t.Errorf("MaxVal of %d: %v, want %v", n, got, big)
			}
		}
	})
}

func TestWrongLengthPanics(t *testing.T) {
	defer func() {
		if recover() == nil {
			t.Error("Add of 3 and 4 values did not panic")
		}
	}()
	Add(make([]float32, 3), make([]float32, 3), make([]float32, 4))
}

func TestAllocatesNothing(t *testing.T) {
	x, y := ones(1000), ones(1000)
	if n := testing.AllocsPerRun(10, func() {
		SiLU(y, x)
		RMSNorm(y, nil, x, nil, 10, 100, 1e-6)
		Softmax(y, x, 10, 100)
		AdamW(x, y, y, y, Adam{Scale: 1, Step: 1, Eps: 1})
	}); n != 0 {
		t.Errorf("%v allocations", n)
	}
}
