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
	"slices"
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
		typ, ok := types[t.DType]
		if scale, is := c.dir.Tensor(t.Name + scaleSuffix); is && t.DType == safetensors.I8 {
			if t.Data, err = interleave(t, scale); err != nil {
				return fmt.Errorf("text: %s: %w", c.Path, err)
			}
			typ, ok = quant.Q8_0, true
		}
		if ok { // others are no weights: masks, counters
			c.add(Tensor{Name: t.Name, Shape: t.Shape, Type: typ, Data: t.Data})
		}
	}
	return nil
}

// scaleSuffix is what the scales of an int8 tensor in safetensors are named by.
const scaleSuffix = "_scale"

// interleave makes blocks of Q8_0 of int8 values and their F16 scales, one for
// each 32 values of a row, as Int8 makes them.
func interleave(t, scale safetensors.Tensor) ([]byte, error) {
	const values, half = 32, 2
	n := len(t.Data) / values
	if len(t.Shape) == 0 || t.Shape[len(t.Shape)-1]%values != 0 || scale.DType != safetensors.F16 || len(scale.Data) != half*n {
		return nil, fmt.Errorf("tensor %q: int8 of shape %v with scales %s of shape %v, want an F16 for each %d values of a row", t.Name, t.Shape, scale.DType, scale.Shape, values)
	}
	out := make([]byte, 0, n*(values+half))
	for i := range n {
		out = append(out, scale.Data[half*i:half*(i+1)]...)
		out = append(out, t.Data[values*i:values*(i+1)]...)
	}
	return out, nil
}

// Int8 makes of a matrix of floats an int8 tensor and its scales, as a directory
// keeps them; ok is false for what is better left as it is: vectors, and small
// or narrow matrices.
func Int8(t safetensors.Tensor) (pair [2]safetensors.Tensor, ok bool, err error) {
	const values, half, least = 32, 2, 1 << 14
	if len(t.Shape) != 2 || t.Shape[1]%values != 0 || t.Len() < least {
		return pair, false, nil
	}
	x, err := t.F32()
	if err != nil {
		return pair, false, err
	}
	blocks := make([]byte, quant.Q8_0.Bytes(len(x)))
	quant.Quantize(blocks, quant.Q8_0, x)
	n := len(x) / values
	ints, scales := make([]byte, 0, len(x)), make([]byte, 0, half*n)
	for b := range slices.Chunk(blocks, values+half) {
		scales, ints = append(scales, b[:half]...), append(ints, b[half:]...)
	}
	return [2]safetensors.Tensor{
		{Name: t.Name, DType: safetensors.I8, Shape: t.Shape, Data: ints},
		{Name: t.Name + scaleSuffix, DType: safetensors.F16, Shape: []int{t.Shape[0], t.Shape[1] / values}, Data: scales},
	}, true, nil
}

// Floats undoes Int8 in a file's tensors: each int8 tensor with scales becomes
// one of F32, and the scales are left out.
func Floats(f *safetensors.File) (out []safetensors.Tensor, err error) {
	for _, t := range f.Tensors {
		if of, is := strings.CutSuffix(t.Name, scaleSuffix); is {
			if q, ok := f.Tensor(of); ok && q.DType == safetensors.I8 {
				continue
			}
		}
		if scale, is := f.Tensor(t.Name + scaleSuffix); is && t.DType == safetensors.I8 {
			blocks, err := interleave(t, scale)
			if err != nil {
				return nil, err
			}
			x := make([]float32, t.Len())
			quant.Dequantize(x, quant.Q8_0, blocks)
			t = safetensors.FromF32(t.Name, safetensors.F32, t.Shape, x)
		}
		out = append(out, t)
	}
	return out, nil
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
