package registry

import (
	"bytes"
	"errors"
	"net/http"
	"os"
	"path/filepath"
	"syscall"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

// TestFlaky pulls over lines that break more often than is retried, that
// stall, and onto what an earlier pull has left wrong.
func TestFlaky(t *testing.T) {
	t.Parallel()
	data := big(1)
	for name, spoil := range map[string]func(h *hub, from *Hub, r Registry) error{
		"breaks": func(h *hub, _ *Hub, _ Registry) error { h.chunk.Store(int64(len(data)) / (3 * retries)); return nil },
		"stalls": func(h *hub, from *Hub, _ Registry) error {
			from.Stall = 500 * time.Millisecond // an answer on a busy machine takes less
			h.stall.Store(2)
			return nil
		},
		"wrong rest, no ETag": func(h *hub, _ *Hub, r Registry) error {
			none := ""
			h.etag.Store(&none)
			dir := filepath.Join(r.Dir, "org", "model")
			return errors.Join(os.MkdirAll(dir, 0o755), os.WriteFile(filepath.Join(dir, "a b#1%.gguf.part"), data[1:1000], 0o644))
		},
		"too much is here": func(_ *hub, _ *Hub, r Registry) error {
			dir := filepath.Join(r.Dir, "org", "model")
			return errors.Join(os.MkdirAll(dir, 0o755), os.WriteFile(filepath.Join(dir, "a b#1%.gguf.part"), append(big(2), 1), 0o644))
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			h, from, r := serve(t, map[string][]byte{"a b#1%.gguf": data})
			if err := spoil(h, &from, r); err != nil {
				t.Fatal(err)
			}
			path, err := r.Pull(t.Context(), from, "org/model", nil)
			if err != nil {
				t.Fatal(err)
			}
			if got, err := os.ReadFile(path); err != nil || !bytes.Equal(got, data) {
				t.Errorf("%d bytes, %v", len(got), err)
			}
			if left, err := filepath.Glob(filepath.Join(r.Dir, "org", "model", "*.part*")); err != nil || len(left) > 0 {
				t.Errorf("left over: %v, %v", left, err)
			}
		})
	}
}

// TestReadOnly pulls to where no byte can be written: it is told at once.
func TestReadOnly(t *testing.T) {
	t.Parallel()
	_, from, r := serve(t, map[string][]byte{"m.gguf": big(1)})
	if err := os.MkdirAll(filepath.Join(r.Dir, "org", "model", "m.gguf.part"), 0o755); err != nil {
		t.Fatal(err)
	}
	from.Pause = time.Hour // a retry would hang
	var local *os.PathError
	if _, err := r.Pull(t.Context(), from, "org/model", nil); !errors.As(err, &local) {
		t.Errorf("got %v, want what the system says", err)
	}
}

func TestChoose(t *testing.T) {
	t.Parallel()
	files := func(names ...string) (out []remote) {
		for _, n := range names {
			out = append(out, remote{Type: "file", Path: n})
		}
		return out
	}
	for name, tt := range map[string]struct {
		files []remote
		pick  string
		want  []remote // nil: an error
	}{
		"directory": {
			files("config.json", "consolidated.safetensors", "model-00001-of-00002.safetensors", "model-00002-of-00002.safetensors", "model.safetensors.index.json", "x.gguf"), "",
			files("model.safetensors.index.json", "model-00001-of-00002.safetensors", "model-00002-of-00002.safetensors", "config.json"),
		},
		"other names":    {files("a.safetensors", "config.json"), "", files("a.safetensors", "config.json")},
		"one":            {files("README.md", "only-IQ3.gguf"), "", files("only-IQ3.gguf")},
		"usual":          {files("m-Q2_K.gguf", "m-Q4_K_M.gguf", "m-Q8_0.gguf"), "", files("m-Q4_K_M.gguf")},
		"F16, not BF16":  {files("m-BF16.gguf", "m-f16.gguf"), "F16", files("m-f16.gguf")},
		"file":           {files("sub/m.gguf", "m.gguf"), "m.gguf", files("m.gguf")},
		"without ending": {files("m-a.gguf", "m-a-b.gguf"), "m-a", files("m-a.gguf")},
		"parts":          {files("m-Q8_0-00001-of-00002.gguf", "m-Q8_0-00002-of-00002.gguf"), "", files("m-Q8_0-00002-of-00002.gguf", "m-Q8_0-00001-of-00002.gguf")},
		"parts by name":  {files("m-Q2_K.gguf", "m-Q8_0-00001-of-00002.gguf", "m-Q8_0-00002-of-00002.gguf"), "m-Q8_0", files("m-Q8_0-00002-of-00002.gguf", "m-Q8_0-00001-of-00002.gguf")},
		"a part's file":  {files("m-00001-of-00002.gguf", "m-00002-of-00002.gguf"), "m-00001-of-00002.gguf", files("m-00002-of-00002.gguf", "m-00001-of-00002.gguf")},
		"a part missing": {files("m-00001-of-00003.gguf", "m-00003-of-00003.gguf"), "", nil},
		"several fit":    {files("m-Q4_K_M.gguf", "n-Q4_K_M.gguf"), "Q4_K_M", nil},
		"none fits":      {files("m-Q4_K_M.gguf"), "Q8_0", nil},
		"nothing":        {files("pytorch_model.bin", "config.json"), "", nil},
	} {
		got, err := choose(tt.files, Name{"org/model", tt.pick, "main"})
		if (err == nil) != (tt.want != nil) || err != nil && !errors.Is(err, ErrName) {
			t.Errorf("%s: %v", name, err)
		}
		if d := cmp.Diff(tt.want, got); d != "" {
			t.Errorf("%s (-want +got):\n%s", name, d)
		}
	}
}

func TestAnswers(t *testing.T) {
	t.Parallel()
	for after, want := range map[string]time.Duration{"": 0, "x": 0, "-3": 0, "7": 7 * time.Second, "99999999999": maxAfter, "86400": maxAfter} {
		resp := &http.Response{StatusCode: http.StatusTooManyRequests, Header: http.Header{"Retry-After": {after}}}
		if got := statusError(resp, "u"); got.After != want || !worthwhile(got) {
			t.Errorf("Retry-After %q: %v, want %v", after, got.After, want)
		}
	}
	h := Hub{URL: "http://h/"}
	if got := h.file(Name{"o/m", "", "refs/pr/1"}, "sub/a b?.gguf"); got != "http://h/o/m/resolve/refs%2Fpr%2F1/sub/a%20b%3F.gguf" {
		t.Errorf("address %s", got)
	}
}

// TestParts checks that a model in several files is one entry, and none while a
// part is missing.
func TestParts(t *testing.T) {
	t.Parallel()
	r := Registry{Dir: t.TempDir()}
	write := func(name string, n int) {
		t.Helper()
		if err := os.WriteFile(filepath.Join(r.Dir, name), make([]byte, n), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	write("m-00001-of-00003.gguf", 10)
	write("m-00003-of-00003.gguf", 1000)
	if all, err := r.List(); err != nil || len(all) != 0 {
		t.Errorf("a model with a missing part: %v, %v", all, err)
	}
	write("m-00002-of-00003.gguf", 100)
	want := []Entry{{"m", filepath.Join(r.Dir, "m-00001-of-00003.gguf"), 1110}}
	all, err := r.List()
	if d := cmp.Diff(want, all); d != "" || err != nil {
		t.Errorf("%v (-want +got):\n%s", err, d)
	}
	if path, err := r.Find("M"); err != nil || path != want[0].Path {
		t.Errorf("found %s, %v", path, err)
	}
}

// TestFullDisk pulls more than the disk has room for, a file system of less than
// 4 MB that KUAI_SMALL_DISK names (mount -t tmpfs -o size=2m ...), and goes on where
// there is room.
func TestFullDisk(t *testing.T) {
	small := os.Getenv("KUAI_SMALL_DISK")
	if small == "" {
		t.Skip("KUAI_SMALL_DISK names no small file system")
	}
	data := big(1)
	h, from, roomy := serve(t, map[string][]byte{"m.gguf": data})
	r := Registry{Dir: filepath.Join(small, "models")}
	defer os.RemoveAll(r.Dir) //nolint:errcheck // a test's own folder
	if _, err := r.Pull(t.Context(), from, "org/model", nil); !errors.Is(err, syscall.ENOSPC) {
		t.Fatalf("got %v, want what the system says of a full disk", err)
	}
	if all, err := r.List(); err != nil || len(all) != 0 {
		t.Errorf("half a model is listed: %v, %v", all, err)
	}
	if err := os.CopyFS(roomy.Dir, os.DirFS(r.Dir)); err != nil { // as if room had been made
		t.Fatal(err)
	}
	before := h.asked.Load()
	path, err := roomy.Pull(t.Context(), from, "org/model", nil)
	if err != nil {
		t.Fatal(err)
	}
	if got, err := os.ReadFile(path); err != nil || !bytes.Equal(got, data) {
		t.Errorf("another file after going on: %v", err)
	}
	if n := h.asked.Load() - before; n >= int64(len(data)) {
		t.Errorf("%d bytes were sent again of %d", n, len(data))
	}
}
