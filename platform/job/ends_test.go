package job

import (
	"context"
	"runtime"
	"sync/atomic"
	"testing"
	"time"

	"kuai/platform/db"
	"kuai/platform/db/dbtest"
)

// TestEnds waits for the ends of jobs: of those that are done, cancelled,
// deleted or had ended before, but not of those that go on.
func TestEnds(t *testing.T) {
	t.Parallel()
	dbtest.Run(t, func(t *testing.T, d *db.DB) {
		t.Helper()
		b := newBench(t, d, nil, Options{})
		ctx := t.Context()
		e := NewEnds(ctx, b.Queue)
		early := b.submit(t, Request{})
		b.claim(t)
		must(t, b.Finish(ctx, Lease{early.ID, 1}, Result{}))
		done := b.submit(t, Request{})
		got := make(chan string, 8)
		wait := func(id string) { e.Wait(id, func(context.Context) { got <- id }) }
		want := func(id string) {
			t.Helper()
			select {
			case s := <-got:
				if s != id {
					t.Errorf("the end of %s, want that of %s", s, id)
				}
			case <-time.After(10 * time.Second):
				t.Fatalf("the end of %s was not seen", id)
			}
		}
		wait(early.ID)
		want(early.ID)
		wait(done.ID)
		b.claim(t)
		must(t, b.Finish(ctx, Lease{done.ID, 1}, Result{}))
		want(done.ID)
		cancelled, on := b.submit(t, Request{}), b.submit(t, Request{})
		wait(on.ID)
		wait(cancelled.ID)
		if _, err := b.Cancel(ctx, cancelled.Org, cancelled.ID); err != nil {
			t.Fatal(err)
		}
		want(cancelled.ID)
		wait("nobody")
		want("nobody")
		e.Close()
		if len(got) > 0 || len(e.waiting) != 1 {
			t.Errorf("%d ends more, %d wait; want one that waits", len(got), len(e.waiting))
		}
	})
}

// TestEndsDeaf loses all messages, and has many jobs wait without a goroutine
// each.
func TestEndsDeaf(t *testing.T) {
	b := newBench(t, dbtest.Open(t, dbtest.SQLite(t)), deaf{}, Options{})
	b.hub.every = time.Millisecond
	e := NewEnds(t.Context(), b.Queue)
	const jobs = 300
	var ended atomic.Int64
	var all []Job
	before := runtime.NumGoroutine()
	for range jobs {
		j := b.submit(t, Request{})
		all = append(all, j)
		e.Wait(j.ID, func(context.Context) { ended.Add(1) })
	}
	if n := runtime.NumGoroutine() - before; n > jobs/2 {
		t.Errorf("%d goroutines more for %d jobs that wait", n, jobs)
	}
	for range all {
		b.claim(t)
	}
	for _, j := range all {
		must(t, b.Finish(t.Context(), Lease{j.ID, 1}, Result{}))
	}
	for deadline := time.Now().Add(10 * time.Second); ended.Load() < jobs && time.Now().Before(deadline); {
		time.Sleep(time.Millisecond)
	}
	e.Close()
	if n := ended.Load(); n != jobs || len(e.waiting) != 0 {
		t.Errorf("%d ends of %d, %d wait", n, jobs, len(e.waiting))
	}
}
