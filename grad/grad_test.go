package grad_test

import (
	"fmt"
	"testing"

	"kuai/grad"
	"kuai/internal/near"
	"kuai/kernel/gemm"
	"kuai/mem"
)

// square is a layer for these tests: y = x².
func square(t *grad.Tape, x *grad.Var) *grad.Var {
	y := t.Like(x)
	for i, v := range x.X {
		y.X[i] = v * v
	}
	t.Then(func() {
		dy, dx := y.Got(), t.Grad(x)
		for i := range dx {
			dx[i] += 2 * x.X[i] * dy[i]
		}
	})
	return y
}

func ExampleTape() {
	t := grad.New(nil, nil, gemm.F32)
	x := t.New(2)
	copy(x.X, []float32{3, -5})
	t.Backward(square(t, square(t, x))) // of Σ x⁴
	fmt.Println(x.G)
	// Output: [108 -500]
}

func TestNoGradient(t *testing.T) {
	t.Parallel()
	tape := grad.New(nil, nil, gemm.F32)
	c := tape.Const([]float32{1, 2}, 2)
	if y := square(tape, c); y.Needs() {
		t.Error("a function of a constant takes a gradient")
	}
	var y *grad.Var
	tape.NoGrad(func() { y = square(tape, tape.New(2)) })
	if y.Needs() || tape.Grad(y) != nil {
		t.Error("what NoGrad made takes a gradient")
	}
}

// TestView checks that a view made before the gradient shares it.
func TestView(t *testing.T) {
	t.Parallel()
	tape := grad.New(nil, nil, gemm.F32)
	x := tape.New(2, 3)
	for i := range x.X {
		x.X[i] = float32(i)
	}
	v := tape.View(tape.View(x, 6), 3, 2)
	tape.Backward(square(tape, v))
	near.Check(t, "dx", tape.Grad(x), []float32{0, 2, 4, 6, 8, 10}, 0)
	if &tape.Grad(v)[0] != &x.G[0] {
		t.Error("the view has a gradient of its own")
	}
}

// TestReset checks that the arena is empty after a step but for what was
// there before the tape, and that nothing old is run.
func TestReset(t *testing.T) {
	t.Parallel()
	a := mem.NewArena(1 << 20)
	t.Cleanup(a.Close)
	before := mem.Make[float32](a, 100)
	used := a.Used()
	tape := grad.New(nil, a, gemm.F32)
	tape.Then(func() { t.Error("a forgotten function ran") })
	tape.New(1000)
	tape.Reset()
	if a.Used() != used {
		t.Errorf("%d bytes used after Reset, want %d", a.Used(), used)
	}
	x := tape.New(1)
	tape.Backward(x)
	_ = before
}

// TestFresh checks that the first writer overwrites and the second adds, and
// that Pass hands memory on only while there is no gradient.
func TestFresh(t *testing.T) {
	t.Parallel()
	tape := grad.New(nil, nil, gemm.F32)
	x, y := tape.New(2), tape.New(2)
	if _, fresh := tape.Fresh(x); !fresh {
		t.Error("the first gradient is not fresh")
	}
	if _, fresh := tape.Fresh(x); fresh {
		t.Error("the second is")
	}
	copy(x.G, []float32{1, 2})
	copy(tape.Grad(y), []float32{10, 20})
	z := tape.New(2)
	tape.Pass(x, y)
	near.Check(t, "added", x.G, []float32{11, 22}, 0)
	tape.Pass(z, y)
	if &tape.Grad(z)[0] != &y.G[0] {
		t.Error("the gradient was copied")
	}
}
