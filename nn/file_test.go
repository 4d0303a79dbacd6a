package nn

import (
	"errors"
	"math"
	"math/rand/v2"
	"path/filepath"
	"slices"
	"testing"

	"kuai/format/safetensors"
)

// TestInt8 writes a layer as int8 rows, reads it back to within half a step of
// each row, and refuses files without what belongs to them.
func TestInt8(t *testing.T) {
	t.Parallel()
	const rows, columns = 6, 40
	from, to := NewLinear(rand.New(rand.NewPCG(1, 2)), columns, rows, true), NewLinear(rand.New(rand.NewPCG(3, 4)), columns, rows, true)
	clear(from.W.X[:columns]) // a row of nothing has no scale
	all := Int8Tensors(from, rows*columns)
	write := func(all []safetensors.Tensor) *safetensors.File {
		path := filepath.Join(t.TempDir(), "m.safetensors")
		if err := safetensors.Write(path, all, nil); err != nil {
			t.Fatal(err)
		}
		f, err := safetensors.Read(path)
		if err != nil {
			t.Fatal(err)
		}
		return f
	}
	if err := Load(to, write(all)); err != nil {
		t.Fatal(err)
	}
	if !slices.Equal(to.B.X, from.B.X) {
		t.Error("what is small is not as it was")
	}
	for r := range rows {
		row := from.W.X[r*columns:][:columns]
		step := max(slices.Max(row), -slices.Min(row)) / 127
		for i, v := range row {
			if d := math.Abs(float64(v - to.W.X[r*columns+i])); d > float64(step)*0.501 {
				t.Fatalf("row %d: %g away, a step is %g", r, d, step)
			}
		}
	}
	for name, bad := range map[string][]safetensors.Tensor{
		"no scales":      slices.DeleteFunc(slices.Clone(all), func(x safetensors.Tensor) bool { return x.Name == "weight"+rowScale }),
		"no weights":     slices.DeleteFunc(slices.Clone(all), func(x safetensors.Tensor) bool { return x.Name == "weight" }),
		"too few scales": append(slices.DeleteFunc(slices.Clone(all), func(x safetensors.Tensor) bool { return x.Name == "weight"+rowScale }), safetensors.FromF32("weight"+rowScale, safetensors.F32, []int{1}, []float32{1})),
		"a stranger":     append(slices.Clone(all), safetensors.FromF32("stranger", safetensors.F32, []int{1}, []float32{1})),
	} {
		if err := Load(to, write(bad)); !errors.Is(err, safetensors.ErrDamaged) {
			t.Errorf("%s: %v", name, err)
		}
	}
}
