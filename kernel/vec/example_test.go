package vec_test

import (
	"fmt"

	"kuai/kernel/vec"
)

func ExampleSoftmax() {
	x := []float32{0, 0, 5, 5, 5, 5}
	y := make([]float32, len(x))
	vec.Softmax(y[:2], x[:2], 1, 2)
	vec.Softmax(y[2:], x[2:], 1, 4)
	fmt.Println(y)
	// Output: [0.5 0.5 0.25 0.25 0.25 0.25]
}
