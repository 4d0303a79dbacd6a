package db_test

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/jackc/pgx/v5/pgconn"

	"kuai/platform/db"
	"kuai/platform/db/dbtest"
)

// exec runs statements, each in its transaction.
func exec(t *testing.T, d *db.DB, statements ...string) {
	t.Helper()
	for _, s := range statements {
		if err := d.Tx(t.Context(), func(tx *db.Tx) error {
			_, err := tx.ExecContext(t.Context(), s)
			return err
		}); err != nil {
			t.Fatalf("%s: %v", s, err)
		}
	}
}

func sum(t *testing.T, d *db.DB) int64 {
	t.Helper()
	var total int64
	if err := d.Read(t.Context(), func(tx *db.Tx) error {
		return tx.QueryRowContext(t.Context(), "SELECT SUM(amount) FROM purses").Scan(&total)
	}); err != nil {
		t.Fatal(err)
	}
	return total
}

// TestConcurrent moves money between purses from many goroutines over two
// handles of one database, as server and command line have: what is read in a
// transaction must still be so when it writes.
func TestConcurrent(t *testing.T) {
	t.Parallel()
	dbtest.RunURL(t, func(t *testing.T, url string) {
		handles := []*db.DB{dbtest.Open(t, url), dbtest.Open(t, url)}
		const purses, each, workers, moves = 5, 100, 8, 25
		exec(t, handles[0], "CREATE TABLE purses (id TEXT PRIMARY KEY, amount BIGINT NOT NULL CHECK (amount >= 0))")
		for i := range purses {
			exec(t, handles[0], fmt.Sprintf("INSERT INTO purses VALUES ('p%d', %d)", i, each))
		}
		var wg sync.WaitGroup
		for w := range workers {
			wg.Go(func() {
				for i := range moves {
					from, to := fmt.Sprintf("p%d", (w+i)%purses), fmt.Sprintf("p%d", (w*i+1)%purses)
					if err := move(t.Context(), handles[w%2], from, to); err != nil {
						t.Error(err)
						return
					}
				}
			})
		}
		wg.Wait()
		if got := sum(t, handles[1]); got != purses*each {
			t.Errorf("%d after all moves, want %d", got, purses*each)
		}
	})
}

// move takes half of what one purse holds to another, reading before writing.
func move(ctx context.Context, d *db.DB, from, to string) error {
	return d.Tx(ctx, func(tx *db.Tx) error {
		var a, b int64
		if err := tx.QueryRowContext(ctx, "SELECT amount FROM purses WHERE id = ?", from).Scan(&a); err != nil {
			return err
		}
		if err := tx.QueryRowContext(ctx, "SELECT amount FROM purses WHERE id = ?", to).Scan(&b); err != nil {
			return err
		}
		if from == to {
			return nil
		}
		if _, err := tx.ExecContext(ctx, "UPDATE purses SET amount = ? WHERE id = ?", a-a/2, from); err != nil {
			return err
		}
		_, err := tx.ExecContext(ctx, "UPDATE purses SET amount = ? WHERE id = ?", b+a/2, to)
		return err
	})
}

// TestRetry checks that a transaction that lost against another runs again
// with what the other wrote, and that OnCommit runs once.
func TestRetry(t *testing.T) {
	t.Parallel()
	d := dbtest.Open(t, dbtest.Postgres(t)) // SQLite's writers never get this far
	exec(t, d, "CREATE TABLE purses (id TEXT PRIMARY KEY, amount BIGINT NOT NULL)", "INSERT INTO purses VALUES ('a', 1)")
	runs, committed := 0, 0
	err := d.Tx(t.Context(), func(tx *db.Tx) error {
		runs++
		var n int64
		if err := tx.QueryRowContext(t.Context(), "SELECT amount FROM purses WHERE id = 'a'").Scan(&n); err != nil {
			return err
		}
		if runs == 1 {
			exec(t, d, "UPDATE purses SET amount = 10 WHERE id = 'a'")
		}
		tx.OnCommit(func() { committed++ })
		_, err := tx.ExecContext(t.Context(), "UPDATE purses SET amount = ? WHERE id = 'a'", n+1)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	if got := sum(t, d); got != 11 || runs != 2 || committed != 1 {
		t.Errorf("amount %d after %d runs and %d commits, want 11, 2, 1", got, runs, committed)
	}
}

// TestBusy checks that a writer waits for one in another process.
func TestBusy(t *testing.T) {
	t.Parallel()
	url := dbtest.SQLite(t)
	a, b := dbtest.Open(t, url), dbtest.Open(t, url)
	exec(t, a, "CREATE TABLE purses (amount BIGINT NOT NULL)")
	inside, leave := make(chan struct{}), make(chan struct{})
	var wg sync.WaitGroup
	wg.Go(func() {
		if err := a.Tx(t.Context(), func(tx *db.Tx) error {
			close(inside)
			<-leave
			_, err := tx.ExecContext(t.Context(), "INSERT INTO purses VALUES (1)")
			return err
		}); err != nil {
			t.Error(err)
		}
	})
	<-inside
	short, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	if err := b.Tx(short, func(*db.Tx) error { return nil }); err == nil {
		t.Error("two writers at once")
	}
	if got := sum0(t, b); got != 0 {
		t.Errorf("a reader sees %d rows of an open transaction", got)
	}
	close(leave)
	exec(t, b, "INSERT INTO purses VALUES (1)")
	wg.Wait()
	if got := sum(t, b); got != 2 {
		t.Errorf("got %d, want 2", got)
	}
}

func sum0(t *testing.T, d *db.DB) (n int) {
	t.Helper()
	if err := d.Read(t.Context(), func(tx *db.Tx) error {
		return tx.QueryRowContext(t.Context(), "SELECT COUNT(*) FROM purses").Scan(&n)
	}); err != nil {
		t.Fatal(err)
	}
	return n
}

// TestRollback checks that nothing of a failed transaction stays, be it by an
// error, a panic or the caller's leaving.
func TestRollback(t *testing.T) {
	t.Parallel()
	dbtest.Run(t, func(t *testing.T, d *db.DB) {
		exec(t, d, "CREATE TABLE purses (id TEXT PRIMARY KEY, amount BIGINT NOT NULL)", "INSERT INTO purses VALUES ('?', 5)")
		insert := func(tx *db.Tx, id string) error {
			_, err := tx.ExecContext(t.Context(), "INSERT INTO purses VALUES (?, 1) -- not ?", id)
			return err
		}
		lost := errors.New("lost")
		if err := d.Tx(t.Context(), func(tx *db.Tx) error {
			return errors.Join(insert(tx, "a"), lost)
		}); !errors.Is(err, lost) {
			t.Errorf("got %v, want the function's own error", err)
		}
		func() {
			defer func() { _ = recover() }() // the point of the test
			_ = d.Tx(t.Context(), func(tx *db.Tx) error {
				_ = insert(tx, "b")
				panic("a bug")
			})
		}()
		ctx, leave := context.WithCancel(t.Context())
		if err := d.Tx(ctx, func(tx *db.Tx) error {
			defer leave()
			return insert(tx, "c")
		}); !errors.Is(err, context.Canceled) {
			t.Errorf("got %v, want context.Canceled", err)
		}
		err := d.Tx(t.Context(), func(tx *db.Tx) error { return insert(tx, "?") })
		if !db.IsUnique(err) || db.Unavailable(err) {
			t.Errorf("got %v, want a violated key", err)
		}
		err = d.Read(t.Context(), func(tx *db.Tx) error { return insert(tx, "d") })
		if err == nil || db.IsUnique(err) {
			t.Errorf("got %v from a write in Read", err)
		}
		if got := sum(t, d); got != 5 {
			t.Errorf("%d after failures alone, want 5", got)
		}
		if err := d.Ping(t.Context()); err != nil {
			t.Error(err)
		}
	})
}

// TestMigrations opens a database several times at once and again.
func TestMigrations(t *testing.T) {
	t.Parallel()
	dbtest.RunURL(t, func(t *testing.T, url string) {
		var wg sync.WaitGroup
		for range 3 {
			wg.Go(func() {
				d, err := db.Open(t.Context(), url)
				if err != nil {
					t.Error(err)
					return
				}
				if err := d.Close(); err != nil {
					t.Error(err)
				}
			})
		}
		wg.Wait()
		d := dbtest.Open(t, url)
		var versions, distinct int
		if err := d.Read(t.Context(), func(tx *db.Tx) error {
			return tx.QueryRowContext(t.Context(), "SELECT COUNT(*), COUNT(DISTINCT version_id) FROM goose_db_version").Scan(&versions, &distinct)
		}); err != nil {
			t.Fatal(err)
		}
		if versions != distinct || versions < 2 {
			t.Errorf("%d versions applied, %d different ones", versions, distinct)
		}
		exec(t, d, "INSERT INTO goose_db_version (version_id, is_applied) VALUES (99999, "+map[db.Dialect]string{db.SQLite: "1", db.Postgres: "true"}[d.Dialect()]+")")
		_, err := db.Open(t.Context(), url)
		if !errors.Is(err, db.ErrNewer) || !strings.Contains(err.Error(), "99999") {
			t.Errorf("got %v, want ErrNewer with the version", err)
		}
	})
}

// TestOpenErrors checks that what cannot be opened is said without passwords.
func TestOpenErrors(t *testing.T) {
	t.Parallel()
	for _, url := range []string{"", "mysql://root@localhost/x", "postgres://u:hush@127.0.0.1:1/x?connect_timeout=2", t.TempDir(), "postgres://u:hush@[::1"} {
		d, err := db.Open(t.Context(), url)
		if err == nil {
			t.Errorf("%q was opened", url)
			_ = d.Close()
			continue
		}
		if strings.Contains(err.Error(), "hush") {
			t.Errorf("%q: the password is told: %v", url, err)
		}
	}
	_, err := db.Open(t.Context(), "postgres://u@127.0.0.1:1/x?connect_timeout=2")
	if !db.Unavailable(err) {
		t.Errorf("%v: not said to be unavailable", err)
	}
	if !db.Unavailable(fmt.Errorf("db: begin: %w", pgconn.ErrConnClosed)) {
		t.Error("a connection that the driver has closed is no reason to wait")
	}
	if db.Unavailable(sql.ErrNoRows) || db.IsUnique(sql.ErrNoRows) {
		t.Error("a missing row is taken for something else")
	}
}

// TestNewID checks that identifiers are different, sort by time, and have one
// length.
func TestNewID(t *testing.T) {
	t.Parallel()
	ids := make([]string, 10_000)
	for i := range ids {
		ids[i] = db.NewID("key")
		if len(ids[i]) != len("key_")+26 || ids[i] != strings.ToLower(ids[i]) {
			t.Fatalf("identifier %q", ids[i])
		}
	}
	if !slices.IsSorted(ids) || len(slices.Compact(ids)) != 10_000 {
		t.Error("identifiers repeat or are out of order")
	}
}

// TestTime checks times as columns keep them.
func TestTime(t *testing.T) {
	t.Parallel()
	at := time.Date(2026, 5, 1, 10, 0, 0, 123456000, time.UTC)
	if got := db.Time(db.Micros(at)); !got.Equal(at) {
		t.Errorf("got %v, want %v", got, at)
	}
	if !db.Time(db.Micros(time.Time{})).IsZero() {
		t.Error("no time became one")
	}
}

func TestCheck(t *testing.T) {
	t.Parallel()
	for address, want := range map[string]bool{
		"kuai.db": true, "sqlite:///x/kuai.db": true, "postgres://u@h/n": true, "": false, "sqlite://": false, "mysql://h/n": false, "postgres://h:port/n": false,
	} {
		if err := db.Check(address); (err == nil) != want {
			t.Errorf("%q: %v", address, err)
		}
	}
}
