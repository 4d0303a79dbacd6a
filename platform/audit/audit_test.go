package audit_test

import (
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"kuai/platform/audit"
	"kuai/platform/db"
	"kuai/platform/db/dbtest"
)

var at = time.Date(2026, 5, 1, 10, 0, 0, 0, time.UTC)

func add(t *testing.T, d *db.DB, e audit.Entry) {
	t.Helper()
	if err := d.Tx(t.Context(), func(tx *db.Tx) error { return audit.Append(t.Context(), tx, at, e) }); err != nil {
		t.Error(err)
	}
}

// TestChain appends from several goroutines and reads it all back.
func TestChain(t *testing.T) {
	t.Parallel()
	dbtest.Run(t, func(t *testing.T, d *db.DB) {
		if r, err := audit.Verify(t.Context(), d); err != nil || r.Records != 0 {
			t.Fatalf("an empty log: %+v, %v", r, err)
		}
		var wg sync.WaitGroup
		for i := range 4 {
			wg.Go(func() {
				for j := range 5 {
					add(t, d, audit.Entry{Org: fmt.Sprint("o", i%2), Actor: "usr_1", Action: "key.create", Object: fmt.Sprint(i, j), Detail: map[string]any{"name": "käufe 快"}})
				}
			})
		}
		wg.Wait()
		r, err := audit.Verify(t.Context(), d)
		if err != nil || r.Records != 20 || len(r.Head) != 64 {
			t.Errorf("got %+v, %v", r, err)
		}
		all, err := audit.List(t.Context(), d, "*", 0, 100)
		if err != nil || len(all) != 20 || all[0].Seq != 20 || all[0].Hash != r.Head || !all[0].At.Equal(at) {
			t.Errorf("got %d records, %v", len(all), err)
		}
		mine, err := audit.List(t.Context(), d, "o1", 15, 3)
		if err != nil || len(mine) != 3 || mine[0].Seq >= 15 || mine[2].Org != "o1" {
			t.Errorf("got %+v, %v", mine, err)
		}
	})
}

// TestTampering changes the log in every way that a statement can.
func TestTampering(t *testing.T) {
	t.Parallel()
	for name, tt := range map[string]struct{ statement, record string }{
		"changed":      {"UPDATE audit_log SET actor = 'usr_2' WHERE seq = 2", "record 2"},
		"left out":     {"DELETE FROM audit_log WHERE seq = 2", "record 2"},
		"cut":          {"DELETE FROM audit_log WHERE seq = 3", "record 3"},
		"emptied":      {"DELETE FROM audit_log", "record 1"},
		"swapped":      {"UPDATE audit_log SET seq = 5 - seq WHERE seq IN (2, 3)", "record 2"},
		"rehashed":     {"UPDATE audit_log SET hash = 'x' WHERE seq = 1", "record 1"},
		"another time": {"UPDATE audit_log SET at = at + 1 WHERE seq = 3", "record 3"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			d := dbtest.Open(t, dbtest.SQLite(t))
			for i := range 3 {
				add(t, d, audit.Entry{Actor: "usr_1", Action: "org.create", Object: fmt.Sprint(i)})
			}
			statements := []string{tt.statement}
			if name == "swapped" { // keys must not meet on the way
				statements = []string{"UPDATE audit_log SET seq = 9 WHERE seq = 2", "UPDATE audit_log SET seq = 2 WHERE seq = 3", "UPDATE audit_log SET seq = 3 WHERE seq = 9"}
			}
			for _, s := range statements {
				if err := d.Tx(t.Context(), func(tx *db.Tx) error {
					_, err := tx.ExecContext(t.Context(), s)
					return err
				}); err != nil {
					t.Fatal(err)
				}
			}
			if _, err := audit.Verify(t.Context(), d); !errors.Is(err, audit.ErrBroken) || !strings.Contains(err.Error(), tt.record) {
				t.Errorf("got %v, want ErrBroken at %s", err, tt.record)
			}
		})
	}
}

// TestLimits checks that what cannot be kept undoes the change.
func TestLimits(t *testing.T) {
	t.Parallel()
	d := dbtest.Open(t, dbtest.SQLite(t))
	for _, detail := range []any{strings.Repeat("x", 20_000), func() {}} {
		if err := d.Tx(t.Context(), func(tx *db.Tx) error {
			return audit.Append(t.Context(), tx, at, audit.Entry{Action: "a", Detail: detail})
		}); err == nil {
			t.Errorf("a detail of type %T was taken", detail)
		}
	}
	if r, err := audit.Verify(t.Context(), d); err != nil || r.Records != 0 {
		t.Errorf("got %+v, %v", r, err)
	}
}
