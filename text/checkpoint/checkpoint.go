// Package checkpoint reads language models as their files have them: a GGUF
// file, or a directory of Hugging Face with config.json and safetensors. It
// knows the table of architectures, what each calls its configuration and its
// tensors, and gives both back in one form; it computes nothing.
//
//	GGUF file ──┐
//	            ├── Config, tensors by part ("attn_q" of layer 3), tokenizer
//	directory ──┘
//
// The files stay mapped until Close; no weight is read before it is asked for.
package checkpoint

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"kuai/format/gguf"
	"kuai/format/safetensors"
	"kuai/kernel/quant"
)

// Checkpoint is a model on disk, open for reading. Several goroutines may use
// it.
type Checkpoint struct {
	Path    string
	Config  Config
	GGUF    bool // a GGUF file; otherwise a Hugging Face directory
	Tensors []Tensor

	arch  *architecture
	index map[string]int
	gguf  *gguf.File
	dir   *safetensors.Dir
}

// Open maps a model's files and reads its configuration.
func Open(path string) (c *Checkpoint, err error) {
	err = Reading(path, func() error {
		c, err = open(path)
		return err
	})
	if err != nil {
		return nil, err
	}
	return c, nil
}

func open(path string) (*Checkpoint, error) {
	info, err := os.Stat(path)
	if err != nil {
		return nil, fmt.Errorf("text: %w", err)
	}
	c := &Checkpoint{Path: path, GGUF: !info.IsDir(), index: map[string]int{}}
	if info.IsDir() {
		err = c.openDirectory()
	} else {
		err = c.openGGUF()
	}
	if err != nil {
		_ = c.Close() // was only read
		return nil, err
	}
	return c, nil
}

func (c *Checkpoint) openDirectory() (err error) {
	if c.Config, c.arch, err = readHF(filepath.Join(c.Path, "config.json")); err != nil {
		return err
	}
	if c.dir, err = safetensors.OpenDir(c.Path); err != nil {
		return fmt.Errorf("text: %w", err)
	}
	types := map[safetensors.DType]quant.Type{safetensors.F32: quant.F32, safetensors.F16: quant.F16, safetensors.BF16: quant.BF16}
	for _, t := range c.dir.Tensors {
		if typ, ok := types[t.DType]; ok { // others are no weights: masks, counters
			c.add(Tensor{Name: t.Name, Shape: t.Shape, Type: typ, Data: t.Data})
		}
	}
	return nil
}

func (c *Checkpoint) openGGUF() (err error) {
	if c.gguf, err = gguf.Open(c.Path); err != nil {
		return fmt.Errorf("text: %w", err)
	}
	for _, t := range c.gguf.Tensors() {
		c.add(Tensor{Name: t.Name, Shape: t.Shape, Type: t.Type, Data: t.Data})
	}
	c.Config, c.arch, err = readGGUF(c.gguf, c.Path)
	return err
}

func (c *Checkpoint) add(t Tensor) {
	t.File = c.Path
	c.index[t.Name] = len(c.Tensors)
	c.Tensors = append(c.Tensors, t)
}

// Close unmaps the files.
func (c *Checkpoint) Close() error {
	var err error
	if c.gguf != nil {
		err = c.gguf.Close()
	}
	if c.dir != nil {
		err = c.dir.Close()
	}
	if err != nil {
		return fmt.Errorf("text: %s: %w", c.Path, err)
	}
	return nil
}

// Tensor finds a tensor by its name in the files.
func (c *Checkpoint) Tensor(name string) (Tensor, bool) {
	i, ok := c.index[name]
	if !ok {
		return Tensor{}, false
	}
	return c.Tensors[i], true
}

// Neighbours says that the rows of W_q and W_k are in the order in which pairs
// that turn together are neighbours; elsewhere they are half the rotary
// dimensions apart.
func (c *Checkpoint) Neighbours() bool { return c.GGUF && c.arch.neighbours }

// Hash identifies the model by names, shapes and types of its tensors and a
// sample of each one's values: to read a model of hundreds of gigabytes whole
// would take minutes.
func (c *Checkpoint) Hash() [32]byte { return fingerprint(c.Config.Arch, c.Tensors) }

// Identity says which contents the files have: their names, sizes and times, and
// the Hash, which holds a sample of each tensor. Whoever changes a file changes
// its time; the samples tell files apart that were put in the place of others
// with their times kept. To sum all of a file up would cost as much as reading
// the weights does.
func (c *Checkpoint) Identity() (string, error) {
	var files []string
	if c.GGUF {
		files = c.gguf.Files()
	} else {
		entries, err := os.ReadDir(c.Path) // in the order of their names
		if err != nil {
			return "", fmt.Errorf("text: %w", err)
		}
		for _, e := range entries {
			if strings.HasSuffix(e.Name(), ".safetensors") {
				files = append(files, filepath.Join(c.Path, e.Name()))
			}
		}
	}
	var b strings.Builder
	for _, f := range files {
		info, err := os.Stat(f)
		if err != nil {
			return "", fmt.Errorf("text: %w", err)
		}
		fmt.Fprintf(&b, "%q %d %d\n", filepath.Base(f), info.Size(), info.ModTime().UnixNano())
	}
	fmt.Fprintf(&b, "%x", c.Hash())
	return b.String(), nil
}

// Describe reads a model's configuration and the sizes of its tensors, and no
// weights: what can be said of a model without loading it. StateBytes and
// KVBytes are those of the usual cache, in half precision.
func Describe(path string) (Config, error) {
	s, err := Open(path)
	if err != nil {
		return Config{}, err
	}
	defer s.Close() //nolint:errcheck // was only read
	c := s.Config
	for _, t := range s.Tensors {
		n := int64(1)
		for _, side := range t.Shape {
			n *= int64(side)
		}
		c.Parameters += n
		c.WeightBytes += int64(len(t.Data))
	}
	const f32, f16, keyAndValue = 4, 2, 2
	c.LinearLayers = c.CountLinear()
	c.StateBytes = f32 * int64(c.LinearLayers) * int64(c.Heads) * int64(c.HeadDim) * int64(c.HeadDim)
	c.KVBytes = f16 * keyAndValue * int64(c.Layers-c.LinearLayers) * int64(c.KVHeads) * int64(c.HeadDim)
	return c, nil
}
