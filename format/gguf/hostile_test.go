package gguf

import (
	"encoding/binary"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"kuai/kernel/quant"
)

// builder writes files that Write would not.
type builder []byte

func (b builder) u32(v uint32) builder { return binary.LittleEndian.AppendUint32(b, v) }
func (b builder) u64(v uint64) builder { return binary.LittleEndian.AppendUint64(b, v) }
func (b builder) text(s string) builder {
	return append(b.u64(uint64(len(s))), s...)
}

func header(version uint32, tensors, keys uint64) builder {
	return builder(magic).u32(version).u64(tensors).u64(keys)
}

func (b builder) tensor(name string, typ quant.Type, offset uint64, sides ...uint64) builder {
	b = b.text(name).u32(uint32(len(sides)))
	for _, s := range sides {
		b = b.u64(s)
	}
	return b.u32(uint32(typ)).u64(offset)
}

// data pads to the alignment and appends n bytes.
func (b builder) data(n int) builder {
	return append(append(b, make([]byte, padding(len(b)))...), make([]byte, n)...)
}

// TestHostile gives files whose numbers lie: each is refused, with a reason.
func TestHostile(t *testing.T) {
	t.Parallel()
	const huge = 1 << 62
	array := func(of kind, n uint64) builder {
		return header(3, 0, 1).text("a").u32(uint32(kindArray)).u32(uint32(of)).u64(n)
	}
	for name, tt := range map[string]struct {
		file builder
		want string
	}{
		"version":         {header(1, 0, 0), "version 1"},
		"big endian":      {header(3<<24, 0, 0), "big-endian"},
		"tensors":         {header(3, huge, 0), "tensors"},
		"keys":            {header(3, 0, huge), "keys"},
		"keys missing":    {header(3, 0, 60000), "name of key 0"},
		"long key":        {header(3, 0, 1).u64(huge), "name of key 0"},
		"long string":     {header(3, 0, 1).text("a").u32(uint32(kindString)).u64(huge), "cut off"},
		"unknown type":    {header(3, 0, 1).text("a").u32(99).u64(0), "type 99"},
		"long array":      {array(kindU8, huge), "array"},
		"nested array":    {array(kindArray, 1).u32(uint32(kindArray)).u32(uint32(kindArray)).u64(1), "array of type 9"},
		"strings":         {array(kindString, 1<<61), "array"},
		"no truth value":  {append(header(3, 0, 1).text("a").u32(uint32(kindBool)), 2), "cut off"},
		"key twice":       {append(append(header(3, 0, 2).text("a").u32(uint32(kindU8)), 1).text("a").u32(uint32(kindU8)), 1), "comes twice"},
		"rank":            {header(3, 1, 0).tensor("a", quant.F32, 0, 1, 1, 1, 1, 1).data(4), "rank 5"},
		"overflow":        {header(3, 1, 0).tensor("a", quant.F32, 0, 1<<32, 1<<32).data(4), "side 1"},
		"zero hides":      {header(3, 1, 0).tensor("a", quant.F32, 0, 0, 1<<39, 1<<39).data(4), "side"},
		"cut off":         {header(3, 1, 0).tensor("a", quant.F32, 0, 2).data(4), "cut off"},
		"far offset":      {header(3, 1, 0).tensor("a", quant.F32, huge, 1).data(4), "cut off"},
		"odd offset":      {header(3, 1, 0).tensor("a", quant.F32, 4, 1).data(64), "multiple of 32"},
		"type":            {header(3, 1, 0).tensor("a", 19, 0, 256).data(64), "type 19, which cannot be read"},
		"part of a block": {header(3, 1, 0).tensor("a", quant.Q8_0, 0, 33).data(64), "rows"},
		"shared bytes":    {header(3, 2, 0).tensor("a", quant.F32, 0, 16).tensor("b", quant.F32, 32, 8).data(64), "share bytes"},
		"same name":       {header(3, 2, 0).tensor("a", quant.F32, 0, 8).tensor("a", quant.F32, 32, 8).data(64), "comes twice"},
		"alignment": {
			header(3, 1, 1).text(alignmentKey).u32(uint32(kindU32)).u32(48).tensor("a", quant.F32, 0, 1).data(64), "alignment 48",
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			f, err := Parse(tt.file)
			if err == nil || f != nil || !strings.Contains(err.Error(), tt.want) {
				t.Errorf("got %v, want an error with %q", err, tt.want)
			}
			if name != "type" && !errors.Is(err, ErrDamaged) {
				t.Errorf("got %v, want ErrDamaged", err)
			}
		})
	}
}

// TestSparse opens a file that claims much and has nothing: a hole of a
// terabyte costs no memory, and neither may what points into it.
func TestSparse(t *testing.T) {
	t.Parallel()
	for name, head := range map[string]builder{
		"string": header(3, 0, 1).text("a").u32(uint32(kindString)).u64(1 << 39),
		"bytes":  header(3, 0, 1).text("a").u32(uint32(kindArray)).u32(uint32(kindU8)).u64(1 << 29),
	} {
		path := filepath.Join(t.TempDir(), "x.gguf")
		if err := os.WriteFile(path, head, 0o644); err != nil {
			t.Fatal(err)
		}
		if err := os.Truncate(path, 1<<40); err != nil {
			t.Skip("no sparse files here:", err)
		}
		if _, err := Open(path); !errors.Is(err, ErrDamaged) && !errors.Is(err, os.ErrInvalid) {
			t.Errorf("%s: got %v, want ErrDamaged", name, err)
		}
	}
}

// TestOlder reads version 2, another alignment, an empty tensor and gaps.
func TestOlder(t *testing.T) {
	t.Parallel()
	file := header(2, 3, 1).text(alignmentKey).u32(uint32(kindU32)).u32(8).
		tensor("b", quant.F32, 24, 2).tensor("a", quant.F32, 8, 1, 3).tensor("none", quant.F32, 0, 0, 4)
	for len(file)%8 != 0 {
		file = append(file, 0)
	}
	file = append(file, make([]byte, 32)...)
	file[len(file)-8] = 1
	f, err := Parse(file)
	if err != nil {
		t.Fatal(err)
	}
	b, _ := f.Tensor("b")
	a, _ := f.Tensor("a")
	none, ok := f.Tensor("none")
	if f.Version != 2 || len(b.Data) != 8 || b.Data[0] != 1 || len(a.Data) != 12 || a.Shape[0] != 3 || a.Shape[1] != 1 || !ok || len(none.Data) != 0 {
		t.Errorf("got %+v, %+v, %+v", a, b, none)
	}
}
