package safetensors

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"math"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"kuai/internal/near"
)

func sample() []Tensor {
	x := []float32{0, 1, -2, 0.5, 1e-3, 300}
	return []Tensor{
		FromF32("b", F32, []int{2, 3}, x),
		FromF32("a", BF16, []int{6}, x),
		FromF32("half", F16, []int{3, 2}, x),
		FromF32("empty", F32, []int{0, 4}, nil),
	}
}

func TestRoundTrip(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "m.safetensors")
	for range 2 { // the second replaces the first
		if err := Write(path, sample(), map[string]string{"seed": "1"}); err != nil {
			t.Fatal(err)
		}
	}
	f, err := Read(path)
	if err != nil {
		t.Fatal(err)
	}
	byName := cmpopts.SortSlices(func(a, b Tensor) bool { return a.Name < b.Name })
	if diff := cmp.Diff(sample(), f.Tensors, byName, cmpopts.EquateEmpty()); diff != "" {
		t.Errorf("tensors (-want +got):\n%s", diff)
	}
	if f.Metadata["seed"] != "1" {
		t.Errorf("metadata %v", f.Metadata)
	}
	for _, name := range []string{"a", "b", "half"} {
		tensor, _ := f.Tensor(name)
		x, err := tensor.F32()
		if err != nil {
			t.Fatal(err)
		}
		near.Check(t, name, x, []float32{0, 1, -2, 0.5, 1e-3, 300}, 4e-3)
	}
}

// file makes a file of a header and n bytes of data.
func file(header string, n int) []byte {
	out := binary.LittleEndian.AppendUint64(nil, uint64(len(header)))
	return append(append(out, header...), make([]byte, n)...)
}

func TestDamaged(t *testing.T) {
	t.Parallel()
	tests := map[string][]byte{
		"empty":              {},
		"header too long":    {0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x7f, '{', '}'},
		"header cut":         file(`{"a":{"dtype":"F32","shape":[1],"data_offsets":[0,4]}}`, 4)[:20],
		"not JSON":           file("hello", 0),
		"unknown type":       file(`{"a":{"dtype":"X9","shape":[1],"data_offsets":[0,4]}}`, 4),
		"size and offsets":   file(`{"a":{"dtype":"F32","shape":[2],"data_offsets":[0,4]}}`, 4),
		"past the end":       file(`{"a":{"dtype":"F32","shape":[2],"data_offsets":[0,8]}}`, 4),
		"backwards":          file(`{"a":{"dtype":"F32","shape":[1],"data_offsets":[4,0]}}`, 4),
		"negative side":      file(`{"a":{"dtype":"F32","shape":[-1],"data_offsets":[0,4]}}`, 4),
		"overflow":           file(`{"a":{"dtype":"F32","shape":[4611686018427387904,4],"data_offsets":[0,0]}}`, 0),
		"overlap":            file(`{"a":{"dtype":"U8","shape":[4],"data_offsets":[0,4]},"b":{"dtype":"U8","shape":[4],"data_offsets":[2,6]}}`, 6),
		"hole":               file(`{"a":{"dtype":"U8","shape":[2],"data_offsets":[0,2]},"b":{"dtype":"U8","shape":[2],"data_offsets":[4,6]}}`, 6),
		"trailing bytes":     file(`{"a":{"dtype":"U8","shape":[2],"data_offsets":[0,2]}}`, 3),
		"rank":               file(fmt.Sprintf(`{"a":{"dtype":"U8","shape":%s,"data_offsets":[0,1]}}`, "[1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1]"), 1),
		"twice":              file(`{"a":{"dtype":"U8","shape":[2],"data_offsets":[0,2]},"a":{"dtype":"U8","shape":[2],"data_offsets":[0,2]}}`, 2),
		"same bytes":         file(`{"a":{"dtype":"U8","shape":[2],"data_offsets":[0,2]},"b":{"dtype":"U8","shape":[2],"data_offsets":[0,2]}}`, 2),
		"one offset":         file(`{"a":{"dtype":"U8","shape":[0],"data_offsets":[0]}}`, 0),
		"three offsets":      file(`{"a":{"dtype":"U8","shape":[2],"data_offsets":[0,2,7]}}`, 2),
		"no shape":           file(`{"a":{"dtype":"U8","data_offsets":[0,1]}}`, 1),
		"fraction":           file(`{"a":{"dtype":"U8","shape":[1.5],"data_offsets":[0,1]}}`, 1),
		"beyond int64":       file(`{"a":{"dtype":"U8","shape":[99999999999999999999],"data_offsets":[0,1]}}`, 1),
		"not a tensor":       file(`{"a":7}`, 0),
		"array":              file(`[]`, 0),
		"space before":       file(` {}`, 0),
		"cut JSON":           file(`{"a":`, 0),
		"text after":         file(`{}x`, 0),
		"two values":         file(`{} {}`, 0),
		"long name":          file(`{"`+strings.Repeat("a", MaxNameBytes+1)+`":{"dtype":"U8","shape":[1],"data_offsets":[0,1]}}`, 1),
		"deep":               file(`{"a":`+strings.Repeat("[", 1<<20), 0),
		"metadata values":    file(`{"__metadata__":{"a":{"b":"c"}}}`, 0),
		"metadata twice":     file(`{"__metadata__":{},"__metadata__":{}}`, 0),
		"metadata not a map": file(`{"__metadata__":[]}`, 0),
	}
	for name, data := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			if _, err := Parse(data); !errors.Is(err, ErrDamaged) {
				t.Errorf("got %v, want ErrDamaged", err)
			}
		})
	}
}

// TestCanonical checks that the same tensors make the same bytes, aligned.
func TestCanonical(t *testing.T) {
	t.Parallel()
	a := sample()
	meta := map[string]string{"b": "1", "a": "<2>"}
	first, err := Encode(a, meta)
	if err != nil {
		t.Fatal(err)
	}
	slices.Reverse(a)
	second, err := Encode(a, meta)
	if err != nil || !bytes.Equal(first, second) {
		t.Errorf("another order makes other bytes, %v", err)
	}
	f, err := Parse(first)
	if err != nil {
		t.Fatal(err)
	}
	at := 0
	for _, x := range f.Tensors {
		if at%x.DType.Size() != 0 {
			t.Errorf("%s begins at %d", x.Name, at)
		}
		at += len(x.Data)
	}
	if (len(first)-at)%8 != 0 {
		t.Errorf("the data begins at %d", len(first)-at)
	}
}

func TestRefusedToWrite(t *testing.T) {
	t.Parallel()
	one := FromF32("a", F32, []int{1}, []float32{1})
	tests := map[string][]Tensor{
		"given twice":     {one, one},
		"twice, types":    {one, FromF32("a", F16, []int{1}, []float32{1})},
		"shape and bytes": {{Name: "a", DType: F32, Shape: []int{2}, Data: make([]byte, 4)}},
		"unknown type":    {{Name: "a", DType: "X", Shape: []int{}, Data: nil}},
		"metadata's name": {{Name: "__metadata__", DType: U8, Shape: []int{0}}},
		"negative":        {{Name: "a", DType: U8, Shape: []int{-1}}},
		"overflow":        {{Name: "a", DType: F32, Shape: []int{math.MaxInt, 4}}},
	}
	for name, tensors := range tests {
		path := filepath.Join(t.TempDir(), "m.safetensors")
		if err := Write(path, tensors, nil); err == nil {
			t.Errorf("%s: accepted", name)
		}
		if _, err := os.Stat(path); err == nil {
			t.Errorf("%s: left a file", name)
		}
	}
}

func TestOpen(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "m.safetensors")
	if err := Write(path, sample(), nil); err != nil {
		t.Fatal(err)
	}
	f, err := Open(path)
	if err != nil {
		t.Fatal(err)
	}
	tensor, ok := f.Tensor("b")
	if x, err := tensor.F32(); err != nil || !ok || x[5] != 300 {
		t.Errorf("got %v, %v", x, err)
	}
	if err := errors.Join(f.Close(), f.Close()); err != nil {
		t.Error(err)
	}
	if _, ok := f.Tensor("b"); ok {
		t.Error("a tensor after Close")
	}
	if err := os.Truncate(path, 30); err != nil {
		t.Fatal(err)
	}
	for name, open := range map[string]func(string) (*File, error){"Open": Open, "Read": Read} {
		if _, err := open(path); !errors.Is(err, ErrDamaged) || !strings.Contains(err.Error(), path) {
			t.Errorf("%s: got %v, want ErrDamaged with the path", name, err)
		}
	}
}

func TestF32(t *testing.T) {
	t.Parallel()
	le := binary.LittleEndian
	tests := []struct {
		dtype DType
		data  []byte
		want  float32
	}{
		{F64, le.AppendUint64(nil, math.Float64bits(0.1)), 0.1},
		{I64, le.AppendUint64(nil, math.MaxUint64), -1},
		{U64, le.AppendUint64(nil, math.MaxUint64), 1 << 64},
		{I32, le.AppendUint32(nil, math.MaxUint32), -1},
		{U32, le.AppendUint32(nil, math.MaxUint32), 1 << 32},
		{I16, le.AppendUint16(nil, math.MaxUint16), -1},
		{U16, le.AppendUint16(nil, math.MaxUint16), 65535},
		{I8, []byte{0xff}, -1},
		{U8, []byte{0xff}, 255},
		{F16, le.AppendUint16(nil, 0x3c00), 1},
		{BF16, le.AppendUint16(nil, 0x3f80), 1},
	}
	for _, tt := range tests {
		got, err := Tensor{Name: "a", DType: tt.dtype, Shape: []int{1}, Data: tt.data}.F32()
		if err != nil || len(got) != 1 || got[0] != tt.want {
			t.Errorf("%s: got %v, %v; want %v", tt.dtype, got, err, tt.want)
		}
	}
	if _, err := (Tensor{Name: "a", DType: Bool, Shape: []int{1}, Data: []byte{1}}).F32(); err == nil {
		t.Error("a boolean was taken for a number")
	}
}

func FuzzParse(f *testing.F) {
	good, err := Encode(sample(), map[string]string{"k": "v"})
	if err != nil {
		f.Fatal(err)
	}
	f.Add(good)
	f.Add(good[:len(good)-1])
	f.Fuzz(func(t *testing.T, data []byte) {
		file, err := Parse(data)
		if err != nil {
			if !errors.Is(err, ErrDamaged) || file != nil {
				t.Fatalf("got %v, %v, want ErrDamaged alone", file, err)
			}
			return
		}
		for _, tensor := range file.Tensors {
			_, _ = tensor.F32() // must not panic
		}
		again, err := Encode(file.Tensors, file.Metadata)
		if err != nil {
			t.Fatalf("accepted, but cannot be written: %v", err)
		}
		if _, err := Parse(again); err != nil {
			t.Fatalf("written, but cannot be read: %v", err)
		}
	})
}
