package ledger

import (
	"context"
	"errors"
	"strings"
	"sync"
	"testing"
	"time"

	"kuai/fault"
	"kuai/platform/db"
	"kuai/platform/db/dbtest"
	"kuai/platform/money"
	"kuai/platform/price"
)

// testPrices make a millionth of an image, a unit of a millisecond of video.
const testPrices = `
currency: USD
prices:
  - {model: "m", dimension: images, price: "0.000001", per: 1}
  - {model: "m", dimension: video_milliseconds, price: "1", per: 1}
  - {model: "m", dimension: input_tokens, price: "0.30", per: 1000}
  - {model: "m", dimension: output_tokens, price: "1.00", per: 1000}
`

// fixture is a ledger with a clock of its own.
type fixture struct {
	*Ledger
	db *db.DB

	mu  sync.Mutex
	now time.Time
}

func (f *fixture) pass(d time.Duration) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.now = f.now.Add(d)
}

func newFixture(tb testing.TB, d *db.DB) *fixture {
	tb.Helper()
	f := &fixture{db: d, now: time.Date(2026, 3, 31, 22, 0, 0, 0, time.UTC)}
	l, err := New(tb.Context(), d, Options{Now: func() time.Time {
		f.mu.Lock()
		defer f.mu.Unlock()
		return f.now
	}})
	if err != nil {
		tb.Fatal(err)
	}
	f.Ledger = l
	prices, err := price.ReadFile(strings.NewReader(testPrices))
	if err != nil {
		tb.Fatal(err)
	}
	f.tx(tb, func(tx *db.Tx) error { return l.ImportPrices(tb.Context(), tx, prices, "test") })
	return f
}

func (f *fixture) tx(tb testing.TB, do func(tx *db.Tx) error) {
	tb.Helper()
	if err := f.db.Tx(tb.Context(), do); err != nil {
		tb.Fatal(err)
	}
}

func (f *fixture) topUp(tb testing.TB, org string, amount money.Amount) {
	tb.Helper()
	f.tx(tb, func(tx *db.Tx) error {
		_, err := f.TopUp(tb.Context(), tx, Change{Org: org, Amount: amount, Actor: "test"})
		return err
	})
}

func (f *fixture) balance(tb testing.TB, org string) Balance {
	tb.Helper()
	var b Balance
	if err := f.db.Read(tb.Context(), func(tx *db.Tx) (err error) {
		b, err = f.Balance(tb.Context(), tx, org)
		return err
	}); err != nil {
		tb.Fatal(err)
	}
	return b
}

// audit checks that nothing differs.
func (f *fixture) audit(tb testing.TB) *Report {
	tb.Helper()
	r, err := Audit(tb.Context(), f.db, f.clock())
	if err != nil {
		tb.Fatal(err)
	}
	for _, d := range r.Differences {
		tb.Errorf("audit: %s", d)
	}
	for _, s := range r.Totals {
		if sum := s.Cash + s.Promo + s.Held + s.Revenue + s.TopUps + s.Vouchers + s.Adjustment; sum != 0 {
			tb.Errorf("all accounts sum to %v", sum)
		}
	}
	return r
}

// do runs one operation in a transaction of its own.
func do[T any](tb testing.TB, f *fixture, op func(ctx context.Context, tx *db.Tx) (T, error)) (T, error) {
	tb.Helper()
	var v T
	var refused error
	err := f.db.Tx(tb.Context(), func(tx *db.Tx) error {
		var err error
		v, err = op(tb.Context(), tx)
		refused = nil
		if e := new(fault.Error); errors.As(err, &e) || errors.Is(err, ErrNoReservation) {
			refused = err
			return nil // such errors leave the transaction usable
		}
		return err
	})
	if err == nil {
		err = refused
	}
	return v, err
}

func (f *fixture) reserve(tb testing.TB, q Request) (Reservation, error) {
	tb.Helper()
	if q.Model == "" {
		q.Model = "m"
	}
	return do(tb, f, func(ctx context.Context, tx *db.Tx) (Reservation, error) { return f.Reserve(ctx, tx, q) })
}

func (f *fixture) settle(tb testing.TB, id string, u price.Usage) (Reservation, error) {
	tb.Helper()
	return do(tb, f, func(ctx context.Context, tx *db.Tx) (Reservation, error) { return f.Settle(ctx, tx, id, u) })
}

func (f *fixture) release(tb testing.TB, id string) (Reservation, error) {
	tb.Helper()
	return do(tb, f, func(ctx context.Context, tx *db.Tx) (Reservation, error) { return f.Release(ctx, tx, id, "failed") })
}

// micro are so many millionths.
func micro(n int64) price.Usage { return price.Usage{price.Images: n} }

func wantCode(t *testing.T, what string, err error, code fault.Code) {
	t.Helper()
	if e := new(fault.Error); !errors.As(err, &e) || e.Code != code {
		t.Errorf("%s: %v, want %s", what, err, code)
	}
}

// TestLife walks through the lives of reservations.
func TestLife(t *testing.T) {
	t.Parallel()
	dbtest.Run(t, func(t *testing.T, d *db.DB) {
		t.Helper()
		f := newFixture(t, d)
		f.topUp(t, "o", 1000)
		r, err := f.reserve(t, Request{Org: "o", Project: "p", Key: "k", Job: "j", Estimate: micro(400)})
		if err != nil || r.State != Open || r.Amount != 400 {
			t.Fatalf("%+v, %v", r, err)
		}
		if b := f.balance(t, "o"); b.Available != 600 || b.Held != 400 {
			t.Errorf("reserved: %+v", b)
		}
		_, err = f.reserve(t, Request{Org: "o", Estimate: micro(601)})
		wantCode(t, "beyond the balance", err, fault.NoBalance)
		f.audit(t)

		r, err = f.settle(t, r.ID, micro(150))
		if err != nil || r.State != Settled || r.Charged != 150 || r.Repeated {
			t.Errorf("settled: %+v, %v", r, err)
		}
		if b := f.balance(t, "o"); b.Available != 850 || b.Held != 0 {
			t.Errorf("settled: %+v", b)
		}
		for _, again := range []func() (Reservation, error){
			func() (Reservation, error) { return f.settle(t, r.ID, micro(400)) },
			func() (Reservation, error) { return f.release(t, r.ID) },
		} {
			second, err := again()
			if err != nil || second.Charged != 150 || !second.Repeated {
				t.Errorf("again: %+v, %v", second, err)
			}
		}

		r, err = f.reserve(t, Request{Org: "o", Estimate: micro(850)})
		if err != nil {
			t.Fatal(err)
		}
		r, err = f.release(t, r.ID)
		if err != nil || r.State != Released || r.Reason != "failed" {
			t.Errorf("released: %+v, %v", r, err)
		}
		if r, err = f.settle(t, r.ID, micro(1)); err != nil || r.State != Released || r.Charged != 0 || !r.Repeated {
			t.Errorf("settled after a release: %+v, %v", r, err)
		}
		if _, err := f.settle(t, "rsv_none", nil); !errors.Is(err, ErrNoReservation) {
			t.Errorf("no reservation: %v", err)
		}
		if b := f.balance(t, "o"); b.Available != 850 || b.Held != 0 {
			t.Errorf("in the end: %+v", b)
		}
		if r := f.audit(t); r.Events != 1 || r.Reservations != 2 {
			t.Errorf("%+v", r)
		}
	})
}

// TestBeyond settles more than was reserved.
func TestBeyond(t *testing.T) {
	t.Parallel()
	dbtest.Run(t, func(t *testing.T, d *db.DB) {
		t.Helper()
		f := newFixture(t, d)
		for _, tt := range []struct {
			org       string
			terms     Terms
			used      int64
			charged   money.Amount
			available money.Amount
			owed      money.Amount
		}{
			{"strict", Terms{}, 500, 100, 900, 0},
			{"generous", Terms{Overdraft: true}, 500, 500, 500, 0},
			{"owing", Terms{Overdraft: true}, 1500, 1500, 0, 500},
			{"with credit", Terms{Overdraft: true, CreditLimit: 700}, 1500, 1500, 200, 500},
		} {
			f.topUp(t, tt.org, 1000)
			f.tx(t, func(tx *db.Tx) error {
				_, err := f.SetTerms(t.Context(), tx, Change{Org: tt.org, Actor: "test"}, tt.terms)
				return err
			})
			r, err := f.reserve(t, Request{Org: tt.org, Estimate: micro(100)})
			if err != nil {
				t.Fatal(err)
			}
			r, err = f.settle(t, r.ID, micro(tt.used))
			if err != nil || r.Charged != tt.charged || r.Waived != money.Amount(tt.used)-tt.charged || r.Overdrawn != tt.charged-100 {
				t.Errorf("%s: %+v, %v", tt.org, r, err)
			}
			if b := f.balance(t, tt.org); b.Available != tt.available || b.Owed != tt.owed {
				t.Errorf("%s: %+v", tt.org, b)
			}
		}
		f.audit(t)
	})
}

// TestExpiry lets reservations expire, and settles one of them late.
func TestExpiry(t *testing.T) {
	t.Parallel()
	dbtest.Run(t, func(t *testing.T, d *db.DB) {
		t.Helper()
		f := newFixture(t, d)
		f.topUp(t, "o", 1000)
		var ids []string
		for range 3 {
			r, err := f.reserve(t, Request{Org: "o", Estimate: micro(300), Life: time.Minute})
			if err != nil {
				t.Fatal(err)
			}
			ids = append(ids, r.ID)
		}
		f.pass(50 * time.Second)
		if _, err := do(t, f, func(ctx context.Context, tx *db.Tx) (Reservation, error) {
			return f.Extend(ctx, tx, ids[2], time.Minute)
		}); err != nil {
			t.Fatal(err)
		}
		f.pass(10 * time.Second)
		if n, err := f.Sweep(t.Context()); n != 2 || err != nil {
			t.Fatalf("%d swept, %v, want 2", n, err)
		}
		if b := f.balance(t, "o"); b.Available != 700 || b.Held != 300 {
			t.Errorf("swept: %+v", b)
		}
		f.audit(t)
		r, err := f.settle(t, ids[0], micro(250))
		if err != nil || r.Charged != 250 || r.State != Settled {
			t.Errorf("late: %+v, %v", r, err)
		}
		if _, err = f.reserve(t, Request{Org: "o", Estimate: micro(400)}); err != nil {
			t.Fatal(err)
		}
		r, err = f.settle(t, ids[1], micro(250)) // 50 are left
		if err != nil || r.Charged != 50 || r.Waived != 200 {
			t.Errorf("late and poor: %+v, %v", r, err)
		}
		if r, err = f.settle(t, ids[0], micro(1)); err != nil || r.Charged != 250 || !r.Repeated {
			t.Errorf("late again: %+v, %v", r, err)
		}
		f.audit(t)

		r, err = f.reserve(t, Request{Org: "free", Estimate: nil, Life: time.Minute})
		if err != nil {
			t.Fatal(err)
		}
		f.pass(time.Hour)
		if _, err := f.Sweep(t.Context()); err != nil {
			t.Fatal(err)
		}
		f.pass(time.Minute)
		if r, err = f.settle(t, r.ID, micro(5)); err != nil || r.Charged != 0 || r.Waived != 5 {
			t.Errorf("late, of nothing: %+v, %v", r, err)
		}
		f.audit(t)
	})
}

// TestIdempotencyKey reserves twice with one key.
func TestIdempotencyKey(t *testing.T) {
	t.Parallel()
	dbtest.Run(t, func(t *testing.T, d *db.DB) {
		t.Helper()
		f := newFixture(t, d)
		f.topUp(t, "o", 1000)
		f.topUp(t, "other", 1000)
		q := Request{Org: "o", Estimate: micro(300), IdempotencyKey: "same"}
		first, err := f.reserve(t, q)
		if err != nil {
			t.Fatal(err)
		}
		second, err := f.reserve(t, q)
		if err != nil || second.ID != first.ID || !second.Repeated {
			t.Errorf("again: %+v, %v", second, err)
		}
		q.Org = "other"
		if r, err := f.reserve(t, q); err != nil || r.ID == first.ID || r.Repeated {
			t.Errorf("another organisation: %+v, %v", r, err)
		}
		q.Org, q.Estimate = "o", micro(301)
		_, err = f.reserve(t, q)
		wantCode(t, "another request", err, fault.Conflict)
		if b := f.balance(t, "o"); b.Held != 300 {
			t.Errorf("%+v", b)
		}
		f.audit(t)
	})
}

// TestPriceSnapshot changes prices between a reservation and its settlement.
func TestPriceSnapshot(t *testing.T) {
	t.Parallel()
	dbtest.Run(t, func(t *testing.T, d *db.DB) {
		t.Helper()
		f := newFixture(t, d)
		f.topUp(t, "o", 10*money.Unit)
		u := price.Usage{price.InputTokens: 1000, price.OutputTokens: 1000}
		before, err := f.reserve(t, Request{Org: "o", Estimate: u})
		if err != nil || before.Amount != 1_300_000 {
			t.Fatalf("%+v, %v", before, err)
		}
		dearer, err := price.ReadFile(strings.NewReader("currency: USD\nprices:\n  - {model: m, dimension: input_tokens, price: 2, per: 1000}\n"))
		if err != nil {
			t.Fatal(err)
		}
		f.tx(t, func(tx *db.Tx) error { return f.ImportPrices(t.Context(), tx, dearer, "test") })
		after, err := f.reserve(t, Request{Org: "o", Estimate: u})
		if err != nil || after.Amount != 3_000_000 {
			t.Fatalf("%+v, %v", after, err)
		}
		for _, r := range []Reservation{before, after} {
			got, err := f.settle(t, r.ID, u)
			if err != nil || got.Charged != r.Amount || got.Waived != 0 {
				t.Errorf("%+v, %v", got, err)
			}
		}
		_, err = f.reserve(t, Request{Org: "o", Model: "m", Estimate: price.Usage{price.AudioCharacters: 1}})
		if err != nil {
			t.Errorf("a built-in price for what the import leaves out: %v", err)
		}
		f.tx(t, func(tx *db.Tx) error {
			_, err := f.SetTerms(t.Context(), tx, Change{Org: "jpy"}, Terms{Currency: "JPY"})
			return err
		})
		_, err = f.reserve(t, Request{Org: "jpy", Estimate: u})
		wantCode(t, "a currency without prices", err, fault.Unsupported)
		f.audit(t)
	})
}

// TestCaps checks limits of spending, across the end of a month.
func TestCaps(t *testing.T) {
	t.Parallel()
	dbtest.Run(t, func(t *testing.T, d *db.DB) {
		t.Helper()
		f := newFixture(t, d) // two hours before April
		f.topUp(t, "o", 100_000)
		q := func(n int64, caps ...Cap) Request {
			return Request{Org: "o", Project: "p", Key: "k", User: "u", Estimate: micro(n), Caps: caps}
		}
		day, month := Cap{Key, Day, 100}, Cap{Project, Month, 150}
		r, err := f.reserve(t, q(60, day, month))
		if err != nil {
			t.Fatal(err)
		}
		_, err = f.reserve(t, q(41, day, month))
		wantCode(t, "what is held counts", err, fault.NoBalance)
		if e := new(fault.Error); errors.As(err, &e) && e.RetryAfter != 2*time.Hour {
			t.Errorf("retry after %v", e.RetryAfter)
		}
		if _, err = f.settle(t, r.ID, micro(20)); err != nil {
			t.Fatal(err)
		}
		late, err := f.reserve(t, q(80, day, month))
		if err != nil {
			t.Errorf("what came back does not count: %v", err)
		}
		f.pass(3 * time.Hour) // a new day and a new month
		if _, err := f.reserve(t, q(100, day, month)); err != nil {
			t.Errorf("a new day: %v", err)
		}
		_, err = f.reserve(t, q(1, day))
		wantCode(t, "the new day is used up", err, fault.NoBalance)
		if _, err = f.settle(t, late.ID, micro(70)); err != nil { // spent in April
			t.Fatal(err)
		}
		_, err = f.reserve(t, q(1, month))
		wantCode(t, "170 of 150", err, fault.NoBalance)
		if _, err := f.reserve(t, q(0, day, month)); err != nil {
			t.Errorf("nothing always fits: %v", err)
		}
		var s Spending
		f.tx(t, func(tx *db.Tx) (err error) {
			s, err = f.Spent(t.Context(), tx, User, "u")
			return err
		})
		if s != (Spending{170, 170}) {
			t.Errorf("spent %+v", s)
		}
		f.audit(t)
	})
}
