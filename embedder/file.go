package embedder

import (
	"fmt"
	"io/fs"
	"math"
	"path/filepath"

	"kuai/format/safetensors"
	"kuai/kernel/vec"
	"kuai/nn"
)

// modelFile holds the tables: int8, each row with a scale of its own in a
// tensor called .scale.
const (
	modelFile = "model.safetensors"
	scaleName = ".scale"
)

// Open reads a model from a directory. Damaged weights wrap
// safetensors.ErrDamaged.
func Open(dir fs.FS) (*Model, error) {
	data, err := fs.ReadFile(dir, modelFile)
	if err != nil {
		return nil, fmt.Errorf("embedder: %w", err)
	}
	m := New(0)
	if err := m.load(data); err != nil {
		return nil, fmt.Errorf("embedder: %s: %w", modelFile, err)
	}
	return m, nil
}

func (m *Model) load(data []byte) error {
	f, err := safetensors.Parse(data)
	if err != nil {
		return err
	}
	for _, p := range nn.Params(m) {
		rows := p.P.Dim(0)
		t, ok := f.Tensor(p.Name)
		s, scaled := f.Tensor(p.Name + scaleName)
		if !ok || !scaled || t.DType != safetensors.I8 || t.Len() != p.P.Len() || s.Len() != rows {
			return fmt.Errorf("no tensor %q of shape %v in int8 with scales: %w", p.Name, p.P.Shape, safetensors.ErrDamaged)
		}
		scale, err := s.F32()
		if err != nil {
			return err
		}
		if err := t.CopyF32(p.P.X); err != nil {
			return err
		}
		for i, v := range scale {
			row := p.P.X[i*Width : (i+1)*Width]
			vec.Scale(row, row, v)
		}
		p.P.Changed()
	}
	return nil
}

// Save writes a model into a directory that exists.
func Save(dir string, m *Model) error {
	var all []safetensors.Tensor
	for _, p := range nn.Params(m) {
		q, scale := quantise(p.P.X)
		all = append(all, safetensors.Tensor{Name: p.Name, DType: safetensors.I8, Shape: p.P.Shape, Data: q},
			safetensors.FromF32(p.Name+scaleName, safetensors.F32, []int{len(scale)}, scale))
	}
	return safetensors.Write(filepath.Join(dir, modelFile), all, nil)
}

// quantise rounds rows to int8 and their scales.
func quantise(x []float32) (q []byte, scale []float32) {
	q, scale = make([]byte, len(x)), make([]float32, len(x)/Width)
	for r := range scale {
		row := x[r*Width : (r+1)*Width]
		var top float32
		for _, v := range row {
			top = max(top, v, -v)
		}
		if top == 0 {
			continue
		}
		scale[r] = top / 127
		for i, v := range row {
			q[r*Width+i] = byte(int8(math.RoundToEven(float64(v / scale[r]))))
		}
	}
	return q, scale
}
