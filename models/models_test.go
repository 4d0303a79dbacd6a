package models

import (
	"io/fs"
	"os"
	"path/filepath"
	"testing"
	"testing/fstest"
)

// TestUnpack checks that a model is put on the disk once, whole, and that
// another version does not take its place.
func TestUnpack(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	model := fstest.MapFS{"config.json": {Data: []byte("{}")}, "weights": {Data: []byte("abc")}}
	first, err := Unpack(model, "m", dir)
	if err != nil {
		t.Fatal(err)
	}
	again, err := Unpack(model, "m", dir)
	if err != nil || again != first {
		t.Errorf("%q, then %q: %v", first, again, err)
	}
	if b, err := os.ReadFile(filepath.Join(first, "weights")); err != nil || string(b) != "abc" {
		t.Errorf("%q, %v", b, err)
	}
	model["weights"] = &fstest.MapFile{Data: []byte("abd")}
	if other, err := Unpack(model, "m", dir); err != nil || other == first {
		t.Errorf("another version at %q: %v", other, err)
	}
	if left, err := fs.Glob(os.DirFS(dir), ".m-*"); err != nil || len(left) > 0 {
		t.Errorf("left over: %v, %v", left, err)
	}
	file := filepath.Join(dir, "file")
	if err := os.WriteFile(file, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := Unpack(model, "m", file); err == nil {
		t.Error("into a file: no error")
	}
}
