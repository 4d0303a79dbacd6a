package registry

import (
	"bytes"
	"context"
	"crypto/sha1" //nolint:gosec // as git does
	"crypto/sha256"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

// hub is a server of one repository that can misbehave.
type hub struct {
	files map[string][]byte
	lie   string       // a file whose checksum is wrong
	cut   atomic.Int64 // so many bytes of a file are sent before the line breaks, once for each count of breaks
	fail  atomic.Int64 // so many requests are answered with 503
	etag  atomic.Pointer[string]
	asked atomic.Int64           // bytes sent
	chunk atomic.Int64           // bytes after which the line breaks, every time
	stall atomic.Int64           // so many answers stop in the middle and stay open
	last  atomic.Pointer[string] // Range of the last request for a file
}

func (h *hub) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if h.fail.Add(-1) >= 0 {
		w.WriteHeader(http.StatusServiceUnavailable)
		return
	}
	if r.Header.Get("Authorization") != "Bearer secret" {
		w.WriteHeader(http.StatusUnauthorized)
		return
	}
	switch {
	case r.URL.Path == "/api/models/org/model/tree/main":
		h.listing(w, r)
	case strings.HasPrefix(r.URL.Path, "/org/model/resolve/main/"):
		h.send(w, r, strings.TrimPrefix(r.URL.Path, "/org/model/resolve/main/"))
	default:
		w.WriteHeader(http.StatusNotFound)
	}
}

func (h *hub) listing(w http.ResponseWriter, r *http.Request) {
	var list []map[string]any
	for _, name := range slices.Sorted(maps.Keys(h.files)) {
		data := h.files[name]
		e := map[string]any{"type": "file", "path": name, "size": len(data)}
		if strings.HasSuffix(name, ".gguf") || strings.HasSuffix(name, ".safetensors") {
			sum := fmt.Sprintf("%x", sha256.Sum256(data))
			if name == h.lie {
				sum = strings.Repeat("0", 64)
			}
			e["lfs"] = map[string]any{"oid": sum, "size": len(data)}
		} else {
			e["oid"] = fmt.Sprintf("%x", sha1.Sum(append(fmt.Appendf(nil, "blob %d\x00", len(data)), data...))) //nolint:gosec // as git does
		}
		list = append(list, e)
	}
	half := len(list) / 2
	if r.URL.Query().Get("cursor") == "" && half > 0 {
		w.Header().Set("Link", fmt.Sprintf(`<http://%s%s?cursor=2>; rel="next"`, r.Host, r.URL.Path))
		list = list[:half]
	} else {
		list = list[half:]
	}
	_ = json.NewEncoder(w).Encode(list)
}

func (h *hub) send(w http.ResponseWriter, r *http.Request, name string) {
	data, ok := h.files[name]
	if !ok {
		w.WriteHeader(http.StatusNotFound)
		return
	}
	tag := `"one"`
	if t := h.etag.Load(); t != nil {
		tag = *t
	}
	if tag != "" {
		w.Header().Set("ETag", tag)
	}
	rng := r.Header.Get("Range")
	h.last.Store(&rng)
	if h.stall.Add(-1) >= 0 {
		w.Header().Set("Content-Length", fmt.Sprint(len(data)))
		_, _ = w.Write(data[:len(data)/2])
		_ = http.NewResponseController(w).Flush()
		<-r.Context().Done()
		return
	}
	if n := h.chunk.Load(); n > 0 {
		w = &breaking{w, n}
	}
	if n := h.cut.Swap(0); n > 0 && int(n) < len(data) {
		w.Header().Set("Content-Length", fmt.Sprint(len(data)))
		_, _ = w.Write(data[:n])
		h.asked.Add(n)
		panic(http.ErrAbortHandler)
	}
	rec := &countingWriter{ResponseWriter: w, n: &h.asked}
	http.ServeContent(rec, r, name, time.Time{}, bytes.NewReader(data))
}

type countingWriter struct {
	http.ResponseWriter
	n *atomic.Int64
}

func (c *countingWriter) Write(b []byte) (int, error) {
	c.n.Add(int64(len(b)))
	return c.ResponseWriter.Write(b)
}

// breaking breaks the line after so many bytes.
type breaking struct {
	http.ResponseWriter
	left int64
}

func (b *breaking) Write(p []byte) (int, error) {
	n := min(b.left, int64(len(p)))
	_, _ = b.ResponseWriter.Write(p[:n])
	if b.left -= n; b.left == 0 {
		_ = http.NewResponseController(b.ResponseWriter).Flush()
		panic(http.ErrAbortHandler)
	}
	return int(n), nil
}

func serve(t *testing.T, files map[string][]byte) (*hub, Hub, Registry) {
	t.Helper()
	h := &hub{files: files}
	s := httptest.NewServer(h)
	t.Cleanup(s.Close)
	return h, Hub{URL: s.URL, Token: "secret", Pause: time.Millisecond}, Registry{Dir: filepath.Join(t.TempDir(), "models")}
}

func big(seed byte) []byte {
	b := make([]byte, 4_000_000)
	for i := range b {
		b[i] = byte(i*7) ^ byte(i>>8) ^ seed
	}
	return b
}

func TestPullDirectory(t *testing.T) {
	t.Parallel()
	files := map[string][]byte{
		"config.json": []byte(`{"model_type":"llama"}`), "tokenizer.json": []byte(`{}`),
		"model.safetensors": big(1), "pytorch_model.bin": big(2), "onnx/model.safetensors": big(3),
	}
	h, from, r := serve(t, files)
	h.fail.Store(2)
	h.cut.Store(5)
	var last Progress
	dir, err := r.Pull(t.Context(), from, "org/model", func(p Progress) { last = p })
	if err != nil {
		t.Fatal(err)
	}
	for name, data := range files {
		got, err := os.ReadFile(filepath.Join(dir, filepath.FromSlash(name)))
		switch wanted := name != "pytorch_model.bin" && !strings.Contains(name, "/"); {
		case wanted && (err != nil || !bytes.Equal(got, data)):
			t.Errorf("%s: %d bytes, %v", name, len(got), err)
		case !wanted && err == nil:
			t.Errorf("%s was fetched", name)
		}
	}
	if last.Done != last.Total || last.Total == 0 {
		t.Errorf("progress ends at %d of %d", last.Done, last.Total)
	}
	before := h.asked.Load()
	if again, err := r.Pull(t.Context(), from, "org/model", nil); err != nil || again != dir || h.asked.Load() != before {
		t.Errorf("again: %s, %v, %d bytes sent", again, err, h.asked.Load()-before)
	}
	all, err := r.List()
	if err != nil || len(all) != 1 || all[0].Name != "org/model" {
		t.Errorf("list: %+v, %v", all, err)
	}
}

// TestResume cuts a download off for good, and goes on with it.
func TestResume(t *testing.T) {
	t.Parallel()
	data := big(4)
	h, from, r := serve(t, map[string][]byte{"m-Q8_0.gguf": data, "m-Q4_K_M.gguf": big(5)})
	ctx, cancel := context.WithCancel(t.Context())
	_, err := r.Pull(ctx, from, "org/model:Q8_0", func(p Progress) {
		if p.Done > 60_000 {
			cancel()
		}
	})
	if !errors.Is(err, context.Canceled) {
		t.Fatalf("got %v, want that it was cancelled", err)
	}
	if all, err := r.List(); err != nil || len(all) > 0 {
		t.Errorf("half a model is listed: %v, %v", all, err)
	}
	part := filepath.Join(r.Dir, "org", "model", "m-Q8_0.gguf.part")
	info, err := os.Stat(part)
	if err != nil || info.Size() == 0 {
		t.Fatalf("nothing is left: %v", err)
	}
	path, err := r.Pull(t.Context(), from, "org/model:Q8_0", nil)
	if err != nil {
		t.Fatal(err)
	}
	if want := fmt.Sprintf("bytes=%d-", info.Size()); *h.last.Load() != want {
		t.Errorf("asked for %q, want %q", *h.last.Load(), want)
	}
	if got, err := os.ReadFile(path); err != nil || !bytes.Equal(got, data) {
		t.Errorf("%d bytes, %v", len(got), err)
	}
}

// TestChanged resumes after the file has changed on the hub: it begins anew.
func TestChanged(t *testing.T) {
	t.Parallel()
	h, from, r := serve(t, map[string][]byte{"m.gguf": big(6)})
	ctx, cancel := context.WithCancel(t.Context())
	_, _ = r.Pull(ctx, from, "org/model", func(p Progress) {
		if p.Done > 50_000 {
			cancel()
		}
	})
	other := `"two"`
	h.etag.Store(&other)
	h.files["m.gguf"] = big(7)
	path, err := r.Pull(t.Context(), from, "org/model", nil)
	if err != nil {
		t.Fatal(err)
	}
	if got, err := os.ReadFile(path); err != nil || !bytes.Equal(got, big(7)) {
		t.Errorf("%d bytes of an old mixture, %v", len(got), err)
	}
}

func TestPullFails(t *testing.T) {
	t.Parallel()
	h, from, r := serve(t, map[string][]byte{"m.gguf": big(8)})
	h.lie = "m.gguf"
	if _, err := r.Pull(t.Context(), from, "org/model", nil); !errors.Is(err, ErrChecksum) {
		t.Errorf("wrong checksum: %v", err)
	}
	if left, _ := filepath.Glob(filepath.Join(r.Dir, "org", "model", "*.part")); len(left) > 0 {
		t.Errorf("wrong bytes are kept: %v", left)
	}
	h.lie = ""
	var status *StatusError
	if _, err := r.Pull(t.Context(), from, "org/other", nil); !errors.As(err, &status) || status.Status != http.StatusNotFound {
		t.Errorf("no such repository: %v", err)
	}
	from.Token = ""
	if _, err := r.Pull(t.Context(), from, "org/model", nil); !errors.As(err, &status) || !strings.Contains(err.Error(), "HF_TOKEN") {
		t.Errorf("no token: %v", err)
	}
	from.Token = "secret"
	if _, err := r.Pull(t.Context(), from, "org/model:Q2_K", nil); !errors.Is(err, ErrName) || !strings.Contains(err.Error(), "m.gguf") {
		t.Errorf("no such file: %v", err)
	}
	h.files["../../evil.gguf"] = big(9)
	if _, err := r.Pull(t.Context(), from, "org/model", nil); err == nil {
		t.Error("a path out of the directory gave no error")
	}
	for _, bad := range []string{"", "model", "a/../b", "org/..", "/etc/passwd", "org/model:../x", "org/model@../x", "org/model:/x", "a/b/c"} {
		if n, err := ParseName(bad); !errors.Is(err, ErrName) {
			t.Errorf("%q is the name %+v", bad, n)
		}
	}
}

func TestFind(t *testing.T) {
	t.Parallel()
	r := Registry{Dir: t.TempDir()}
	for _, name := range []string{"org/small/a-Q8_0.gguf", "org/small/a-Q4_0.gguf", "other/large/b.gguf", "own.gguf"} {
		path := filepath.Join(r.Dir, filepath.FromSlash(name))
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte("x"), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	for name, want := range map[string]string{
		"own": "own.gguf", "b": "other/large/b.gguf", "org/small:q8_0": "org/small/a-Q8_0.gguf", "ORG/SMALL/A-Q4_0": "org/small/a-Q4_0.gguf",
	} {
		got, err := r.Find(name)
		if err != nil || got != filepath.Join(r.Dir, filepath.FromSlash(want)) {
			t.Errorf("%s: %s, %v", name, got, err)
		}
	}
	if _, err := r.Find("small"); !errors.Is(err, ErrMany) {
		t.Errorf("small: %v", err)
	}
	if _, err := r.Find("nothing"); !errors.Is(err, ErrNotFound) {
		t.Errorf("nothing: %v", err)
	}
	if e, err := At("x", filepath.Join(r.Dir, "org")); err != nil || e.Bytes != 2 || e.Name != "x" {
		t.Errorf("a directory of two bytes: %+v, %v", e, err)
	}
	if e, err := At("x", filepath.Join(r.Dir, "own.gguf")); err != nil || e.Bytes != 1 {
		t.Errorf("a file of one byte: %+v, %v", e, err)
	}
	for link, to := range map[string]string{"link.gguf": "own.gguf", "lost.gguf": "nowhere"} {
		if err := os.Symlink(filepath.Join(r.Dir, to), filepath.Join(r.Dir, link)); err != nil {
			t.Skip("no links here:", err)
		}
	}
	if all, err := r.List(); err != nil || len(all) != 5 || all[0].Name != "link" || all[0].Bytes != 1 {
		t.Errorf("with links: %+v, %v", all, err)
	}
	all, err := Registry{Dir: filepath.Join(r.Dir, "none")}.List()
	if d := cmp.Diff([]Entry(nil), all); err != nil || d != "" {
		t.Errorf("a directory that is not there: %v, %v", all, err)
	}
}

func FuzzParseName(f *testing.F) {
	f.Add("org/repo:Q4_K_M@main")
	f.Fuzz(func(t *testing.T, s string) {
		n, err := ParseName(s)
		if err == nil && (!filepath.IsLocal(n.Repo) || n.Pick != "" && !filepath.IsLocal(n.Pick)) {
			t.Errorf("%q leads out of the directory: %+v", s, n)
		}
	})
}
