package job

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"kuai/fault"
	"kuai/platform/db"
	"kuai/platform/db/dbtest"
	"kuai/platform/event"
)

// clock is a wall clock that tests set.
type clock struct {
	mu sync.Mutex
	t  time.Time
}

func (c *clock) now() time.Time { c.mu.Lock(); defer c.mu.Unlock(); return c.t }

func (c *clock) add(d time.Duration) { c.mu.Lock(); defer c.mu.Unlock(); c.t = c.t.Add(d) }

// shelf keeps outputs in memory.
type shelf struct {
	mu    sync.Mutex
	bytes map[string][]byte
}

func (s *shelf) Put(_ context.Context, r io.Reader) (int64, string, error) {
	data, err := io.ReadAll(r)
	sum := sha256.Sum256(data)
	s.mu.Lock()
	defer s.mu.Unlock()
	s.bytes[hex.EncodeToString(sum[:])] = data
	return int64(len(data)), hex.EncodeToString(sum[:]), err
}

func (s *shelf) Commit(_ context.Context, _ *db.Tx, j Job, outputs []Output) error {
	for i := range outputs {
		outputs[i].File = j.ID + "/" + outputs[i].Name
	}
	return nil
}

// bench is a queue with all that tests look at.
type bench struct {
	*Queue
	clock *clock
	mu    sync.Mutex
	ends  map[string][]Action // of each job: what moved money
}

func newBench(t *testing.T, d *db.DB, bus event.Bus, o Options) *bench {
	t.Helper()
	b := &bench{clock: &clock{t: noon}, ends: map[string][]Action{}}
	if bus == nil {
		bus = event.Memory()
		t.Cleanup(func() { _ = bus.Close() })
	}
	o.DB, o.Bus = d, bus
	if o.Now == nil {
		o.Now = b.clock.now
	}
	if o.Keep == nil {
		o.Keep = &shelf{bytes: map[string][]byte{}}
	}
	o.Jitter = func() float64 { return 0.5 }
	o.Hooks = append(o.Hooks, func(_ context.Context, tx *db.Tx, j Job, do []Action) error {
		for _, a := range do {
			if a == Settle || a == Refund {
				tx.OnCommit(func() { b.mu.Lock(); defer b.mu.Unlock(); b.ends[j.ID] = append(b.ends[j.ID], a) })
			}
		}
		return nil
	})
	b.Queue = New(o)
	return b
}

func (b *bench) submit(t *testing.T, r Request) Job {
	t.Helper()
	if r.Kind == "" {
		r.Kind = "video"
	}
	if r.Org == "" {
		r.Org = "org"
	}
	j, _, err := b.Submit(t.Context(), r, nil)
	if err != nil {
		t.Fatal(err)
	}
	return j
}

func (b *bench) claim(t *testing.T) Job {
	t.Helper()
	j, ok, err := b.Claim(t.Context(), Worker{ID: "w"})
	if err != nil {
		t.Fatal(err)
	}
	if !ok {
		t.Fatal("no job waits")
	}
	return j
}

func (b *bench) get(t *testing.T, id string) Job {
	t.Helper()
	j, err := b.Get(t.Context(), "", id)
	if err != nil {
		t.Fatal(err)
	}
	return j
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func want(t *testing.T, what string, err, target error) {
	t.Helper()
	if !errors.Is(err, target) {
		t.Errorf("%s: %v, want %v", what, err, target)
	}
}

func wantCode(t *testing.T, what string, err error, code fault.Code) {
	t.Helper()
	if err == nil || fault.From(err).Code != code {
		t.Errorf("%s: %v, want %s", what, err, code)
	}
}

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

// TestFairShare checks priorities and turns: a tenant with many jobs does not
// hold up one with few; positions foretell it.
func TestFairShare(t *testing.T) {
	t.Parallel()
	dbtest.Run(t, func(t *testing.T, d *db.DB) {
		t.Helper()
		b := newBench(t, d, nil, Options{})
		names := map[string]string{}
		add := func(org string, n, priority int) {
			for i := range n {
				j := b.submit(t, Request{Org: org, Priority: priority, Model: "m"})
				names[j.ID] = fmt.Sprintf("%s%d", org, i+1)
			}
		}
		add("a", 4, 0)
		add("b", 2, 0)
		add("c", 1, 0)
		add("z", 1, 5)
		var foretold []string
		for range names {
			foretold = append(foretold, "")
		}
		for id, name := range names {
			e, err := b.Estimate(t.Context(), b.get(t, id))
			must(t, err)
			foretold[e.Position-1] += name
		}
		var got []string
		for range names {
			got = append(got, names[b.claim(t).ID])
		}
		if diff := cmp.Diff([]string{"z1", "a1", "b1", "c1", "a2", "b2", "a3", "a4"}, got); diff != "" {
			t.Errorf("order (-want +got):\n%s", diff)
		}
		if diff := cmp.Diff(got, foretold); diff != "" {
			t.Errorf("positions (-order +foretold):\n%s", diff)
		}
		if _, ok, err := b.Claim(t.Context(), Worker{}); ok || err != nil {
			t.Errorf("a claim of nothing: %v, %v", ok, err)
		}
	})
}

// TestClaimOnce has many workers take many jobs at once.
func TestClaimOnce(t *testing.T) {
	t.Parallel()
	dbtest.Run(t, func(t *testing.T, d *db.DB) {
		t.Helper()
		b := newBench(t, d, nil, Options{})
		for i := range 40 {
			b.submit(t, Request{Org: fmt.Sprint(i % 3)})
		}
		var mu sync.Mutex
		var wg sync.WaitGroup
		seen := map[string]int{}
		for range 4 {
			wg.Go(func() {
				for {
					j, ok, err := b.Claim(t.Context(), Worker{ID: "w"})
					if err != nil {
						t.Error(err)
					}
					if !ok {
						return
					}
					mu.Lock()
					seen[j.ID]++
					mu.Unlock()
				}
			})
		}
		wg.Wait()
		for id, n := range seen {
			if n != 1 {
				t.Errorf("%s was claimed %d times", id, n)
			}
		}
		if len(seen) != 40 {
			t.Errorf("%d jobs were claimed, want 40", len(seen))
		}
	})
}

func TestClaimFilter(t *testing.T) {
	t.Parallel()
	b := newBench(t, dbtest.Open(t, dbtest.SQLite(t)), nil, Options{})
	b.submit(t, Request{Kind: "video", Model: "big"})
	b.submit(t, Request{Kind: "image", Model: "small"})
	for _, tt := range []struct {
		w    Worker
		want string
	}{
		{Worker{Kinds: []string{"speech"}}, ""},
		{Worker{Kinds: []string{"image", "video"}, Models: []string{"none"}}, ""},
		{Worker{Models: []string{"small"}}, "image"},
		{Worker{Kinds: []string{"image", "video"}}, "video"},
	} {
		j, _, err := b.Claim(t.Context(), tt.w)
		if err != nil || j.Kind != tt.want {
			t.Errorf("%+v got %q, %v, want %q", tt.w, j.Kind, err, tt.want)
		}
	}
	_, _, err := b.Claim(t.Context(), Worker{Kinds: make([]string, maxKinds+1)})
	wantCode(t, "many kinds", err, fault.Invalid)
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

func TestList(t *testing.T) {
	t.Parallel()
	dbtest.Run(t, func(t *testing.T, d *db.DB) {
		t.Helper()
		b := newBench(t, d, nil, Options{})
		var all []string
		for range 5 {
			all = append(all, b.submit(t, Request{Org: "o"}).ID)
			b.submit(t, Request{Org: "other"})
		}
		var got []string
		after := ""
		for {
			page, more, err := b.List(t.Context(), Filter{Org: "o", After: after, Limit: 2})
			must(t, err)
			for _, j := range page {
				got = append([]string{j.ID}, got...)
				after = j.ID
			}
			if !more {
				break
			}
		}
		if diff := cmp.Diff(all, got); diff != "" {
			t.Errorf("pages (-want +got):\n%s", diff)
		}
		oldest, _, err := b.List(t.Context(), Filter{Org: "o", OldestFirst: true, Limit: 1, State: Queued, Kind: "video"})
		if err != nil || oldest[0].ID != all[0] {
			t.Errorf("the oldest is %+v, %v", oldest, err)
		}
		_, _, err = b.List(t.Context(), Filter{Limit: 101})
		wantCode(t, "a long page", err, fault.Invalid)
	})
}

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

func TestTokens(t *testing.T) {
	t.Parallel()
	b := newBench(t, dbtest.Open(t, dbtest.SQLite(t)), nil, Options{})
	token, err := b.NewToken(t.Context(), "rack 1")
	must(t, err)
	must(t, b.CheckToken(t.Context(), token))
	for _, bad := range []string{"", token + "x", strings.Repeat("x", 1000)} {
		wantCode(t, bad, b.CheckToken(t.Context(), bad), fault.Unauthenticated)
	}
	if n, err := b.RevokeToken(t.Context(), "rack 1"); n != 1 || err != nil {
		t.Errorf("revoked %d, %v", n, err)
	}
	wantCode(t, "revoked", b.CheckToken(t.Context(), token), fault.Unauthenticated)
	_, err = b.NewToken(t.Context(), "")
	wantCode(t, "no name", err, fault.Invalid)
}
