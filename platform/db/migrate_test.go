package db

import (
	"path/filepath"
	"strings"
	"testing"
	"testing/fstest"
)

// TestMigrateForward brings a database that is in use to later schemas: with
// data in it, with numbers that come late, and with a migration that fails.
func TestMigrateForward(t *testing.T) {
	t.Parallel()
	url := filepath.Join(t.TempDir(), "test.db")
	d, err := connect(t.Context(), url)
	if err != nil {
		t.Fatal(err)
	}
	defer func() {
		if err := d.Close(); err != nil {
			t.Error(err)
		}
	}()
	files := fstest.MapFS{}
	step := func(name, sql string) error {
		files[name] = &fstest.MapFile{Data: []byte("-- +goose Up\n" + sql)}
		return d.migrateWith(t.Context(), url, files)
	}
	for _, s := range [][2]string{
		{"0001_a.sql", "CREATE TABLE a (id TEXT PRIMARY KEY);\nINSERT INTO a VALUES ('kept');"},
		{"0100_b.sql", "CREATE TABLE b (id TEXT PRIMARY KEY);"},
		{"0002_late.sql", "ALTER TABLE a ADD COLUMN n BIGINT NOT NULL DEFAULT 7;"},
	} {
		if err := step(s[0], s[1]); err != nil {
			t.Fatal(err)
		}
	}
	err = step("0101_wrong.sql", "CREATE TABLE half (id TEXT);\nINSERT INTO nowhere VALUES (1);")
	if err == nil || !strings.Contains(err.Error(), "version:101") {
		t.Errorf("got %v, want an error that names it", err)
	}
	var id string
	var n, half int
	if err := d.Read(t.Context(), func(tx *Tx) error {
		if err := tx.QueryRowContext(t.Context(), "SELECT id, n FROM a").Scan(&id, &n); err != nil {
			return err
		}
		return tx.QueryRowContext(t.Context(), "SELECT COUNT(*) FROM sqlite_master WHERE name = 'half'").Scan(&half)
	}); err != nil {
		t.Fatal(err)
	}
	if id != "kept" || n != 7 || half != 0 {
		t.Errorf("got %q, %d, and %d tables of a migration that failed", id, n, half)
	}
	if err := step("0101_wrong.sql", "CREATE TABLE half (id TEXT);"); err != nil {
		t.Errorf("corrected: %v", err)
	}
}
