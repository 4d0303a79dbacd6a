package gguf

import (
	"errors"
	"io"
	"io/fs"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"kuai/kernel/quant"
)

// part writes a part with a tensor of four values for each name.
func part(t *testing.T, path string, keys []Key, tensors ...string) {
	t.Helper()
	var list []Source
	for _, name := range tensors {
		list = append(list, Source{Name: name, Shape: []int{4}, Type: quant.F32, Write: func(w io.Writer) error {
			_, err := w.Write([]byte(strings.Repeat(name[:1], 16)))
			return err
		}})
	}
	if err := Write(path, keys, list); err != nil {
		t.Fatal(err)
	}
}

// split is the keys of a part.
func split(no, count, tensors int) []Key {
	return []Key{{keyPart, uint32(no)}, {keyParts, uint32(count)}, {keyTensors, int32(tensors)}}
}

func TestParts(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	name := filepath.Join(dir, "m-of")
	first := append([]Key{{"general.architecture", "llama"}}, split(0, 3, 4)...)
	part(t, PartName(name, 1, 3), first, "a")
	part(t, PartName(name, 2, 3), split(1, 3, 4), "b", "c")
	part(t, PartName(name, 3, 3), split(2, 3, 4), "d")
	f, err := Open(PartName(name, 1, 3))
	if err != nil {
		t.Fatal(err)
	}
	var names []string
	for _, x := range f.Tensors() {
		names = append(names, x.Name)
		if y, ok := f.Tensor(x.Name); !ok || string(y.Data) != strings.Repeat(x.Name, 16) {
			t.Errorf("tensor %s: %q", x.Name, y.Data)
		}
	}
	if d := cmp.Diff([]string{"a", "b", "c", "d"}, names); d != "" {
		t.Errorf("tensors (-want +got):\n%s", d)
	}
	if d := cmp.Diff([]string{"general.architecture"}, f.Keys()); d != "" || len(f.Pairs()) != 1 || len(f.Files()) != 3 {
		t.Errorf("keys (-want +got):\n%s\nfiles %v", d, f.Files())
	}
	if err := f.Close(); err != nil {
		t.Error(err)
	}

	if _, err := Open(PartName(name, 2, 3)); err == nil || !strings.Contains(err.Error(), "open m-of-00001-of-00003.gguf") {
		t.Errorf("the second part: %v", err)
	}
	for what, change := range map[string]func(){
		"another's part": func() { part(t, PartName(name, 3, 3), split(1, 3, 4), "d") },
		"part of more":   func() { part(t, PartName(name, 3, 3), split(2, 4, 4), "d") },
		"no part":        func() { part(t, PartName(name, 3, 3), nil, "d") },
		"twice":          func() { part(t, PartName(name, 3, 3), split(2, 3, 4), "b") },
		"too few":        func() { part(t, PartName(name, 3, 3), split(2, 3, 4)) },
		"too many parts": func() { part(t, PartName(name, 1, 3), split(0, 1<<20, 4), "a") },
		"fewer parts":    func() { part(t, PartName(name, 1, 3), split(0, 2, 4), "a") },
	} {
		change()
		if f, err := Open(PartName(name, 1, 3)); err == nil {
			t.Errorf("%s: opened with %d tensors", what, len(f.Tensors()))
		}
		part(t, PartName(name, 1, 3), first, "a")
		part(t, PartName(name, 3, 3), split(2, 3, 4), "d")
	}
	odd := filepath.Join(dir, "odd.gguf")
	part(t, odd, first, "a")
	if _, err := Open(odd); err == nil || !strings.Contains(err.Error(), "must be called") {
		t.Errorf("a part of another name: %v", err)
	}
	lone := filepath.Join(dir, "lone")
	part(t, PartName(lone, 1, 2), split(0, 2, 2), "a")
	if _, err := Open(PartName(lone, 1, 2)); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("a part is missing: %v", err)
	}
}

func TestPartOf(t *testing.T) {
	t.Parallel()
	for path, want := range map[string]struct {
		name        string
		part, parts int
		ok          bool
	}{
		"d/m-00001-of-00003.gguf": {"d/m", 1, 3, true}, "m-00003-of-00003.gguf": {"m", 3, 3, true},
		"m-00004-of-00003.gguf": {"m", 4, 3, false}, "m-00000-of-00003.gguf": {"m", 0, 3, false}, "m-00001-of-99999.gguf": {"m", 1, 99999, false},
		"m.gguf": {}, "m-1-of-3.gguf": {}, "-00001-of-00003.gguf": {}, "m-00001-of-00003.safetensors": {},
	} {
		if name, part, parts, ok := PartOf(path); name != want.name || part != want.part || parts != want.parts || ok != want.ok {
			t.Errorf("%s: %q, %d of %d, %v", path, name, part, parts, ok)
		}
	}
}
