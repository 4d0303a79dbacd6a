package gguf

import (
	"bytes"
	"errors"
	"io"
	"math"
	"os"
	"path/filepath"
	"testing"

	"github.com/google/go-cmp/cmp"

	"kuai/kernel/quant"
)

// TestGolden reads a file that the Python package gguf wrote.
func TestGolden(t *testing.T) {
	t.Parallel()
	f, err := Open("testdata/golden.gguf")
	if err != nil {
		t.Fatal(err)
	}
	defer func() {
		if err := f.Close(); err != nil {
			t.Error(err)
		}
	}()
	got := map[string]any{}
	for _, k := range f.Keys() {
		got[k], _ = f.Value(k)
	}
	want := map[string]any{
		"general.architecture": "llama",
		"k.u8":                 int64(200), "k.i8": int64(-5), "k.u16": int64(65000), "k.i16": int64(-300),
		"k.u32": int64(4000000000), "k.i32": int64(-70000), "k.u64": int64(1 << 40), "k.i64": int64(-1 << 40),
		"k.f32": 0.5, "k.f64": 0.1, "k.bool": true, "k.string": "快 = 好",
		"k.strings": []string{"a", "", "狐狸"}, "k.ints": []int64{1, -2, 3},
		"k.floats": []float64{0.5, -0.25}, "k.bools": []bool{true, false},
	}
	if d := cmp.Diff(want, got); d != "" {
		t.Errorf("keys (-want +got):\n%s", d)
	}
	a, ok := f.Tensor("a.weight")
	if !ok || a.Type != quant.F32 || cmp.Diff(a.Shape, []int{2, 3}) != "" {
		t.Fatalf("a.weight is %+v", a)
	}
	x := make([]float32, 6)
	quant.Dequantize(x, a.Type, a.Data)
	if d := cmp.Diff([]float32{0, 1, 2, 3, 4, 5}, x); d != "" {
		t.Error(d)
	}
	b, ok := f.Tensor("b.weight")
	if !ok || b.Type != quant.Q8_0 || b.Values() != 128 {
		t.Fatalf("b.weight is %+v", b)
	}
	x = make([]float32, 128)
	quant.Dequantize(x, b.Type, b.Data)
	for i, v := range x {
		if w := -1 + 2*float64(i)/127; math.Abs(float64(v)-w) > 0.005 {
			t.Errorf("value %d is %v, want %v", i, v, w)
		}
	}
	if _, ok := f.Int("k.string"); ok {
		t.Error("a text is a number")
	}
	if v, ok := f.Float("k.u8"); !ok || v != 200 {
		t.Error("a whole number is not widened")
	}
}

// TestCutOff checks that no prefix of a file, and no file with a byte changed,
// is read without an error or makes the reader panic.
func TestCutOff(t *testing.T) {
	t.Parallel()
	data := golden(t)
	for n := range len(data) - 32 { // the last bytes are padding
		if _, err := Parse(data[:n]); !errors.Is(err, ErrDamaged) {
			t.Fatalf("%d of %d bytes: %v", n, len(data), err)
		}
	}
	for i := range 700 {
		bad := append([]byte(nil), data...)
		bad[i] ^= 0x80
		_, _ = Parse(bad) // it may stay readable; it must not panic
	}
}

func golden(tb testing.TB) []byte {
	tb.Helper()
	data, err := os.ReadFile("testdata/golden.gguf")
	if err != nil {
		tb.Fatal(err)
	}
	return data
}

func FuzzParse(f *testing.F) {
	f.Add(golden(f))
	f.Fuzz(func(_ *testing.T, data []byte) {
		file, err := Parse(data)
		if err != nil {
			return
		}
		for _, t := range file.Tensors() {
			if n := t.Values(); n < 1<<20 {
				quant.Dequantize(make([]float32, n), t.Type, t.Data)
			}
		}
	})
}

// TestWrite writes what the golden file holds and reads it again.
func TestWrite(t *testing.T) {
	t.Parallel()
	old, err := Parse(golden(t))
	if err != nil {
		t.Fatal(err)
	}
	keys := []Key{
		{"general.architecture", "llama"},
		{"a", true},
		{"b", int32(-3)},
		{"c", uint32(4000000000)},
		{"d", int64(-1 << 40)},
		{"e", uint64(1 << 40)},
		{"f", float32(0.5)},
		{"g", 0.1},
		{"h", []string{"x", "", "快"}},
		{"i", []bool{true, false}},
		{"j", []int32{-1, 2}},
		{"k", []float32{0.25}},
		{"l", []uint32{}},
	}
	var tensors []Source
	for _, x := range old.Tensors() {
		tensors = append(tensors, Source{x.Name, x.Shape, x.Type, func(w io.Writer) error {
			_, err := w.Write(x.Data)
			return err
		}})
	}
	path := filepath.Join(t.TempDir(), "x.gguf")
	if err := Write(path, keys, tensors); err != nil {
		t.Fatal(err)
	}
	f, err := Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close() //nolint:errcheck // only read
	if d := cmp.Diff(old.Tensors(), f.Tensors()); d != "" {
		t.Errorf("tensors (-want +got):\n%s", d)
	}
	if v, ok := f.Strings("h"); !ok || cmp.Diff([]string{"x", "", "快"}, v) != "" {
		t.Errorf("h is %q", v)
	}
	if v, ok := f.Int("d"); !ok || v != -1<<40 {
		t.Errorf("d is %d", v)
	}

	if err := Write(path, old.Pairs(), tensors); err != nil {
		t.Fatal(err)
	}
	if got, err := os.ReadFile(path); err != nil || !bytes.Equal(got, golden(t)) {
		t.Errorf("a copy of the golden file differs, %v", err)
	}

	short := []Source{{"a", []int{4}, quant.F32, func(w io.Writer) error { _, err := w.Write([]byte{1}); return err }}}
	if err := Write(path, nil, short); err == nil {
		t.Error("a tensor of too few bytes gave no error")
	}
	if _, err := Open(path); err != nil {
		t.Errorf("the file before is gone: %v", err)
	}
	for _, bad := range []Source{{"a", nil, quant.F32, nil}, {"a", []int{33}, quant.Q8_0, nil}, {"a", []int{1, 1, 1, 1, 1}, quant.F32, nil}} {
		if err := Write(path, nil, []Source{bad}); err == nil {
			t.Errorf("%+v gave no error", bad)
		}
	}
	if err := Write(path, []Key{{"a", struct{}{}}}, nil); err == nil {
		t.Error("a struct as value gave no error")
	}
}
