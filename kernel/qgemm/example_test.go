package qgemm_test

import (
	"fmt"

	"kuai/kernel/qgemm"
	"kuai/kernel/quant"
	"kuai/par"
)

// A row of ones times a matrix of three rows, stored in eight bits.
func Example() {
	const n, k = 3, 32
	values := make([]float32, n*k)
	for i := range values {
		values[i] = float32(i/k + 1)
	}
	data := make([]byte, quant.Q8_0.Bytes(n*k))
	quant.Quantize(data, quant.Q8_0, values)

	p := par.New(1)
	defer p.Close()
	w := qgemm.Pack(p, nil, quant.Q8_0, data, n, k)
	row := make([]float32, k)
	for i := range row {
		row[i] = 1
	}
	var x qgemm.Activations
	x.Quantize(p, row, k, 1, k)
	c := make([]float32, n)
	qgemm.Mul(p, c, n, &x, w, false)
	fmt.Printf("%.1f\n", c)
	// Output: [32.0 64.0 96.0]
}
