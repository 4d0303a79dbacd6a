package nn

import (
	"fmt"
	"slices"

	"kuai/format/safetensors"
)

// Load copies the tensors of a file into the parameters of a module. Each
// parameter must be there with its shape, and nothing else.
func Load(module any, f *safetensors.File) error {
	params := Params(module)
	known := make(map[string]bool, len(params))
	for _, p := range params {
		known[p.Name] = true
		tensor, ok := f.Tensor(p.Name)
		if !ok {
			return fmt.Errorf("nn: tensor %q is missing", p.Name)
		}
		if !slices.Equal(tensor.Shape, p.P.Shape) {
			return fmt.Errorf("nn: tensor %q: shape %v, want %v", p.Name, tensor.Shape, p.P.Shape)
		}
		if err := tensor.CopyF32(p.P.X); err != nil {
			return fmt.Errorf("nn: tensor %q: %w", p.Name, err)
		}
		p.P.Changed()
	}
	for _, tensor := range f.Tensors {
		if !known[tensor.Name] {
			return fmt.Errorf("nn: tensor %q belongs to no parameter", tensor.Name)
		}
	}
	return nil
}

// Tensors returns the parameters of a module for writing, rounded to dtype.
func Tensors(module any, dtype safetensors.DType) []safetensors.Tensor {
	var all []safetensors.Tensor
	for _, p := range Params(module) {
		all = append(all, safetensors.FromF32(p.Name, dtype, p.P.Shape, p.P.X))
	}
	return all
}

// Save writes the parameters of a module to a file, rounded to dtype.
func Save(path string, module any, dtype safetensors.DType, metadata map[string]string) error {
	return safetensors.Write(path, Tensors(module, dtype), metadata)
}
