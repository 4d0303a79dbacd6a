package nn

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"

	"kuai/grad"
	"kuai/internal/near"
	"kuai/kernel/gemm"
	"kuai/mem"
)

// TestCheckpoint checks that checkpoints, nested too, change no bit of any
// gradient: of the input, of the parameters and of another tensor that f uses.
func TestCheckpoint(t *testing.T) {
	t.Parallel()
	r := rand.New(rand.NewPCG(1, 1))
	l1, l2 := NewLinear(r, 16, 16, true), NewLinear(r, 16, 16, true)
	params := slices.Concat(Params(l1), Params(l2))
	data := make([]float32, 5*16)
	for i := range data {
		data[i] = float32(r.NormFloat64())
	}
	type wrap func(t *grad.Tape, f func(*grad.Tape, *grad.Var) *grad.Var, x *grad.Var) *grad.Var
	plain := func(t *grad.Tape, f func(*grad.Tape, *grad.Var) *grad.Var, x *grad.Var) *grad.Var { return f(t, x) }
	run := func(outer, inner wrap) ([][]float32, int) {
		a := mem.NewArena(1 << 24)
		t.Cleanup(a.Close)
		tape := grad.New(nil, a, gemm.F32)
		ZeroGrad(params)
		x, other := tape.New(5, 16), tape.New(5, 16)
		copy(x.X, data)
		copy(other.X, data)
		side := SiLU(tape, other)
		h := Add(tape, x, outer(tape, func(t *grad.Tape, x *grad.Var) *grad.Var {
			h := SiLU(t, l1.Forward(t, x))
			h = inner(t, func(t *grad.Tape, x *grad.Var) *grad.Var {
				return Add(t, x, Mul(t, side, l2.Forward(t, x)))
			}, h)
			return Add(t, h, Reshape(t, Mul(t, x, side), 5, 16))
		}, x))
		used := a.Used()
		loss := MSE(tape, h, make([]float32, 80), nil)
		tape.Backward(loss)
		out := [][]float32{h.X, x.G, tape.Grad(other)}
		for _, p := range params {
			out = append(out, slices.Clone(p.P.G))
		}
		return out, used
	}
	want, all := run(plain, plain)
	for name, w := range map[string][2]wrap{
		"outer": {(*grad.Tape).Checkpoint, plain}, "inner": {plain, (*grad.Tape).Checkpoint},
		"both": {(*grad.Tape).Checkpoint, (*grad.Tape).Checkpoint},
	} {
		got, used := run(w[0], w[1])
		for i := range want {
			near.Check(t, fmt.Sprint(name, ": tensor ", i), got[i], want[i], 0)
		}
		if used >= all {
			t.Errorf("%s: %d bytes after the forward pass, %d without checkpoints", name, used, all)
		}
	}
}
