package share

import (
	"testing"
	"time"

	"kuai/fault"
	"kuai/platform/db"
	"kuai/platform/db/dbtest"
)

// TestShares makes, lists and takes back shares of two projects, on both
// databases.
func TestShares(t *testing.T) {
	t.Parallel()
	dbtest.Run(t, func(t *testing.T, d *db.DB) {
		ctx, now := t.Context(), time.Unix(1_800_000_000, 0).UTC()
		do := func(f func(tx *db.Tx) error) {
			t.Helper()
			if err := d.Tx(ctx, f); err != nil {
				t.Fatal(err)
			}
		}
		var fox, cat, theirs Share
		do(func(tx *db.Tx) (err error) {
			if fox, err = Create(ctx, tx, now, "ada", "job_fox", now.Add(time.Hour)); err != nil {
				return err
			}
			if cat, err = Create(ctx, tx, now.Add(time.Second), "ada", "job_cat", now.Add(48*time.Hour)); err != nil {
				return err
			}
			theirs, err = Create(ctx, tx, now, "eve", "job_owl", now.Add(time.Hour))
			return err
		})
		list := func(at time.Time, project, thing string, want ...Share) {
			t.Helper()
			var got []Share
			do(func(tx *db.Tx) (err error) { got, err = List(ctx, tx, at, project, thing); return err })
			if len(got) != len(want) {
				t.Fatalf("%s has %+v, want %+v", project, got, want)
			}
			for i := range want {
				if got[i] != want[i] {
					t.Errorf("%s has %+v, want %+v", project, got[i], want[i])
				}
			}
		}
		list(now, "ada", "", cat, fox)
		list(now, "ada", "job_fox", fox)
		list(now, "eve", "", theirs)
		list(now.Add(time.Hour), "ada", "", cat) // the fox has run out

		get := func(at time.Time, s Share, want fault.Code) {
			t.Helper()
			err := d.Read(ctx, func(tx *db.Tx) error { _, err := Get(ctx, tx, at, s.ID); return err })
			if err == nil && want != "" || err != nil && fault.From(err).Code != want {
				t.Errorf("%s: %v, want %q", s.Thing, err, want)
			}
		}
		get(now, fox, "")
		get(now.Add(time.Hour), fox, fault.NotFound)
		if err := d.Tx(ctx, func(tx *db.Tx) error { return Revoke(ctx, tx, "eve", fox.ID) }); fault.From(err).Code != fault.NotFound {
			t.Errorf("eve takes back what ada shared: %v", err)
		}
		get(now, fox, "")
		do(func(tx *db.Tx) error { return Revoke(ctx, tx, "ada", fox.ID) })
		get(now, fox, fault.NotFound)
		if err := d.Tx(ctx, func(tx *db.Tx) error { return Revoke(ctx, tx, "ada", fox.ID) }); fault.From(err).Code != fault.NotFound {
			t.Errorf("taken back twice: %v", err)
		}
		list(now, "ada", "", cat)

		do(func(tx *db.Tx) error {
			_, err := Create(ctx, tx, now.Add(2*time.Hour), "ada", "job_fox", now.Add(3*time.Hour))
			return err
		})
		var left int
		do(func(tx *db.Tx) error { return tx.QueryRowContext(ctx, "SELECT COUNT(*) FROM shares").Scan(&left) })
		if left != 2 {
			t.Errorf("%d shares are kept, want cat and the new one: eve's has run out", left)
		}
	})
}

// TestMost checks that a project cannot share without end.
func TestMost(t *testing.T) {
	t.Parallel()
	d := dbtest.Open(t, dbtest.SQLite(t))
	now := time.Unix(1_800_000_000, 0)
	err := d.Tx(t.Context(), func(tx *db.Tx) error {
		for range most {
			if _, err := Create(t.Context(), tx, now, "ada", "job", now.Add(time.Hour)); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	err = d.Tx(t.Context(), func(tx *db.Tx) error {
		_, err := Create(t.Context(), tx, now, "ada", "job", now.Add(time.Hour))
		return err
	})
	if fault.From(err).Code != fault.Conflict {
		t.Errorf("one more than %d: %v", most, err)
	}
}
