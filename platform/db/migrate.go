package db

import (
	"context"
	"embed"
	"errors"
	"fmt"
	"io/fs"
	"time"

	"github.com/gofrs/flock"
	"github.com/pressly/goose/v3"
	"github.com/pressly/goose/v3/lock"
)

// Each part of the platform has a range of numbers: accounts, limits and audit
// log 1-99, ledger 100-199, jobs 200-299, blobs 300-399, webhooks 400-499. A
// file that has shipped is never changed, and works on a database that is in
// use: it adds, and what it takes away nobody reads any more.
//
//go:embed migrations/*.sql
var migrations embed.FS

// migrate brings the schema up to date. Of several processes that start at
// once, one does it while the others wait.
func (d *DB) migrate(ctx context.Context, url string) error {
	files, err := fs.Sub(migrations, "migrations")
	if err != nil {
		return fmt.Errorf("migrate: %w", err)
	}
	return d.migrateWith(ctx, url, files)
}

func (d *DB) migrateWith(ctx context.Context, url string, files fs.FS) (err error) {
	// A range begun later has lower numbers than one that was applied already.
	opts := []goose.ProviderOption{goose.WithAllowOutofOrder(true), goose.WithDisableGlobalRegistry(true), goose.WithLogger(goose.NopLogger())}
	dialect := goose.DialectSQLite3
	if d.dialect == Postgres {
		dialect = goose.DialectPostgres
		session, err := lock.NewPostgresSessionLocker(lock.WithLockTimeout(1, 300)) // a look a second for five minutes
		if err != nil {
			return fmt.Errorf("migrate: %w", err)
		}
		opts = append(opts, goose.WithSessionLocker(session))
	} else {
		unlock, err := lockFile(ctx, SQLitePath(url)+".lock")
		if err != nil {
			return err
		}
		defer func() { err = errors.Join(err, unlock()) }()
	}
	p, err := goose.NewProvider(dialect, d.write, files, opts...)
	if err != nil {
		return fmt.Errorf("migrate: %w", err)
	}
	if err := d.known(ctx, files); err != nil {
		return err
	}
	pending, err := p.HasPending(ctx)
	if err != nil {
		return fmt.Errorf("migrate: %w", err)
	}
	if !pending {
		return nil
	}
	if _, err := p.Up(ctx); err != nil {
		return fmt.Errorf("migrate: %w", err)
	}
	return nil
}

// lockFile waits for the lock on a file and returns what opens it again.
func lockFile(ctx context.Context, path string) (func() error, error) {
	l := flock.New(path)
	if _, err := l.TryLockContext(ctx, 20*time.Millisecond); err != nil {
		return nil, fmt.Errorf("migrate: lock: %w", err)
	}
	return l.Unlock, nil
}

// known refuses a schema with a version that this binary does not have.
func (d *DB) known(ctx context.Context, files fs.FS) error {
	names, err := fs.Glob(files, "*.sql")
	if err != nil {
		return fmt.Errorf("migrate: %w", err)
	}
	have := map[int64]bool{0: true}
	for _, name := range names {
		v, err := goose.NumericComponent(name)
		if err != nil {
			return fmt.Errorf("migrate: %w", err)
		}
		have[v] = true
	}
	applied, err := d.applied(ctx)
	if err != nil {
		return fmt.Errorf("migrate: %w", err)
	}
	for _, v := range applied {
		if !have[v] {
			return fmt.Errorf("migrate: version %d was applied, this kuai does not know it: %w", v, ErrNewer)
		}
	}
	return nil
}

// applied are the versions of the schema, none in an empty database.
func (d *DB) applied(ctx context.Context) ([]int64, error) {
	exists := "SELECT COUNT(*) FROM sqlite_master WHERE name = 'goose_db_version'"
	if d.dialect == Postgres {
		exists = "SELECT COUNT(to_regclass('goose_db_version'))"
	}
	var versions []int64
	err := d.Read(ctx, func(tx *Tx) error {
		versions = nil
		var n int
		if err := tx.QueryRowContext(ctx, exists).Scan(&n); err != nil || n == 0 {
			return err
		}
		var err error
		versions, err = List(ctx, tx, func(row Scanner) (v int64, err error) {
			err = row.Scan(&v)
			return v, err
		}, "SELECT DISTINCT version_id FROM goose_db_version ORDER BY version_id")
		return err
	})
	return versions, err
}
