package main

import (
	"bytes"
	"context"
	"encoding/json"
	"io"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/go-chi/chi/v5"

	"kuai/api/gate"
	"kuai/api/kuai"
	"kuai/platform/blob"
	"kuai/platform/db/dbtest"
	"kuai/platform/event"
	"kuai/platform/file"
	"kuai/platform/job"
	"kuai/platform/provider/comfytest"
	"kuai/platform/render"
	"kuai/video"
)

// workplace is a server with a queue, and a worker's token for it.
func workplace(t *testing.T) (url, token string, q *job.Queue, files *file.Store) {
	t.Helper()
	path := filepath.Join(t.TempDir(), "kuai.db")
	var out, errs bytes.Buffer
	if code := run(t.Context(), []string{"worker", "token", "test", "--database", path}, streams{Out: &out, Err: &errs}); code != 0 {
		t.Fatalf("exit %d: %s", code, &errs)
	}
	token = strings.TrimSpace(out.String())

	d := dbtest.Open(t, path)
	blobs, err := blob.NewDir(t.TempDir(), nil)
	if err != nil {
		t.Fatal(err)
	}
	bus := event.Memory()
	t.Cleanup(func() { _ = bus.Close() })
	files = file.New(file.Options{DB: d, Blobs: blobs})
	q = job.New(job.Options{DB: d, Bus: bus, Keep: files})
	m := chi.NewRouter()
	kuai.RegisterPlatform(m, kuai.Platform{Jobs: q, Files: files, Gate: gate.Open{}})
	s := httptest.NewServer(m)
	t.Cleanup(s.Close)
	return s.URL, token, q, files
}

// TestWorker makes a clip of a server's with kuai worker and the built-in
// model.
func TestWorker(t *testing.T) {
	t.Parallel()
	url, token, q, files := workplace(t)
	var out, errs bytes.Buffer
	body, err := json.Marshal(render.Order{Request: video.Request{Prompt: "a fox jumps at night", Seed: 7, Steps: 1, Frames: 5}})
	if err != nil {
		t.Fatal(err)
	}
	j, _, err := q.Submit(t.Context(), job.Request{Org: "o", Kind: render.Kind, Body: body}, nil)
	if err != nil {
		t.Fatal(err)
	}
	ctx, stop := context.WithCancel(t.Context())
	defer stop()
	done := make(chan int, 1)
	go func() {
		done <- run(ctx, []string{"worker", "--join", url, "--token", token, "--data", t.TempDir()}, streams{Out: &out, Err: &errs})
	}()
	for _, err := range q.Watch(t.Context(), j.ID, 0) {
		if err != nil {
			t.Fatal(err)
		}
	}
	if j, err = q.Get(t.Context(), "o", j.ID); err != nil || j.State != job.Done {
		t.Fatalf("%s, %v, %v", j.State, j.Error, err)
	}
	c, info, err := render.Frames(t.Context(), files, j)
	if err != nil || len(c.Frames) != 5 || info.Seed != 7 || j.Result.Usage[render.VideoMilliseconds] == 0 {
		t.Errorf("%+v, %v, %v", info, j.Result.Usage, err)
	}
	stop()
	if code := <-done; code != exitInterrupted {
		t.Errorf("exit %d: %s", code, &errs)
	}
	if code := run(t.Context(), []string{"worker"}, streams{Out: &out, Err: &errs}); code != exitUsage {
		t.Errorf("without an address: exit %d", code)
	}
	if code := run(t.Context(), []string{"worker", "--join", url, "--token", "wrong"}, streams{Out: &out, Err: &errs}); code != exitFailed {
		t.Errorf("with a wrong token: exit %d", code)
	}
}

// TestWorkerComfy makes a clip of a server's, one that begins with a picture, with
// kuai worker and a ComfyUI beside it.
func TestWorkerComfy(t *testing.T) {
	t.Parallel()
	url, token, q, files := workplace(t)
	ui := comfytest.New(t)
	path := filepath.Join(t.TempDir(), "wan.json")
	if err := os.WriteFile(path, []byte(comfytest.ImageWorkflow), 0o600); err != nil {
		t.Fatal(err)
	}
	body, err := json.Marshal(render.Order{Request: video.Request{Prompt: "a fox"}, Picture: []byte("a picture")})
	if err != nil {
		t.Fatal(err)
	}
	j, _, err := q.Submit(t.Context(), job.Request{Org: "o", Kind: render.Form{Name: "wan"}.Kind(), Model: "wan", Body: body}, nil)
	if err != nil {
		t.Fatal(err)
	}
	args := []string{"worker", "--join", url, "--token", token, "--data", t.TempDir(), "--no-render"}
	var errs bytes.Buffer
	for name, more := range map[string][]string{"nothing to do": nil, "no server": {"--comfy", "#wan=" + path}, "no workflow": {"--comfy", ui.URL + "#wan"}} {
		if code := run(t.Context(), append(args, more...), streams{Out: io.Discard, Err: &errs}); code != exitUsage {
			t.Errorf("%s: exit %d: %s", name, code, &errs)
		}
	}
	ctx, stop := context.WithCancel(t.Context())
	defer stop()
	done := make(chan int, 1)
	go func() {
		done <- run(ctx, append(args, "--comfy", ui.URL+"#wan="+path), streams{Out: io.Discard, Err: &errs})
	}()
	for _, err := range q.Watch(t.Context(), j.ID, 0) {
		if err != nil {
			t.Fatal(err)
		}
	}
	if j, err = q.Get(t.Context(), "o", j.ID); err != nil || j.State != job.Done || string(ui.Image()) != "a picture" {
		t.Fatalf("%s, %v, %v, %q", j.State, j.Error, err, ui.Image())
	}
	id, err := file.ParseID(j.Result.Outputs[0].File)
	if err != nil {
		t.Fatal(err)
	}
	if f, err := files.Get(t.Context(), "o", id); err != nil || f.Bytes != int64(len(comfytest.Clip)) {
		t.Errorf("%+v, %v", f, err)
	}
	stop()
	if code := <-done; code != exitInterrupted {
		t.Errorf("exit %d: %s", code, &errs)
	}
}
