// Package safetensors reads and writes the weight files of the Hugging Face
// ecosystem.
//
//	8 bytes   N, the header's length, little endian
//	N bytes   JSON: {"name": {"dtype": "F32", "shape": [2, 3],
//	          "data_offsets": [0, 24]}, ..., "__metadata__": {"k": "v"}}
//	the rest  the tensors' bytes, without gaps or overlaps
//
// Nothing in a file is believed before it was checked: sizes have limits,
// products are checked for overflow, and the tensors must cover the data
// exactly.
//
// Source: https://github.com/huggingface/safetensors, "Format".
package safetensors

import (
	"bytes"
	"cmp"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"slices"

	"kuai/mem"
)

// Limits of what is read.
const (
	MaxHeaderBytes = 100 << 20 // as in the reference implementation
	MaxTensors     = 1 << 20
	MaxNameBytes   = 1 << 10
	MaxRank        = 16
)

// DType is the type of a tensor's values.
type DType string

// The types that are read; F32, F16 and BF16 are also written.
const (
	F64  DType = "F64"
	F32  DType = "F32"
	F16  DType = "F16"
	BF16 DType = "BF16"
	I64  DType = "I64"
	U64  DType = "U64"
	I32  DType = "I32"
	U32  DType = "U32"
	I16  DType = "I16"
	U16  DType = "U16"
	I8   DType = "I8"
	U8   DType = "U8"
	Bool DType = "BOOL"
)

// Size returns the bytes of one value, or 0 for an unknown type.
func (d DType) Size() int {
	switch d {
	case F64, I64, U64:
		return 8
	case F32, I32, U32:
		return 4
	case F16, BF16, I16, U16:
		return 2
	case I8, U8, Bool:
		return 1
	}
	return 0
}

// Tensor is a named array; Data holds its values, little endian.
type Tensor struct {
	Name  string
	DType DType
	Shape []int
	Data  []byte
}

// ErrDamaged is wrapped by every error that a file's contents cause.
var ErrDamaged = errors.New("damaged file")

func damaged(format string, args ...any) error {
	return fmt.Errorf("safetensors: %w: %w", fmt.Errorf(format, args...), ErrDamaged)
}

// File is a parsed file. Its tensors point into the parsed bytes.
type File struct {
	Tensors  []Tensor // in the order of their data
	Metadata map[string]string

	index map[string]int
	file  *mem.File // when mapped
}

// Tensor returns the tensor of that name.
func (f *File) Tensor(name string) (Tensor, bool) {
	i, ok := f.index[name]
	if !ok {
		return Tensor{}, false
	}
	return f.Tensors[i], true
}

// entry is a tensor in the header.
type entry struct {
	DType   DType   `json:"dtype"`
	Shape   []int64 `json:"shape"`
	Offsets []int64 `json:"data_offsets"` // begin and end
}

// Parse reads a file from memory, whose bytes the tensors then share. It fails
// with ErrDamaged.
func Parse(data []byte) (*File, error) {
	if len(data) < 8 {
		return nil, damaged("%d bytes, too short for a header", len(data))
	}
	n := binary.LittleEndian.Uint64(data)
	if n > MaxHeaderBytes || n > uint64(len(data)-8) {
		return nil, damaged("header of %d bytes declared, %d present, at most %d", n, len(data)-8, MaxHeaderBytes)
	}
	header, body := data[8:8+n], data[8+n:]
	f := &File{index: make(map[string]int)}
	var begins []int64
	err := entries(header, func(name string, d *json.Decoder) error {
		if name == metadataKey {
			if err := d.Decode(&f.Metadata); err != nil {
				return damaged("metadata: %w", err)
			}
			return nil
		}
		t, begin, err := parseTensor(name, d, body)
		if err != nil {
			return err
		}
		f.Tensors = append(f.Tensors, t)
		begins = append(begins, begin)
		return nil
	})
	if err != nil {
		return nil, err
	}
	if err := f.order(begins, int64(len(body))); err != nil {
		return nil, err
	}
	return f, nil
}

// metadataKey is the entry of the header that is no tensor.
const metadataKey = "__metadata__"

// entries calls f for every entry of the header, with its value to be decoded.
func entries(header []byte, f func(name string, d *json.Decoder) error) error {
	if len(header) == 0 || header[0] != '{' {
		return damaged("header does not begin with {")
	}
	d := json.NewDecoder(bytes.NewReader(header))
	if _, err := d.Token(); err != nil {
		return damaged("header: %w", err)
	}
	seen := make(map[string]bool)
	for d.More() {
		key, err := d.Token()
		if err != nil {
			return damaged("header: %w", err)
		}
		name, _ := key.(string) // keys are nothing else
		switch {
		case len(name) > MaxNameBytes:
			return damaged("tensor name of %d bytes, at most %d", len(name), MaxNameBytes)
		case seen[name]:
			return damaged("tensor %q: declared twice", name)
		case len(seen) > MaxTensors:
			return damaged("more than %d tensors", MaxTensors)
		}
		seen[name] = true
		if err := f(name, d); err != nil {
			return err
		}
	}
	if _, err := d.Token(); err != nil {
		return damaged("header: %w", err)
	}
	if rest := bytes.TrimRight(header[d.InputOffset():], " "); len(rest) > 0 {
		return damaged("header: %d bytes after its end", len(rest))
	}
	return nil
}

// parseTensor checks one entry of the header.
func parseTensor(name string, d *json.Decoder, body []byte) (Tensor, int64, error) {
	var e entry
	if err := d.Decode(&e); err != nil {
		return Tensor{}, 0, damaged("tensor %q: %w", name, err)
	}
	width := int64(e.DType.Size())
	switch {
	case width == 0:
		return Tensor{}, 0, damaged("tensor %q: unknown type %q", name, e.DType)
	case e.Shape == nil || len(e.Shape) > MaxRank:
		return Tensor{}, 0, damaged("tensor %q: %d dimensions, want 0 to %d", name, len(e.Shape), MaxRank)
	case len(e.Offsets) != 2:
		return Tensor{}, 0, damaged("tensor %q: %d offsets, want 2", name, len(e.Offsets))
	}
	size := width
	shape := make([]int, len(e.Shape))
	for i, s := range e.Shape {
		if s < 0 || s > math.MaxInt || s > 0 && size > math.MaxInt64/s {
			return Tensor{}, 0, damaged("tensor %q: shape %v", name, e.Shape)
		}
		size *= s
		shape[i] = int(s)
	}
	begin, end := e.Offsets[0], e.Offsets[1]
	if begin < 0 || end < begin || end > int64(len(body)) || end-begin != size {
		return Tensor{}, 0, damaged("tensor %q: %d bytes declared, offsets %d to %d of %d", name, size, begin, end, len(body))
	}
	return Tensor{Name: name, DType: e.DType, Shape: shape, Data: body[begin:end:end]}, begin, nil
}

// order sorts the tensors by their data and checks that they cover it.
func (f *File) order(begins []int64, size int64) error {
	by := make([]int, len(begins))
	for i := range by {
		by[i] = i
	}
	slices.SortFunc(by, func(a, b int) int {
		return cmp.Or(cmp.Compare(begins[a], begins[b]), cmp.Compare(len(f.Tensors[a].Data), len(f.Tensors[b].Data)), cmp.Compare(f.Tensors[a].Name, f.Tensors[b].Name))
	})
	sorted := make([]Tensor, len(by))
	var at int64
	for i, j := range by {
		t := f.Tensors[j]
		if begins[j] != at {
			return damaged("tensor %q begins at %d, want %d", t.Name, begins[j], at)
		}
		at += int64(len(t.Data))
		sorted[i] = t
		f.index[t.Name] = i
	}
	if at != size {
		return damaged("%d bytes after the last tensor", size-at)
	}
	f.Tensors = sorted
	return nil
}
