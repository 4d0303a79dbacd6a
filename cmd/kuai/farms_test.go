package main

import (
	"bytes"
	"context"
	"encoding/json"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
	"testing"

	"kuai/platform/provider/comfytest"
)

func workflowFile(t *testing.T) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "wan.json")
	if err := os.WriteFile(path, []byte(comfytest.Workflow), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

func TestOpenFarms(t *testing.T) {
	t.Parallel()
	path := workflowFile(t)
	f, err := openFarms([]string{"http://a:8188,http://b:8188#wan=" + path, "http://c:8188#hunyuan=" + path})
	if err != nil || len(f.forms) != 2 || f.forms[0].Name != "wan" || f.slots != 3 || f.runs["video:hunyuan"] == nil {
		t.Errorf("%+v, %v", f, err)
	}
	if f, err = openFarms([]string{"#wan=" + path, "http://c:8188#hunyuan=" + path}); err != nil || len(f.forms) != 2 || f.slots != 1 || f.runs["video:wan"] != nil || len(f.pools) != 1 {
		t.Errorf("one that workers make: %+v, %v", f, err)
	}
	for name, bad := range map[string][]string{
		"no model": {"http://a:8188"}, "no workflow": {"http://a:8188#wan"}, "no file": {"http://a:8188#wan=" + path + "x"},
		"no address": {"gpu1#wan=" + path}, "twice": {"http://a:8188#wan=" + path, "#wan=" + path}, "ours": {"http://a:8188#kuai-video=" + path},
	} {
		if _, err := openFarms(bad); err == nil || !strings.Contains(err.Error(), "--comfy") {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// watched is what a command writes while it runs.
type watched struct {
	mu   sync.Mutex
	text bytes.Buffer
	more chan struct{}
}

func (w *watched) Write(p []byte) (int, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.text.Write(p)
	select {
	case w.more <- struct{}{}:
	default:
	}
	return len(p), nil
}

// find waits until something is written.
func (w *watched) find(ctx context.Context, what *regexp.Regexp) string {
	for {
		w.mu.Lock()
		m := what.FindStringSubmatch(w.text.String())
		w.mu.Unlock()
		if m != nil {
			return m[1]
		}
		select {
		case <-w.more:
		case <-ctx.Done():
			return ""
		}
	}
}

// TestServeComfy has kuai serve, with an entry of kuai.yaml, make a clip on a
// ComfyUI and deliver it.
func TestServeComfy(t *testing.T) {
	t.Parallel()
	ui := comfytest.New(t)
	settings := filepath.Join(t.TempDir(), "kuai.yaml")
	if err := os.WriteFile(settings, []byte("serve:\n  comfy: [\""+ui.URL+"#wan="+workflowFile(t)+"\"]\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	ctx, stop := context.WithCancel(t.Context())
	errs := &watched{more: make(chan struct{}, 1)}
	done := make(chan int, 1)
	go func() {
		done <- run(ctx, []string{"serve", "--addr", "127.0.0.1:0", "--data", t.TempDir(), "--no-render", "--config", settings}, streams{Out: io.Discard, Err: errs})
		errs.mu.Lock()
		t.Log(errs.text.String())
		errs.mu.Unlock()
	}()
	url := errs.find(ctx, regexp.MustCompile(`Kuai is at (http://[^ ]+) `))
	get := func(method, path, body string) []byte {
		r, err := http.NewRequestWithContext(t.Context(), method, url+path, strings.NewReader(body))
		if err != nil {
			t.Fatal(err)
		}
		r.Header.Set("Content-Type", "application/json")
		res, err := http.DefaultClient.Do(r)
		if err != nil {
			t.Fatal(err)
		}
		defer res.Body.Close() //nolint:errcheck // was only read
		data, err := io.ReadAll(res.Body)
		if err != nil {
			t.Fatal(err)
		}
		return data
	}
	var made struct{ ID, Model string }
	if data := get("POST", "/v1/videos", `{"prompt":"a fox"}`); json.Unmarshal(data, &made) != nil || made.Model != "wan" {
		t.Errorf("%s", data)
	}
	get("GET", "/api/v1/videos/"+made.ID+"/events", "")
	if data := get("GET", "/v1/videos/"+made.ID+"/content", ""); string(data) != comfytest.Clip {
		t.Errorf("%.200q", data)
	}
	stop()
	if code := <-done; code != exitInterrupted {
		t.Errorf("exit %d", code)
	}
}
