// Package dbtest runs one contract on both databases.
package dbtest

import (
	"path/filepath"
	"testing"

	"kuai/platform/db"
)

// Run runs a contract on a new SQLite database, and on a new database of a
// real PostgreSQL where one can be started; else that half is skipped.
func Run(t *testing.T, contract func(t *testing.T, d *db.DB)) {
	t.Helper()
	RunURL(t, func(t *testing.T, url string) {
		t.Helper()
		contract(t, Open(t, url))
	})
}

// RunURL is Run for tests that open the database themselves, such as twice.
func RunURL(t *testing.T, contract func(t *testing.T, url string)) {
	t.Helper()
	t.Run("sqlite", func(t *testing.T) {
		t.Parallel()
		contract(t, SQLite(t))
	})
	t.Run("postgres", func(t *testing.T) {
		t.Parallel()
		contract(t, Postgres(t))
	})
}

// SQLite returns the URL of a new SQLite database.
func SQLite(tb testing.TB) string {
	tb.Helper()
	return "sqlite://" + filepath.Join(tb.TempDir(), "test.db")
}

// Open opens a database until the test ends.
func Open(tb testing.TB, url string) *db.DB {
	tb.Helper()
	d, err := db.Open(tb.Context(), url)
	if err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(func() {
		if err := d.Close(); err != nil {
			tb.Error(err)
		}
	})
	return d
}
