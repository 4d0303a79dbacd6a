package main

import (
	"bytes"
	"context"
	"encoding/json"
	"net/http/httptest"
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
	"kuai/platform/render"
	"kuai/video"
)

// TestWorker makes a clip of a server's with kuai worker and the built-in
// model.
func TestWorker(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "kuai.db")
	var out, errs bytes.Buffer
	if code := run(t.Context(), []string{"worker", "token", "test", "--database", path}, streams{Out: &out, Err: &errs}); code != 0 {
		t.Fatalf("exit %d: %s", code, &errs)
	}
	token := strings.TrimSpace(out.String())

	d := dbtest.Open(t, path)
	blobs, err := blob.NewDir(t.TempDir(), nil)
	if err != nil {
		t.Fatal(err)
	}
	bus := event.Memory()
	t.Cleanup(func() { _ = bus.Close() })
	files := file.New(file.Options{DB: d, Blobs: blobs})
	q := job.New(job.Options{DB: d, Bus: bus, Keep: files})
	m := chi.NewRouter()
	kuai.RegisterPlatform(m, kuai.Platform{Jobs: q, Files: files, Gate: gate.Open{}})
	s := httptest.NewServer(m)
	t.Cleanup(s.Close)

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
		done <- run(ctx, []string{"worker", "--join", s.URL, "--token", token, "--data", t.TempDir()}, streams{Out: &out, Err: &errs})
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
	if code := run(t.Context(), []string{"worker", "--join", s.URL, "--token", "wrong"}, streams{Out: &out, Err: &errs}); code != exitFailed {
		t.Errorf("with a wrong token: exit %d", code)
	}
}
