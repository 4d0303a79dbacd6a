package quant

import (
	"bytes"
	"math"
	"os"
	"testing"
)

// TestWritten compares the blocks of every format with ggml's reference.
func TestWritten(t *testing.T) {
	t.Parallel()
	data, err := os.ReadFile("testdata/written.bin")
	if err != nil {
		t.Fatal(err)
	}
	const n = 2048
	for _, typ := range []Type{Q4_0, Q4_1, Q5_0, Q5_1, Q8_0, Q4_K, Q5_K, Q6_K} {
		x := make([]float32, n)
		readF32(x, data[:4*n])
		size := typ.Bytes(n)
		want := data[4*n : 4*n+size]
		data = data[4*n+size:]
		got := bytes.Repeat([]byte{0xa5}, size)
		Quantize(got, typ, x)
		values, block := typ.Block()
		for i := 0; i*block < size; i++ {
			if a, b := got[i*block:(i+1)*block], want[i*block:(i+1)*block]; !bytes.Equal(a, b) {
				t.Errorf("%v: block %d of %d values is\n%x, want\n%x", typ, i, values, a, b)
				break
			}
		}
	}
	if len(data) > 0 {
		t.Errorf("%d bytes left over", len(data))
	}
}

// TestStrange quantises what is no weight: nothing may panic, and blocks that
// were written can be read.
func TestStrange(t *testing.T) {
	t.Parallel()
	inf, nan := float32(math.Inf(1)), float32(math.NaN())
	for _, v := range map[string][]float32{
		"NaN": {nan}, "infinite": {inf, -inf}, "mixed": {1, nan, -1, inf}, "huge": {math.MaxFloat32, -math.MaxFloat32},
		"subnormal": {math.SmallestNonzeroFloat32, 0}, "one": {1},
	} {
		x := make([]float32, 2*large)
		for i := range x {
			x[i] = v[i%len(v)]
		}
		for typ := range formats {
			raw := make([]byte, typ.Bytes(len(x)))
			Quantize(raw, typ, x)
			Dequantize(make([]float32, len(x)), typ, raw)
		}
	}
}

func BenchmarkQuantize(b *testing.B) {
	x := make([]float32, 1<<14)
	for i := range x {
		x[i] = float32(math.Sin(float64(i) * 1.7))
	}
	for _, typ := range []Type{F16, Q8_0, Q4_0, Q4_K, Q6_K} {
		b.Run("type="+typ.String(), func(b *testing.B) {
			raw := make([]byte, typ.Bytes(len(x)))
			b.SetBytes(int64(4 * len(x)))
			for b.Loop() {
				Quantize(raw, typ, x)
			}
		})
	}
}
