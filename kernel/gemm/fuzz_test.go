package gemm

import (
	"math"
	"math/rand/v2"
	"testing"

	"kuai/internal/near"
	"kuai/kernel/isa"
	"kuai/par"
)

// FuzzMul multiplies any shape in any layout, at any level, and compares with
// float64. What lies between the rows of C must stay as it was.
func FuzzMul(f *testing.F) {
	f.Add(uint16(1), uint16(1), uint16(1), uint8(0), uint64(1))
	f.Add(uint16(61), uint16(33), uint16(785), uint8(0xff), uint64(2))
	f.Add(uint16(60), uint16(545), uint16(9), uint8(0x35), uint64(3))
	f.Add(uint16(13), uint16(40), uint16(0), uint8(0x82), uint64(4))
	p := par.New(2)
	f.Cleanup(p.Close)
	f.Fuzz(func(t *testing.T, ms, ns, ks uint16, how uint8, seed uint64) {
		m, n, k := int(ms%128)+1, int(ns%600)+1, int(ks%900)
		for m*n*k > 1<<22 {
			m, n, k = (m+1)/2, (n+1)/2, k/2
		}
		r := rand.New(rand.NewPCG(seed, 1))
		pad := r.IntN(4)
		view := func(rows int, kind uint8) View {
			x := random(r, (rows+pad)*(k+pad+1)*2)
			return [...]View{{x, k + pad, 1}, {x, 1, rows + pad}, {x, 2 * (k + pad), 2}, {x, k, 1}}[kind&3]
		}
		a, b, typ := view(m, how), view(n, how>>2), Type(how>>4&1)
		want := mulRef(typ, m, n, k,
			func(i, x int) float32 { return a.P[i*a.Row+x*a.K] },
			func(j, x int) float32 { return b.P[j*b.Row+x*b.K] })
		ldc := n + pad
		defer isa.Force(isa.Level(how >> 6 % 3))()
		c := nan(m * ldc)
		if how>>5&1 == 0 {
			Mul(p, typ, c, ldc, m, n, k, a, b, Opt{})
		} else {
			MulPacked(nil, c, ldc, m, a, Pack(p, typ, b, n, k), Opt{})
		}
		// The last value is there for a want of zeros alone, when k is 0.
		near.Check(t, "c", append(unpad(c, m, n, ldc), 1), append(want, 1), 1e-5)
		for i := range m {
			for j := n; j < ldc; j++ {
				if !math.IsNaN(float64(c[i*ldc+j])) {
					t.Fatalf("value %d past row %d was written", j-n, i)
				}
			}
		}
	})
}
