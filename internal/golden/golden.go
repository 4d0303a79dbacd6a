// Package golden loads values that an independent implementation computed, for
// tests. The files lie in testdata beside the script that made them.
package golden

import (
	"testing"

	"kuai/format/safetensors"
)

// Tensor is one array of a golden file.
type Tensor struct {
	Shape []int
	F32   []float32
}

// Load reads a .safetensors file of golden values.
func Load(tb testing.TB, path string) map[string]Tensor {
	tb.Helper()
	f, err := safetensors.Read(path)
	if err != nil {
		tb.Fatal(err)
	}
	all := make(map[string]Tensor, len(f.Tensors))
	for _, tensor := range f.Tensors {
		x, err := tensor.F32()
		if err != nil {
			tb.Fatal(err)
		}
		all[tensor.Name] = Tensor{tensor.Shape, x}
	}
	return all
}
