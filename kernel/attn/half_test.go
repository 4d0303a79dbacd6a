package attn

import (
	"fmt"
	"math/rand/v2"
	"testing"

	"kuai/internal/near"
	"kuai/kernel/vec"
)

// checkTile compares a tile, and what lies beside it with NaN.
func checkTile(t *testing.T, name string, c []float32, ldc, rows int, want []float32) {
	t.Helper()
	var got []float32
	for i := range rows {
		got = append(got, c[i*ldc:][:32]...)
		for _, x := range c[i*ldc+32 : (i+1)*ldc] {
			if x == x {
				t.Fatalf("%s: written beside the panel", name)
			}
		}
	}
	near.Check(t, name, got, want, 1e-6)
}

func TestByteTile(t *testing.T) {
	everyISA(t, func(t *testing.T) {
		r := rand.New(rand.NewPCG(23, 24))
		for _, rows := range []int{1, 2, 3, 4, 7, 8, 13} {
			for _, n := range []int{1, 3, 4, 32, 63, 64} {
				a, b, c := random(r, rows*n), make([]int8, n*32), nans(rows*40)
				for i := range b {
					b[i] = int8(r.IntN(256) - 128)
				}
				want := make([]float32, 0, rows*32)
				for i := range rows {
					for j := range 32 {
						var s float64
						for k := range n {
							s += float64(a[i*n+k]) * float64(b[k*32+j])
						}
						want = append(want, float32(s))
					}
				}
				ByteTile(c, 40, a, n, b, rows, n, false)
				checkTile(t, fmt.Sprint("byte", rows, n), c, 40, rows, want)
				ByteTile(c, 40, a, n, b, rows, n, true)
				for i := range want {
					want[i] *= 2
				}
				checkTile(t, fmt.Sprint("byte again", rows, n), c, 40, rows, want)
				y, x := nans(n*32+1), make([]float32, n*32)
				Widen(y[:n*32-1], b[1:])
				for i := range b[1:] {
					x[i] = float32(b[1+i])
				}
				near.Check(t, "widened", y[:n*32-1], x[:n*32-1], 0)
				if y[n*32-1] == y[n*32-1] {
					t.Fatal("widened past the end")
				}
			}
		}
	})
}

func TestHalfTile(t *testing.T) {
	everyISA(t, func(t *testing.T) {
		r := rand.New(rand.NewPCG(21, 22))
		for _, rows := range []int{1, 2, 3, 4, 5, 7, 8, 12, 15, 23} {
			for _, n := range []int{1, 2, 3, 4, 5, 12, 31, 64, 128, 130} {
				for _, acc := range []bool{false, true} {
					lda, ldc := n+3, 48
					a, b := random(r, rows*lda), random(r, n*32)
					half := make([]uint16, n*32)
					vec.ToF16(half, b)
					vec.FromF16(b, half)
					c, want := nans(rows*ldc), make([]float32, 0, rows*32)
					for i := range rows {
						for j := range 32 {
							var s float64
							if acc {
								c[i*ldc+j] = float32(i + j)
								s = float64(i + j)
							}
							for k := range n {
								s += float64(a[i*lda+k]) * float64(b[k*32+j])
							}
							want = append(want, float32(s))
						}
					}
					HalfTile(c, ldc, a, lda, half, rows, n, acc)
					checkTile(t, fmt.Sprint("half", rows, n, acc), c, ldc, rows, want)
				}
			}
		}
	})
}

// BenchmarkHalfTile reads panels of a page again and again.
func BenchmarkHalfTile(b *testing.B) {
	r := rand.New(rand.NewPCG(1, 1))
	for _, rows := range []int{1, 3, 4, 8} {
		for _, n := range []int{64, 128} {
			b.Run(fmt.Sprintf("rows=%d/n=%d", rows, n), func(b *testing.B) {
				a, c, half := random(r, rows*n), make([]float32, rows*32), make([]uint16, 8*n*32)
				vec.ToF16(half, random(r, len(half)))
				b.SetBytes(int64(2 * len(half)))
				for b.Loop() {
					for i := range 8 {
						HalfTile(c, 32, a, n, half[i*n*32:], rows, n, true)
					}
				}
			})
		}
	}
}
