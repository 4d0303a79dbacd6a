package mem

import (
	"bytes"
	"os"
	"path/filepath"
	"testing"
	"unsafe"

	"kuai/internal/check"
)

func TestArena(t *testing.T) {
	t.Parallel()
	a := NewArena(1 << 20)
	defer a.Close()
	first := Make[float32](a, 3)
	mark := a.Mark()
	second := Make[byte](a, 5)
	for _, p := range []unsafe.Pointer{unsafe.Pointer(&first[0]), unsafe.Pointer(&second[0])} {
		if uintptr(p)%Align != 0 {
			t.Errorf("%p is not aligned to %d", p, Align)
		}
	}
	a.Release(mark)
	if again := Make[byte](a, 5); &again[0] != &second[0] {
		t.Error("released memory is not handed out again")
	}
	if got := Make[float64](nil, 4); len(got) != 4 {
		t.Errorf("a nil arena gave %d values, want 4", len(got))
	}
}

func TestArenaFull(t *testing.T) {
	t.Parallel()
	a := NewArena(1 << 21)
	defer a.Close()
	defer func() {
		if _, ok := recover().(*check.Bug); !ok {
			t.Error("a full arena did not panic with a Bug")
		}
	}()
	Make[byte](a, 1<<40)
}

func TestMapFile(t *testing.T) {
	t.Parallel()
	for _, want := range [][]byte{[]byte("hello"), {}} {
		path := filepath.Join(t.TempDir(), "f")
		if err := os.WriteFile(path, want, 0o600); err != nil {
			t.Fatal(err)
		}
		f, err := MapFile(path)
		if err != nil {
			t.Fatal(err)
		}
		if !bytes.Equal(f.Bytes(), want) {
			t.Errorf("got %q, want %q", f.Bytes(), want)
		}
		if err := f.Close(); err != nil {
			t.Error(err)
		}
	}
	if _, err := MapFile(filepath.Join(t.TempDir(), "none")); !os.IsNotExist(err) && err == nil {
		t.Errorf("a missing file gave %v", err)
	}
}
