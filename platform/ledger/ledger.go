// Package ledger keeps money exactly. Work reserves the most that it can cost
// before it begins, and settles what it used when it has ended:
//
//	Reserve -> open -> Settle   settled: the rest comes back
//	                -> Release  released: all of it comes back
//	                -> Sweep    expired: nobody ended it in time, all of it
//	                            comes back; a Settle that comes late still charges
//
// Each reservation ends once: whoever calls again gets the first outcome. The
// prices are those of the moment of the reservation.
//
// # Accounts
//
// An organisation has cash, and promo from vouchers, which is spent first.
// What is reserved moves to held_cash and held_promo. Cash may fall below zero
// as far as its credit limit says. A posting moves an amount from one account
// to another:
//
//	topup -> cash      voucher -> promo      adjustment <-> cash, promo
//	cash -> held_cash -> revenue             promo -> held_promo -> revenue
//
// so that all accounts together always sum to zero. Postings and usage events
// are never changed; balances are their sums, kept in a row for speed and
// recomputed by Audit.
//
// # Transactions
//
// Everything happens inside a transaction of the database that the caller may
// share, so that a job and its reservation begin together or not at all. The
// Batcher puts many callers' operations into one transaction.
package ledger

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"kuai/platform/db"
	"kuai/platform/money"
	"kuai/platform/price"
)

// ErrNoReservation says that there is no reservation of an identifier.
var ErrNoReservation = errors.New("ledger: no such reservation")

// Options of a ledger. The zero value is the usual one.
type Options struct {
	Currency money.Currency   // of organisations that have set none; "" is USD
	Now      func() time.Time // for tests; nil is the clock
}

// Ledger is the money of a database. Goroutines may share it.
type Ledger struct {
	db       *db.DB
	currency money.Currency
	now      func() time.Time
	builtIn  []price.Price

	mu        sync.Mutex
	shelf     shelf                      // the prices, as last read
	snapshots map[string]*price.Snapshot // that were read; what they hold never changes
	stored    map[string]bool            // snapshots that are in the database
}

// Most snapshots that are remembered: prices change now and then.
const maxSnapshots = 4096

// New returns the ledger of a database, and sees to it that what must not
// change cannot.
func New(ctx context.Context, d *db.DB, o Options) (*Ledger, error) {
	l := &Ledger{db: d, currency: o.Currency, now: o.Now, snapshots: map[string]*price.Snapshot{}, stored: map[string]bool{}}
	if l.currency == "" {
		l.currency = "USD"
	}
	if l.now == nil {
		l.now = time.Now
	}
	if err := l.currency.Check(); err != nil {
		return nil, err
	}
	var err error
	if l.builtIn, err = price.BuiltIn(); err != nil {
		return nil, fmt.Errorf("ledger: built-in prices: %w", err)
	}
	var open []string
	err = d.Read(ctx, func(tx *db.Tx) (err error) {
		open, err = unprotected(ctx, tx)
		return err
	})
	if err == nil && len(open) > 0 {
		err = d.Tx(ctx, func(tx *db.Tx) error { return protect(ctx, tx) })
	}
	if err != nil {
		return nil, fmt.Errorf("ledger: %w", err)
	}
	return l, nil
}

// DB is the database that the ledger is in.
func (l *Ledger) DB() *db.DB { return l.db }

// clock is the time to the microsecond, as the database keeps it.
func (l *Ledger) clock() time.Time { return l.now().UTC().Truncate(time.Microsecond) }

// dayLength in microseconds: a day is one of UTC.
const dayMicros = int64(24 * time.Hour / time.Microsecond)

// dayOf counts days since 1970 UTC.
func dayOf(t time.Time) int64 { return t.UnixMicro() / dayMicros }

// monthOf is the first day of a time's month, as dayOf counts.
func monthOf(t time.Time) int64 {
	y, m, _ := t.UTC().Date()
	return dayOf(time.Date(y, m, 1, 0, 0, 0, 0, time.UTC))
}
