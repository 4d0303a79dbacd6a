package safetensors

import (
	"encoding/json"
	"errors"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
)

func sources(tensors []Tensor) []Source {
	var out []Source
	for _, t := range tensors {
		out = append(out, t.Source())
	}
	return out
}

func names(t *testing.T, dir string) []string {
	t.Helper()
	entries, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	var out []string
	for _, e := range entries {
		out = append(out, e.Name())
	}
	return out
}

func TestDir(t *testing.T) {
	t.Parallel()
	byName := cmpopts.SortSlices(func(a, b Tensor) bool { return a.Name < b.Name })
	for _, tt := range []struct {
		limit int64
		files []string
	}{
		{1 << 20, []string{"model.safetensors"}},
		{30, []string{
			"model-00001-of-00003.safetensors", "model-00002-of-00003.safetensors", "model-00003-of-00003.safetensors", "model.safetensors.index.json",
		}}, // 24, 12 + 12, 0 bytes: an empty one goes with the last
		{36, []string{"model-00001-of-00002.safetensors", "model-00002-of-00002.safetensors", "model.safetensors.index.json"}},
	} {
		dir := t.TempDir()
		stale := filepath.Join(dir, "model-00001-of-00009.safetensors")
		if tt.limit < 1<<20 {
			if err := os.WriteFile(stale, []byte("x"), 0o644); err != nil {
				t.Fatal(err)
			}
		}
		want := sample()
		if tt.limit == 30 {
			want = append(want, FromF32("c", F32, []int{2, 3}, make([]float32, 6)))
		}
		if err := WriteDir(dir, sources(want), map[string]string{"format": "pt"}, tt.limit); err != nil {
			t.Fatal(err)
		}
		if d := cmp.Diff(tt.files, names(t, dir)); d != "" {
			t.Errorf("limit %d: files (-want +got):\n%s", tt.limit, d)
		}
		d, err := OpenDir(dir)
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(want, d.Tensors, byName, cmpopts.EquateEmpty()); diff != "" {
			t.Errorf("limit %d: tensors (-want +got):\n%s", tt.limit, diff)
		}
		if x, ok := d.Tensor("half"); !ok || x.DType != F16 || d.Metadata()["format"] != "pt" {
			t.Errorf("limit %d: half is %+v, metadata %v", tt.limit, x, d.Metadata())
		}
		if err := errors.Join(d.Close(), d.Close()); err != nil {
			t.Error(err)
		}
		if err := WriteDir(dir, sources(want), nil, tt.limit); !errors.Is(err, ErrExists) {
			t.Errorf("limit %d: again: %v", tt.limit, err)
		}
	}
}

func TestDirTotal(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	if err := WriteDir(dir, sources(sample()), nil, 1); err != nil {
		t.Fatal(err)
	}
	data, err := os.ReadFile(filepath.Join(dir, indexName))
	if err != nil {
		t.Fatal(err)
	}
	var x index
	if err := json.Unmarshal(data, &x); err != nil || x.Metadata.Total != 48 || len(x.Map) != 4 {
		t.Errorf("index %+v, %v", x, err)
	}
}

func TestDirDamaged(t *testing.T) {
	t.Parallel()
	broken := errors.New("broken off")
	whole := func(t *testing.T) string {
		t.Helper()
		dir := t.TempDir()
		if err := WriteDir(dir, sources(sample()), nil, 25); err != nil {
			t.Fatal(err)
		}
		return dir
	}
	edit := func(old, to string) func(string) error {
		return func(dir string) error {
			path := filepath.Join(dir, indexName)
			data, err := os.ReadFile(path)
			if err != nil {
				return err
			}
			if !strings.Contains(string(data), old) {
				return errors.New("nothing to edit")
			}
			return os.WriteFile(path, []byte(strings.ReplaceAll(string(data), old, to)), 0o644)
		}
	}
	for name, tt := range map[string]struct {
		spoil func(dir string) error
		want  error
	}{
		"a file is gone":        {func(dir string) error { return os.Remove(filepath.Join(dir, "model-00002-of-00002.safetensors")) }, fs.ErrNotExist},
		"a file is cut":         {func(dir string) error { return os.Truncate(filepath.Join(dir, "model-00002-of-00002.safetensors"), 99) }, ErrDamaged},
		"another tensor":        {edit(`"half"`, `"third"`), ErrDamaged},
		"a file above":          {edit("model-00001", "../model-00001"), ErrDamaged},
		"a path":                {edit("model-00001", "/etc/model-00001"), ErrDamaged},
		"a Windows path":        {edit("model-00001", `..\\model-00001`), ErrDamaged},
		"no safetensors":        {edit("of-00002.safetensors", "of-00002.bin"), ErrDamaged},
		"cut JSON":              {func(dir string) error { return os.Truncate(filepath.Join(dir, indexName), 40) }, ErrDamaged},
		"no map":                {edit("weight_map", "other"), ErrDamaged},
		"a huge index":          {func(dir string) error { return os.Truncate(filepath.Join(dir, indexName), maxIndexBytes+1) }, ErrDamaged},
		"a number for a file":   {edit(`"model-00001-of-00002.safetensors"`, "1"), ErrDamaged},
		"neither file nor more": {func(dir string) error { return os.Remove(filepath.Join(dir, indexName)) }, fs.ErrNotExist},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			dir := whole(t)
			if err := tt.spoil(dir); err != nil {
				t.Fatal(err)
			}
			if _, err := OpenDir(dir); !errors.Is(err, tt.want) {
				t.Errorf("got %v, want %v", err, tt.want)
			}
		})
	}
	dir := t.TempDir()
	bad := append(sources(sample()), Source{"z", F32, []int{2}, func(io.Writer) error { return broken }})
	if err := WriteDir(dir, bad, nil, 20); !errors.Is(err, broken) {
		t.Errorf("got %v, want %v", err, broken)
	}
	if _, err := OpenDir(dir); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("half a model: %v", err)
	}
	short := []Source{{"z", F32, []int{2}, func(w io.Writer) error { _, err := w.Write([]byte{1}); return err }}}
	if err := WriteDir(dir, short, nil, 1<<20); err == nil {
		t.Error("too few bytes gave no error")
	}
	if err := WriteDir(t.TempDir(), append(sources(sample()), sources(sample())...), nil, 1); err == nil {
		t.Error("a tensor twice gave no error")
	}
}

func FuzzIndex(f *testing.F) {
	f.Add([]byte(`{"metadata":{"total_size":1},"weight_map":{"a":"model-00001-of-00002.safetensors"}}`))
	f.Fuzz(func(t *testing.T, data []byte) {
		of, err := parseIndex(data)
		if err != nil {
			if !errors.Is(err, ErrDamaged) {
				t.Errorf("got %v, want ErrDamaged", err)
			}
			return
		}
		for _, file := range of {
			if !filepath.IsLocal(file) || filepath.Base(file) != file {
				t.Errorf("file %q", file)
			}
		}
	})
}
