package attn

import (
	"fmt"
	"math/rand/v2"
	"testing"

	"kuai/internal/near"
	"kuai/kernel/gemm"
)

var decays = []float32{0.9, 1, 0.5}

func TestLightning(t *testing.T) {
	everyISA(t, func(t *testing.T) {
		r := rand.New(rand.NewPCG(13, 14))
		for _, s := range []Shape{
			{2, 1, 1, 1, 4}, {1, 31, 31, 3, 8}, {2, 64, 64, 2, 32}, {1, 65, 65, 2, 32}, {1, 200, 200, 3, 64},
		} {
			n, ns := s.B*s.N*s.row(), s.B*s.NH*s.D*s.D
			q, k, v, start := random(r, n), random(r, n), random(r, n), random(r, ns)
			decay := decays[:s.NH]
			end := to64(start)
			want := to32(lightningRef(s, to64(q), to64(k), to64(v), to64(decay), end))
			for _, typ := range types {
				o, state := nans(n), append([]float32(nil), start...)
				Lightning(nil, typ.typ, s, o, q, k, v, decay, state)
				near.Check(t, fmt.Sprint(s, typ.name), o, want, typ.bar)
				near.Check(t, fmt.Sprint(s, typ.name, " state"), state, to32(end), typ.bar)
			}
			end = make([]float64, ns)
			want = to32(lightningRef(s, to64(q), to64(k), to64(v), to64(decay), end))
			o := nans(n)
			Lightning(nil, gemm.F32, s, o, q, k, v, decay, nil)
			near.Check(t, fmt.Sprint(s, " from nil"), o, want, 2e-6)
		}
	})
}

// part cuts positions from..to out of [1, N, NH, D].
func part(s Shape, x []float32, from, to int) []float32 { return x[from*s.row() : to*s.row()] }

func TestLightningInPieces(t *testing.T) {
	everyISA(t, func(t *testing.T) {
		r := rand.New(rand.NewPCG(15, 16))
		s := Shape{1, 150, 150, 3, 32}
		n, ns := s.N*s.row(), s.NH*s.D*s.D
		q, k, v, do, start, dend := random(r, n), random(r, n), random(r, n), random(r, n), random(r, ns), random(r, ns)
		whole, state := nans(n), append([]float32(nil), start...)
		Lightning(nil, gemm.F32, s, whole, q, k, v, decays, state)
		want := [][]float32{filled(n, 1), filled(n, 1), filled(n, 1)}
		dstart := append([]float32(nil), dend...)
		LightningBack(nil, gemm.F32, s, want[0], want[1], want[2], do, q, k, v, decays, start, dstart)

		cuts := []int{0, 1, 70, 134, 150}
		o, st := nans(n), append([]float32(nil), start...)
		got := [][]float32{filled(n, 1), filled(n, 1), filled(n, 1)}
		var starts [][]float32
		for i, to := range cuts[1:] {
			from := cuts[i]
			p := Shape{1, to - from, to - from, s.NH, s.D}
			starts = append(starts, append([]float32(nil), st...))
			Lightning(nil, gemm.F32, p, part(s, o, from, to), part(s, q, from, to), part(s, k, from, to), part(s, v, from, to), decays, st)
		}
		near.Check(t, "outputs", o, whole, 2e-6)
		near.Check(t, "state", st, state, 2e-6)
		dst := append([]float32(nil), dend...)
		for i := len(cuts) - 2; i >= 0; i-- {
			from, to := cuts[i], cuts[i+1]
			p := Shape{1, to - from, to - from, s.NH, s.D}
			cut := func(x []float32) []float32 { return part(s, x, from, to) }
			LightningBack(nil, gemm.F32, p, cut(got[0]), cut(got[1]), cut(got[2]), cut(do), cut(q), cut(k), cut(v), decays, starts[i], dst)
		}
		for i, name := range []string{"dq", "dk", "dv"} {
			near.Check(t, name, got[i], want[i], 3e-6)
		}
		near.Check(t, "dstate", dst, dstart, 3e-6)
	})
}

func TestLightningBack(t *testing.T) {
	everyISA(t, func(t *testing.T) {
		r := rand.New(rand.NewPCG(17, 18))
		for _, s := range []Shape{{1, 1, 1, 1, 2}, {2, 7, 7, 3, 4}, {1, 130, 130, 1, 3}} {
			n, ns := s.B*s.N*s.row(), s.B*s.NH*s.D*s.D
			q, k, v, start := random(r, n), random(r, n), random(r, n), random(r, ns)
			decay := decays[:s.NH]
			dy := random(r, n+ns) // of the outputs and of the last state
			want := gradient(func(x [][]float64) []float64 {
				st := append([]float64(nil), x[3]...)
				return append(lightningRef(s, x[0], x[1], x[2], to64(decay), st), st...)
			}, dy, q, k, v, start)
			got := [][]float32{filled(n, 1), filled(n, 1), filled(n, 1)}
			dst := append([]float32(nil), dy[n:]...)
			LightningBack(nil, gemm.F32, s, got[0], got[1], got[2], dy[:n], q, k, v, decay, start, dst)
			check3(t, fmt.Sprint(s), got, want, 3e-6)
			near.Check(t, fmt.Sprint(s, " dstate"), dst, want[3], 3e-6)
		}
	})
}
