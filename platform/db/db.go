// Package db is the one database of the platform: SQLite on one machine,
// PostgreSQL when it grows, one schema and one set of statements for both.
// Accounts, money and jobs share it so that a transaction can span them.
//
// Columns are TEXT and BIGINT: identifiers TEXT, times BIGINT microseconds
// since 1970 UTC, money BIGINT millionths of a unit, structured values JSON in
// TEXT. Statements write their placeholders as question marks.
package db

import (
	"context"
	"database/sql"
	"encoding/base32"
	"errors"
	"fmt"
	"math/rand/v2"
	"strconv"
	"strings"
	"sync/atomic"
	"time"

	"github.com/google/uuid"
)

// Dialect is the language of a database, for the few statements that differ.
type Dialect string

// Dialects.
const (
	SQLite   Dialect = "sqlite"
	Postgres Dialect = "postgres"
)

// ErrNewer says that a newer Kuai has changed the schema of the database.
var ErrNewer = errors.New("its schema is newer than this kuai")

// ErrBusy says that others kept changing what a transaction needs.
var ErrBusy = errors.New("too many others change the same rows")

// DB is an open database whose schema is current. Goroutines may share it.
type DB struct {
	write, read *sql.DB // the same pool on PostgreSQL
	dialect     Dialect
	prepared    *prepared // of SQLite's writer; nil: none
	statements  atomic.Int64
}

// Open opens a database, makes a SQLite file that is not there, and brings the
// schema up to date. url is a path, sqlite:// and a path, or a postgres:// URL
// as libpq takes it. The error is ErrNewer if the schema is of a newer Kuai.
func Open(ctx context.Context, url string) (*DB, error) {
	d, err := connect(ctx, url)
	if err != nil {
		return nil, fmt.Errorf("db: %w", err)
	}
	if err := d.migrate(ctx, url); err != nil {
		return nil, errors.Join(fmt.Errorf("db: %w", err), d.Close())
	}
	return d, nil
}

// Close ends all connections.
func (d *DB) Close() error {
	err := d.write.Close()
	if d.read != d.write {
		err = errors.Join(err, d.read.Close())
	}
	if err != nil {
		return fmt.Errorf("db: close: %w", err)
	}
	return nil
}

// Ping says whether the database answers.
func (d *DB) Ping(ctx context.Context) error {
	if err := d.read.PingContext(ctx); err != nil {
		return fmt.Errorf("db: ping: %w", err)
	}
	return nil
}

// Dialect is the language that the database speaks.
func (d *DB) Dialect() Dialect { return d.dialect }

// Statements counts those that transactions have run.
func (d *DB) Statements() int64 { return d.statements.Load() }

// Tx runs f in one serializable write transaction: SQLite takes the write lock
// at once, PostgreSQL finds conflicts at the end. When the database says that
// others were in the way, all of f runs again, so f must keep its effects to
// the transaction and use OnCommit for others. An error of f rolls back and is
// returned as it is. f must not call Tx again: SQLite has one writer.
func (d *DB) Tx(ctx context.Context, f func(*Tx) error) error {
	return d.attempt(ctx, d.write, &sql.TxOptions{Isolation: d.isolation(sql.LevelSerializable)}, f)
}

// Read runs f over one consistent view of the database, beside any writer.
func (d *DB) Read(ctx context.Context, f func(*Tx) error) error {
	return d.attempt(ctx, d.read, &sql.TxOptions{Isolation: d.isolation(sql.LevelRepeatableRead), ReadOnly: true}, f)
}

// isolation is a level for PostgreSQL; SQLite is always serializable.
func (d *DB) isolation(level sql.IsolationLevel) sql.IsolationLevel {
	if d.dialect == SQLite {
		return sql.LevelDefault
	}
	return level
}

// With 16 writers on one row a transaction loses up to fifteen times in a row;
// pauses grow to a tenth of a second, so that all attempts take some seconds.
const (
	maxAttempts = 60
	maxPause    = 100 * time.Millisecond
)

// A connection that broke, such as by a restart of the database, is replaced at
// once a few times; a database that stays away is told of.
const maxBroken = 3

// attempt runs one transaction until nobody is in its way.
func (d *DB) attempt(ctx context.Context, pool *sql.DB, opts *sql.TxOptions, f func(*Tx) error) error {
	pause := time.Millisecond
	broken := 0
	for range maxAttempts {
		err := d.once(ctx, pool, opts, f)
		if err == nil || ctx.Err() != nil {
			return err
		}
		if again(err) && broken < maxBroken {
			broken++
		} else if !busy(err) {
			return told(err)
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("db: %w", context.Cause(ctx))
		case <-time.After(pause/2 + rand.N(pause)): //nolint:gosec // spreads retries, guards nothing
		}
		pause = min(2*pause, maxPause)
	}
	return told(fmt.Errorf("db: %d attempts: %w", maxAttempts, ErrBusy))
}

// begin begins a transaction; end gives its connection back. A transaction
// waits for a connection to PostgreSQL no longer than for its answers: when it
// hangs, so do all.
func (d *DB) begin(ctx context.Context, pool *sql.DB, opts *sql.TxOptions) (tx *sql.Tx, end func(), err error) {
	if d.dialect == SQLite {
		tx, err = pool.BeginTx(ctx, opts)
		return tx, func() {}, err
	}
	short, cancel := context.WithTimeoutCause(ctx, silence, errSilent)
	conn, err := pool.Conn(short)
	if err != nil && ctx.Err() == nil && short.Err() != nil {
		err = errSilent
	}
	cancel()
	if err != nil {
		return nil, nil, err
	}
	end = func() { _ = conn.Close() } // into the pool
	if tx, err = conn.BeginTx(ctx, opts); err != nil {
		end()
		return nil, nil, err
	}
	return tx, end, nil
}

func (d *DB) once(ctx context.Context, pool *sql.DB, opts *sql.TxOptions, f func(*Tx) error) error {
	inner, end, err := d.begin(ctx, pool, opts)
	if err != nil {
		return &brokenError{fmt.Errorf("db: begin: %w", err)}
	}
	defer end()
	tx := &Tx{tx: inner, dialect: d.dialect, count: &d.statements}
	if pool == d.write {
		tx.prepared = d.prepared
	}
	done := false
	defer func() {
		if !done {
			_ = inner.Rollback() // after a panic or an error; the cause is told already
		}
	}()
	if err := f(tx); err != nil {
		if lost(err) {
			err = &brokenError{err}
		}
		return err
	}
	done = true
	if err := inner.Commit(); err != nil {
		if errors.Is(err, sql.ErrTxDone) && ctx.Err() != nil { // the caller left, and database/sql has rolled back before us
			err = ctx.Err()
		}
		return fmt.Errorf("db: commit: %w", err)
	}
	if tx.prepared != nil {
		tx.prepared.prepare(ctx, pool)
	}
	for _, after := range tx.after {
		after()
	}
	return nil
}

// Tx is a transaction. Only the goroutine that got it may use it.
type Tx struct {
	tx       *sql.Tx
	dialect  Dialect
	after    []func()
	prepared *prepared
	count    *atomic.Int64
}

// Dialect is the language that the database speaks.
func (t *Tx) Dialect() Dialect { return t.dialect }

// OnCommit runs a function once the transaction has been committed, such as to
// drop what a cache holds. Functions run in the order in which they came.
func (t *Tx) OnCommit(f func()) { t.after = append(t.after, f) }

// ExecContext runs a statement.
func (t *Tx) ExecContext(ctx context.Context, query string, args ...any) (sql.Result, error) {
	t.count.Add(1)
	if s := t.statement(ctx, query); s != nil { //nolint:sqlclosecheck // the transaction closes it
		return s.ExecContext(ctx, args...)
	}
	return t.tx.ExecContext(ctx, t.rebind(query), args...)
}

// QueryContext runs a query. On SQLite and PostgreSQL alike its rows must be
// closed before the next statement.
func (t *Tx) QueryContext(ctx context.Context, query string, args ...any) (*sql.Rows, error) {
	t.count.Add(1)
	if s := t.statement(ctx, query); s != nil { //nolint:sqlclosecheck // the transaction closes it
		return s.QueryContext(ctx, args...)
	}
	return t.tx.QueryContext(ctx, t.rebind(query), args...)
}

// QueryRowContext runs a query for one row.
func (t *Tx) QueryRowContext(ctx context.Context, query string, args ...any) *sql.Row {
	t.count.Add(1)
	if s := t.statement(ctx, query); s != nil { //nolint:sqlclosecheck // the transaction closes it
		return s.QueryRowContext(ctx, args...)
	}
	return t.tx.QueryRowContext(ctx, t.rebind(query), args...)
}

// statement is a prepared statement in this transaction, nil if there is none.
func (t *Tx) statement(ctx context.Context, query string) *sql.Stmt {
	if t.prepared == nil {
		return nil
	}
	if s := t.prepared.get(query); s != nil {
		return t.tx.StmtContext(ctx, s)
	}
	return nil
}

// ForUpdate ends a query that locks the rows it reads. SQLite needs none, as
// its write transactions follow each other.
func (t *Tx) ForUpdate() string {
	if t.dialect == Postgres {
		return " FOR UPDATE"
	}
	return ""
}

func (t *Tx) rebind(query string) string {
	if t.dialect != Postgres {
		return query
	}
	return rebind(query)
}

// rebind numbers the placeholders: PostgreSQL writes $1 for the first. What
// stands in quotes or comments stays.
func rebind(query string) string {
	var b strings.Builder
	n := 0
	for i := 0; i < len(query); i++ {
		switch c := query[i]; {
		case c == '?':
			n++
			b.WriteByte('$')
			b.WriteString(strconv.Itoa(n))
		case c == '\'' || c == '"':
			i = copyThrough(&b, query, i, string(c))
		case c == '-' && strings.HasPrefix(query[i:], "--"):
			i = copyThrough(&b, query, i, "\n")
		default:
			b.WriteByte(c)
		}
	}
	return b.String()
}

// copyThrough copies from start through the next end and returns its last
// index. A doubled quote is two strings beside each other, copied in turn.
func copyThrough(b *strings.Builder, s string, start int, end string) int {
	last := len(s)
	if i := strings.Index(s[start+1:], end); i >= 0 {
		last = start + 1 + i + len(end)
	}
	b.WriteString(s[start:last])
	return last - 1
}

// idText writes identifiers: digits before letters, so that text sorts as the
// bytes do.
var idText = base32.HexEncoding.WithPadding(base32.NoPadding)

// NewID makes an identifier: the prefix, an underscore and a UUID of version 7
// in 26 lower-case letters and digits, later ones sorting after earlier ones.
func NewID(prefix string) string {
	u := uuid.Must(uuid.NewV7()) // fails only when the system has no randomness
	return prefix + "_" + strings.ToLower(idText.EncodeToString(u[:]))
}

// Micros is a time as the database keeps it; the zero time is 0.
func Micros(t time.Time) int64 {
	if t.IsZero() {
		return 0
	}
	return t.UnixMicro()
}

// Time is a time out of the database, in UTC.
func Time(micros int64) time.Time {
	if micros == 0 {
		return time.Time{}
	}
	return time.UnixMicro(micros).UTC()
}
