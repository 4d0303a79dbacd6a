package ledger

import (
	"context"
	"database/sql"
	"fmt"
	"maps"
	"slices"

	"kuai/platform/db"
	"kuai/platform/price"
)

// load reads what the operations of a transaction need to know, in a few
// queries for all of them. On PostgreSQL it locks the accounts, in one order.
func (l *Ledger) load(ctx context.Context, tx *db.Tx, all []*operation) (*state, error) {
	s := &state{
		now: l.clock(), accounts: map[string]*account{}, reservations: map[string]*Reservation{}, snapshots: map[string]*price.Snapshot{}, used: map[string]*used{},
		ended: map[string]State{}, spend: map[ownerDay]tally{}, touched: map[string]bool{}, snapshot: map[string]bool{},
	}
	ids, orgs, capped := map[string]bool{}, map[string]bool{}, map[string]bool{}
	for _, o := range all {
		if o.action != reserve {
			ids[o.id] = true
			continue
		}
		orgs[o.request.Org] = true
		if o.request.IdempotencyKey != "" {
			ids[o.id] = true
		}
		for _, c := range o.request.Caps {
			capped[owner(c.Level, o.request.subject(c.Level))] = true
		}
	}
	if err := s.loadReservations(ctx, tx, slices.Sorted(maps.Keys(ids))); err != nil {
		return nil, err
	}
	for _, r := range s.reservations {
		orgs[r.Org] = true
	}
	if err := l.loadAccounts(ctx, tx, s, slices.Sorted(maps.Keys(orgs)), tx.ForUpdate()); err != nil {
		return nil, err
	}
	if err := s.loadUsed(ctx, tx, slices.Sorted(maps.Keys(capped))); err != nil {
		return nil, err
	}
	return s, l.loadSnapshots(ctx, tx, s)
}

const reservationColumns = `id, org, project, user_id, key_id, model, job, idempotency_key, digest, snapshot,
 amount, promo, state, charged, waived, overdrawn, reason, created_at, expires_at, ended_at`

func scanReservation(rows scanner) (*Reservation, error) {
	var r Reservation
	var created, expires, ended int64
	err := rows.Scan(&r.ID, &r.Org, &r.Project, &r.User, &r.Key, &r.Model, &r.Job, &r.IdempotencyKey, &r.digest, &r.snapshot,
		&r.Amount, &r.promo, &r.State, &r.Charged, &r.Waived, &r.Overdrawn, &r.Reason, &created, &expires, &ended)
	r.CreatedAt, r.ExpiresAt, r.EndedAt = db.Time(created), db.Time(expires), db.Time(ended)
	return &r, err
}

func (s *state) loadReservations(ctx context.Context, tx *db.Tx, ids []string) error {
	if len(ids) == 0 {
		return nil
	}
	list, args := in(ids)
	return query(ctx, tx, "SELECT "+reservationColumns+" FROM ledger_reservations WHERE id IN "+list, args, func(rows *sql.Rows) error {
		r, err := scanReservation(rows)
		if err != nil {
			return err
		}
		s.reservations[r.ID] = r
		return nil
	})
}

// loadAccounts reads accounts; one that is not there is empty, and there once
// something is posted to it.
func (l *Ledger) loadAccounts(ctx context.Context, tx *db.Tx, s *state, orgs []string, lock string) error {
	if len(orgs) == 0 {
		return nil
	}
	for _, org := range orgs {
		s.accounts[org] = &account{org: org, currency: l.currency}
	}
	list, args := in(orgs)
	return query(ctx, tx, `SELECT org, currency, cash, promo, held_cash, held_promo, credit_limit, overdraft
 FROM ledger_accounts WHERE org IN `+list+" ORDER BY org"+lock, args, func(rows *sql.Rows) error {
		a, err := scanAccount(rows)
		s.accounts[a.org] = &a
		return err
	})
}

func scanAccount(rows *sql.Rows) (account, error) {
	var a account
	var overdraft int64
	err := rows.Scan(&a.org, &a.currency, &a.cash, &a.promo, &a.heldCash, &a.heldPromo, &a.credit, &overdraft)
	a.overdraft = overdraft != 0
	return a, err
}

// loadUsed reads what owners have spent in this month.
func (s *state) loadUsed(ctx context.Context, tx *db.Tx, owners []string) error {
	if len(owners) == 0 {
		return nil
	}
	for _, o := range owners {
		s.used[o] = &used{}
	}
	list, args := in(owners)
	return query(ctx, tx, "SELECT owner, day, spent + held FROM ledger_spend WHERE owner IN "+list+" AND day >= ?",
		append(args, monthOf(s.now)), func(rows *sql.Rows) error {
			var o string
			var day int64
			var t tally
			if err := rows.Scan(&o, &day, &t.spent); err != nil {
				return err
			}
			s.used[o].add(s.now, day, t.spent)
			return nil
		})
}

// loadSnapshots reads the prices of the reservations that were loaded.
func (l *Ledger) loadSnapshots(ctx context.Context, tx *db.Tx, s *state) error {
	missing := map[string]bool{}
	l.mu.Lock()
	for _, r := range s.reservations {
		if have := l.snapshots[r.snapshot]; have != nil {
			s.snapshots[r.snapshot] = have
		} else {
			missing[r.snapshot] = true
		}
	}
	l.mu.Unlock()
	if len(missing) == 0 {
		return nil
	}
	read, err := readSnapshots(ctx, tx, slices.Sorted(maps.Keys(missing)))
	if err != nil {
		return err
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	for id := range missing {
		if read[id] == nil {
			return fmt.Errorf("price snapshot %s is lost", id)
		}
		if len(l.snapshots) >= maxSnapshots {
			clear(l.snapshots)
		}
		l.snapshots[id], s.snapshots[id] = read[id], read[id]
	}
	return nil
}

func readSnapshots(ctx context.Context, tx *db.Tx, ids []string) (map[string]*price.Snapshot, error) {
	all := map[string]*price.Snapshot{}
	list, args := in(ids)
	err := query(ctx, tx, "SELECT id, body FROM price_snapshots WHERE id IN "+list, args, func(rows *sql.Rows) error {
		var id, body string
		if err := rows.Scan(&id, &body); err != nil {
			return err
		}
		snapshot, err := price.ReadSnapshot(id, body)
		all[id] = snapshot
		return err
	})
	return all, err
}
