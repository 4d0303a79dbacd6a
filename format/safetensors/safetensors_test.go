package safetensors

import (
	"encoding/binary"
	"errors"
	"fmt"
	"path/filepath"
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
			if !errors.Is(err, ErrDamaged) {
				t.Fatalf("got %v, want ErrDamaged", err)
			}
			return
		}
		for _, tensor := range file.Tensors {
			_, _ = tensor.F32() // must not panic
		}
	})
}
