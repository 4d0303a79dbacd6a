package text

import (
	"fmt"
	"math"
	"os"
	"path/filepath"

	"kuai/format/gguf"
	"kuai/kernel/quant"
)

// Tensor is a stored array of a model.
type Tensor struct {
	Name  string
	Shape []int // outermost first
	Type  quant.Type
	Data  []byte // valid until the Stored is closed
}

// Stored is a model as its files have it, for conversions.
type Stored struct {
	Config  Config
	GGUF    bool // from one GGUF file; otherwise a Hugging Face directory
	Tensors []Tensor
	src     source
}

// OpenStored maps a model's files and reads its configuration; no weight is
// read.
func OpenStored(path string) (*Stored, error) {
	info, err := os.Stat(path)
	if err != nil {
		return nil, fmt.Errorf("text: %w", err)
	}
	s := &Stored{GGUF: !info.IsDir()}
	if info.IsDir() {
		if s.Config, _, err = readHF(filepath.Join(path, "config.json")); err != nil {
			return nil, err
		}
		d, err := openDirectory(path)
		if err != nil {
			return nil, err
		}
		s.src = d
	} else {
		f, err := gguf.Open(path)
		if err != nil {
			return nil, fmt.Errorf("text: %w", err)
		}
		s.src = container{f, path}
		if s.Config, _, err = readGGUF(f, path); err != nil {
			_ = f.Close() // was only read
			return nil, err
		}
	}
	for _, t := range s.src.tensors() {
		s.Tensors = append(s.Tensors, Tensor{t.name, t.shape, t.typ, t.data})
	}
	return s, nil
}

// Close unmaps the files.
func (s *Stored) Close() error { return s.src.Close() }

// Lightning says of each layer whether it attends linearly.
func (c *Config) Lightning() []bool {
	out := make([]bool, len(c.kinds))
	for i, k := range c.kinds {
		out[i] = k == lightningAttention
	}
	return out
}

// ResidualScale returns the factor of the residual stream, if it is one for
// all branches and those have none: all that GGUF can say.
func (c *Config) ResidualScale() (alpha float32, ok bool) {
	first := c.residual[0]
	if first == (scales{}) {
		return 1, true
	}
	for _, s := range c.residual {
		if s.alpha != first.alpha || s.beta != 1 {
			return 0, false
		}
	}
	return first.alpha, true
}

// RopeFactors returns by how much each rotary frequency is slowed down, nil for
// no scaling.
func (c *Config) RopeFactors() []float32 {
	if c.ropeScale.kind == "" {
		return nil
	}
	f := c.frequencies()
	out := make([]float32, len(f))
	for i, v := range f {
		out[i] = float32(math.Pow(c.RopeBase, -2*float64(i)/float64(c.RotaryDim)) / v)
	}
	return out
}
