package job

import (
	"context"
	"fmt"
	"sync"
	"testing"
	"time"

	"kuai/fault"
	"kuai/platform/db"
	"kuai/platform/db/dbtest"
	"kuai/platform/event"
)

// TestStreams opens 200 streams and counts what they ask the database: a look at
// all of them costs what a look at one costs, and one message tells them all.
func TestStreams(t *testing.T) {
	t.Parallel()
	dbtest.Run(t, func(t *testing.T, d *db.DB) {
		t.Helper()
		const streams, jobs, looks = 200, 50, 10
		b := newBench(t, d, nil, Options{})
		b.hub.every = time.Hour // the test looks
		ctx := t.Context()
		var all []Job
		for i := range jobs {
			all = append(all, b.submit(t, Request{Org: fmt.Sprint(i % 7), Priority: i % 3}))
		}
		var work, told, moved, ended sync.WaitGroup
		told.Add(streams)
		moved.Add(streams)
		ended.Add(streams)
		for i := range streams {
			work.Go(func() {
				first := true
				states := 0
				each := func(s State, err error) {
					if err != nil {
						t.Error(err)
					}
					if states++; first {
						first = false
						told.Done()
					}
					if s == Running {
						moved.Done()
					}
				}
				if id := all[i%jobs].ID; i%2 == 0 {
					for u, err := range b.Watch(ctx, id, 0) {
						each(u.State, err)
					}
				} else {
					last := Queued
					for s, err := range b.Follow(ctx, id) {
						if s.Job.State == Running && last == Running {
							continue // farther, or nearer to its end
						}
						last = s.Job.State
						each(s.Job.State, err)
					}
				}
				ended.Done()
			})
		}
		told.Wait()
		before := d.Statements()
		for range looks {
			b.hub.look(ctx, true)
		}
		if n := d.Statements() - before; n > 5*looks {
			t.Errorf("%d looks at %d streams of jobs that wait ran %d statements, want at most %d", looks, streams, n, 5*looks)
		}
		for range jobs {
			b.claim(t)
		}
		moved.Wait()
		before = d.Statements()
		for range looks {
			b.hub.look(ctx, true)
		}
		if n := d.Statements() - before; n > 3*looks {
			t.Errorf("%d looks at %d streams of jobs at work ran %d statements, want at most %d", looks, streams, n, 3*looks)
		}
		for _, j := range all {
			must(t, b.Finish(ctx, Lease{j.ID, 1}, Result{}))
		}
		ended.Wait()
		work.Wait()
		if b.hub.now != nil || len(b.hub.topics) != 0 {
			t.Errorf("nobody watches, and %d jobs are still watched", len(b.hub.topics))
		}
	})
}

// TestStreamsDeaf loses all messages: looks alone tell what becomes of a job.
func TestStreamsDeaf(t *testing.T) {
	t.Parallel()
	b := newBench(t, dbtest.Open(t, dbtest.SQLite(t)), deaf{}, Options{})
	b.hub.every = time.Millisecond
	ctx := t.Context()
	j := b.submit(t, Request{})
	var got []float64
	for s, err := range b.Follow(ctx, j.ID) {
		must(t, err)
		got = append(got, s.Job.Progress.Fraction)
		switch s.Job.State {
		case Queued:
			b.claim(t)
		case Running:
			if s.Job.Progress.Fraction == 0 {
				must(t, b.Heartbeat(ctx, Lease{j.ID, 1}, Progress{Fraction: 0.5}))
				continue
			}
			must(t, b.Finish(ctx, Lease{j.ID, 1}, Result{}))
		}
	}
	if fmt.Sprint(got) != "[0 0 0.5 1]" {
		t.Errorf("progress %v", got)
	}
}

// TestFollowPlace checks that those who wait are told when the queue moves, and
// that what is counted for all at once is what is counted for each.
func TestFollowPlace(t *testing.T) {
	t.Parallel()
	dbtest.Run(t, func(t *testing.T, d *db.DB) {
		t.Helper()
		b := newBench(t, d, nil, Options{})
		b.hub.every = time.Millisecond
		ctx := t.Context()
		must(t, b.Register(ctx, Worker{ID: "w", Slots: 2}))
		for _, model := range []string{"fast", "slow"} {
			must(t, d.Tx(ctx, func(tx *db.Tx) error { return pace(ctx, tx, model, time.Duration(len(model))*time.Minute) }))
		}
		var last Job
		for i := range 40 {
			last = b.submit(t, Request{Org: fmt.Sprint(i * i % 5), Priority: -(i % 3), Model: []string{"fast", "slow", "new"}[i%3]})
			if i%8 == 7 {
				b.claim(t)
			}
		}
		alike := func() {
			t.Helper()
			var places map[string]outlook
			must(t, d.Read(ctx, func(tx *db.Tx) (err error) { places, err = b.outlooks(ctx, tx); return err }))
			jobs, _, err := b.List(ctx, Filter{State: Queued, Limit: 100})
			must(t, err)
			if len(places) != len(jobs) {
				t.Errorf("%d places of %d jobs", len(places), len(jobs))
			}
			for _, j := range jobs {
				if want, err := b.outlook(ctx, j); err != nil || places[j.ID] != want {
					t.Errorf("%+v, want %+v, %v", places[j.ID], want, err)
				}
			}
		}
		alike()
		want, err := b.Estimate(ctx, last)
		must(t, err)
		for s, err := range b.Follow(ctx, last.ID) {
			must(t, err)
			if s.Job.State == Queued && s.Estimate != want {
				t.Errorf("told %+v, want %+v", s.Estimate, want)
			}
			if s.Job.State == Running {
				break
			}
			b.claim(t)
			alike()
			if want, err = b.Estimate(ctx, b.get(t, last.ID)); err != nil {
				t.Fatal(err)
			}
		}
	})
}

// TestFollowPreview checks what lies between two states.
func TestFollowPreview(t *testing.T) {
	t.Parallel()
	b := newBench(t, dbtest.Open(t, dbtest.SQLite(t)), nil, Options{})
	ctx := t.Context()
	l := Lease{b.submit(t, Request{}).ID, 1}
	var told []string
	for s, err := range b.Follow(ctx, l.Job) {
		must(t, err)
		line := fmt.Sprint(s.Job.State, " ", s.Job.Progress.Fraction)
		if s.Preview != nil {
			line += " " + string(s.Preview.Data)
		}
		told = append(told, line)
		switch line {
		case "queued 0":
			b.claim(t)
		case "running 0":
			must(t, b.Progress(ctx, l, Progress{Fraction: 0.25}))
		case "running 0.25":
			must(t, b.Preview(ctx, l, Preview{"image/png", []byte("p")}))
		default:
			must(t, b.Finish(ctx, l, Result{}))
		}
	}
	if got, want := fmt.Sprint(told), "[queued 0 running 0 running 0.25 running 0.25 p done 1]"; got != want {
		t.Errorf("told %s, want %s", got, want)
	}
}

// TestWatchStrange checks that a name that no database takes harms nobody else.
func TestWatchStrange(t *testing.T) {
	t.Parallel()
	b := newBench(t, dbtest.Open(t, dbtest.SQLite(t)), nil, Options{})
	for _, id := range []string{"", "job\x00", "\xff", "a b", string(make([]byte, 1000))} {
		for _, err := range b.Watch(t.Context(), id, 0) {
			wantCode(t, id, err, fault.NotFound)
		}
	}
	ctx, leave := context.WithCancel(t.Context())
	defer leave()
	for _, err := range b.Follow(ctx, b.submit(t, Request{}).ID) {
		if err == nil {
			leave()
			continue
		}
		want(t, "one who leaves", err, context.Canceled)
	}
}

// deaf is a bus that carries nothing.
type deaf struct{}

func (deaf) Publish(string, []byte) error                          { return nil }
func (deaf) Subscribe(string, func(event.Message)) (func(), error) { return func() {}, nil }
func (deaf) Close() error                                          { return nil }
