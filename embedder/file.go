package embedder

import (
	"fmt"
	"io/fs"
	"path/filepath"

	"kuai/format/safetensors"
	"kuai/nn"
)

// modelFile holds the tables: int8, each row with a scale of its own in a
// tensor called .scale.
const modelFile = "model.safetensors"

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
	return nn.Load(m, f)
}

// Save writes a model into a directory that exists.
func Save(dir string, m *Model) error {
	return safetensors.Write(filepath.Join(dir, modelFile), nn.Int8Tensors(m, 0), nil)
}
