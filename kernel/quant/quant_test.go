package quant

import (
	"bytes"
	"math"
	"math/rand/v2"
	"os"
	"testing"
)

// TestGolden compares every format with the Python package gguf.
func TestGolden(t *testing.T) {
	t.Parallel()
	data, err := os.ReadFile("testdata/golden.bin")
	if err != nil {
		t.Fatal(err)
	}
	take := func(n int) []byte {
		b := data[:n]
		data = data[n:]
		return b
	}
	floats := func(n int) []float32 {
		x := make([]float32, n)
		readF32(x, take(4*n))
		return x
	}
	for _, typ := range []Type{F16, BF16, Q4_0, Q4_1, Q5_0, Q5_1, Q8_0, Q4_K, Q5_K, Q6_K} {
		values, size := typ.Block()
		raw := take(4 * size)
		want, got := floats(4*values), make([]float32, 4*values)
		Dequantize(got, typ, raw)
		for i, v := range want {
			if math.Abs(float64(got[i]-v)) > 1e-6*math.Abs(float64(v))+1e-7 {
				t.Fatalf("%v: value %d is %v, want %v", typ, i, got[i], v)
			}
		}
	}
	for _, typ := range []Type{F16, BF16, Q8_0, Q4_0} {
		x := floats(512)
		want, got := take(typ.Bytes(512)), make([]byte, typ.Bytes(512))
		Quantize(got, typ, x)
		if !bytes.Equal(got, want) {
			t.Errorf("%v: other blocks than the reference's", typ)
		}
	}
	if len(data) > 0 {
		t.Errorf("%d bytes left over", len(data))
	}
}

// TestRoundTrip checks the error that each format that is written may make.
func TestRoundTrip(t *testing.T) {
	t.Parallel()
	r := rand.New(rand.NewPCG(1, 2))
	x := make([]float32, 1024)
	for i := range x {
		x[i] = float32(r.NormFloat64())
	}
	for typ, f := range formats {
		if f.write == nil {
			continue
		}
		raw, back := make([]byte, typ.Bytes(len(x))), make([]float32, len(x))
		Quantize(raw, typ, x)
		Dequantize(back, typ, raw)
		var most float64
		for i := range x {
			most = max(most, math.Abs(float64(x[i]-back[i])))
		}
		if limit := map[Type]float64{
			F32: 0, F16: 2e-3, BF16: 2e-2, Q8_0: 0.02, Q4_0: 0.5, Q4_1: 0.25, Q5_0: 0.2, Q5_1: 0.12, Q4_K: 0.3, Q5_K: 0.15, Q6_K: 0.1,
		}[typ]; most > limit {
			t.Errorf("%v: off by up to %v, want at most %v", typ, most, limit)
		}
		if p, ok := Parse(typ.String()); !ok || p != typ {
			t.Errorf("%v is not found by its name", typ)
		}
	}
	if Type(99).Known() || Type(99).String() != "type 99" {
		t.Error("type 99 is known")
	}
}
