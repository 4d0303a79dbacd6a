package ledger

import (
	"context"
	"fmt"

	"kuai/platform/db"
)

// unchanging tables only ever get new rows.
var unchanging = []string{"ledger_postings", "ledger_events", "ledger_changes", "prices", "price_snapshots"}

// guardLock is a number of our own among the advisory locks of PostgreSQL.
const guardLock = 0x6b756169_6c656467

// protect makes the database itself refuse to change what must not. The two
// databases have different words for it, so it is not among the migrations.
func protect(ctx context.Context, tx *db.Tx) error {
	if tx.Dialect() == db.Postgres { // several nodes may start at once
		if _, err := tx.ExecContext(ctx, "SELECT pg_advisory_xact_lock(?)", guardLock); err != nil {
			return fmt.Errorf("protect: %w", err)
		}
	}
	tables, err := unprotected(ctx, tx)
	if err != nil {
		return fmt.Errorf("protect: %w", err)
	}
	for _, table := range tables {
		for _, statement := range guards(tx.Dialect(), table) {
			if _, err := tx.ExecContext(ctx, statement); err != nil {
				return fmt.Errorf("protect %s: %w", table, err)
			}
		}
	}
	return nil
}

func guards(d db.Dialect, table string) []string {
	if d == db.Postgres {
		return []string{
			`CREATE OR REPLACE FUNCTION kuai_unchanging() RETURNS trigger LANGUAGE plpgsql AS
 $$ BEGIN RAISE EXCEPTION '% is never changed', TG_TABLE_NAME; END $$`,
			"CREATE OR REPLACE TRIGGER " + table + "_update BEFORE UPDATE OR DELETE OR TRUNCATE ON " + table + " FOR EACH STATEMENT EXECUTE FUNCTION kuai_unchanging()",
		}
	}
	var all []string
	for _, verb := range []string{"update", "delete"} {
		all = append(all, "CREATE TRIGGER IF NOT EXISTS "+table+"_"+verb+" BEFORE "+verb+" ON "+table+
			" BEGIN SELECT RAISE(ABORT, '"+table+" is never changed'); END")
	}
	return all
}

// protected says whether a table's triggers are there and at work.
func protected(ctx context.Context, tx *db.Tx, table string) (bool, error) {
	question, want := "SELECT COUNT(*) FROM sqlite_master WHERE type = 'trigger' AND name IN (?, ?)", 2
	args := []any{table + "_update", table + "_delete"}
	if tx.Dialect() == db.Postgres {
		question, want = "SELECT COUNT(*) FROM pg_trigger WHERE tgrelid = to_regclass(?) AND tgname = ? AND tgenabled <> 'D'", 1
		args = []any{table, table + "_update"}
	}
	n := 0
	if err := tx.QueryRowContext(ctx, question, args...).Scan(&n); err != nil {
		return false, err
	}
	return n == want, nil
}

// unprotected are the tables that the database lets anybody change.
func unprotected(ctx context.Context, tx *db.Tx) ([]string, error) {
	var all []string
	for _, table := range unchanging {
		ok, err := protected(ctx, tx, table)
		if err != nil {
			return nil, err
		}
		if !ok {
			all = append(all, table)
		}
	}
	return all, nil
}
