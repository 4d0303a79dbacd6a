package job

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"io"
	"sync"
	"testing"
	"time"

	"kuai/fault"
	"kuai/platform/db"
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
