package db_test

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"testing"

	"kuai/platform/db"
	"kuai/platform/db/dbtest"
)

// TestCopy copies a database while others write to it: the copy is as it was at
// one moment.
func TestCopy(t *testing.T) {
	t.Parallel()
	dbtest.Run(t, func(t *testing.T, d *db.DB) {
		path := filepath.Join(t.TempDir(), "copy.db")
		if d.Dialect() == db.Postgres {
			if err := d.CopyTo(t.Context(), path); !errors.Is(err, db.ErrNoCopy) {
				t.Errorf("PostgreSQL: %v", err)
			}
			return
		}
		exec(t, d, "CREATE TABLE purses (id TEXT PRIMARY KEY, amount BIGINT NOT NULL)", "INSERT INTO purses VALUES ('a', 1000), ('b', 0)")
		ctx, stop := context.WithCancel(t.Context())
		done := make(chan error)
		go func() {
			var err error
			for err == nil && ctx.Err() == nil {
				err = d.Tx(context.WithoutCancel(ctx), func(tx *db.Tx) error {
					_, err := tx.ExecContext(t.Context(), "UPDATE purses SET amount = amount + CASE id WHEN 'a' THEN -1 ELSE 1 END")
					return err
				})
			}
			done <- err
		}()
		err := d.CopyTo(t.Context(), path)
		stop()
		if err := errors.Join(err, <-done); err != nil {
			t.Fatal(err)
		}
		if err := d.CopyTo(t.Context(), path); err == nil {
			t.Error("a file that is there is written over")
		}
		if info, err := os.Stat(path); err != nil || info.Mode().Perm() != 0o600 {
			t.Errorf("%v, %v", info, err)
		}
		c, err := db.OpenCopy(t.Context(), path)
		if err != nil {
			t.Fatal(err)
		}
		if got := sum(t, c); got != 1000 {
			t.Errorf("the copy has %d, want 1000", got)
		}
		if err := c.Close(); err != nil {
			t.Error(err)
		}
		if left, err := filepath.Glob(path + "*"); err != nil || len(left) != 1 {
			t.Errorf("beside the copy: %v, %v", left, err)
		}
	})
}

func TestOpenCopy(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		spoil func(path string, d *db.DB) error
		want  error
	}{
		"none":  {func(path string, _ *db.DB) error { return os.Remove(path) }, os.ErrNotExist},
		"empty": {func(path string, _ *db.DB) error { return os.Truncate(path, 0) }, nil},
		"cut":   {func(path string, _ *db.DB) error { return os.Truncate(path, 3*4096) }, errAny},
		"overwritten": {func(path string, _ *db.DB) error {
			f, err := os.OpenFile(path, os.O_WRONLY, 0)
			if err != nil {
				return err
			}
			_, err = f.WriteAt(make([]byte, 6000), 2*4096)
			return errors.Join(err, f.Close())
		}, errAny},
		"no database": {func(path string, _ *db.DB) error {
			return os.WriteFile(path, []byte("something else, and long enough to look at"), 0o600)
		}, errAny},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			d := dbtest.Open(t, dbtest.SQLite(t))
			path := filepath.Join(t.TempDir(), "copy.db")
			if err := d.CopyTo(t.Context(), path); err != nil {
				t.Fatal(err)
			}
			if err := c.spoil(path, d); err != nil {
				t.Fatal(err)
			}
			got, err := db.OpenCopy(t.Context(), path)
			if err == nil {
				err = got.Close()
				if c.want != nil {
					t.Error("it is opened")
				}
			} else if c.want == nil || !errors.Is(c.want, errAny) && !errors.Is(err, c.want) {
				t.Errorf("got %v, want %v", err, c.want)
			}
			if err != nil && c.want == nil {
				t.Error(err)
			}
		})
	}
	t.Run("newer", func(t *testing.T) {
		t.Parallel()
		d := dbtest.Open(t, dbtest.SQLite(t))
		exec(t, d, fmt.Sprintf("INSERT INTO goose_db_version (version_id, is_applied) VALUES (%d, 1)", 99_999))
		path := filepath.Join(t.TempDir(), "copy.db")
		if err := d.CopyTo(t.Context(), path); err != nil {
			t.Fatal(err)
		}
		if _, err := db.OpenCopy(t.Context(), path); !errors.Is(err, db.ErrNewer) {
			t.Errorf("got %v", err)
		}
	})
}

// errAny stands for an error of SQLite's own.
var errAny = errors.New("any")
