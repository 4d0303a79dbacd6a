package job

import (
	"testing"
	"time"

	"kuai/platform/db"
	"kuai/platform/db/dbtest"
)

// TestSweep lapses the leases of workers who fell silent, whatever the wall
// clock does meanwhile.
func TestSweep(t *testing.T) {
	t.Parallel()
	dbtest.Run(t, func(t *testing.T, d *db.DB) {
		t.Helper()
		b := newBench(t, d, nil, Options{})
		ctx := t.Context()
		elapsed := time.Duration(0)
		s := NewSweeper(b.Queue, 0, func() time.Duration { return elapsed })
		silent, alive := b.submit(t, Request{Expires: -1}), b.submit(t, Request{Expires: -1})
		ls, la := b.claim(t).Lease(), b.claim(t).Lease()
		must(t, s.Sweep(ctx))

		b.clock.add(1000 * time.Hour) // the clock jumps ahead: nobody loses a job by that
		must(t, s.Sweep(ctx))
		must(t, b.Heartbeat(ctx, ls, Progress{}))
		must(t, b.Heartbeat(ctx, la, Progress{}))
		must(t, s.Sweep(ctx))

		b.clock.add(-2000 * time.Hour) // and back: who is dead is found all the same
		elapsed += b.LeaseTime() - 1
		must(t, s.Sweep(ctx))
		must(t, b.Heartbeat(ctx, la, Progress{}))
		elapsed++
		must(t, s.Sweep(ctx))
		if got := b.get(t, silent.ID); got.State != Queued || got.Failures != 1 || got.Error.Message != "the worker was lost" {
			t.Errorf("the silent one's job: %+v", got)
		}
		if got := b.get(t, alive.ID); got.State != Running {
			t.Errorf("the living one's job is %s", got.State)
		}
		want(t, "the silent one", b.Heartbeat(ctx, ls, Progress{}), ErrLost)

		b.clock.add(-3000 * time.Hour) // the pause before the next attempt began in a future that is gone
		if j := b.claim(t); j.ID != silent.ID || j.Attempt != 2 {
			t.Errorf("claimed %+v", j)
		}
	})
}

// TestExpire ends jobs whose time is over and forgets old ones.
func TestExpire(t *testing.T) {
	t.Parallel()
	dbtest.Run(t, func(t *testing.T, d *db.DB) {
		t.Helper()
		b := newBench(t, d, nil, Options{})
		s := NewSweeper(b.Queue, time.Hour, func() time.Duration { return 0 })
		running := b.submit(t, Request{Expires: time.Minute})
		l := b.claim(t).Lease()
		waiting, never := b.submit(t, Request{Expires: time.Minute}), b.submit(t, Request{Expires: -1})
		b.clock.add(time.Minute)
		if j, ok, err := b.Claim(t.Context(), Worker{}); err != nil || !ok || j.ID != never.ID {
			t.Errorf("claimed %+v, %v", j, err)
		}
		must(t, s.Sweep(t.Context()))
		for _, id := range []string{running.ID, waiting.ID} {
			if got := b.get(t, id); got.State != Expired || len(b.ends[id]) != 1 || b.ends[id][0] != Refund {
				t.Errorf("%+v, money %v", got, b.ends[id])
			}
		}
		want(t, "the worker", b.Finish(t.Context(), l, Result{}), ErrLost)
		b.clock.add(time.Hour + 1e6)
		must(t, s.Sweep(t.Context()))
		jobs, _, err := b.List(t.Context(), Filter{})
		if err != nil || len(jobs) != 1 || jobs[0].ID != never.ID {
			t.Errorf("%d jobs are left: %v", len(jobs), err)
		}
	})
}
