package clip_test

import (
	"bytes"
	"context"
	"errors"
	"net/http"
	"strings"
	"sync"
	"testing"

	"kuai/api/clip"
	"kuai/api/gate"
	"kuai/media"
	"kuai/platform/blob"
	"kuai/platform/db/dbtest"
	"kuai/platform/event"
	"kuai/platform/file"
	"kuai/platform/job"
	"kuai/serve"
	"kuai/video"
)

// painter makes clips as grey as their seed.
type painter struct{}

func (painter) Check(req video.Request) error {
	if req.Steps > 100 {
		return &video.LimitError{Field: "steps", Got: req.Steps, Want: "at most 100"}
	}
	return nil
}

func (painter) Generate(ctx context.Context, req video.Request, progress func(video.Progress)) (*video.Result, error) {
	progress(video.Progress{Stage: "sample", Step: 1, Steps: 2})
	if req.Prompt == "wait" {
		progress(video.Progress{Stage: "sample", Step: 3, Steps: 4, Picture: func() *media.Clip {
			return &media.Clip{Width: 8, Height: 8, FPS: 12, Frames: [][]byte{make([]byte, 8*8*3)}}
		}})
		<-ctx.Done()
		return nil, context.Cause(ctx)
	}
	c := &media.Clip{Width: 8, Height: 8, FPS: 12}
	for range max(req.Frames, 1) {
		c.Frames = append(c.Frames, bytes.Repeat([]byte{byte(req.Seed)}, 8*8*3))
	}
	return &video.Result{Clip: c, Seed: req.Seed, Steps: 24}, nil
}

// ticket notes how it ended.
type ticket struct {
	mu   sync.Mutex
	ends []string
	used gate.Usage
}

func (*ticket) Principal() gate.Principal {
	return gate.Principal{Org: "o", Project: "p", User: "u", Key: "k"}
}
func (*ticket) Header(http.Header) {}

func (t *ticket) Settle(_ context.Context, used gate.Usage) error {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.ends, t.used = append(t.ends, "settled"), used
	return nil
}

func (t *ticket) Release(context.Context, string) error {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.ends = append(t.ends, "released")
	return nil
}

// TestJobs makes clips through the durable queue.
func TestJobs(t *testing.T) {
	t.Parallel()
	d := dbtest.Open(t, dbtest.SQLite(t))
	blobs, err := blob.NewDir(t.TempDir(), nil)
	if err != nil {
		t.Fatal(err)
	}
	bus := event.Memory()
	files := file.New(file.Options{DB: d, Blobs: blobs})
	q := job.New(job.Options{DB: d, Bus: bus, Keep: files})
	v := clip.NewJobs(t.Context(), clip.JobsOptions{Queue: q, Files: files, Check: painter{}.Check})
	ctx, cancel := context.WithCancel(t.Context())
	var wg sync.WaitGroup
	wg.Go(func() {
		r := &job.Runner{Desk: q, Worker: job.Worker{ID: "w"}, Runs: clip.Runs(painter{}), Dir: t.TempDir(), Drain: -1}
		if err := r.Run(ctx); err != nil {
			t.Error(err)
		}
	})
	t.Cleanup(func() { v.Close(); cancel(); wg.Wait(); _ = bus.Close() })

	end := func(id string) (j serve.Job) {
		for s, err := range v.Follow(t.Context(), "p", id) {
			if err != nil {
				t.Fatal(err)
			}
			j = s.Job
		}
		if !j.Status.Final() {
			t.Errorf("%s is %s at its end", id, j.Status)
		}
		return j
	}
	order := clip.Order{Request: video.Request{Prompt: "a fox", Seed: 7, Frames: 24}, Remix: "job_0", Callback: "https://example.com/"}
	paid := &ticket{}
	j, err := v.Submit(t.Context(), paid, order)
	if err != nil {
		t.Fatal(err)
	}
	j = end(j.ID)
	if j.Status != serve.Completed || j.Frames != 24 || j.Request.Seed != 7 || j.Request.Steps != 24 || clip.Remixed(j) != "job_0" {
		t.Errorf("%+v", j)
	}
	made, err := q.Get(t.Context(), "o", j.ID)
	if err != nil {
		t.Fatal(err)
	}
	if to, body := clip.Callback(made); to != "https://example.com/" || !strings.Contains(string(body), `"status":"success","file_id":"`+j.ID+`","video_width":32`) {
		t.Errorf("call-back to %q: %s", to, body)
	}
	_, c, err := v.Clip(t.Context(), "p", j.ID)
	if err != nil || len(c.Frames) != 24 || c.Frames[23][0] != 7 {
		t.Errorf("the clip: %v", err)
	}
	if _, _, err := v.Clip(t.Context(), "other", j.ID); !errors.Is(err, serve.ErrNotFound) {
		t.Errorf("another owner: %v", err)
	}
	still, err := v.Submit(t.Context(), &ticket{}, clip.Order{Request: video.Request{Prompt: "a fox"}, Still: true})
	if err != nil {
		t.Fatal(err)
	}
	if s := end(still.ID); s.Status != serve.Completed || s.Frames != 1 {
		t.Errorf("the still: %+v", s)
	}
	if list, err := v.List(t.Context(), "p"); err != nil || len(list) != 1 || list[0].ID != j.ID {
		t.Errorf("list %+v, %v", list, err)
	}
	_, err = v.Submit(t.Context(), &ticket{}, clip.Order{Request: video.Request{Steps: 1000}})
	if limit := new(video.LimitError); !errors.As(err, &limit) {
		t.Errorf("too many steps: %v", err)
	}

	free := &ticket{}
	slow, err := v.Submit(t.Context(), free, clip.Order{Request: video.Request{Prompt: "wait"}})
	if err != nil {
		t.Fatal(err)
	}
	if _, _, err := v.Clip(t.Context(), "p", slow.ID); !errors.Is(err, serve.ErrNotReady) {
		t.Errorf("an unfinished clip: %v", err)
	}
	next, err := v.Submit(t.Context(), &ticket{}, clip.Order{Request: video.Request{Prompt: "a crab"}})
	if err != nil {
		t.Fatal(err)
	}
	for s, err := range v.Follow(t.Context(), "p", slow.ID) {
		if err != nil {
			t.Fatal(err)
		}
		if s.Preview != nil {
			break
		}
	}
	if p, ok, err := v.Preview(t.Context(), "p", slow.ID); err != nil || !ok || p.Type != "image/png" {
		t.Fatalf("preview %+v, %v", p, err)
	}
	for s, err := range v.Follow(t.Context(), "p", slow.ID) { // who comes later is shown the last one
		if err != nil || s.Preview == nil || s.Preview.Type != "image/png" {
			t.Errorf("at once: %+v, %v", s, err)
		}
		break
	}
	for _, err := range v.Follow(t.Context(), "other", slow.ID) {
		if !errors.Is(err, serve.ErrNotFound) {
			t.Errorf("another owner follows: %v", err)
		}
	}
	if _, _, err := v.Preview(t.Context(), "other", slow.ID); !errors.Is(err, serve.ErrNotFound) {
		t.Errorf("another owner's preview: %v", err)
	}
	if s, err := v.Get(t.Context(), "p", next.ID); err != nil || s.Position != 1 || s.Left <= 0 {
		t.Errorf("one that waits: position %d, left %v, %v", s.Position, s.Left, err)
	}
	if got, err := v.Cancel(t.Context(), "p", slow.ID); err != nil || got.Status != serve.Cancelled {
		t.Errorf("%+v, %v", got, err)
	}
	end(next.ID)
	for _, id := range []string{slow.ID, next.ID, j.ID} {
		if err := v.Delete(t.Context(), "p", id); err != nil {
			t.Error(err)
		}
	}
	if left, _, err := files.List(t.Context(), file.Filter{Job: j.ID}); err != nil || len(left) != 0 {
		t.Errorf("files of a deleted job: %+v, %v", left, err)
	}
	if len(paid.ends) != 1 || paid.ends[0] != "settled" || paid.used[gate.VideoMilliseconds] != 2000 {
		t.Errorf("the clip's ticket: %v, %v", paid.ends, paid.used)
	}
	if len(free.ends) != 1 || free.ends[0] != "released" {
		t.Errorf("the cancelled one's ticket: %v", free.ends)
	}
}
