package serve

import (
	"bytes"
	"context"
	"errors"
	"os"
	"path/filepath"
	"testing"

	"kuai/media"
	"kuai/video"
)

// painter is a generator whose clips are as grey as their seed. It waits for
// go before each step.
type painter struct {
	step chan struct{} // nil does not wait
}

func (p painter) Check(req video.Request) error {
	if req.Steps > 100 {
		return &video.LimitError{Field: "steps", Got: req.Steps, Want: "at most 100"}
	}
	return nil
}

func (p painter) Generate(ctx context.Context, req video.Request, progress func(video.Progress)) (*video.Result, error) {
	if req.Prompt == "fail" {
		return nil, errors.New("no paint left")
	}
	if req.Prompt == "bug" {
		panic("a bug")
	}
	for i := range 2 {
		if p.step != nil {
			select {
			case <-ctx.Done():
				return nil, context.Cause(ctx)
			case <-p.step:
			}
		}
		progress(video.Progress{Stage: "sample", Step: i + 1, Steps: 2})
	}
	frame := bytes.Repeat([]byte{byte(req.Seed)}, 8*8*3)
	return &video.Result{
		Clip: &media.Clip{Width: 8, Height: 8, FPS: 12, Frames: [][]byte{frame, frame}},
		Seed: req.Seed, Steps: 2,
	}, nil
}

func open(t *testing.T, dir string, gen Generator) *Queue {
	t.Helper()
	q, err := NewQueue(t.Context(), dir, gen)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(q.Close)
	return q
}

// await waits until a job is final.
func await(t *testing.T, q *Queue, id string) Job {
	t.Helper()
	for {
		j, changed, err := q.Get(id)
		if err != nil {
			t.Fatal(err)
		}
		if j.Status.Final() {
			return j
		}
		<-changed
	}
}

func submit(t *testing.T, q *Queue, prompt string, seed uint64) string {
	t.Helper()
	j, err := q.Submit(video.Request{Prompt: prompt, Seed: seed})
	if err != nil {
		t.Fatal(err)
	}
	return j.ID
}

func TestClipIsKept(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	q := open(t, dir, painter{})
	id := submit(t, q, "grey", 7)
	if j := await(t, q, id); j.Status != Completed || j.Progress != 1 || j.Frames != 2 {
		t.Fatalf("job %+v", j)
	}
	q.Close()
	if err := os.WriteFile(filepath.Join(dir, "video_x.json"), []byte("{"), 0o600); err != nil {
		t.Fatal(err)
	}
	again := open(t, dir, painter{}) // the damaged one is left out
	if n := len(again.List()); n != 1 {
		t.Fatalf("%d jobs after opening again, want 1", n)
	}
	_, clip, err := again.Clip(id)
	if err != nil || len(clip.Frames) != 2 || clip.Frames[1][5] != 7 {
		t.Fatalf("clip %v, %v", clip, err)
	}
	if err := again.Delete(id); err != nil {
		t.Fatal(err)
	}
	left, err := filepath.Glob(filepath.Join(dir, id+"*"))
	if err != nil || len(left) > 0 {
		t.Errorf("left behind %v, %v", left, err)
	}
	if _, _, err := again.Clip(id); !errors.Is(err, ErrNotFound) {
		t.Errorf("got %v, want ErrNotFound", err)
	}
}

func TestFailuresStayAlone(t *testing.T) {
	t.Parallel()
	q := open(t, t.TempDir(), painter{})
	bad, bug, good := submit(t, q, "fail", 1), submit(t, q, "bug", 1), submit(t, q, "grey", 1)
	if j := await(t, q, bad); j.Status != Failed || j.Error != "no paint left" {
		t.Errorf("job %+v", j)
	}
	if j := await(t, q, bug); j.Status != Failed {
		t.Errorf("job %+v", j)
	}
	if j := await(t, q, good); j.Status != Completed {
		t.Errorf("job %+v", j)
	}
}

func TestBadRequest(t *testing.T) {
	t.Parallel()
	q := open(t, t.TempDir(), painter{})
	var limit *video.LimitError
	if _, err := q.Submit(video.Request{Steps: 101}); !errors.As(err, &limit) || len(q.List()) > 0 {
		t.Errorf("got %v and %d jobs, want a LimitError and none", err, len(q.List()))
	}
}

func TestCancel(t *testing.T) {
	t.Parallel()
	p := painter{make(chan struct{})}
	q := open(t, t.TempDir(), p)
	running, waiting := submit(t, q, "grey", 1), submit(t, q, "grey", 2)
	p.step <- struct{}{} // it is at work now
	for _, id := range []string{waiting, running} {
		if _, err := q.Cancel(id); err != nil {
			t.Fatal(err)
		}
		if j := await(t, q, id); j.Status != Cancelled {
			t.Errorf("job %+v", j)
		}
	}
	if _, _, err := q.Clip(running); !errors.Is(err, ErrNotReady) {
		t.Errorf("got %v, want ErrNotReady", err)
	}
}

func TestFull(t *testing.T) {
	t.Parallel()
	q := open(t, t.TempDir(), painter{make(chan struct{})})
	var err error
	for range maxWaiting + 2 {
		if _, err = q.Submit(video.Request{Prompt: "grey"}); err != nil {
			break
		}
	}
	if !errors.Is(err, ErrFull) {
		t.Errorf("got %v, want ErrFull", err)
	}
	q.Close()
	if _, err := q.Submit(video.Request{}); !errors.Is(err, ErrClosed) {
		t.Errorf("got %v, want ErrClosed", err)
	}
}
