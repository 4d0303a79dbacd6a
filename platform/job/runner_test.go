package job

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"kuai/fault"
	"kuai/platform/db/dbtest"
	"kuai/platform/event"
	"kuai/platform/event/eventtest"
)

// write makes a file in a run's directory.
func write(t *testing.T, r Report, name, data string) File {
	t.Helper()
	path := filepath.Join(r.Dir(), name)
	if err := os.WriteFile(path, []byte(data), 0o600); err != nil {
		t.Error(err)
	}
	return File{name, "text/plain", path}
}

// start runs a runner until the test, or the returned function, ends it.
func start(t *testing.T, r *Runner) (stop func()) {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan struct{})
	r.Dir = t.TempDir()
	go func() {
		defer close(done)
		if err := r.Run(ctx); err != nil {
			t.Error(err)
		}
	}()
	stop = func() { cancel(); <-done }
	t.Cleanup(stop)
	return stop
}

// ended waits for the end of a job.
func (b *bench) ended(t *testing.T, id string) Job {
	t.Helper()
	for _, err := range b.Watch(t.Context(), id, 0) {
		must(t, err)
	}
	return b.get(t, id)
}

func TestRunner(t *testing.T) {
	t.Parallel()
	bus := eventtest.Lossy(event.Memory(), 2, 0.5)
	t.Cleanup(func() { _ = bus.Close() })
	b := newBench(t, dbtest.Open(t, dbtest.SQLite(t)), bus, Options{Now: time.Now})
	var flaky atomic.Int32
	start(t, &Runner{Desk: b, Worker: Worker{ID: "w", Slots: 2}, Runs: map[string]Run{
		"good": func(_ context.Context, j Job, r Report) (Made, error) {
			r.Progress(Progress{Fraction: 0.5})
			r.Preview(Preview{"image/png", []byte("p")})
			return Made{Data: j.Body, Usage: map[string]int64{"images": 1}, Files: []File{write(t, r, "a.txt", "hello")}}, nil
		},
		"bug": func(context.Context, Job, Report) (Made, error) { return Made{}, []error{}[len(os.Args)] },
		"flaky": func(context.Context, Job, Report) (Made, error) {
			if flaky.Add(1) == 1 {
				return Made{}, errors.New("not today")
			}
			return Made{}, nil
		},
		"bad": func(context.Context, Job, Report) (Made, error) { return Made{}, fault.Param("prompt", "no") },
	}})
	for _, tt := range []struct {
		kind    string
		state   State
		attempt int
		code    fault.Code
	}{
		{"good", Done, 1, ""},
		{"flaky", Done, 2, ""},
		{"bad", Failed, 1, fault.Invalid},
		{"bug", Failed, 1, fault.Internal},
	} {
		t.Run(tt.kind, func(t *testing.T) {
			t.Parallel()
			attempts := 0
			if tt.kind == "bug" {
				attempts = 1
			}
			j := b.ended(t, b.submit(t, Request{Kind: tt.kind, Attempts: attempts, Body: json.RawMessage(`{"x":1}`)}).ID)
			code := fault.Code("")
			if j.Error != nil {
				code = j.Error.Code
			}
			if j.State != tt.state || j.Attempt != tt.attempt || code != tt.code {
				t.Errorf("%s after %d attempts, %v", j.State, j.Attempt, j.Error)
			}
			if tt.kind == "good" && (len(j.Result.Outputs) != 1 || j.Result.Outputs[0].Bytes != 5 || string(j.Result.Data) != `{"x":1}`) {
				t.Errorf("result %+v", j.Result)
			}
		})
	}
}

// TestCancelReachesRun checks that a cancellation stops a run by its message, and
// not by the next look at the database: in time that stands still while anybody
// works, it takes none.
func TestCancelReachesRun(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		b := newBench(t, dbtest.Open(t, dbtest.SQLite(t)), nil, Options{Now: time.Now})
		began, stopped := make(chan struct{}), make(chan time.Time, 1)
		stop := start(t, &Runner{Desk: b, Worker: Worker{ID: "w"}, Runs: map[string]Run{"video": func(ctx context.Context, _ Job, _ Report) (Made, error) {
			close(began)
			<-ctx.Done()
			stopped <- time.Now()
			return Made{}, context.Cause(ctx)
		}}})
		j := b.submit(t, Request{})
		<-began
		synctest.Wait() // the runner listens
		asked := time.Now()
		c, err := b.Cancel(t.Context(), "org", j.ID)
		must(t, err)
		if took := (<-stopped).Sub(asked); took > 0 {
			t.Errorf("a cancellation took %v to reach the run", took)
		}
		if c.State != Cancelled {
			t.Errorf("the job is %s", c.State)
		}
		if diff := cmp.Diff([]Action{Refund}, b.ends[j.ID]); diff != "" {
			t.Errorf("money (-want +got):\n%s", diff)
		}
		stop()
	})
}

// TestDrain ends two runners: the job of one may finish, that of the other is
// handed back and finished by a third, neither is lost.
func TestDrain(t *testing.T) {
	t.Parallel()
	b := newBench(t, dbtest.Open(t, dbtest.SQLite(t)), nil, Options{Now: time.Now})
	began := make(chan string, 2)
	release := make(chan struct{})
	patient := start(t, &Runner{Desk: b, Worker: Worker{ID: "w1"}, Drain: time.Hour, Runs: map[string]Run{
		"quick": func(context.Context, Job, Report) (Made, error) { began <- "quick"; <-release; return Made{}, nil },
	}})
	hasty := start(t, &Runner{Desk: b, Worker: Worker{ID: "w0"}, Drain: time.Millisecond, Runs: map[string]Run{
		"slow": func(ctx context.Context, _ Job, _ Report) (Made, error) {
			began <- "slow"
			<-ctx.Done()
			return Made{}, ctx.Err()
		},
	}})
	quick, slow := b.submit(t, Request{Kind: "quick"}), b.submit(t, Request{Kind: "slow"})
	<-began
	<-began
	time.AfterFunc(10*time.Millisecond, func() { close(release) })
	patient()
	hasty()
	if got := b.get(t, quick.ID); got.State != Done || got.Worker != "w1" {
		t.Errorf("the quick one is %s by %s", got.State, got.Worker)
	}
	if got := b.get(t, slow.ID); got.State != Queued || got.Failures != 0 {
		t.Errorf("the slow one is %s with %d failures", got.State, got.Failures)
	}
	start(t, &Runner{Desk: b, Worker: Worker{ID: "w2"}, Runs: map[string]Run{"slow": func(context.Context, Job, Report) (Made, error) { return Made{}, nil }}})
	if got := b.ended(t, slow.ID); got.State != Done || got.Worker != "w2" || got.Attempt != 2 {
		t.Errorf("the slow one is %s by %s, attempt %d", got.State, got.Worker, got.Attempt)
	}
}

// TestNoRoom has a desk that cannot take what was made for a while: no attempt
// is used up.
func TestNoRoom(t *testing.T) {
	t.Parallel()
	b := newBench(t, dbtest.Open(t, dbtest.SQLite(t)), nil, Options{Now: time.Now})
	desk := &cramped{Desk: b}
	desk.refusals.Store(tries)
	var runs atomic.Int64
	start(t, &Runner{Desk: desk, Worker: Worker{ID: "w"}, Runs: map[string]Run{"video": func(_ context.Context, _ Job, r Report) (Made, error) {
		runs.Add(1)
		path := filepath.Join(r.Dir(), "clip")
		return Made{Files: []File{{Name: "clip", Type: "video/webm", Path: path}}}, os.WriteFile(path, []byte("clip"), 0o600)
	}}})
	j := b.submit(t, Request{Attempts: 1})
	if got := b.ended(t, j.ID); got.State != Done || got.Failures != 0 || runs.Load() < 2 {
		t.Errorf("it is %s with %d failures after %d runs", got.State, got.Failures, runs.Load())
	}
}

// cramped is a desk without room at first.
type cramped struct {
	Desk
	refusals atomic.Int64
}

func (c *cramped) Store(context.Context, Lease, string, string, string, io.Reader) (Output, error) {
	if c.refusals.Add(-1) >= 0 {
		return Output{}, &fault.Error{Code: fault.Overloaded, Message: "full"}
	}
	return Output{}, nil
}

// mute is a desk whose heartbeats do not get through.
type mute struct{ Desk }

func (mute) Heartbeat(context.Context, Lease, Progress) error { return errors.New("no network") }

// TestSilentRunnerStops checks that a runner whose heartbeats are lost gives up
// by itself before others take the job.
func TestSilentRunnerStops(t *testing.T) {
	t.Parallel()
	b := newBench(t, dbtest.Open(t, dbtest.SQLite(t)), nil, Options{Now: time.Now, Lease: 200 * time.Millisecond})
	cause := make(chan error, 1)
	start(t, &Runner{Desk: mute{b}, Worker: Worker{ID: "w"}, Runs: map[string]Run{"video": func(ctx context.Context, _ Job, _ Report) (Made, error) {
		<-ctx.Done()
		select {
		case cause <- context.Cause(ctx):
		default: // it was begun again before the test ended
		}
		return Made{}, ctx.Err()
	}}})
	b.submit(t, Request{})
	want(t, "the run ended by", <-cause, ErrLost)
}

// TestManyOnLossyBus has two runners make many jobs while half of all messages
// are lost.
func TestManyOnLossyBus(t *testing.T) {
	t.Parallel()
	bus := eventtest.Lossy(event.Memory(), 3, 0.5)
	t.Cleanup(func() { _ = bus.Close() })
	b := newBench(t, dbtest.Open(t, dbtest.SQLite(t)), bus, Options{Now: time.Now})
	var runs atomic.Int32
	for i := range 2 {
		start(t, &Runner{Desk: b, Worker: Worker{ID: fmt.Sprint(i), Slots: 2}, Runs: map[string]Run{"video": func(context.Context, Job, Report) (Made, error) {
			runs.Add(1)
			return Made{}, nil
		}}})
	}
	var ids []string
	for i := range 30 {
		ids = append(ids, b.submit(t, Request{Org: fmt.Sprint(i % 4)}).ID)
	}
	for _, id := range ids {
		if j := b.ended(t, id); j.State != Done {
			t.Errorf("%s is %s", id, j.State)
		}
	}
	if runs.Load() != 30 {
		t.Errorf("%d runs of 30 jobs", runs.Load())
	}
}
