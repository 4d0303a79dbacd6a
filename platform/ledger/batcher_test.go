package ledger

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"math/rand/v2"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"kuai/fault"
	"kuai/platform/db"
	"kuai/platform/db/dbtest"
	"kuai/platform/money"
	"kuai/platform/price"
)

func scanOne(into any) func(*sql.Rows) error {
	return func(rows *sql.Rows) error { return rows.Scan(into) }
}

// TestConcurrentSpending has eight goroutines spend one balance, in
// transactions of their own and batched, through two ledgers of one database
// as two nodes would. Never is more spent than there is.
func TestConcurrentSpending(t *testing.T) {
	t.Parallel()
	dbtest.Run(t, func(t *testing.T, d *db.DB) {
		t.Helper()
		f := newFixture(t, d)
		other := newFixture(t, d)
		const there, each = 1000, 7
		f.topUp(t, "o", there)
		nodes := []*Batcher{f.NewBatcher(t.Context()), other.NewBatcher(t.Context())}
		var mu sync.Mutex
		charged, held := money.Amount(0), 0
		var wg sync.WaitGroup
		for g := range 8 {
			wg.Go(func() {
				rng := rand.New(rand.NewPCG(uint64(g), 3))
				for {
					r, err := spendOne(t.Context(), f, nodes, g, rng)
					if e := new(fault.Error); errors.As(err, &e) && e.Code == fault.NoBalance {
						return
					}
					if err != nil {
						t.Errorf("goroutine %d: %v", g, err)
						return
					}
					mu.Lock()
					charged += r.Charged
					if r.State == Open {
						held++
					}
					mu.Unlock()
				}
			})
		}
		wg.Wait()
		for _, b := range nodes {
			b.Close()
		}
		b := f.balance(t, "o")
		if b.Cash+b.Held+charged != there || b.Owed != 0 || b.Held != money.Amount(held*each) || b.Available >= each {
			t.Errorf("%d charged, %d open: %+v", charged, held, b)
		}
		f.audit(t)
	})
}

// spendOne reserves seven, and mostly settles or releases them.
func spendOne(ctx context.Context, f *fixture, nodes []*Batcher, g int, rng *rand.Rand) (Reservation, error) {
	q := Request{Org: "o", Key: fmt.Sprint("k", g), Model: "m", Estimate: micro(7)}
	if g >= 2 {
		b := nodes[g%2]
		r, err := b.Reserve(ctx, q)
		if err != nil {
			return r, err
		}
		switch rng.IntN(10) {
		case 0:
			return r, nil
		case 1:
			return b.Release(ctx, r.ID, "test")
		}
		return b.Settle(ctx, r.ID, micro(rng.Int64N(8)))
	}
	var r Reservation
	var refused error
	err := f.db.Tx(ctx, func(tx *db.Tx) error {
		if r, refused = f.Reserve(ctx, tx, q); refused != nil {
			if e := new(fault.Error); errors.As(refused, &e) {
				return nil
			}
			return refused
		}
		var err error
		r, err = f.Settle(ctx, tx, r.ID, micro(7))
		return err
	})
	if err == nil {
		err = refused
	}
	return r, err
}

// TestBatcherCancelled checks that what was reserved for somebody who has left
// comes back, and that a settlement goes on.
func TestBatcherCancelled(t *testing.T) {
	t.Parallel()
	dbtest.Run(t, func(t *testing.T, d *db.DB) {
		t.Helper()
		f := newFixture(t, d)
		f.topUp(t, "o", 1000)
		b := f.NewBatcher(t.Context())
		left, leave := context.WithCancel(t.Context())
		kept, err := b.Reserve(left, Request{Org: "o", Model: "m", Estimate: micro(10)})
		if err != nil {
			t.Fatal(err)
		}
		var wg sync.WaitGroup
		var mu sync.Mutex
		var made []string
		for range 20 {
			wg.Go(func() {
				r, err := b.Reserve(left, Request{Org: "o", Model: "m", Estimate: micro(10)})
				mu.Lock()
				defer mu.Unlock()
				if err == nil {
					made = append(made, r.ID)
				} else if e := new(fault.Error); !errors.As(err, &e) || e.Code != fault.Cancelled {
					t.Error(err)
				}
			})
		}
		leave()
		wg.Wait()
		if r, err := b.Settle(left, kept.ID, micro(4)); err != nil || r.Charged != 4 {
			t.Errorf("settled after the client left: %+v, %v", r, err)
		}
		b.Close()
		if got, want := f.balance(t, "o").Held, money.Amount(10*len(made)); got != want {
			t.Errorf("%v are held, %v of those who stayed", got, want)
		}
		if _, err := b.Reserve(t.Context(), Request{Org: "o", Model: "m"}); !errors.Is(err, ErrClosed) {
			t.Errorf("after Close: %v", err)
		}
		f.audit(t)
	})
}

// TestBatcherOutcomes checks that each caller gets his own outcome.
func TestBatcherOutcomes(t *testing.T) {
	t.Parallel()
	dbtest.Run(t, func(t *testing.T, d *db.DB) {
		t.Helper()
		f := newFixture(t, d)
		f.topUp(t, "rich", 100_000)
		b := f.NewBatcher(t.Context())
		defer b.Close()
		var wg sync.WaitGroup
		for i := range 60 {
			wg.Go(func() {
				switch i % 3 {
				case 0:
					_, err := b.Reserve(t.Context(), Request{Org: "poor", Model: "m", Estimate: micro(1)})
					wantCode(t, "poor", err, fault.NoBalance)
				case 1:
					if _, err := b.Settle(t.Context(), "rsv_none", nil); !errors.Is(err, ErrNoReservation) {
						t.Errorf("none: %v", err)
					}
				case 2:
					r, err := b.Reserve(t.Context(), Request{Org: "rich", Model: "m", Estimate: micro(int64(i))})
					if err != nil || r.Amount != money.Amount(i) {
						t.Errorf("rich: %+v, %v", r, err)
					}
				}
			})
		}
		wg.Wait()
		f.audit(t)
	})
}

// TestBatcherAway lets the database go away, in time that costs none: what was
// used waits for it, and is refused only after minutes; what is new is refused
// at once.
func TestBatcherAway(t *testing.T) {
	t.Parallel()
	for name, away := range map[string]time.Duration{"back after a while": time.Minute, "gone": time.Hour} {
		synctest.Test(t, func(t *testing.T) {
			begun := time.Now()
			tried := 0
			b := newBatcher(t.Context(), func(_ context.Context, all []*operation) error {
				tried++
				if time.Since(begun) < away {
					return fmt.Errorf("try %d: %w", tried, db.ErrBusy)
				}
				for _, o := range all {
					o.result = Reservation{ID: o.id, Charged: money.Amount(o.usage[price.Images])}
				}
				return nil
			})
			var wg sync.WaitGroup
			wg.Go(func() {
				r, err := b.Settle(t.Context(), "r", micro(7))
				took := time.Since(begun)
				switch {
				case away > patience && (err == nil || took < patience || took > patience+2*lastPause):
					t.Errorf("%s: %+v, %v after %v", name, r, err, took)
				case away < patience && (err != nil || r.Charged != 7 || took > away+2*lastPause):
					t.Errorf("%s: %+v, %v after %v", name, r, err, took)
				}
			})
			synctest.Wait()
			_, err := b.Reserve(t.Context(), Request{Org: "o"})
			wantCode(t, name, err, fault.Overloaded)
			if took := time.Since(begun); took > lastPause {
				t.Errorf("%s: refused after %v", name, took)
			}
			wg.Wait()
			b.Close()
		})
	}
}

// TestBatcherPoison has one operation break every transaction that it is in.
func TestBatcherPoison(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		first := make(chan struct{})
		b := newBatcher(t.Context(), func(_ context.Context, all []*operation) error {
			<-first // until all are there
			for _, o := range all {
				if o.id == "bad" {
					panic("a bug")
				}
				o.result = Reservation{ID: o.id}
			}
			return nil
		})
		var wg sync.WaitGroup
		for _, id := range []string{"a", "b", "bad", "c"} {
			wg.Go(func() {
				r, err := b.Settle(t.Context(), id, nil)
				if id == "bad" && (err == nil || !strings.Contains(err.Error(), "a bug")) || id != "bad" && (err != nil || r.ID != id) {
					t.Errorf("%s: %+v, %v", id, r, err)
				}
			})
		}
		synctest.Wait()
		close(first)
		wg.Wait()
		b.Close()
	})
}
