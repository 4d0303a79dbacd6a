package quant_test

import (
	"fmt"

	"kuai/kernel/quant"
)

// Thirty-two weights become a scale and four bits each.
func ExampleQuantize() {
	weights := make([]float32, 32)
	for i := range weights {
		weights[i] = float32(i-16) / 16
	}
	block := make([]byte, quant.Q4_0.Bytes(len(weights)))
	quant.Quantize(block, quant.Q4_0, weights)
	back := make([]float32, len(weights))
	quant.Dequantize(back, quant.Q4_0, block)
	fmt.Println(len(block), "bytes:", back[0], back[4], back[8], back[31])
	// Output: 18 bytes: -1 -0.75 -0.5 0.875
}
