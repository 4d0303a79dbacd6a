package optim_test

import (
	"fmt"
	"math/rand/v2"

	"kuai/grad"
	"kuai/kernel/gemm"
	"kuai/nn"
	"kuai/optim"
)

// Example learns the line y = 2x + 1 from three points.
func Example() {
	line := nn.NewLinear(rand.New(rand.NewPCG(1, 1)), 1, 1, true)
	params := nn.Params(line)
	adam := optim.NewAdamW(params, optim.AdamConfig{})
	rate := optim.Cosine(0.1, 0, 500, 0)
	tape := grad.New(nil, nil, gemm.F32)
	for step := range 500 {
		x := tape.Const([]float32{-1, 0, 1}, 3, 1)
		loss := nn.MSE(tape, line.Forward(tape, x), []float32{-1, 1, 3}, nil)
		tape.Backward(loss)
		_, scale := optim.ClipNorm(nil, params, 1)
		adam.Update(nil, rate(step), scale)
		tape.Reset()
	}
	fmt.Printf("%s %.3f, %s %.3f\n", params[0].Name, line.W.X[0], params[1].Name, line.B.X[0])
	// Output: weight 2.000, bias 1.000
}
