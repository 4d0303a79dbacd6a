// Package gguf reads and writes the model files of llama.cpp, mapped into
// memory.
//
//	"GGUF", u32 version, u64 tensors, u64 keys
//	keys:    name, u32 type, value; a name is u64 length and bytes
//	tensors: name, u32 rank, u64 sides (the innermost first), u32 type,
//	         u64 offset into the data
//	data:    begins and is laid out at multiples of general.alignment
//
// Nothing in a file is believed before it was checked: counts and lengths are
// held against the bytes that are left, so that no small file makes the reader
// allocate much.
//
// Source: github.com/ggml-org/ggml, docs/gguf.md.
package gguf

import (
	"cmp"
	"encoding/binary"
	"errors"
	"fmt"
	"math"
	"slices"

	"kuai/kernel/quant"
	"kuai/mem"
)

// Limits of what is read.
const (
	MaxTensors = 1 << 20
	MaxKeys    = 1 << 16
	MaxName    = 1 << 16 // bytes
	MaxRank    = 4
	MaxHeader  = 1 << 29 // bytes before the data
	MaxValues  = 1 << 24 // of all arrays: the largest vocabularies have some 10^6

	minString    = 8         // bytes of the shortest string
	maxAlignment = 1 << 20   //
	maxSide      = 1<<40 - 1 // of a tensor
	magic        = "GGUF"    //
	alignmentKey = "general.alignment"
	defaultAlign = 32
)

// ErrDamaged is wrapped by every error that a file's contents cause.
var ErrDamaged = errors.New("damaged or not GGUF")

func damaged(format string, args ...any) error {
	return fmt.Errorf("%w: %s", ErrDamaged, fmt.Sprintf(format, args...))
}

// kind is the type of a value, by its number in files.
type kind uint32

const (
	kindU8 kind = iota
	kindI8
	kindU16
	kindI16
	kindU32
	kindI32
	kindF32
	kindBool
	kindString
	kindArray
	kindU64
	kindI64
	kindF64
)

// size returns the bytes of a value, 0 for those of no fixed size.
func (k kind) size() int {
	switch k {
	case kindU8, kindI8, kindBool:
		return 1
	case kindU16, kindI16:
		return 2
	case kindU32, kindI32, kindF32:
		return 4
	case kindU64, kindI64, kindF64:
		return 8
	}
	return 0
}

// Tensor is a named array of a file. Data holds its blocks and stays valid
// until the file is closed.
type Tensor struct {
	Name  string
	Shape []int // outermost first: the reverse of the file's order
	Type  quant.Type
	Data  []byte
}

// Values is the number of values.
func (t Tensor) Values() int {
	n := 1
	for _, s := range t.Shape {
		n *= s
	}
	return n
}

// File is a GGUF file, open for reading.
type File struct {
	Version int

	files   []string
	mapped  []*mem.File
	keys    []string
	values  map[string]any // scalars as int64, float64, bool, string; arrays as []T
	raw     map[string]rawValue
	tensors []Tensor
	byName  map[string]int
}

// Open maps the file at path, and the other parts of a model of which it is the
// first. It fails with an error that wraps ErrDamaged where the contents are not
// what they should be.
func Open(path string) (*File, error) {
	m, err := mem.MapFile(path)
	if err != nil {
		return nil, fmt.Errorf("gguf: %w", err)
	}
	f, err := Parse(m.Bytes())
	if err != nil {
		_ = m.Close() // the other error counts
		return nil, fmt.Errorf("gguf: %s: %w", path, err)
	}
	f.mapped, f.files = []*mem.File{m}, []string{path}
	if err := f.join(path); err != nil {
		_ = f.Close() // the other error counts
		return nil, fmt.Errorf("gguf: %s: %w", path, err)
	}
	return f, nil
}

// Close unmaps the files. No Data of its tensors may be used afterwards.
func (f *File) Close() error {
	var all []error
	for _, m := range f.mapped {
		all = append(all, m.Close())
	}
	f.mapped = nil
	return errors.Join(all...)
}

// Parse reads a file that is in memory; its tensors share data.
func Parse(data []byte) (*File, error) {
	r := &reader{data: data[:min(len(data), MaxHeader)]}
	if string(r.take(4)) != magic {
		return nil, damaged("it does not begin with GGUF")
	}
	version := r.u32()
	if version == 3<<24 || version == 2<<24 {
		return nil, damaged("a big-endian file, which cannot be read")
	}
	if r.failed || version < 2 || version > 3 {
		return nil, damaged("version %d, can read 2 and 3", version)
	}
	tensors, keys := r.u64(), r.u64()
	if r.failed || tensors > MaxTensors || keys > MaxKeys {
		return nil, damaged("%d tensors and %d keys, at most %d and %d", tensors, keys, MaxTensors, MaxKeys)
	}
	f := &File{Version: int(version), values: map[string]any{}, raw: map[string]rawValue{}, byName: map[string]int{}}
	for range keys {
		if err := f.readKey(r); err != nil {
			return nil, err
		}
	}
	if err := f.readTensors(r, data, int(tensors)); err != nil {
		return nil, err
	}
	return f, nil
}

func (f *File) readKey(r *reader) error {
	name, ok := r.text(MaxName)
	if !ok || name == "" {
		return damaged("the name of key %d", len(f.keys))
	}
	from := r.at
	k := kind(r.u32())
	v, err := r.value(k)
	if err != nil {
		return fmt.Errorf("key %q: %w", name, err)
	}
	if _, twice := f.values[name]; twice {
		return damaged("key %q comes twice", name)
	}
	f.keys = append(f.keys, name)
	f.values[name], f.raw[name] = v, r.data[from:r.at:r.at]
	return nil
}

// readTensors reads the list of tensors and cuts their data out of the file.
func (f *File) readTensors(r *reader, file []byte, n int) error {
	align := int64(defaultAlign)
	if v, ok := f.Int(alignmentKey); ok {
		align = v
	}
	if align < 1 || align > maxAlignment || align&(align-1) != 0 {
		return damaged("alignment %d is not a power of two up to %d", align, maxAlignment)
	}
	var offsets []uint64
	for i := range n {
		t, offset, err := r.tensor()
		if err != nil {
			return fmt.Errorf("tensor %d: %w", i, err)
		}
		if _, twice := f.byName[t.Name]; twice {
			return damaged("tensor %q comes twice", t.Name)
		}
		f.byName[t.Name] = i
		f.tensors = append(f.tensors, t)
		offsets = append(offsets, offset)
	}
	begin := (uint64(r.at) + uint64(align) - 1) / uint64(align) * uint64(align)
	whole := uint64(len(file))
	for i := range f.tensors {
		t := &f.tensors[i]
		size := uint64(t.Type.Bytes(t.Values()))
		if begin > whole || offsets[i] > whole-begin || size > whole-begin-offsets[i] {
			return damaged("tensor %q: %d bytes at %d of the data, and the file has %d bytes: it is cut off", t.Name, size, offsets[i], whole)
		}
		if offsets[i]%uint64(align) != 0 {
			return damaged("tensor %q begins at %d, which is no multiple of %d", t.Name, offsets[i], align)
		}
		t.Data = file[begin+offsets[i]:][:size:size]
	}
	return f.apart(offsets)
}

// apart checks that no two tensors share bytes: a small file could claim to be
// a large model.
func (f *File) apart(offsets []uint64) error {
	by := make([]int, len(offsets))
	for i := range by {
		by[i] = i
	}
	slices.SortFunc(by, func(a, b int) int {
		return cmp.Or(cmp.Compare(offsets[a], offsets[b]), cmp.Compare(len(f.tensors[a].Data), len(f.tensors[b].Data)))
	})
	end := uint64(0)
	for k, i := range by {
		if offsets[i] < end {
			return damaged("tensors %q and %q share bytes", f.tensors[by[k-1]].Name, f.tensors[i].Name)
		}
		end = offsets[i] + uint64(len(f.tensors[i].Data))
	}
	return nil
}

// reader takes values from the front of data. A read beyond the end fails, and
// all after it.
type reader struct {
	data   []byte
	at     int
	listed uint64 // values of arrays so far
	failed bool
}

func (r *reader) left() int { return len(r.data) - r.at }

func (r *reader) take(n int) []byte {
	if r.failed || n < 0 || n > r.left() {
		r.failed = true
		return nil
	}
	b := r.data[r.at : r.at+n]
	r.at += n
	return b
}

func (r *reader) u32() uint32 {
	if b := r.take(4); b != nil {
		return binary.LittleEndian.Uint32(b)
	}
	return 0
}

func (r *reader) u64() uint64 {
	if b := r.take(8); b != nil {
		return binary.LittleEndian.Uint64(b)
	}
	return 0
}

// text reads a string of at most limit bytes.
func (r *reader) text(limit int) (string, bool) {
	n := r.u64()
	if r.failed || n > uint64(min(limit, r.left())) {
		r.failed = true
		return "", false
	}
	return string(r.take(int(n))), true
}

// value reads a scalar or an array of scalars.
func (r *reader) value(k kind) (any, error) {
	if k != kindArray {
		v, ok := r.scalar(k)
		if !ok {
			return nil, damaged("type %d or cut off", k)
		}
		return v, nil
	}
	of, n := kind(r.u32()), r.u64()
	least := of.size()
	if of == kindString {
		least = minString
	}
	if r.failed || least == 0 {
		return nil, damaged("array of type %d", of)
	}
	if n > uint64(r.left()/least) {
		return nil, damaged("array of %d values in %d bytes", n, r.left())
	}
	if r.listed += n; r.listed > MaxValues {
		return nil, damaged("%d values in arrays, at most %d", r.listed, MaxValues)
	}
	return r.array(of, int(n))
}

func (r *reader) array(of kind, n int) (any, error) {
	switch of {
	case kindString:
		return list[string](r, of, n)
	case kindF32, kindF64:
		return list[float64](r, of, n)
	case kindBool:
		return list[bool](r, of, n)
	default:
		return list[int64](r, of, n)
	}
}

func list[T any](r *reader, of kind, n int) (any, error) {
	out := make([]T, n)
	for i := range out {
		v, ok := r.scalar(of)
		x, is := v.(T)
		if !ok || !is {
			return nil, damaged("value %d of an array", i)
		}
		out[i] = x
	}
	return out, nil
}

// scalar reads a value as int64, float64, bool or string.
func (r *reader) scalar(k kind) (any, bool) {
	if k == kindString {
		return r.text(math.MaxInt)
	}
	size := k.size()
	if size == 0 {
		return nil, false
	}
	b := r.take(size)
	if b == nil {
		return nil, false
	}
	var wide [8]byte
	copy(wide[:], b)
	u := binary.LittleEndian.Uint64(wide[:])
	switch k {
	case kindI8:
		return int64(int8(u)), true
	case kindI16:
		return int64(int16(u)), true
	case kindI32:
		return int64(int32(u)), true
	case kindF32:
		return float64(math.Float32frombits(uint32(u))), true
	case kindF64:
		return math.Float64frombits(u), true
	case kindBool:
		return u == 1, u <= 1
	case kindU64:
		return int64(min(u, math.MaxInt64)), true
	}
	return int64(u), true // the other unsigned ones, and I64
}

// tensor reads the description of a tensor.
func (r *reader) tensor() (Tensor, uint64, error) {
	name, ok := r.text(MaxName)
	rank := r.u32()
	if !ok || r.failed || name == "" || rank > MaxRank {
		return Tensor{}, 0, damaged("name %q, rank %d", name, rank)
	}
	t := Tensor{Name: name, Shape: make([]int, rank)}
	values := uint64(1)
	for i := range rank {
		side := r.u64()
		if side > maxSide || values > maxSide/max(side, 1) {
			return Tensor{}, 0, damaged("tensor %q: side %d of %d", name, i, side)
		}
		values *= max(side, 1) // so that no other product overflows either
		t.Shape[int(rank)-1-int(i)] = int(side)
	}
	t.Type = quant.Type(r.u32())
	offset := r.u64()
	if r.failed {
		return Tensor{}, 0, damaged("tensor %q is cut off", name)
	}
	block, _ := t.Type.Block()
	if block == 0 {
		return Tensor{}, 0, fmt.Errorf("tensor %q has %v, which cannot be read; requantise it to one of F32 F16 BF16 Q8_0 Q4_0 Q4_1 Q5_0 Q5_1 Q4_K Q5_K Q6_K", name, t.Type)
	}
	if rank > 0 && t.Shape[rank-1]%block != 0 || rank == 0 && block > 1 {
		return Tensor{}, 0, damaged("tensor %q: rows of %v in %v", name, t.Shape, t.Type)
	}
	return t, offset, nil
}
