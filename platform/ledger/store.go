package ledger

import (
	"cmp"
	"context"
	"fmt"
	"maps"
	"slices"

	"kuai/platform/db"
)

// store writes what the operations have decided: a statement for each table,
// whatever the number of operations.
func (l *Ledger) store(ctx context.Context, tx *db.Tx, s *state) error {
	for _, step := range []func(context.Context, *db.Tx, *state) error{
		storeAccounts, l.storeSnapshots, storeMade, storeEnded, storePostings, storeEvents, storeSpend,
	} {
		if err := step(ctx, tx, s); err != nil {
			return err
		}
	}
	return nil
}

func storeAccounts(ctx context.Context, tx *db.Tx, s *state) error {
	var args []any
	for _, org := range slices.Sorted(maps.Keys(s.touched)) {
		a := s.accounts[org]
		args = append(args, a.org, string(a.currency), int64(a.cash), int64(a.promo), int64(a.heldCash), int64(a.heldPromo), int64(a.credit), flag(a.overdraft))
	}
	return insert(ctx, tx, `INSERT INTO ledger_accounts (org, currency, cash, promo, held_cash, held_promo, credit_limit, overdraft) VALUES `,
		"(?,?,?,?,?,?,?,?)", ` ON CONFLICT (org) DO UPDATE SET currency = excluded.currency, cash = excluded.cash, promo = excluded.promo,
 held_cash = excluded.held_cash, held_promo = excluded.held_promo, credit_limit = excluded.credit_limit, overdraft = excluded.overdraft`, args)
}

func flag(b bool) int64 {
	if b {
		return 1
	}
	return 0
}

// storeSnapshots keeps the prices that new reservations name, unless they are
// known to be there.
func (l *Ledger) storeSnapshots(ctx context.Context, tx *db.Tx, s *state) error {
	var args []any
	var added []string
	l.mu.Lock()
	for _, id := range slices.Sorted(maps.Keys(s.snapshot)) {
		if !l.stored[id] {
			args = append(args, id, s.snapshots[id].Body)
			added = append(added, id)
		}
	}
	l.mu.Unlock()
	if len(added) == 0 {
		return nil
	}
	tx.OnCommit(func() {
		l.mu.Lock()
		defer l.mu.Unlock()
		if len(l.stored) >= maxSnapshots {
			clear(l.stored)
		}
		for _, id := range added {
			l.stored[id] = true
		}
	})
	return insert(ctx, tx, "INSERT INTO price_snapshots (id, body) VALUES ", "(?,?)", " ON CONFLICT (id) DO NOTHING", args)
}

func storeMade(ctx context.Context, tx *db.Tx, s *state) error {
	var args []any
	for _, r := range s.made {
		args = append(args, r.ID, r.Org, r.Project, r.User, r.Key, r.Model, r.Job, r.IdempotencyKey, r.digest, r.snapshot,
			int64(r.Amount), int64(r.promo), string(r.State), int64(r.Charged), int64(r.Waived), int64(r.Overdrawn), r.Reason,
			db.Micros(r.CreatedAt), db.Micros(r.ExpiresAt), db.Micros(r.EndedAt))
	}
	return insert(ctx, tx, "INSERT INTO ledger_reservations ("+reservationColumns+") VALUES ", "(?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?)", "", args)
}

// storeEnded changes reservations from the state that was read to what they
// have become. That one was changed meanwhile cannot be: whoever changes a
// reservation holds its account.
func storeEnded(ctx context.Context, tx *db.Tx, s *state) error {
	var args []any
	for _, id := range slices.Sorted(maps.Keys(s.ended)) {
		r := s.reservations[id]
		args = append(args, id, string(s.ended[id]), string(r.State), int64(r.Charged), int64(r.Waived), int64(r.Overdrawn), r.Reason, db.Micros(r.ExpiresAt), db.Micros(r.EndedAt))
	}
	n, err := valuesExec(ctx, tx, `UPDATE ledger_reservations SET state = v.column3, charged = v.column4, waived = v.column5,
 overdrawn = v.column6, reason = v.column7, expires_at = v.column8, ended_at = v.column9 FROM (VALUES `,
		"(CAST(? AS TEXT),CAST(? AS TEXT),CAST(? AS TEXT),CAST(? AS BIGINT),CAST(? AS BIGINT),CAST(? AS BIGINT),CAST(? AS TEXT),CAST(? AS BIGINT),CAST(? AS BIGINT))",
		"(?,?,?,?,?,?,?,?,?)", ") AS v WHERE ledger_reservations.id = v.column1 AND ledger_reservations.state = v.column2", args)
	if err == nil && n != int64(len(s.ended)) {
		return fmt.Errorf("%d of %d reservations were as they had been read", n, len(s.ended))
	}
	return err
}

func storePostings(ctx context.Context, tx *db.Tx, s *state) error {
	var args []any
	for _, e := range s.entries {
		for i, p := range e.postings {
			args = append(args, e.id, e.kind, i, e.org, p.source, p.target, int64(p.amount), db.Micros(s.now))
		}
	}
	return insert(ctx, tx, "INSERT INTO ledger_postings (entry, kind, line, org, source, target, amount, at) VALUES ", "(?,?,?,?,?,?,?,?)", "", args)
}

func storeEvents(ctx context.Context, tx *db.Tx, s *state) error {
	var args []any
	for _, e := range s.events {
		r, l := e.reservation, e.line
		args = append(args, r.ID+"."+string(l.Dimension), r.ID, r.Org, r.Project, r.User, r.Key, r.Model, r.Job, r.IdempotencyKey,
			string(l.Dimension), l.Quantity, int64(l.Price), l.Per, int64(l.Amount), db.Micros(r.EndedAt))
	}
	return insert(ctx, tx, `INSERT INTO ledger_events (id, reservation, org, project, user_id, key_id, model, job, idempotency_key,
 dimension, quantity, price, per, amount, at) VALUES `, "(?,?,?,?,?,?,?,?,?,?,?,?,?,?,?)", "", args)
}

// storeSpend adds to what owners have spent, in one order so that no two
// writers wait for each other.
func storeSpend(ctx context.Context, tx *db.Tx, s *state) error {
	keys := slices.SortedFunc(maps.Keys(s.spend), func(x, y ownerDay) int {
		return cmp.Or(cmp.Compare(x.owner, y.owner), cmp.Compare(x.day, y.day))
	})
	var args []any
	for _, k := range keys {
		if t := s.spend[k]; t != (tally{}) {
			args = append(args, k.owner, k.day, int64(t.spent), int64(t.held))
		}
	}
	return insert(ctx, tx, "INSERT INTO ledger_spend (owner, day, spent, held) VALUES ", "(?,?,?,?)",
		" ON CONFLICT (owner, day) DO UPDATE SET spent = ledger_spend.spent + excluded.spent, held = ledger_spend.held + excluded.held", args)
}
