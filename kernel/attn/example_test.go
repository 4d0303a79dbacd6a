package attn_test

import (
	"fmt"

	"kuai/kernel/attn"
	"kuai/kernel/gemm"
)

// A sequence may be fed in pieces: the state carries what came before.
func ExampleLightning() {
	q, k, v := []float32{1, 1, 1}, []float32{1, 1, 1}, []float32{8, 0, 0}
	decay, state := []float32{0.5}, make([]float32, 1)
	o := make([]float32, 3)
	for i := range q {
		one := attn.Shape{B: 1, N: 1, M: 1, NH: 1, D: 1}
		attn.Lightning(nil, gemm.F32, one, o[i:i+1], q[i:i+1], k[i:i+1], v[i:i+1], decay, state)
	}
	fmt.Println(o)
	// Output: [8 4 2]
}
