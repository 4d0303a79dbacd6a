package checkpoint

import (
	"errors"
	"math"
	"math/rand/v2"
	"slices"
	"testing"

	"kuai/format/safetensors"
	"kuai/kernel/quant"
)

// TestInt8 checks that what Int8 splits up comes together as blocks whose
// values are near, and that scales of another shape are refused.
func TestInt8(t *testing.T) {
	t.Parallel()
	r := rand.New(rand.NewPCG(1, 2))
	x := make([]float32, 256*64)
	for i := range x {
		x[i] = float32(r.NormFloat64())
	}
	m := safetensors.FromF32("m", safetensors.F32, []int{256, 64}, x)
	pair, ok, err := Int8(m)
	if err != nil || !ok {
		t.Fatal(ok, err)
	}
	data, err := interleave(pair[0], pair[1])
	if err != nil {
		t.Fatal(err)
	}
	back := make([]float32, len(x))
	quant.Dequantize(back, quant.Q8_0, data)
	for i := range x {
		if math.Abs(float64(x[i]-back[i])) > 0.02 {
			t.Fatalf("value %d: %v, want %v", i, back[i], x[i])
		}
	}
	bytes, err := safetensors.Encode(append(pair[:], safetensors.FromF32("v", safetensors.F32, []int{64}, x[:64])), nil)
	if err != nil {
		t.Fatal(err)
	}
	f, err := safetensors.Parse(bytes)
	if err != nil {
		t.Fatal(err)
	}
	floats, err := Floats(f)
	if err != nil || len(floats) != 2 {
		t.Fatalf("%d tensors, %v", len(floats), err)
	}
	for _, tensor := range floats {
		if got, err := tensor.F32(); err != nil || tensor.Name == "m" && !slices.Equal(got, back) || tensor.Name == "v" && !slices.Equal(got, x[:64]) {
			t.Errorf("%s came back otherwise: %v", tensor.Name, err)
		}
	}
	if _, ok, err := Int8(safetensors.FromF32("v", safetensors.F32, []int{64}, x[:64])); ok || err != nil {
		t.Errorf("a vector: %v, %v", ok, err)
	}
	for what, s := range map[string]safetensors.Tensor{
		"scales cut":       {Name: "m_scale", DType: safetensors.F16, Shape: []int{255, 2}, Data: pair[1].Data[:1020]},
		"scales of floats": safetensors.FromF32("m_scale", safetensors.F32, []int{256, 2}, x[:512]),
	} {
		if _, err := interleave(pair[0], s); err == nil {
			t.Errorf("%s: no error", what)
		}
	}
	odd := pair[0]
	odd.Shape = []int{512, 32 - 1}
	if _, err := interleave(odd, pair[1]); err == nil || errors.Is(err, ErrLost) {
		t.Errorf("rows of 31: %v", err)
	}
}
