package nn_test

import (
	"fmt"
	"math/rand/v2"

	"kuai/grad"
	"kuai/kernel/gemm"
	"kuai/nn"
)

// A module is a struct whose fields are layers with names.
type feedForward struct {
	Up   *nn.Linear `name:"up"`
	Down *nn.Linear `name:"down"`
}

func (f *feedForward) Forward(t *grad.Tape, x *grad.Var) *grad.Var {
	return nn.Add(t, x, f.Down.Forward(t, nn.SwiGLU(t, f.Up.Forward(t, x))))
}

func Example() {
	r := rand.New(rand.NewPCG(1, 1))
	f := &feedForward{nn.NewLinear(r, 4, 16, false), nn.NewLinear(r, 8, 4, false)}
	t := grad.NewForward(nil, nil, gemm.F32)
	y := f.Forward(t, t.Const(make([]float32, 2*3*4), 2, 3, 4))
	fmt.Println(y.Shape)
	for _, p := range nn.Params(f) {
		fmt.Println(p.Name, p.P.Shape)
	}
	// Output:
	// [2 3 4]
	// up.weight [16 4]
	// down.weight [4 8]
}
