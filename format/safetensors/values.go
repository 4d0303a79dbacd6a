package safetensors

import (
	"encoding/binary"
	"fmt"
	"math"

	"kuai/internal/check"
	"kuai/kernel/vec"
)

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
	case F64:
		convert(dst, t.Data, 8, func(b []byte) float64 { return math.Float64frombits(le.Uint64(b)) })
	case I64:
		convert(dst, t.Data, 8, func(b []byte) int64 { return int64(le.Uint64(b)) })
	case U64:
		convert(dst, t.Data, 8, le.Uint64)
	case I32:
		convert(dst, t.Data, 4, func(b []byte) int32 { return int32(le.Uint32(b)) })
	case U32:
		convert(dst, t.Data, 4, le.Uint32)
	case I16:
		convert(dst, t.Data, 2, func(b []byte) int16 { return int16(le.Uint16(b)) })
	case U16:
		convert(dst, t.Data, 2, le.Uint16)
	case I8:
		convert(dst, t.Data, 1, func(b []byte) int8 { return int8(b[0]) })
	case U8:
		convert(dst, t.Data, 1, func(b []byte) uint8 { return b[0] })
	default:
		return fmt.Errorf("safetensors: tensor %q is of type %s, want a number", t.Name, t.DType)
	}
	return nil
}

// convert turns values of width bytes each into float32, rounding to nearest.
func convert[T int8 | uint8 | int16 | uint16 | int32 | uint32 | int64 | uint64 | float64](dst []float32, src []byte, width int, value func([]byte) T) {
	for i := range dst {
		dst[i] = float32(value(src[i*width:]))
	}
}

// FromF32 makes a tensor of type F32, F16 or BF16, rounding to nearest. Another
// type is the caller's bug and panics.
func FromF32(name string, dtype DType, shape []int, x []float32) Tensor {
	check.True(dtype == F32 || dtype == F16 || dtype == BF16, "safetensors: tensor %q: cannot write floats as %s", name, dtype)
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
