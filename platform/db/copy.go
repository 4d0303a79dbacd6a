package db

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"io/fs"
	"net/url"
	"os"
	"strings"
)

// ErrNoCopy says that a database has tools of its own to be copied with.
var ErrNoCopy = errors.New("PostgreSQL is copied by its own tools: pg_dump --format=custom --file=FILE URL, and pg_restore")

// maxFaults of a damaged copy that are told.
const maxFaults = 10

// CopyTo writes the database as it is at one moment into a new file, which is
// on the disk then; others read and write meanwhile. It wraps ErrNoCopy for
// PostgreSQL.
func (d *DB) CopyTo(ctx context.Context, path string) error {
	if d.dialect != SQLite {
		return fmt.Errorf("db: copy: %w", ErrNoCopy)
	}
	f, err := os.OpenFile(path, os.O_RDWR|os.O_CREATE|os.O_EXCL, 0o600) // SQLite would let everyone read it
	if err != nil {
		return fmt.Errorf("db: copy: %w", err)
	}
	defer f.Close() //nolint:errcheck // it is SQLite that writes
	if err := errors.Join(d.vacuumInto(ctx, path), f.Sync()); err != nil {
		return fmt.Errorf("db: copy: %w", err)
	}
	return nil
}

// vacuumInto has a connection of its own: the readers' may not write, not even
// elsewhere, and writers would wait for theirs.
func (d *DB) vacuumInto(ctx context.Context, path string) error {
	var own string
	if err := d.read.QueryRowContext(ctx, "SELECT file FROM pragma_database_list WHERE name = 'main'").Scan(&own); err != nil {
		return err
	}
	pool, err := openSQLite(ctx, own, 1)
	if err != nil {
		return err
	}
	_, err = pool.ExecContext(ctx, "VACUUM INTO ?", path)
	return errors.Join(err, pool.Close())
}

// OpenCopy opens what CopyTo wrote for reading alone and changes nothing in it;
// nobody else may write to it. It fails if the file is damaged, and with
// ErrNewer if the schema is of a newer Kuai.
func OpenCopy(ctx context.Context, path string) (*DB, error) {
	if _, err := os.Stat(path); err != nil {
		return nil, fmt.Errorf("db: copy: %w", err)
	}
	dsn := "file:" + (&url.URL{Path: path}).EscapedPath() + "?mode=ro&immutable=1&_pragma=query_only(ON)"
	pool, err := sql.Open("sqlite", dsn)
	if err != nil {
		return nil, fmt.Errorf("db: copy: %w", err)
	}
	pool.SetMaxOpenConns(1)
	d := &DB{write: pool, read: pool, dialect: SQLite}
	if err := d.sound(ctx); err != nil {
		return nil, errors.Join(fmt.Errorf("db: copy: %w", err), d.Close())
	}
	return d, nil
}

// sound looks at every page, and at the schema's version.
func (d *DB) sound(ctx context.Context) error {
	var faults []string
	err := d.Read(ctx, func(tx *Tx) (err error) {
		faults, err = List(ctx, tx, func(row Scanner) (text string, err error) {
			err = row.Scan(&text)
			return text, err
		}, fmt.Sprintf("PRAGMA integrity_check(%d)", maxFaults))
		return err
	})
	if err != nil {
		return err
	}
	if len(faults) != 1 || faults[0] != "ok" {
		return fmt.Errorf("it is damaged: %s", strings.Join(faults, "; "))
	}
	files, err := fs.Sub(migrations, "migrations")
	if err != nil {
		return err
	}
	return d.known(ctx, files)
}
