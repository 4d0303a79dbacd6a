package job

import (
	"context"
	"encoding/json"
	"errors"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"kuai/fault"
	"kuai/platform/db"
	"kuai/platform/db/dbtest"
)

// TestLife follows a job from its submission to its end.
func TestLife(t *testing.T) {
	t.Parallel()
	dbtest.Run(t, func(t *testing.T, d *db.DB) {
		t.Helper()
		b := newBench(t, d, nil, Options{})
		ctx := t.Context()
		reserved := ""
		j, existed, err := b.Submit(ctx, Request{
			Org: "o", Project: "p", User: "u", Key: "k", Kind: "video", Model: "m", Body: json.RawMessage(`{"prompt":"a fox"}`), Meta: json.RawMessage(`{"price":5}`),
		}, func(_ *db.Tx, j Job) error { reserved = j.ID; return nil })
		if err != nil || existed || reserved != j.ID {
			t.Fatalf("submit: %v, existed %v, reserved for %q", err, existed, reserved)
		}
		if diff := cmp.Diff(j, b.get(t, j.ID), cmp.AllowUnexported(Job{})); diff != "" {
			t.Errorf("stored (-submitted +read):\n%s", diff)
		}
		c := b.claim(t)
		if c.ID != j.ID || c.Attempt != 1 || c.State != Running || c.Worker != "w" {
			t.Fatalf("claimed %+v", c)
		}
		l := c.Lease()
		must(t, b.Heartbeat(ctx, l, Progress{Fraction: 0.5, Stage: "sample", Step: 1, Steps: 2}))
		if got := b.get(t, j.ID); got.Progress.Fraction != 0.5 || !got.LeaseUntil.Equal(noon.Add(defaultLease)) {
			t.Errorf("after a heartbeat: %+v", got)
		}
		must(t, b.Preview(ctx, l, Preview{"image/png", []byte("png")}))
		if p, ok, err := b.LastPreview(ctx, j.ID); !ok || err != nil || string(p.Data) != "png" {
			t.Errorf("preview: %+v, %v, %v", p, ok, err)
		}
		must(t, b.Finalise(ctx, l))
		if c, err := b.Cancel(ctx, "o", j.ID); err != nil || c.State != Finalising {
			t.Errorf("a cancellation while it is stored: %v, %v", c.State, err)
		}
		if _, err := b.Store(ctx, l, "clip.webm", "video/webm", "00", strings.NewReader("bytes")); fault.From(err).Code != fault.Invalid {
			t.Errorf("a wrong checksum: %v", err)
		}
		out, err := b.Store(ctx, l, "clip.webm", "video/webm", "", strings.NewReader("bytes"))
		must(t, err)
		b.clock.add(3 * time.Second)
		must(t, b.Finish(ctx, l, Result{Data: json.RawMessage(`{"frames":33}`), Usage: map[string]int64{"video_milliseconds": 2750}}))
		must(t, b.Finish(ctx, l, Result{})) // said again
		got := b.get(t, j.ID)
		out.File = j.ID + "/clip.webm"
		if diff := cmp.Diff(Result{json.RawMessage(`{"frames":33}`), map[string]int64{"video_milliseconds": 2750}, []Output{out}}, got.Result); diff != "" {
			t.Errorf("result (-want +got):\n%s", diff)
		}
		if got.State != Done || got.Ended.IsZero() || got.Version != 4 || got.Progress.Fraction != 1 {
			t.Errorf("at the end: %+v", got)
		}
		if diff := cmp.Diff(map[string][]Action{j.ID: {Settle}}, b.ends); diff != "" {
			t.Errorf("money (-want +got):\n%s", diff)
		}
		if _, ok, err := b.LastPreview(ctx, j.ID); ok || err != nil {
			t.Errorf("a preview outlives its job: %v", err)
		}
		wantCode(t, "another organisation's", b.Delete(ctx, "other", j.ID, nil), fault.NotFound)
		must(t, b.Delete(ctx, "o", j.ID, nil))
		_, err = b.Get(ctx, "", j.ID)
		wantCode(t, "after deletion", err, fault.NotFound)
	})
}

// TestFencing checks that nothing of a stale attempt gets through.
func TestFencing(t *testing.T) {
	t.Parallel()
	dbtest.Run(t, func(t *testing.T, d *db.DB) {
		t.Helper()
		b := newBench(t, d, nil, Options{})
		ctx := t.Context()
		j := b.submit(t, Request{})
		stale := b.claim(t).Lease()
		must(t, b.Return(ctx, stale))
		fresh := b.claim(t).Lease()
		if fresh.Attempt != 2 || fresh.Job != j.ID {
			t.Fatalf("claimed %+v", fresh)
		}
		_, storeErr := b.Store(ctx, stale, "a", "", "", strings.NewReader("x"))
		for what, err := range map[string]error{
			"heartbeat": b.Heartbeat(ctx, stale, Progress{}),
			"preview":   b.Preview(ctx, stale, Preview{Type: "image/png"}),
			"finalise":  b.Finalise(ctx, stale),
			"store":     storeErr,
			"finish":    b.Finish(ctx, stale, Result{}),
			"fail":      b.Fail(ctx, stale, Failure{}),
			"return":    b.Return(ctx, stale),
			"stopped":   b.Stopped(ctx, stale),
		} {
			want(t, what, err, ErrLost)
		}
		must(t, b.Finish(ctx, fresh, Result{}))
		want(t, "finish after the end", b.Finish(ctx, stale, Result{}), ErrLost)
		wantCode(t, "no such job", b.Heartbeat(ctx, Lease{"job_x", 1}, Progress{}), fault.NotFound)
		if diff := cmp.Diff(map[string][]Action{j.ID: {Settle}}, b.ends); diff != "" {
			t.Errorf("money (-want +got):\n%s", diff)
		}
	})
}

func TestIdempotency(t *testing.T) {
	t.Parallel()
	dbtest.Run(t, func(t *testing.T, d *db.DB) {
		t.Helper()
		b := newBench(t, d, nil, Options{})
		r := Request{Org: "o", Kind: "video", Body: json.RawMessage(`{"a":1}`), IdempotencyKey: "k"}
		var mu sync.Mutex
		var wg sync.WaitGroup
		jobs, reserved := map[string]int{}, 0
		for range 8 {
			wg.Go(func() {
				mine := 0
				j, existed, err := b.Submit(t.Context(), r, func(tx *db.Tx, _ Job) error { tx.OnCommit(func() { mine++ }); return nil })
				if err != nil || existed != (mine == 0) {
					t.Errorf("existed %v, reserved %d times: %v", existed, mine, err)
				}
				mu.Lock()
				defer mu.Unlock()
				jobs[j.ID]++
				reserved += mine
			})
		}
		wg.Wait()
		if len(jobs) != 1 || reserved != 1 {
			t.Errorf("%v, reserved %d times, want one job and one reservation", jobs, reserved)
		}
		spaced := r
		spaced.Body = json.RawMessage(` { "a" : 1 } `)
		if _, existed, err := b.Submit(t.Context(), spaced, nil); err != nil || !existed {
			t.Errorf("the same in other spaces: %v, %v", existed, err)
		}
		other := r
		other.Body = json.RawMessage(`{"a":2}`)
		_, _, err := b.Submit(t.Context(), other, nil)
		wantCode(t, "another request", err, fault.Conflict)
		other.Org = "else"
		if _, existed, err := b.Submit(t.Context(), other, nil); err != nil || existed {
			t.Errorf("another organisation: %v, %v", existed, err)
		}
	})
}

// TestSubmitRefuses checks that bad requests and failed reservations leave
// nothing.
func TestSubmitRefuses(t *testing.T) {
	t.Parallel()
	b := newBench(t, dbtest.Open(t, dbtest.SQLite(t)), nil, Options{})
	long := strings.Repeat("x", 300)
	for name, r := range map[string]Request{
		"no kind":        {},
		"a long model":   {Kind: "v", Model: long},
		"a long name":    {Kind: "v", Org: long},
		"no JSON":        {Kind: "v", Body: json.RawMessage("{")},
		"a long key":     {Kind: "v", IdempotencyKey: long},
		"a priority":     {Kind: "v", Priority: 101},
		"attempts":       {Kind: "v", Attempts: 21},
		"negative tries": {Kind: "v", Attempts: -1},
	} {
		_, _, err := b.Submit(t.Context(), r, nil)
		wantCode(t, name, err, fault.Invalid)
	}
	_, _, err := b.Submit(t.Context(), Request{Kind: "v", Body: json.RawMessage(`"` + strings.Repeat("x", maxBody) + `"`)}, nil)
	wantCode(t, "a long body", err, fault.TooLarge)
	_, _, err = b.Submit(t.Context(), Request{Kind: "v", IdempotencyKey: "k"}, func(*db.Tx, Job) error { return fault.New(fault.NoBalance, "no money") })
	wantCode(t, "no money", err, fault.NoBalance)
	if jobs, _, err := b.List(t.Context(), Filter{}); len(jobs) != 0 || err != nil {
		t.Errorf("%d jobs are there: %v", len(jobs), err)
	}
}

// TestRetries lets a job fail until it is a dead letter, and revives it.
func TestRetries(t *testing.T) {
	t.Parallel()
	dbtest.Run(t, func(t *testing.T, d *db.DB) {
		t.Helper()
		b := newBench(t, d, nil, Options{})
		ctx := t.Context()
		j := b.submit(t, Request{Attempts: 3})
		for n, pause := range []time.Duration{time.Second, 2 * time.Second} {
			must(t, b.Fail(ctx, b.claim(t).Lease(), Failure{Cause: "boom"}))
			if _, ok, err := b.Claim(ctx, Worker{}); ok || err != nil {
				t.Errorf("no pause after failure %d: %v", n+1, err)
			}
			b.clock.add(pause)
		}
		must(t, b.Fail(ctx, b.claim(t).Lease(), Failure{Code: fault.Overloaded, Message: "too hot", Cause: "boom"}))
		dead, _, err := b.List(ctx, Filter{Dead: true})
		if err != nil || len(dead) != 1 || dead[0].State != Failed || dead[0].Attempt != 3 {
			t.Fatalf("dead letters: %+v, %v", dead, err)
		}
		if e := dead[0].Error; e.Code != fault.Overloaded || e.Message != "too hot" || e.Cause.Error() != "boom" {
			t.Errorf("the dead letter says %v", e)
		}
		_, err = b.Revive(ctx, j.ID, nil)
		must(t, err)
		must(t, b.Finish(ctx, b.claim(t).Lease(), Result{}))
		if diff := cmp.Diff([]Action{Refund, Settle}, b.ends[j.ID]); diff != "" {
			t.Errorf("money (-want +got):\n%s", diff)
		}
		_, err = b.Revive(ctx, j.ID, nil)
		wantCode(t, "one that is done", err, fault.Conflict)
		p := b.submit(t, Request{})
		must(t, b.Fail(ctx, b.claim(t).Lease(), Failure{Code: fault.Moderated, Message: "no", Permanent: true}))
		if got := b.get(t, p.ID); got.State != Failed || got.Dead {
			t.Errorf("a permanent failure: %+v", got)
		}
	})
}

// TestHookTakesBack checks that a settlement that fails leaves the job as it
// was.
func TestHookTakesBack(t *testing.T) {
	t.Parallel()
	broken := true
	b := newBench(t, dbtest.Open(t, dbtest.SQLite(t)), nil, Options{Hooks: []Hook{func(_ context.Context, _ *db.Tx, _ Job, do []Action) error {
		for _, a := range do {
			if a == Settle && broken {
				return errors.New("the ledger is closed")
			}
		}
		return nil
	}}})
	j := b.submit(t, Request{})
	l := b.claim(t).Lease()
	if err := b.Finish(t.Context(), l, Result{}); err == nil {
		t.Error("finished without settlement")
	}
	if got := b.get(t, j.ID); got.State != Running {
		t.Errorf("the job is %s", got.State)
	}
	broken = false
	must(t, b.Finish(t.Context(), l, Result{}))
}
