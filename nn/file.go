package nn

import (
	"fmt"
	"math"
	"slices"

	"kuai/format/safetensors"
	"kuai/kernel/vec"
)

// rowScale ends the name of the tensor that holds the scales of an int8 one's
// rows, one for each of its first dimension.
const rowScale = ".scale"

// Load copies the tensors of a file into the parameters of a module. Each
// parameter must be there with its shape, and nothing else; what is int8 has a
// scale a row (Int8Tensors). What is missing or of another shape wraps
// safetensors.ErrDamaged.
func Load(module any, f *safetensors.File) error {
	params := Params(module)
	known := make(map[string]bool, len(params))
	for _, p := range params {
		known[p.Name] = true
		tensor, ok := f.Tensor(p.Name)
		if !ok {
			return fmt.Errorf("nn: tensor %q is missing: %w", p.Name, safetensors.ErrDamaged)
		}
		if !slices.Equal(tensor.Shape, p.P.Shape) {
			return fmt.Errorf("nn: tensor %q: shape %v, want %v: %w", p.Name, tensor.Shape, p.P.Shape, safetensors.ErrDamaged)
		}
		if err := tensor.CopyF32(p.P.X); err != nil {
			return fmt.Errorf("nn: tensor %q: %w", p.Name, err)
		}
		if tensor.DType == safetensors.I8 {
			known[p.Name+rowScale] = true
			if err := rescale(f, p); err != nil {
				return err
			}
		}
		p.P.Changed()
	}
	for _, tensor := range f.Tensors {
		if !known[tensor.Name] {
			return fmt.Errorf("nn: tensor %q belongs to no parameter: %w", tensor.Name, safetensors.ErrDamaged)
		}
	}
	return nil
}

// rescale multiplies the rows of what was int8 by their scales.
func rescale(f *safetensors.File, p Named) error {
	rows := p.P.Dim(0)
	s, ok := f.Tensor(p.Name + rowScale)
	if !ok || s.Len() != rows {
		return fmt.Errorf("nn: tensor %q has no scale for each row: %w", p.Name, safetensors.ErrDamaged)
	}
	scale, err := s.F32()
	if err != nil {
		return fmt.Errorf("nn: tensor %q: %w", p.Name+rowScale, err)
	}
	d := p.P.Len() / rows
	for i, v := range scale {
		row := p.P.X[i*d : (i+1)*d]
		vec.Scale(row, row, v)
	}
	return nil
}

// Int8Tensors returns the parameters of a module for writing: those of at least
// so many values as int8 with a scale a row, the others as they are.
func Int8Tensors(module any, least int) []safetensors.Tensor {
	var all []safetensors.Tensor
	for _, p := range Params(module) {
		if p.P.Len() < least {
			all = append(all, safetensors.FromF32(p.Name, safetensors.F32, p.P.Shape, p.P.X))
			continue
		}
		q, scale := int8Rows(p.P.X, p.P.Dim(0))
		all = append(all, safetensors.Tensor{Name: p.Name, DType: safetensors.I8, Shape: p.P.Shape, Data: q},
			safetensors.FromF32(p.Name+rowScale, safetensors.F32, []int{len(scale)}, scale))
	}
	return all
}

// int8Rows rounds rows to int8 and their scales.
func int8Rows(x []float32, rows int) (q []byte, scale []float32) {
	const most = 127
	d := len(x) / rows
	q, scale = make([]byte, len(x)), make([]float32, rows)
	for r := range rows {
		row := x[r*d : (r+1)*d]
		var top float32
		for _, v := range row {
			top = max(top, v, -v)
		}
		if top == 0 {
			continue
		}
		scale[r] = top / most
		for i, v := range row {
			q[r*d+i] = byte(int8(math.RoundToEven(float64(v / scale[r]))))
		}
	}
	return q, scale
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
