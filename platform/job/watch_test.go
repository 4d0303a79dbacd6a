package job

import (
	"context"
	"errors"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"

	"kuai/fault"
	"kuai/platform/db"
	"kuai/platform/db/dbtest"
	"kuai/platform/event"
	"kuai/platform/event/eventtest"
)

// TestWatch follows a job while it is made, over a bus that drops half.
func TestWatch(t *testing.T) {
	t.Parallel()
	dbtest.Run(t, func(t *testing.T, d *db.DB) {
		t.Helper()
		bus := eventtest.Lossy(event.Memory(), 1, 0.5)
		t.Cleanup(func() { _ = bus.Close() })
		b := newBench(t, d, bus, Options{})
		ctx := t.Context()
		j := b.submit(t, Request{})
		var states []State
		var last int64
		for u, err := range b.Watch(ctx, j.ID, 0) {
			must(t, err)
			if u.ID == 0 {
				continue
			}
			if u.ID != last+1 {
				t.Errorf("update %d follows %d", u.ID, last)
			}
			last = u.ID
			states = append(states, u.State)
			switch u.State {
			case Queued:
				b.claim(t)
			case Running:
				must(t, b.Progress(ctx, Lease{j.ID, 1}, Progress{Fraction: 0.5}))
				must(t, b.Finalise(ctx, Lease{j.ID, 1}))
			case Finalising:
				must(t, b.Finish(ctx, Lease{j.ID, 1}, Result{}))
			}
		}
		if diff := cmp.Diff([]State{Queued, Running, Finalising, Done}, states); diff != "" {
			t.Errorf("states (-want +got):\n%s", diff)
		}
		var resumed []State
		for u, err := range b.Watch(ctx, j.ID, 2) {
			must(t, err)
			resumed = append(resumed, u.State)
		}
		if diff := cmp.Diff([]State{Finalising, Done}, resumed); diff != "" {
			t.Errorf("resumed after the second (-want +got):\n%s", diff)
		}
	})
}

// TestWatchProgress checks that progress and previews come through, those of a
// stale attempt excepted.
func TestWatchProgress(t *testing.T) {
	t.Parallel()
	b := newBench(t, dbtest.Open(t, dbtest.SQLite(t)), nil, Options{})
	ctx := t.Context()
	j := b.submit(t, Request{})
	must(t, b.Return(ctx, b.claim(t).Lease()))
	l := b.claim(t).Lease()
	var got []float64
	var previews []string
	for u, err := range b.Watch(ctx, j.ID, 0) {
		must(t, err)
		switch {
		case u.Attempt == 2 && u.ID != 0 && u.State == Running:
			must(t, b.Progress(ctx, Lease{j.ID, 1}, Progress{Fraction: 0.9}))
			must(t, b.Progress(ctx, l, Progress{Fraction: 0.25}))
			must(t, b.Preview(ctx, l, Preview{"image/png", []byte("p")}))
			must(t, b.Progress(ctx, l, Progress{Fraction: 2}))
		case u.Preview != nil:
			previews = append(previews, string(u.Preview.Data))
		case u.Progress != nil:
			got = append(got, u.Progress.Fraction)
			if u.Progress.Fraction == 1 {
				_, err := b.Cancel(ctx, "", j.ID)
				must(t, err)
			}
		}
	}
	if diff := cmp.Diff([]float64{0.25, 1}, got); diff != "" {
		t.Errorf("progress (-want +got):\n%s", diff)
	}
	if !slices.Equal(previews, []string{"p"}) {
		t.Errorf("previews %q", previews)
	}
	wantCode(t, "a preview that is no image", b.Preview(ctx, l, Preview{"text/html", nil}), fault.Invalid)
}

func TestWatchEnds(t *testing.T) {
	t.Parallel()
	b := newBench(t, dbtest.Open(t, dbtest.SQLite(t)), nil, Options{})
	for _, err := range b.Watch(t.Context(), "job_none", 0) {
		wantCode(t, "no such job", err, fault.NotFound)
	}
	j := b.submit(t, Request{})
	for _, err := range b.Watch(t.Context(), j.ID, 0) {
		must(t, err)
		break // the caller has seen enough
	}
	ctx, cancel := context.WithCancelCause(t.Context())
	leave := errors.New("leave")
	defer cancel(nil)
	for _, err := range b.Watch(ctx, j.ID, 0) {
		cancel(leave)
		if err != nil {
			want(t, "a caller who leaves", err, leave)
		}
	}
}
