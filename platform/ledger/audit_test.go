package ledger

import (
	"context"
	"errors"
	"strings"
	"testing"
	"time"

	"kuai/platform/db"
	"kuai/platform/db/dbtest"
	"kuai/platform/price"
)

// everything makes a row of each kind: reservations in every state, changes of
// every kind, a voucher that was redeemed.
func everything(t *testing.T, f *fixture) {
	t.Helper()
	ctx := t.Context()
	f.tx(t, func(tx *db.Tx) error {
		_, err := f.SetTerms(ctx, tx, Change{Org: "o"}, Terms{CreditLimit: 500})
		return err
	})
	f.topUp(t, "o", 10_000)
	f.tx(t, func(tx *db.Tx) error {
		v, err := f.CreateVoucher(ctx, tx, Voucher{Amount: 150, Uses: 3})
		if err == nil {
			_, err = f.Redeem(ctx, tx, "o", strings.ToLower(v.Code), "test")
		}
		if err == nil {
			_, err = f.Adjust(ctx, tx, Change{Org: "o", Amount: -50, Reason: "test"})
		}
		return err
	})
	reserve := func(life time.Duration) string {
		r, err := f.reserve(t, Request{Org: "o", Project: "p", User: "u", Key: "k", Job: "j", Estimate: micro(100), Life: life})
		if err != nil {
			t.Fatal(err)
		}
		return r.ID
	}
	settled, released, late := reserve(time.Hour), reserve(time.Hour), reserve(time.Second)
	reserve(time.Second)      // expires
	reserve(1000 * time.Hour) // stays open
	f.pass(time.Minute)
	if _, err := f.Sweep(ctx); err != nil {
		t.Fatal(err)
	}
	for _, end := range []func() (Reservation, error){
		func() (Reservation, error) { return f.settle(t, settled, micro(130)) }, // 30 waived
		func() (Reservation, error) { return f.settle(t, late, price.Usage{price.Images: 60}) },
		func() (Reservation, error) { return f.release(t, released) },
	} {
		if _, err := end(); err != nil {
			t.Fatal(err)
		}
	}
}

// TestTampering changes one row at a time, as somebody with access to the
// database could, and expects the audit to find it.
func TestTampering(t *testing.T) {
	t.Parallel()
	statements := []string{
		"UPDATE ledger_accounts SET cash = cash + 1",
		"UPDATE ledger_accounts SET promo = promo + 1",
		"UPDATE ledger_accounts SET held_cash = held_cash + 1, cash = cash - 1",
		"UPDATE ledger_accounts SET held_promo = held_promo + 1",
		"UPDATE ledger_accounts SET credit_limit = 501",
		"UPDATE ledger_accounts SET overdraft = 1",
		"UPDATE ledger_accounts SET currency = 'CNY'",
		"DELETE FROM ledger_accounts",
		"UPDATE ledger_reservations SET amount = amount + 1 WHERE state = 'open'",
		"UPDATE ledger_reservations SET promo = promo - 1 WHERE state = 'settled' AND promo > 0",
		"UPDATE ledger_reservations SET charged = charged - 1 WHERE state = 'settled' AND waived > 0",
		"UPDATE ledger_reservations SET waived = waived + 1 WHERE waived > 0",
		"UPDATE ledger_reservations SET overdrawn = 1 WHERE state = 'open'",
		"UPDATE ledger_reservations SET state = 'released' WHERE state = 'open'",
		"UPDATE ledger_reservations SET state = 'open' WHERE state = 'released'",
		"UPDATE ledger_reservations SET state = 'released' WHERE state = 'settled' AND waived > 0",
		"UPDATE ledger_reservations SET state = 'lost' WHERE state = 'expired'",
		"UPDATE ledger_reservations SET org = 'other' WHERE state = 'open'",
		"UPDATE ledger_reservations SET key_id = 'other' WHERE state = 'open'",
		"UPDATE ledger_reservations SET snapshot = 'other' WHERE waived > 0",
		"UPDATE ledger_reservations SET created_at = created_at + 1 WHERE state = 'open'",
		"UPDATE ledger_reservations SET ended_at = ended_at + 1 WHERE state = 'released'",
		"UPDATE ledger_reservations SET expires_at = 1 WHERE state = 'open'",
		"DELETE FROM ledger_reservations WHERE state = 'open'",
		"DELETE FROM ledger_reservations WHERE waived > 0",
		"UPDATE ledger_postings SET amount = amount + 1 WHERE kind = 'reserve' AND source = 'promo' AND entry = (SELECT MIN(entry) FROM ledger_postings WHERE kind = 'settle')",
		"UPDATE ledger_postings SET amount = amount + 1 WHERE kind = 'late' AND line = 0",
		"UPDATE ledger_postings SET target = 'revenue' WHERE kind = 'release' AND line = 0",
		"UPDATE ledger_postings SET target = 'elsewhere' WHERE kind = 'release' AND line = 0",
		"UPDATE ledger_postings SET org = 'other' WHERE kind = 'topup'",
		"UPDATE ledger_postings SET kind = 'settle' WHERE kind = 'expire' AND source = 'held_cash' AND entry = (SELECT MAX(entry) FROM ledger_postings WHERE kind = 'expire')",
		"UPDATE ledger_postings SET at = at + 1 WHERE kind = 'topup'",
		"UPDATE ledger_postings SET at = at + 1 WHERE kind = 'release'",
		"DELETE FROM ledger_postings WHERE kind = 'adjust'",
		"DELETE FROM ledger_postings WHERE kind = 'late'",
		"INSERT INTO ledger_postings (entry, kind, line, org, source, target, amount, at) VALUES ('none', 'topup', 0, 'o', 'topup', 'cash', 5, 5)",
		"INSERT INTO ledger_postings (entry, kind, line, org, source, target, amount, at) SELECT entry, kind, 9, org, source, target, amount, at FROM ledger_postings WHERE kind = 'topup'",
		"UPDATE ledger_events SET amount = amount - 1 WHERE dimension = 'images'",
		"UPDATE ledger_events SET amount = amount - 1 WHERE dimension = 'waived'",
		"UPDATE ledger_events SET quantity = quantity + 1 WHERE dimension = 'images'",
		"UPDATE ledger_events SET price = price + 1 WHERE dimension = 'images'",
		"UPDATE ledger_events SET per = per + 1 WHERE dimension = 'images'",
		"UPDATE ledger_events SET model = 'other' WHERE dimension = 'waived'",
		"UPDATE ledger_events SET key_id = 'other' WHERE dimension = 'waived'",
		"UPDATE ledger_events SET job = 'other' WHERE dimension = 'waived'",
		"UPDATE ledger_events SET at = at + 1 WHERE dimension = 'waived'",
		"UPDATE ledger_events SET dimension = 'requests' WHERE dimension = 'waived'",
		"DELETE FROM ledger_events WHERE dimension = 'waived'",
		"DELETE FROM ledger_events WHERE dimension = 'images'",
		"INSERT INTO ledger_events SELECT 'x', reservation, org, project, user_id, key_id, model, job, idempotency_key, 'requests', 1, 0, 1, 0, at FROM ledger_events WHERE dimension = 'waived'",
		"UPDATE ledger_spend SET spent = spent + 1 WHERE owner = 'key:k'",
		"UPDATE ledger_spend SET held = held - 1 WHERE owner = 'user:u'",
		"DELETE FROM ledger_spend WHERE owner = 'project:p'",
		"UPDATE ledger_changes SET amount = amount + 1 WHERE kind = 'topup'",
		"UPDATE ledger_changes SET account = 'promo' WHERE kind = 'topup'",
		"UPDATE ledger_changes SET org = 'other' WHERE kind = 'adjust'",
		"UPDATE ledger_changes SET at = at + 1 WHERE kind = 'adjust'",
		"UPDATE ledger_changes SET idempotency_key = '' WHERE kind = 'voucher'",
		"UPDATE ledger_changes SET detail = '{}' WHERE kind = 'terms'",
		"DELETE FROM ledger_changes WHERE kind = 'voucher'",
		"DELETE FROM ledger_changes WHERE kind = 'terms'",
		"UPDATE vouchers SET used = used - 1",
		"UPDATE vouchers SET amount = amount + 1",
		"UPDATE vouchers SET currency = 'CNY'",
		"UPDATE price_snapshots SET body = '{}'",
		"DELETE FROM price_snapshots",
		"UPDATE prices SET price = price + 1 WHERE dimension = 'images'",
	}
	dbtest.Run(t, func(t *testing.T, d *db.DB) {
		t.Helper()
		f := newFixture(t, d)
		everything(t, f)
		if r := f.audit(t); r.Events != 3 || r.Changes != 4 || r.Reservations != 5 {
			t.Fatalf("%+v", r)
		}
		for _, statement := range statements {
			refused, found := tamper(t, f, statement)
			table := strings.Fields(strings.TrimPrefix(strings.TrimPrefix(statement, "UPDATE "), "DELETE FROM "))[0]
			if guarded := strings.HasPrefix(statement, "UPDATE ") || strings.HasPrefix(statement, "DELETE "); guarded && refused == (table == "vouchers" || table == "ledger_accounts" || table == "ledger_reservations" || table == "ledger_spend") {
				t.Errorf("%s: refused: %v", statement, refused)
			}
			if found == 0 {
				t.Errorf("%s: the audit found nothing", statement)
			}
		}
		f.audit(t) // all of it was rolled back
	})
}

var errBack = errors.New("roll back")

// tamper says whether the database refuses a statement, and what the audit
// finds after it was done all the same.
func tamper(t *testing.T, f *fixture, statement string) (refused bool, found int) {
	t.Helper()
	ctx := t.Context()
	err := f.db.Tx(ctx, func(tx *db.Tx) error {
		_, err := tx.ExecContext(ctx, statement)
		refused = err != nil
		return errBack
	})
	if !errors.Is(err, errBack) {
		t.Fatal(err)
	}
	err = f.db.Tx(ctx, func(tx *db.Tx) error {
		if err := unprotect(ctx, tx); err != nil {
			return err
		}
		result, err := tx.ExecContext(ctx, statement)
		if err != nil {
			return err
		}
		if n, err := result.RowsAffected(); n == 0 || err != nil {
			t.Errorf("%s: %d rows, %v", statement, n, err)
		}
		r, err := auditIn(ctx, tx, f.clock())
		if err != nil {
			return err
		}
		for _, d := range r.Differences {
			if d.Check != "protection" {
				found++
			}
		}
		if len(r.Differences)-found != len(unchanging) {
			t.Errorf("%d tables told unprotected, want %d", len(r.Differences)-found, len(unchanging))
		}
		return errBack
	})
	if !errors.Is(err, errBack) {
		t.Fatalf("%s: %v", statement, err)
	}
	return refused, found
}

func unprotect(ctx context.Context, tx *db.Tx) error {
	for _, table := range unchanging {
		statements := []string{"DROP TRIGGER " + table + "_update", "DROP TRIGGER " + table + "_delete"}
		if tx.Dialect() == db.Postgres {
			statements = []string{"DROP TRIGGER " + table + "_update ON " + table}
		}
		for _, s := range statements {
			if _, err := tx.ExecContext(ctx, s); err != nil {
				return err
			}
		}
	}
	return nil
}
