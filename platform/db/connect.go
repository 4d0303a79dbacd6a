package db

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"net"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/stdlib"
	_ "modernc.org/sqlite" // the driver "sqlite"
)

const (
	sqlitePrefix = "sqlite://"
	// busyMillis is how long SQLite waits for another process, such as
	// kuai admin beside kuai serve, before a transaction is tried anew.
	busyMillis = 5000
	// maxReaders of SQLite: reading from memory mapped pages is bound by cores.
	maxReaders = 8
	// silence is how long PostgreSQL may say nothing to who asked it: long beside
	// any wait for a lock, short beside a client's patience.
	silence = 10 * time.Second
	// maxConnections to PostgreSQL: more than that wait for locks, not for it.
	maxConnections = 16
)

// errAddress says what a database's address looks like.
var errAddress = errors.New("the database is a path, sqlite:///PATH or postgres://USER@HOST/NAME")

// connect opens the pools of a database.
func connect(ctx context.Context, dsn string) (*DB, error) {
	if isPostgres(dsn) {
		return connectPostgres(ctx, dsn)
	}
	return connectSQLite(ctx, SQLitePath(dsn))
}

func isPostgres(dsn string) bool {
	return strings.HasPrefix(dsn, "postgres://") || strings.HasPrefix(dsn, "postgresql://")
}

// Check says whether Open could understand an address, without connecting.
func Check(dsn string) error {
	if isPostgres(dsn) {
		if _, err := pgx.ParseConfig(dsn); err != nil {
			return fmt.Errorf("postgres: %w", err) // pgx leaves passwords out
		}
		return nil
	}
	if SQLitePath(dsn) == "" {
		return errAddress
	}
	return nil
}

// SQLitePath is the file that a URL means, "" if it is no SQLite URL.
func SQLitePath(dsn string) string {
	if path, ok := strings.CutPrefix(dsn, sqlitePrefix); ok {
		return path
	}
	if strings.Contains(dsn, "://") {
		return ""
	}
	return dsn
}

func connectSQLite(ctx context.Context, path string) (*DB, error) {
	if path == "" {
		return nil, errAddress
	}
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		return nil, fmt.Errorf("sqlite: %w", err)
	}
	// Made here, because SQLite would let everyone read it.
	f, err := os.OpenFile(path, os.O_RDWR|os.O_CREATE, 0o600)
	if err != nil {
		return nil, fmt.Errorf("sqlite: %w", err)
	}
	if err := f.Close(); err != nil {
		return nil, fmt.Errorf("sqlite: %w", err)
	}
	write, err := openSQLite(ctx, path, 1, "journal_mode(WAL)", "synchronous(FULL)", "foreign_keys(ON)")
	if err != nil {
		return nil, err
	}
	read, err := openSQLite(ctx, path, maxReaders, "query_only(ON)")
	if err != nil {
		return nil, errors.Join(err, write.Close())
	}
	return &DB{write: write, read: read, dialect: SQLite, prepared: &prepared{kept: map[string]*sql.Stmt{}, noticed: map[string]bool{}}}, nil
}

func openSQLite(ctx context.Context, path string, connections int, pragmas ...string) (*sql.DB, error) {
	q := url.Values{"_txlock": {"immediate"}, "_pragma": append([]string{fmt.Sprintf("busy_timeout(%d)", busyMillis)}, pragmas...)}
	pool, err := sql.Open("sqlite", "file:"+(&url.URL{Path: path}).EscapedPath()+"?"+q.Encode())
	if err != nil {
		return nil, fmt.Errorf("sqlite: %s: %w", path, err)
	}
	pool.SetMaxOpenConns(connections)
	pool.SetMaxIdleConns(connections)
	if err := pool.PingContext(ctx); err != nil {
		return nil, errors.Join(fmt.Errorf("sqlite: %s: %w", path, err), pool.Close())
	}
	return pool, nil
}

func connectPostgres(ctx context.Context, dsn string) (*DB, error) {
	config, err := pgx.ParseConfig(dsn)
	if err != nil {
		return nil, fmt.Errorf("postgres: %w", err)
	}
	if config.ConnectTimeout == 0 {
		config.ConnectTimeout = silence
	}
	dial := config.DialFunc
	config.DialFunc = func(ctx context.Context, network, addr string) (net.Conn, error) {
		c, err := dial(ctx, network, addr)
		if err != nil {
			return nil, err
		}
		return &patient{Conn: c}, nil
	}
	pool := stdlib.OpenDB(*config)
	pool.SetMaxOpenConns(maxConnections)
	pool.SetMaxIdleConns(maxConnections)
	if err := pool.PingContext(ctx); err != nil {
		return nil, errors.Join(fmt.Errorf("postgres: %w", err), pool.Close()) // pgx leaves passwords out
	}
	return &DB{write: pool, read: pool, dialect: Postgres}, nil
}

// patient is a connection whose server may not be silent for ever: a database
// that hangs, or a network that swallows packets, is told from a slow answer,
// which comes in pieces.
type patient struct {
	net.Conn
	mu    sync.Mutex
	until time.Time // a deadline that the driver has set
}

// Read waits for a while.
func (c *patient) Read(p []byte) (int, error) {
	c.mu.Lock()
	end := time.Now().Add(silence)
	if !c.until.IsZero() && c.until.Before(end) {
		end = c.until
	}
	err := c.Conn.SetReadDeadline(end)
	c.mu.Unlock()
	if err != nil {
		return 0, err
	}
	return c.Conn.Read(p)
}

// SetReadDeadline ends a Read that waits, too.
func (c *patient) SetReadDeadline(t time.Time) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.until = t
	return c.Conn.SetReadDeadline(t)
}

// SetDeadline is SetReadDeadline and SetWriteDeadline.
func (c *patient) SetDeadline(t time.Time) error {
	return errors.Join(c.SetReadDeadline(t), c.SetWriteDeadline(t))
}
