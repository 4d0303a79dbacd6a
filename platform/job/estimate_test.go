package job

import (
	"testing"
	"time"

	"kuai/platform/db/dbtest"
)

func TestEstimate(t *testing.T) {
	t.Parallel()
	b := newBench(t, dbtest.Open(t, dbtest.SQLite(t)), nil, Options{})
	ctx := t.Context()
	first := b.submit(t, Request{Model: "m"})
	if e, err := b.Estimate(ctx, first); err != nil || e != (Estimate{Position: 1}) {
		t.Errorf("before anything was measured: %+v, %v", e, err)
	}
	l := b.claim(t).Lease()
	b.clock.add(10 * time.Second)
	must(t, b.Finish(ctx, l, Result{}))
	must(t, b.Register(ctx, Worker{ID: "w", Slots: 2}))
	b.submit(t, Request{Model: "m"})
	second := b.submit(t, Request{Model: "m"})
	if e, err := b.Estimate(ctx, second); err != nil || e != (Estimate{2, 17500 * time.Millisecond}) {
		t.Errorf("the second of two: %+v, %v", e, err)
	}
	j := b.claim(t)
	b.clock.add(4 * time.Second)
	if e, err := b.Estimate(ctx, b.get(t, j.ID)); err != nil || e.Left != 6*time.Second {
		t.Errorf("at work: %+v, %v", e, err)
	}
	must(t, b.Heartbeat(ctx, j.Lease(), Progress{Fraction: 0.8}))
	if e, err := b.Estimate(ctx, b.get(t, j.ID)); err != nil || e.Left.Round(time.Millisecond) != time.Second {
		t.Errorf("at work, four fifths done: %+v, %v", e, err)
	}
	if e, err := b.Estimate(ctx, b.get(t, first.ID)); err != nil || e != (Estimate{}) {
		t.Errorf("done: %+v, %v", e, err)
	}
}
