package ledger

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"kuai/fault"
	"kuai/platform/db"
	"kuai/platform/db/dbtest"
	"kuai/platform/money"
)

// errCrash rolls a transaction back in the middle.
var errCrash = errors.New("crash")

// walk does random things to a ledger, and remembers what was committed.
type walk struct {
	*fixture
	t   *testing.T
	rng *rand.Rand

	orgs     []string
	requests []Request              // that were reserved, to be repeated
	ids      []string               // of reservations
	outcomes map[string]Reservation // of those that have ended for good
	codes    []string
	in       money.Amount // from outside, less what was taken away
}

// TestWalks reserves, settles, releases, lets expire, tops up, redeems and
// adjusts at random, twice, late, in the wrong order, several to a transaction,
// with transactions that are rolled back or panic in the middle. After each
// walk the audit finds nothing, no money was made or lost, and every
// reservation has kept its first outcome.
func TestWalks(t *testing.T) {
	t.Parallel()
	walks, steps := 3, 60
	if os.Getenv("KUAI_LONG") != "" {
		walks, steps = 60, 300
	}
	dbtest.Run(t, func(t *testing.T, d *db.DB) {
		t.Helper()
		f := newFixture(t, d)
		total := money.Amount(0)
		for seed := range walks {
			w := &walk{fixture: f, t: t, rng: rand.New(rand.NewPCG(uint64(seed), 1)), outcomes: map[string]Reservation{}}
			for i := range 3 {
				w.orgs = append(w.orgs, fmt.Sprintf("org_%d_%d", seed, i))
			}
			f.tx(t, func(tx *db.Tx) error {
				_, err := f.SetTerms(t.Context(), tx, Change{Org: w.orgs[1]}, Terms{CreditLimit: 200})
				return err
			})
			f.tx(t, func(tx *db.Tx) error {
				_, err := f.SetTerms(t.Context(), tx, Change{Org: w.orgs[2]}, Terms{Overdraft: true})
				return err
			})
			for range steps {
				w.step()
			}
			total += w.in
			w.check(total)
			if t.Failed() {
				t.Fatalf("seed %d", seed)
			}
		}
	})
}

// step is one transaction, which may not end well.
func (w *walk) step() {
	if w.rng.IntN(8) == 0 {
		w.pass(time.Duration(w.rng.IntN(90)) * time.Minute)
		if _, err := w.Sweep(w.t.Context()); err != nil {
			w.t.Fatal(err)
		}
		return
	}
	crashAt, panics := -1, w.rng.IntN(2) == 0
	n := 1 + w.rng.IntN(4)
	if w.rng.IntN(4) == 0 {
		crashAt = w.rng.IntN(n + 1)
	}
	seed := w.rng.Uint64()
	var committed []func()
	err := func() (err error) {
		defer func() {
			if v := recover(); v != nil {
				err = v.(error)
			}
		}()
		return w.db.Tx(w.t.Context(), func(tx *db.Tx) error {
			rng := rand.New(rand.NewPCG(seed, 2)) // the same again if it runs again
			committed = nil
			for i := range n + 1 {
				if i == crashAt {
					if panics {
						panic(errCrash) // a bug of somebody who shares the transaction
					}
					return errCrash
				}
				if i == n {
					break
				}
				done, err := w.act(w.t.Context(), tx, rng)
				if refusal := new(fault.Error); err != nil && !errors.As(err, &refusal) {
					return err
				}
				if err == nil {
					committed = append(committed, done)
				}
			}
			return nil
		})
	}()
	if errors.Is(err, errCrash) {
		return
	}
	if err != nil {
		w.t.Fatal(err)
	}
	for _, done := range committed {
		done()
	}
}

func pick[T any](rng *rand.Rand, from []T) T { return from[rng.IntN(len(from))] }

// act does one thing, and returns what is to be remembered once it is committed.
func (w *walk) act(ctx context.Context, tx *db.Tx, rng *rand.Rand) (func(), error) {
	org := pick(rng, w.orgs)
	amount := money.Amount(1 + rng.IntN(300))
	k := rng.IntN(20)
	switch {
	case k < 2:
		return w.brought(amount)(w.TopUp(ctx, tx, Change{Org: org, Amount: amount, IdempotencyKey: fmt.Sprint("topup", rng.IntN(20), amount)}))
	case k < 3:
		if rng.IntN(2) == 0 {
			amount = -amount
		}
		return w.brought(amount)(w.Adjust(ctx, tx, Change{Org: org, Amount: amount, Account: pick(rng, []string{cash, promo}), Reason: "walk"}))
	case k < 4:
		v, err := w.CreateVoucher(ctx, tx, Voucher{Amount: amount, Uses: 2, ExpiresAt: w.clock().Add(2 * time.Hour)})
		return func() { w.codes = append(w.codes, v.Code) }, err
	case k < 6 && len(w.codes) > 0:
		c, err := w.Redeem(ctx, tx, org, pick(rng, w.codes), "walk")
		return func() { w.in += c.Amount }, err
	case k < 12 || len(w.ids) == 0:
		return w.reserves(ctx, tx, rng, org)
	case k < 17:
		r, err := w.Settle(ctx, tx, pick(rng, w.ids), micro(int64(rng.IntN(250))))
		return w.ended(r), err
	case k < 18:
		r, err := w.Extend(ctx, tx, pick(rng, w.ids), time.Hour)
		return func() {}, errorOf(r, err)
	}
	r, err := w.Release(ctx, tx, pick(rng, w.ids), "walk")
	return w.ended(r), err
}

func errorOf(_ Reservation, err error) error { return err }

func (w *walk) reserves(ctx context.Context, tx *db.Tx, rng *rand.Rand, org string) (func(), error) {
	q := Request{
		Org: org, Project: org + "_p", Key: fmt.Sprint(org, "_k", rng.IntN(2)), User: pick(rng, []string{"", org + "_u"}), Model: "m",
		Estimate: micro(int64(rng.IntN(200))), Life: time.Duration(1+rng.IntN(120)) * time.Minute, Caps: []Cap{{Key, Day, 2000}},
	}
	if rng.IntN(2) == 0 {
		q.IdempotencyKey = fmt.Sprint("key", rng.Uint32())
	}
	if len(w.requests) > 0 && rng.IntN(4) == 0 {
		q = pick(rng, w.requests)
	}
	r, err := w.Reserve(ctx, tx, q)
	return func() {
		if !r.Repeated {
			w.ids = append(w.ids, r.ID)
			w.requests = append(w.requests, q)
		}
	}, err
}

// brought remembers money from outside, unless that was a repetition.
func (w *walk) brought(amount money.Amount) func(Change, error) (func(), error) {
	return func(c Change, err error) (func(), error) {
		return func() {
			if !c.Repeated {
				w.in += amount
			}
		}, err
	}
}

// ended remembers the first outcome of a reservation, or compares with it.
func (w *walk) ended(r Reservation) func() {
	return func() {
		if first, ok := w.outcomes[r.ID]; ok {
			if diff := cmp.Diff(first, r, cmpopts.IgnoreFields(Reservation{}, "Repeated"), cmpopts.IgnoreUnexported(Reservation{})); diff != "" {
				w.t.Errorf("another outcome of %s (-first +again):\n%s", r.ID, diff)
			}
			return
		}
		if r.State != Expired { // which a late settlement may still change
			w.outcomes[r.ID] = r
		}
	}
}

// check audits, and counts all money.
func (w *walk) check(in money.Amount) {
	w.t.Helper()
	report := w.audit(w.t)
	for _, s := range report.Totals {
		if got := s.Cash + s.Promo + s.Held + s.Revenue; got != in {
			w.t.Errorf("%v came in, %v are there", in, got)
		}
	}
	charged := money.Amount(0)
	for _, r := range w.outcomes {
		charged += r.Charged
		if r.Overdrawn > 0 && r.Org != w.orgs[2] {
			w.t.Errorf("%s was charged beyond its reservation: %+v", r.Org, r)
		}
	}
	revenue := money.Amount(0)
	for _, org := range w.orgs {
		var s Spending
		if err := w.db.Read(w.t.Context(), func(tx *db.Tx) error {
			return query(w.t.Context(), tx, "SELECT COALESCE(CAST(SUM(amount) AS BIGINT), 0) FROM ledger_events WHERE org = ?", []any{org}, scanOne(&s.Day))
		}); err != nil {
			w.t.Fatal(err)
		}
		revenue += s.Day
	}
	if charged != revenue {
		w.t.Errorf("outcomes charge %v, events %v", charged, revenue)
	}
}
