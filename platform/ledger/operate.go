package ledger

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"kuai/platform/db"
	"kuai/platform/price"
)

// Reserve sets aside what a request costs at most. Its errors are of package
// fault: NoBalance if that does not fit into the balance or a limit of
// spending, Unsupported if something has no price, Conflict if the idempotency
// key was used for another request, Invalid. After such an error the
// transaction may go on; nothing was reserved.
func (l *Ledger) Reserve(ctx context.Context, tx *db.Tx, q Request) (Reservation, error) {
	o, err := newReserve(q)
	if err != nil {
		return Reservation{}, err
	}
	return l.one(ctx, tx, o)
}

// Settle charges a reservation for what was used, once: a further call, or one
// after a release, returns the first outcome. More than was reserved is charged
// only where the organisation allows overdraft; else it is waived, which the
// events show. A reservation that has expired is charged as far as the balance
// goes. It returns ErrNoReservation for an unknown identifier.
func (l *Ledger) Settle(ctx context.Context, tx *db.Tx, id string, used price.Usage) (Reservation, error) {
	return l.one(ctx, tx, &operation{action: settle, id: id, usage: used})
}

// Release gives a reservation back, once, as Settle does it.
func (l *Ledger) Release(ctx context.Context, tx *db.Tx, id, reason string) (Reservation, error) {
	o, err := newRelease(id, reason)
	if err != nil {
		return Reservation{}, err
	}
	return l.one(ctx, tx, o)
}

// Extend makes an open reservation live at least as long from now: for jobs
// that take longer than thought.
func (l *Ledger) Extend(ctx context.Context, tx *db.Tx, id string, life time.Duration) (Reservation, error) {
	return l.one(ctx, tx, &operation{action: extend, id: id, life: life})
}

func newReserve(q Request) (*operation, error) {
	if err := q.check(); err != nil {
		return nil, err
	}
	return &operation{action: reserve, id: q.id(), digest: q.sum(), request: q}, nil
}

func newRelease(id, reason string) (*operation, error) {
	if err := checkText("reason", reason, maxReason); err != nil {
		return nil, err
	}
	return &operation{action: release, id: id, reason: reason}, nil
}

func (l *Ledger) one(ctx context.Context, tx *db.Tx, o *operation) (Reservation, error) {
	if err := l.operate(ctx, tx, []*operation{o}); err != nil {
		return Reservation{}, err
	}
	return o.result, o.err
}

// operate does operations in their order, within one transaction. An error
// means that the transaction cannot go on; those of the operations themselves
// stand with them.
func (l *Ledger) operate(ctx context.Context, tx *db.Tx, all []*operation) error {
	s, err := l.load(ctx, tx, all)
	if err != nil {
		return fmt.Errorf("ledger: load: %w", err)
	}
	book, err := l.book(ctx, tx, s.now)
	if err != nil {
		return fmt.Errorf("ledger: prices: %w", err)
	}
	for _, o := range all {
		o.result, o.err, o.bill = Reservation{}, nil, price.Bill{} // it may run again
		o.prices = snapshotOf(book, o.request.Model, s.now)
		s.decide(o)
	}
	if err := l.store(ctx, tx, s); err != nil {
		return fmt.Errorf("ledger: store: %w", err)
	}
	return nil
}

// Reservation returns a reservation, or ErrNoReservation.
func (l *Ledger) Reservation(ctx context.Context, tx *db.Tx, id string) (Reservation, error) {
	s := &state{reservations: map[string]*Reservation{}}
	if err := s.loadReservations(ctx, tx, []string{id}); err != nil {
		return Reservation{}, fmt.Errorf("ledger: %w", err)
	}
	if r := s.reservations[id]; r != nil {
		return *r, nil
	}
	return Reservation{}, fmt.Errorf("%w: %s", ErrNoReservation, id)
}

const (
	// sweepBatch is how many reservations expire in one transaction.
	sweepBatch = 256
	// sweepPause between looks for reservations that nobody ended.
	sweepPause = 15 * time.Second
)

// Sweep ends reservations whose time is over, and says how many.
func (l *Ledger) Sweep(ctx context.Context) (int, error) {
	swept := 0
	for {
		ids, err := l.open(ctx, "expires_at <= ? ORDER BY expires_at", db.Micros(l.clock()))
		if err != nil || len(ids) == 0 {
			return swept, err
		}
		if err := l.endAll(ctx, ids, operation{action: expire}); err != nil {
			return swept, err
		}
		swept += len(ids)
	}
}

// Abandon gives back every open reservation but those that keep knows, for a
// start before which all others' requests were cut off, and says how many.
func (l *Ledger) Abandon(ctx context.Context, reason string, keep func(id string) bool) (int, error) {
	given, last := 0, ""
	for {
		ids, err := l.open(ctx, "id > ? ORDER BY id", last)
		if err != nil || len(ids) == 0 {
			return given, err
		}
		last = ids[len(ids)-1]
		ids = slices.DeleteFunc(ids, keep)
		if err := l.endAll(ctx, ids, operation{action: release, reason: reason}); err != nil {
			return given, err
		}
		given += len(ids)
	}
}

// open returns a batch of open reservations.
func (l *Ledger) open(ctx context.Context, where string, arg any) (ids []string, err error) {
	err = l.db.Read(ctx, func(tx *db.Tx) (err error) {
		ids, err = db.List(ctx, tx, func(row db.Scanner) (id string, err error) {
			err = row.Scan(&id)
			return id, err
		}, "SELECT id FROM ledger_reservations WHERE state = 'open' AND "+where+" LIMIT ?", arg, sweepBatch)
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("ledger: open reservations: %w", err)
	}
	return ids, nil
}

// endAll does one operation to many reservations.
func (l *Ledger) endAll(ctx context.Context, ids []string, how operation) error {
	if len(ids) == 0 {
		return nil
	}
	all := make([]*operation, len(ids))
	for i, id := range ids {
		o := how
		o.id, all[i] = id, &o
	}
	if err := l.db.Tx(ctx, func(tx *db.Tx) error { return l.operate(ctx, tx, all) }); err != nil {
		return err
	}
	for _, o := range all {
		if o.err != nil {
			return fmt.Errorf("ledger: end %s: %w", o.id, o.err)
		}
	}
	return nil
}

// Run sweeps and lapses until ctx is done. It tells failed of errors, and goes on.
func (l *Ledger) Run(ctx context.Context, failed func(error)) {
	for {
		_, err := l.Sweep(ctx)
		_, lapse := l.Lapse(ctx)
		if err := errors.Join(err, lapse); err != nil && ctx.Err() == nil {
			failed(err)
		}
		select {
		case <-ctx.Done():
			return
		case <-time.After(sweepPause):
		}
	}
}
