package main

import (
	"bytes"
	"crypto/sha256"
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"kuai/serve/chat/chattest"
)

// TestPull fetches a model from a hub, lists it and asks it, by its name.
func TestPull(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	if err := chattest.Write(filepath.Join(dir, "tiny.gguf")); err != nil {
		t.Fatal(err)
	}
	data, err := os.ReadFile(filepath.Join(dir, "tiny.gguf"))
	if err != nil {
		t.Fatal(err)
	}
	mux := http.NewServeMux()
	mux.HandleFunc("/api/models/org/model/tree/main", func(w http.ResponseWriter, _ *http.Request) {
		_, _ = fmt.Fprintf(w, `[{"type":"file","path":"tiny-F32.gguf","size":1,"lfs":{"oid":"%x","size":%d}}]`, sha256.Sum256(data), len(data))
	})
	mux.HandleFunc("/org/model/resolve/main/tiny-F32.gguf", func(w http.ResponseWriter, r *http.Request) {
		http.ServeContent(w, r, "", time.Time{}, bytes.NewReader(data))
	})
	hub := httptest.NewServer(mux)
	defer hub.Close()
	kuai := func(want int, args ...string) (out, msg string) {
		t.Helper()
		var stdout, stderr bytes.Buffer
		code := run(t.Context(), append(args, "--data", dir), streams{In: strings.NewReader(""), Out: &stdout, Err: &stderr})
		if code != want {
			t.Fatalf("kuai %v: exit code %d, want %d\n%s", args, code, want, stderr.String())
		}
		return stdout.String(), stderr.String()
	}
	out, _ := kuai(exitOK, "pull", "org/model:F32", "--hub", hub.URL, "--json")
	var got struct{ Name, Path string }
	if err := json.Unmarshal([]byte(out), &got); err != nil || got.Path != filepath.Join(dir, "models", "org", "model", "tiny-F32.gguf") {
		t.Errorf("pull: %s, %v", out, err)
	}
	if out, _ := kuai(exitOK, "models"); !strings.Contains(out, "org/model/tiny-F32") || !strings.Contains(out, "minimax-01") {
		t.Errorf("models: %s", out)
	}
	if out, _ := kuai(exitOK, "generate", "-m", "org/model:F32", "--temperature", "0", "--max-tokens", "4", "abc"); out == "" {
		t.Error("generate said nothing")
	}
	if _, msg := kuai(exitUsage, "pull", "org/model:Q8_0", "--hub", hub.URL); !strings.Contains(msg, "tiny-F32.gguf") {
		t.Errorf("a file that is not there: %s", msg)
	}
	if _, msg := kuai(exitFailed, "pull", "org/none", "--hub", hub.URL); !strings.Contains(msg, "there is no such model") {
		t.Errorf("a model that is not there: %s", msg)
	}
}
