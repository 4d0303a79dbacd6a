// Package quant knows the block formats in which GGUF files store weights: a
// few values share a scale, and most formats a minimum too.
//
// The names are ggml's. A block of the plain formats (Q4_0 to Q8_0) holds 32
// values; one of the K formats holds 256, in eight or sixteen groups whose
// scales are quantised themselves.
//
// Source: github.com/ggml-org/ggml, src/ggml-common.h and ggml-quants.c.
package quant

import (
	"strconv"

	"kuai/internal/check"
)

// Type is a format, by the number that GGUF gives it.
type Type uint32

// The formats, all of which can be read and written.
const (
	F32  Type = 0
	F16  Type = 1
	Q4_0 Type = 2
	Q4_1 Type = 3
	Q5_0 Type = 6
	Q5_1 Type = 7
	Q8_0 Type = 8
	Q4_K Type = 12 //nolint:revive,staticcheck // ggml's name
	Q5_K Type = 13 //nolint:revive,staticcheck // ggml's name
	Q6_K Type = 14 //nolint:revive,staticcheck // ggml's name
	BF16 Type = 30
)

const (
	small = 32  // values of a plain block
	large = 256 // values of a K block
)

// format is what is known of a Type.
type format struct {
	name          string
	values, bytes int // of a block
	read          func(dst []float32, src []byte)
	write         func(dst []byte, src []float32) // nil where it cannot be
}

var formats = map[Type]format{
	F32:  {"F32", 1, 4, readF32, writeF32},
	F16:  {"F16", 1, 2, readF16, writeF16},
	BF16: {"BF16", 1, 2, readBF16, writeBF16},
	Q4_0: {"Q4_0", small, 18, readQ4_0, writeQ4_0},
	Q4_1: {"Q4_1", small, 20, readQ4_1, writeQ4_1},
	Q5_0: {"Q5_0", small, 22, readQ5_0, writeQ5_0},
	Q5_1: {"Q5_1", small, 24, readQ5_1, writeQ5_1},
	Q8_0: {"Q8_0", small, 34, readQ8_0, writeQ8_0},
	Q4_K: {"Q4_K", large, 144, readQ4_K, writeQ4_K},
	Q5_K: {"Q5_K", large, 176, readQ5_K, writeQ5_K},
	Q6_K: {"Q6_K", large, 210, readQ6_K, writeQ6_K},
}

// Known says whether the format can be read.
func (t Type) Known() bool { _, ok := formats[t]; return ok }

// Writable says whether Quantize knows the format.
func (t Type) Writable() bool { return formats[t].write != nil }

// Block returns how many values a block holds and the bytes it takes; zeros
// for an unknown format.
func (t Type) Block() (values, bytes int) { return formats[t].values, formats[t].bytes }

// String returns the name, such as Q8_0.
func (t Type) String() string {
	if f, ok := formats[t]; ok {
		return f.name
	}
	return "type " + strconv.Itoa(int(t))
}

// Parse returns the format of a name such as "Q8_0".
func Parse(name string) (Type, bool) {
	for t, f := range formats {
		if f.name == name {
			return t, true
		}
	}
	return 0, false
}

// Bytes returns what n values take. n must be a multiple of the block.
func (t Type) Bytes(n int) int {
	f := formats[t]
	check.True(f.values > 0 && n >= 0 && n%f.values == 0, "quant: %d values of %v", n, t)
	return n / f.values * f.bytes
}

// Dequantize widens whole blocks of src to dst.
func Dequantize(dst []float32, t Type, src []byte) {
	check.True(t.Known() && len(src) == t.Bytes(len(dst)), "quant: %d bytes of %v for %d values", len(src), t, len(dst))
	formats[t].read(dst, src)
}

// Quantize rounds src to whole blocks of dst, as ggml's reference does.
func Quantize(dst []byte, t Type, src []float32) {
	check.True(t.Writable() && len(dst) == t.Bytes(len(src)), "quant: %d values for %d bytes of %v", len(src), len(dst), t)
	formats[t].write(dst, src)
}
