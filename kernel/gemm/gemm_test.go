package gemm

import (
	"fmt"
	"math"
	"math/rand/v2"
	"testing"

	"kuai/internal/near"
	"kuai/kernel/isa"
	"kuai/par"
)

var sides = []int{1, 2, 11, 12, 13, 31, 32, 33, 70}

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

// everyISA is isa.ForEach with AVX-512 without its bf16 extension besides.
func everyISA(t *testing.T, f func(t *testing.T)) {
	t.Helper()
	isa.ForEach(t, f)
	if isa.Best() == isa.AVX512 {
		t.Run("avx512f", func(t *testing.T) {
			defer isa.WithoutBF16()()
			f(t)
		})
	}
}

// mulRef is the product in float64.
func mulRef(typ Type, m, n, k int, a, b func(i, k int) float32) []float32 {
	c := make([]float32, m*n)
	for i := range m {
		for j := range n {
			var sum float64
			for x := range k {
				av, bv := a(i, x), b(j, x)
				if typ == BF16 {
					av, bv = roundBF16(av), roundBF16(bv)
				}
				sum += float64(av) * float64(bv)
			}
			c[i*n+j] = float32(sum)
		}
	}
	return c
}

func TestMul(t *testing.T) {
	p := par.New(2)
	defer p.Close()
	everyISA(t, func(t *testing.T) {
		r := rand.New(rand.NewPCG(1, 2))
		for _, typ := range []Type{F32, BF16} {
			for range 60 {
				m, n, k := sides[r.IntN(len(sides))], sides[r.IntN(len(sides))], sides[r.IntN(len(sides))]
				if r.IntN(4) == 0 {
					k = 800 + r.IntN(900) // several blocks of k
				}
				checkMul(t, p, typ, m, n, k, r)
			}
			checkMul(t, p, typ, 130, 700, 40, r)
		}
	})
}

// checkMul checks all layouts of one shape.
func checkMul(t *testing.T, p *par.Pool, typ Type, m, n, k int, r *rand.Rand) {
	t.Helper()
	pad := r.IntN(3)
	av, bv := random(r, (m+pad)*(k+pad)*2), random(r, (n+pad)*(k+pad)*2)
	views := func(x []float32, rows int) []View {
		return []View{{x, k + pad, 1}, {x, 1, rows + pad}, {x, 2 * (k + pad), 2}}
	}
	for ai, a := range views(av, m) {
		for bi, b := range views(bv, n) {
			want := mulRef(typ, m, n, k,
				func(i, x int) float32 { return a.P[i*a.Row+x*a.K] },
				func(j, x int) float32 { return b.P[j*b.Row+x*b.K] })
			name := fmt.Sprintf("type %d, %dx%dx%d, layouts %d %d", typ, m, n, k, ai, bi)
			ldc := n + pad
			c := nan(m * ldc)
			Mul(p, typ, c, ldc, m, n, k, a, b, Opt{})
			near.Check(t, name, unpad(c, m, n, ldc), want, 1e-5)

			Mul(nil, typ, c, ldc, m, n, k, a, b, Opt{Acc: true})
			for i := range want {
				want[i] *= 2
			}
			near.Check(t, name+" twice", unpad(c, m, n, ldc), want, 1e-5)
		}
	}
}

func unpad(c []float32, m, n, ldc int) []float32 {
	var out []float32
	for i := range m {
		out = append(out, c[i*ldc:i*ldc+n]...)
	}
	return out
}

func TestMulRows(t *testing.T) {
	p := par.New(2)
	defer p.Close()
	everyISA(t, func(t *testing.T) {
		r := rand.New(rand.NewPCG(3, 4))
		for _, typ := range []Type{F32, BF16} {
			for _, segLen := range []int{2, 9, 48, 500} {
				const m, n, segs = 50, 37, 4
				x := random(r, 5000)
				a := Rows{P: x, SegLen: segLen}
				for range m {
					a.At = append(a.At, int32(r.IntN(2000)))
				}
				for range segs {
					a.Seg = append(a.Seg, int32(r.IntN(2000)))
				}
				k := segs * segLen
				b, bias := random(r, n*k), random(r, n)
				from := segLen * 2 // both even
				part := a
				part.Seg = a.Seg[2:]
				w := Pack(p, typ, View{b, k, 1}, n, k)
				get := func(i, kk int) float32 { return x[int(a.At[i])+int(a.Seg[kk/segLen])+kk%segLen] }
				want := mulRef(typ, m, n, k, get, func(j, kk int) float32 { return b[j*k+kk] })
				for i := range want {
					want[i] += bias[i%n]
				}
				c := nan(m * n)
				MulRows(p, c, n, a, w, 0, Opt{Bias: bias})
				near.Check(t, "whole", c, want, 1e-5)

				want = mulRef(typ, m, n, k-from, func(i, kk int) float32 { return get(i, kk+from) }, func(j, kk int) float32 { return b[j*k+kk+from] })
				c = nan(m * n)
				MulRows(p, c, n, part, w, from, Opt{})
				near.Check(t, "part", c, want, 1e-5)
			}
		}
	})
}

// TestWorkers checks that the number of workers changes no bit.
func TestWorkers(t *testing.T) {
	r := rand.New(rand.NewPCG(5, 6))
	const m, n, k = 301, 345, 1000
	a, b := random(r, m*k), random(r, n*k)
	for _, typ := range []Type{F32, BF16} {
		var want []float32
		for workers := 1; workers <= 4; workers++ {
			p := par.New(workers)
			c := nan(m * n)
			Mul(p, typ, c, n, m, n, k, View{a, k, 1}, View{b, k, 1}, Opt{})
			p.Close()
			if want == nil {
				want = c
			}
			for i := range c {
				if c[i] != want[i] {
					t.Fatalf("type %d: with %d workers value %d is %v, with one %v", typ, workers, i, c[i], want[i])
				}
			}
		}
	}
}

func TestAllocatesNothing(t *testing.T) {
	p := par.New(2)
	defer p.Close()
	r := rand.New(rand.NewPCG(7, 8))
	const side = 288
	a, b, c := random(r, side*side), random(r, side*side), make([]float32, side*side)
	rows := Rows{P: a, Seg: []int32{0}, SegLen: side}
	for i := range side {
		rows.At = append(rows.At, int32(i*side))
	}
	everyISA(t, func(t *testing.T) {
		for _, typ := range []Type{F32, BF16} {
			w := Pack(p, typ, View{b, side, 1}, side, side)
			for name, f := range map[string]func(){
				"Mul":       func() { Mul(p, typ, c, side, side, side, side, View{a, 1, side}, View{b, side, 1}, Opt{}) },
				"MulPacked": func() { MulPacked(p, c, side, side, View{a, side, 1}, w, Opt{Acc: true}) },
				"MulRows":   func() { MulRows(p, c, side, rows, w, 0, Opt{Bias: b[:side]}) },
				"Repack":    func() { w.Repack(p, View{b, 1, side}) },
			} {
				if n := testing.AllocsPerRun(5, f); n != 0 {
					t.Errorf("%s, type %d: %v allocations, want 0", name, typ, n)
				}
			}
		}
	})
}
