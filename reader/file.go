package reader

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"path/filepath"

	"kuai/format/atomicfile"
	"kuai/format/safetensors"
	"kuai/nn"
)

// Files of a reader's directory. Tables and matrices are int8, each row with a
// scale of its own in a tensor called .scale; what is small is F32.
const (
	configFile = "config.json"
	modelFile  = "model.safetensors"
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
	return nn.Load(m, f)
}

// fewValues is from how many on a parameter is worth packing.
const fewValues = 4096

// Save writes a model into a directory that exists.
func Save(dir string, m *Model) error {
	data, err := json.MarshalIndent(m.Config, "", "  ")
	if err != nil {
		return fmt.Errorf("reader: %w", err)
	}
	if err := safetensors.Write(filepath.Join(dir, modelFile), nn.Int8Tensors(m, fewValues), nil); err != nil {
		return err
	}
	return atomicfile.WriteBytes(filepath.Join(dir, configFile), append(data, '\n'))
}
