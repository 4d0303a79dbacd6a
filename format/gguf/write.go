package gguf

import (
	"encoding/binary"
	"fmt"
	"io"
	"math"

	"kuai/format/atomicfile"
	"kuai/kernel/quant"
)

// Key is a named value to write: a bool, string, int32, uint32, int64, uint64,
// float32, float64, a slice of one of them, or what Pairs returned.
type Key struct {
	Name  string
	Value any
}

// Source is a tensor to write. Write is called once, in the order of the list,
// and writes exactly the tensor's bytes.
type Source struct {
	Name  string
	Shape []int // outermost first
	Type  quant.Type
	Write func(w io.Writer) error
}

// bytes of the tensor; an error for what readers would refuse.
func (s Source) bytes() (int, error) {
	block, size := s.Type.Block()
	n := 1
	for _, side := range s.Shape {
		if side < 0 || side > 0 && n > maxSide/side {
			return 0, fmt.Errorf("tensor %q: shape %v", s.Name, s.Shape)
		}
		n *= side
	}
	if block == 0 || len(s.Shape) == 0 || len(s.Shape) > MaxRank || s.Shape[len(s.Shape)-1]%block != 0 {
		return 0, fmt.Errorf("tensor %q: shape %v in %v, want 1 to %d sides and rows of whole blocks", s.Name, s.Shape, s.Type, MaxRank)
	}
	return n / block * size, nil
}

// Write writes a file of version 3, a tensor at a time. After an error the
// file at path is as it was.
func Write(path string, keys []Key, tensors []Source) error {
	err := atomicfile.Write(path, func(out io.Writer) error { return encode(out, keys, tensors) })
	if err != nil {
		return fmt.Errorf("gguf: %w", err)
	}
	return nil
}

func encode(out io.Writer, keys []Key, tensors []Source) error {
	head := append([]byte(magic), 3, 0, 0, 0)
	head = binary.LittleEndian.AppendUint64(head, uint64(len(tensors)))
	head = binary.LittleEndian.AppendUint64(head, uint64(len(keys)))
	var err error
	for _, k := range keys {
		head = appendString(head, k.Name)
		if head, err = appendValue(head, k.Value); err != nil {
			return fmt.Errorf("key %q: %w", k.Name, err)
		}
	}
	offset := 0
	for _, t := range tensors {
		size, err := t.bytes()
		if err != nil {
			return err
		}
		head = appendString(head, t.Name)
		head = binary.LittleEndian.AppendUint32(head, uint32(len(t.Shape)))
		for i := range t.Shape {
			head = binary.LittleEndian.AppendUint64(head, uint64(t.Shape[len(t.Shape)-1-i]))
		}
		head = binary.LittleEndian.AppendUint32(head, uint32(t.Type))
		head = binary.LittleEndian.AppendUint64(head, uint64(offset))
		offset += size + padding(size)
	}
	head = append(head, make([]byte, padding(len(head)))...)
	if _, err := out.Write(head); err != nil {
		return err
	}
	for _, t := range tensors {
		if err := t.copy(out); err != nil {
			return err
		}
	}
	return nil
}

// copy writes the tensor's bytes and what fills up to the next.
func (s Source) copy(out io.Writer) error {
	want, err := s.bytes()
	if err != nil {
		return err
	}
	c := &counter{w: out}
	if err := s.Write(c); err != nil {
		return err
	}
	if c.n != want {
		return fmt.Errorf("tensor %q: %d bytes written, want %d", s.Name, c.n, want)
	}
	_, err = out.Write(make([]byte, padding(want)))
	return err
}

// counter counts the bytes that pass.
type counter struct {
	w io.Writer
	n int
}

func (c *counter) Write(b []byte) (int, error) {
	n, err := c.w.Write(b)
	c.n += n
	return n, err
}

func padding(n int) int { return -n & (defaultAlign - 1) }

func appendString(b []byte, s string) []byte {
	return append(binary.LittleEndian.AppendUint64(b, uint64(len(s))), s...)
}

// appendValue appends a value's type and bytes.
func appendValue(b []byte, v any) ([]byte, error) {
	switch v := v.(type) {
	case rawValue:
		return append(b, v...), nil
	case []string:
		return appendList(b, v)
	case []bool:
		return appendList(b, v)
	case []byte:
		return appendList(b, v)
	case []int32:
		return appendList(b, v)
	case []uint32:
		return appendList(b, v)
	case []int64:
		return appendList(b, v)
	case []uint64:
		return appendList(b, v)
	case []float32:
		return appendList(b, v)
	case []float64:
		return appendList(b, v)
	}
	k, err := kindOf(v)
	if err != nil {
		return b, err
	}
	return appendScalar(binary.LittleEndian.AppendUint32(b, uint32(k)), v), nil
}

func appendList[T any](b []byte, list []T) ([]byte, error) {
	var zero T
	k, err := kindOf(zero)
	if err != nil {
		return b, err
	}
	b = binary.LittleEndian.AppendUint32(b, uint32(kindArray))
	b = binary.LittleEndian.AppendUint32(b, uint32(k))
	b = binary.LittleEndian.AppendUint64(b, uint64(len(list)))
	for _, v := range list {
		b = appendScalar(b, v)
	}
	return b, nil
}

func kindOf(v any) (kind, error) {
	switch v.(type) {
	case bool:
		return kindBool, nil
	case string:
		return kindString, nil
	case uint8:
		return kindU8, nil
	case int32:
		return kindI32, nil
	case uint32:
		return kindU32, nil
	case int64:
		return kindI64, nil
	case uint64:
		return kindU64, nil
	case float32:
		return kindF32, nil
	case float64:
		return kindF64, nil
	}
	return 0, fmt.Errorf("a %T cannot be written", v)
}

// appendScalar appends a value whose type kindOf knows.
func appendScalar(b []byte, v any) []byte {
	switch v := v.(type) {
	case bool:
		if v {
			return append(b, 1)
		}
		return append(b, 0)
	case string:
		return appendString(b, v)
	case uint8:
		return append(b, v)
	case int32:
		return binary.LittleEndian.AppendUint32(b, uint32(v))
	case uint32:
		return binary.LittleEndian.AppendUint32(b, v)
	case int64:
		return binary.LittleEndian.AppendUint64(b, uint64(v))
	case uint64:
		return binary.LittleEndian.AppendUint64(b, v)
	case float32:
		return binary.LittleEndian.AppendUint32(b, math.Float32bits(v))
	case float64:
		return binary.LittleEndian.AppendUint64(b, math.Float64bits(v))
	}
	return b
}
