package conv_test

import (
	"fmt"

	"kuai/kernel/conv"
	"kuai/kernel/gemm"
)

// A kernel of two frames adds each frame to the one before it; the first frame
// is repeated before the clip.
func Example() {
	s := conv.Shape{B: 1, T: 3, H: 1, W: 2, Cin: 1, Cout: 1, KT: 2, KH: 1, KW: 1}
	x := []float32{1, 10, 2, 20, 3, 30}
	y := make([]float32, len(x))
	conv.Forward(nil, nil, s, y, x, nil, conv.Pack(nil, gemm.F32, s, []float32{1, 1}), nil)
	fmt.Println(y)
	// Output: [2 20 3 30 5 50]
}
