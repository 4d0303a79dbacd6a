package reader

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"math"
	"path/filepath"

	"kuai/format/atomicfile"
	"kuai/format/safetensors"
	"kuai/kernel/vec"
	"kuai/nn"
)

// Files of a reader's directory. Tables and matrices are int8, each row with a
// scale of its own in a tensor called .scale; what is small is F32.
const (
	configFile = "config.json"
	modelFile  = "model.safetensors"
	scaleName  = ".scale"
)

// maxConfig is the bytes of a config that are read.
const maxConfig = 1 << 16

// Open reads a model from a directory. Damaged weights wrap
// safetensors.ErrDamaged.
func Open(dir fs.FS) (*Model, error) {
	data, err := fs.ReadFile(dir, configFile)
	if err != nil {
		return nil, fmt.Errorf("reader: %w", err)
	}
	var c Config
	if len(data) > maxConfig {
		return nil, errors.New("reader: " + configFile + " is too large")
	}
	if err := json.Unmarshal(data, &c); err != nil {
		return nil, fmt.Errorf("reader: %s: %w", configFile, err)
	}
	m, err := New(c, 0)
	if err != nil {
		return nil, err
	}
	if data, err = fs.ReadFile(dir, modelFile); err != nil {
		return nil, fmt.Errorf("reader: %w", err)
	}
	if err := m.load(data); err != nil {
		return nil, fmt.Errorf("reader: %s: %w", modelFile, err)
	}
	return m, nil
}

// load reads the weights: each parameter must be there, in its shape.
func (m *Model) load(data []byte) error {
	f, err := safetensors.Parse(data)
	if err != nil {
		return err
	}
	for _, p := range nn.Params(m) {
		t, ok := f.Tensor(p.Name)
		if !ok {
			return fmt.Errorf("no tensor %q: %w", p.Name, safetensors.ErrDamaged)
		}
		if t.Len() != p.P.Len() {
			return fmt.Errorf("tensor %q of shape %v, want %v: %w", p.Name, t.Shape, p.P.Shape, safetensors.ErrDamaged)
		}
		if err := t.CopyF32(p.P.X); err != nil {
			return err
		}
		if t.DType == safetensors.I8 {
			if err := rescale(f, p); err != nil {
				return err
			}
		}
		p.P.Changed()
	}
	return nil
}

// rescale multiplies the rows of what was int8 by their scales.
func rescale(f *safetensors.File, p nn.Named) error {
	rows := p.P.Dim(0)
	s, ok := f.Tensor(p.Name + scaleName)
	if !ok || s.Len() != rows {
		return fmt.Errorf("tensor %q has no scale for each row: %w", p.Name, safetensors.ErrDamaged)
	}
	scale, err := s.F32()
	if err != nil {
		return err
	}
	d := p.P.Len() / rows
	for i, v := range scale {
		vec.Scale(p.P.X[i*d:(i+1)*d], p.P.X[i*d:(i+1)*d], v)
	}
	return nil
}

// fewValues is from how many on a parameter is worth packing.
const fewValues = 4096

// Save writes a model into a directory that exists.
func Save(dir string, m *Model) error {
	data, err := json.MarshalIndent(m.Config, "", "  ")
	if err != nil {
		return fmt.Errorf("reader: %w", err)
	}
	var all []safetensors.Tensor
	for _, p := range nn.Params(m) {
		if p.P.Len() < fewValues {
			all = append(all, safetensors.FromF32(p.Name, safetensors.F32, p.P.Shape, p.P.X))
			continue
		}
		q, scale := quantise(p.P.X, p.P.Dim(0))
		all = append(all, safetensors.Tensor{Name: p.Name, DType: safetensors.I8, Shape: p.P.Shape, Data: q},
			safetensors.FromF32(p.Name+scaleName, safetensors.F32, []int{len(scale)}, scale))
	}
	if err := safetensors.Write(filepath.Join(dir, modelFile), all, nil); err != nil {
		return err
	}
	return atomicfile.WriteBytes(filepath.Join(dir, configFile), append(data, '\n'))
}

// quantise rounds rows to int8 and their scales.
func quantise(x []float32, rows int) (q []byte, scale []float32) {
	const most = 127
	d := len(x) / rows
	q, scale = make([]byte, len(x)), make([]float32, rows)
	for r := range rows {
		var top float32
		for _, v := range x[r*d : (r+1)*d] {
			top = max(top, v, -v)
		}
		scale[r] = top / most
		if top == 0 {
			continue
		}
		for i, v := range x[r*d : (r+1)*d] {
			q[r*d+i] = byte(int8(math.RoundToEven(float64(v / scale[r]))))
		}
	}
	return q, scale
}
