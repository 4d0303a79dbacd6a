package ledger

import (
	"context"
	"fmt"
	"time"

	"kuai/platform/db"
	"kuai/platform/money"
)

// maxCreditDays is the longest that promotion with an end lasts.
const maxCreditDays = 3650

// lapsing is promotion that ends.
type lapsing struct {
	change, org string // that gave it
	amount      money.Amount
	expires     int64
}

// lasts remembers when the promotion of a change ends.
func lasts(ctx context.Context, tx *db.Tx, c Change, days int64) error {
	if days == 0 {
		return nil
	}
	_, err := tx.ExecContext(ctx, "INSERT INTO ledger_grants (change_id, org, amount, expires_at, lapsed_at) VALUES (?,?,?,?,0)",
		c.ID, c.Org, int64(c.Amount), db.Micros(c.At.Add(time.Duration(days)*24*time.Hour)))
	if err != nil {
		return fmt.Errorf("ledger: grant: %w", err)
	}
	return nil
}

// Lapse takes back what is left of promotion whose time is over, and says of
// how many grants. Promotion is spent in the order in which it ends, that
// without an end last; so of what an organisation has, all that later grants
// gave is theirs, and the rest is what lapses. What is held for work at that
// moment stays: it may be spent, and comes back if it is not.
func (l *Ledger) Lapse(ctx context.Context) (int, error) {
	lapsed := 0
	for {
		var due []lapsing
		err := l.db.Read(ctx, func(tx *db.Tx) (err error) {
			due, err = dueGrants(ctx, tx, "lapsed_at = 0 AND expires_at <= ? ORDER BY expires_at, change_id LIMIT ?", db.Micros(l.clock()), sweepBatch)
			return err
		})
		if err != nil || len(due) == 0 {
			return lapsed, wrapLapse(err)
		}
		for _, g := range due {
			if err := l.db.Tx(ctx, func(tx *db.Tx) error { return l.lapse(ctx, tx, g) }); err != nil {
				return lapsed, wrapLapse(err)
			}
			lapsed++
		}
	}
}

func wrapLapse(err error) error {
	if err != nil {
		return fmt.Errorf("ledger: lapse: %w", err)
	}
	return nil
}

func dueGrants(ctx context.Context, tx *db.Tx, where string, args ...any) ([]lapsing, error) {
	return db.List(ctx, tx, func(row db.Scanner) (g lapsing, err error) {
		err = row.Scan(&g.change, &g.org, &g.amount, &g.expires)
		return g, err
	}, "SELECT change_id, org, amount, expires_at FROM ledger_grants WHERE "+where, args...)
}

// lapse ends one grant, once.
func (l *Ledger) lapse(ctx context.Context, tx *db.Tx, g lapsing) error {
	s, err := l.load(ctx, tx, nil)
	if err == nil {
		err = l.loadAccounts(ctx, tx, s, []string{g.org}, tx.ForUpdate()) // whoever else ends one of the organisation's waits here
	}
	if err != nil {
		return err
	}
	open, err := dueGrants(ctx, tx, "change_id = ? AND lapsed_at = 0", g.change)
	if err != nil || len(open) == 0 {
		return err
	}
	var given, gone money.Amount
	if err := tx.QueryRowContext(ctx, `SELECT CAST(COALESCE(SUM(amount), 0) AS BIGINT) FROM ledger_changes
 WHERE org = ? AND account = 'promo' AND kind <> 'lapse'`, g.org).Scan(&given); err != nil {
		return err
	}
	if err := tx.QueryRowContext(ctx, `SELECT CAST(COALESCE(SUM(amount), 0) AS BIGINT) FROM ledger_grants
 WHERE org = ? AND (expires_at < ? OR expires_at = ? AND change_id <= ?)`, g.org, g.expires, g.expires, g.change).Scan(&gone); err != nil {
		return err
	}
	if left := leftOf(g.amount, given-gone, s.accounts[g.org]); left > 0 {
		_, err := l.change(ctx, tx, Change{
			Org: g.org, Kind: "lapse", IdempotencyKey: g.change, Account: promo, Amount: -left, Reason: "its time is over", Actor: "kuai",
		}, nil)
		if err != nil {
			return err
		}
	}
	_, err = tx.ExecContext(ctx, "UPDATE ledger_grants SET lapsed_at = ? WHERE change_id = ?", db.Micros(s.now), g.change)
	return err
}

// leftOf is how much of a grant can be taken back from an account to which
// later ones gave so much.
func leftOf(grant, later money.Amount, a *account) money.Amount {
	left := a.promo + a.heldPromo - max(0, later)
	return max(0, min(left, grant, a.promo))
}

// lapses checks that what was taken back was a grant's, at most all of it.
func (a *audit) lapses(ctx context.Context) error {
	rows, err := db.List(ctx, a.tx, func(row db.Scanner) (v [2]string, err error) {
		err = row.Scan(&v[0], &v[1])
		return v, err
	}, `SELECT c.id, 'a lapse without its grant' FROM ledger_changes AS c WHERE c.kind = 'lapse' AND NOT EXISTS
  (SELECT 1 FROM ledger_grants AS g WHERE g.change_id = c.idempotency_key AND g.org = c.org AND g.lapsed_at > 0 AND g.amount >= -c.amount)
 UNION ALL
 SELECT g.change_id, 'a grant without its change' FROM ledger_grants AS g WHERE NOT EXISTS
  (SELECT 1 FROM ledger_changes AS c WHERE c.id = g.change_id AND c.org = g.org AND c.account = 'promo' AND c.amount = g.amount)`)
	for _, v := range rows {
		a.add("lapse", v[0], "both", v[1])
	}
	return err
}
