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

	"kuai/kernel/vec"
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
	I32  DType = "I32"
	I16  DType = "I16"
	I8   DType = "I8"
	U8   DType = "U8"
	Bool DType = "BOOL"
)

// Size returns the bytes of one value, or 0 for an unknown type.
func (d DType) Size() int {
	switch d {
	case F64, I64:
		return 8
	case F32, I32:
		return 4
	case F16, BF16, I16:
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
	DType   DType    `json:"dtype"`
	Shape   []int64  `json:"shape"`
	Offsets [2]int64 `json:"data_offsets"`
}

// Parse reads a file from memory. It fails with ErrDamaged.
func Parse(data []byte) (*File, error) {
	if len(data) < 8 {
		return nil, damaged("%d bytes, too short for a header", len(data))
	}
	n := binary.LittleEndian.Uint64(data)
	if n > MaxHeaderBytes || n > uint64(len(data)-8) {
		return nil, damaged("header of %d bytes declared, %d present", n, len(data)-8)
	}
	header, body := data[8:8+n], data[8+n:]
	var raw map[string]json.RawMessage
	if err := json.Unmarshal(header, &raw); err != nil {
		return nil, damaged("header: %w", err)
	}
	if len(raw) > MaxTensors {
		return nil, damaged("%d tensors, at most %d", len(raw), MaxTensors)
	}
	f := &File{index: make(map[string]int, len(raw))}
	begins := make([]int64, 0, len(raw))
	for name, r := range raw {
		if name == "__metadata__" {
			if err := json.Unmarshal(r, &f.Metadata); err != nil {
				return nil, damaged("metadata: %w", err)
			}
			continue
		}
		t, begin, err := parseTensor(name, r, body)
		if err != nil {
			return nil, err
		}
		f.Tensors = append(f.Tensors, t)
		begins = append(begins, begin)
	}
	return f, f.order(begins, int64(len(body)))
}

// parseTensor checks one entry of the header.
func parseTensor(name string, r json.RawMessage, body []byte) (Tensor, int64, error) {
	var e entry
	if len(name) > MaxNameBytes {
		return Tensor{}, 0, damaged("tensor name of %d bytes", len(name))
	}
	if err := json.Unmarshal(r, &e); err != nil {
		return Tensor{}, 0, damaged("tensor %q: %w", name, err)
	}
	width := int64(e.DType.Size())
	if width == 0 {
		return Tensor{}, 0, damaged("tensor %q: unknown type %q", name, e.DType)
	}
	if len(e.Shape) > MaxRank {
		return Tensor{}, 0, damaged("tensor %q: %d dimensions", name, len(e.Shape))
	}
	size := width
	shape := make([]int, len(e.Shape))
	for i, s := range e.Shape {
		if s < 0 || s > 0 && size > math.MaxInt64/s {
			return Tensor{}, 0, damaged("tensor %q: shape %v", name, e.Shape)
		}
		size *= s
		shape[i] = int(s)
	}
	begin, end := e.Offsets[0], e.Offsets[1]
	if begin < 0 || end < begin || end > int64(len(body)) || end-begin != size {
		return Tensor{}, 0, damaged("tensor %q: %d bytes declared, offsets %d to %d of %d", name, size, begin, end, len(body))
	}
	return Tensor{Name: name, DType: e.DType, Shape: shape, Data: body[begin:end]}, begin, nil
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

// Len returns the number of values.
func (t Tensor) Len() int { return len(t.Data) / max(t.DType.Size(), 1) }

// F32 returns the values as float32.
func (t Tensor) F32() ([]float32, error) {
	out := make([]float32, t.Len())
	return out, t.CopyF32(out)
}

// CopyF32 writes the values to dst, which has room for exactly them. It fails
// for types that are no numbers to train on.
func (t Tensor) CopyF32(dst []float32) error {
	if len(dst) != t.Len() {
		return fmt.Errorf("safetensors: tensor %q has %d values, want %d", t.Name, t.Len(), len(dst))
	}
	le := binary.LittleEndian
	switch t.DType {
	case F32:
		for i := range dst {
			dst[i] = math.Float32frombits(le.Uint32(t.Data[4*i:]))
		}
	case F64:
		for i := range dst {
			dst[i] = float32(math.Float64frombits(le.Uint64(t.Data[8*i:])))
		}
	case F16, BF16:
		half := make([]uint16, len(dst))
		for i := range half {
			half[i] = le.Uint16(t.Data[2*i:])
		}
		if t.DType == F16 {
			vec.FromF16(dst, half)
		} else {
			vec.FromBF16(dst, half)
		}
	case I8:
		for i := range dst {
			dst[i] = float32(int8(t.Data[i]))
		}
	case U8:
		for i := range dst {
			dst[i] = float32(t.Data[i])
		}
	default:
		return fmt.Errorf("safetensors: tensor %q is of type %s, want a float", t.Name, t.DType)
	}
	return nil
}

// FromF32 makes a tensor of type F32, F16 or BF16, rounding to nearest.
func FromF32(name string, dtype DType, shape []int, x []float32) Tensor {
	t := Tensor{Name: name, DType: dtype, Shape: shape, Data: make([]byte, len(x)*dtype.Size())}
	le := binary.LittleEndian
	if dtype == F32 {
		for i, v := range x {
			le.PutUint32(t.Data[4*i:], math.Float32bits(v))
		}
		return t
	}
	half := make([]uint16, len(x))
	if dtype == F16 {
		vec.ToF16(half, x)
	} else {
		vec.ToBF16(half, x)
	}
	for i, v := range half {
		le.PutUint16(t.Data[2*i:], v)
	}
	return t
}

// Encode returns the bytes of a file. Tensors keep their order; the header is
// padded so that the data begins at a multiple of 8.
func Encode(tensors []Tensor, metadata map[string]string) ([]byte, error) {
	var head bytes.Buffer
	head.WriteByte('{')
	if len(metadata) > 0 {
		m, err := json.Marshal(metadata)
		if err != nil {
			return nil, fmt.Errorf("safetensors: metadata: %w", err)
		}
		fmt.Fprintf(&head, `"__metadata__":%s`, m)
	}
	var at int64
	for i, t := range tensors {
		if i > 0 || len(metadata) > 0 {
			head.WriteByte(',')
		}
		e := entry{DType: t.DType, Shape: make([]int64, len(t.Shape)), Offsets: [2]int64{at, at + int64(len(t.Data))}}
		for j, s := range t.Shape {
			e.Shape[j] = int64(s)
		}
		name, err := json.Marshal(t.Name)
		if err != nil {
			return nil, fmt.Errorf("safetensors: tensor %q: %w", t.Name, err)
		}
		body, err := json.Marshal(e)
		if err != nil {
			return nil, fmt.Errorf("safetensors: tensor %q: %w", t.Name, err)
		}
		fmt.Fprintf(&head, "%s:%s", name, body)
		at += int64(len(t.Data))
	}
	head.WriteByte('}')
	for head.Len()%8 != 0 {
		head.WriteByte(' ')
	}
	out := binary.LittleEndian.AppendUint64(make([]byte, 0, 8+int64(head.Len())+at), uint64(head.Len()))
	out = append(out, head.Bytes()...)
	for _, t := range tensors {
		out = append(out, t.Data...)
	}
	return out, nil
}
