// Package share keeps which addresses lead others to a project's clips without
// a key. An address is good for as long as its share is here: whoever takes the
// share away takes the address back.
package share

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"time"

	"kuai/fault"
	"kuai/platform/db"
)

// most are the shares of a project at one time.
const most = 1000

// Share is one address.
type Share struct {
	ID      string
	Project string // whose thing it is
	Thing   string // that it leads to: a clip's job
	Created time.Time
	Expires time.Time
}

const columns = "id, project, thing, created, expires"

func scan(row db.Scanner) (s Share, err error) {
	var created, expires int64
	err = row.Scan(&s.ID, &s.Project, &s.Thing, &created, &expires)
	s.Created, s.Expires = db.Time(created), db.Time(expires)
	return s, err
}

// Create adds a share that is good until a time, and forgets those of anybody
// that have run out.
func Create(ctx context.Context, tx *db.Tx, now time.Time, project, thing string, until time.Time) (Share, error) {
	s := Share{ID: db.NewID("share"), Project: project, Thing: thing, Created: now, Expires: until}
	if _, err := tx.ExecContext(ctx, "DELETE FROM shares WHERE expires <= ?", db.Micros(now)); err != nil {
		return s, wrap(err)
	}
	var n int
	if err := tx.QueryRowContext(ctx, "SELECT COUNT(*) FROM shares WHERE project = ?", project).Scan(&n); err != nil {
		return s, wrap(err)
	}
	if n >= most {
		return s, fault.New(fault.Conflict, "there are %d shared addresses; take some back", n)
	}
	_, err := tx.ExecContext(ctx, "INSERT INTO shares ("+columns+") VALUES (?, ?, ?, ?, ?)", s.ID, project, thing, db.Micros(now), db.Micros(until))
	return s, wrap(err)
}

// Get returns a share that still holds, whoever asks: its address is the proof.
func Get(ctx context.Context, tx *db.Tx, now time.Time, id string) (Share, error) {
	s, err := db.One(ctx, tx, scan, "SELECT "+columns+" FROM shares WHERE id = ? AND expires > ?", id, db.Micros(now))
	if errors.Is(err, sql.ErrNoRows) {
		return s, fault.New(fault.NotFound, "this address was taken back, or has run out")
	}
	return s, wrap(err)
}

// List returns a project's shares that still hold, the latest first; thing
// narrows it to those of one, "" is all.
func List(ctx context.Context, tx *db.Tx, now time.Time, project, thing string) ([]Share, error) {
	all, err := db.List(ctx, tx, scan, "SELECT "+columns+" FROM shares WHERE project = ? AND expires > ? AND (thing = ? OR ? = '') ORDER BY created DESC, id DESC LIMIT ?",
		project, db.Micros(now), thing, thing, most)
	return all, wrap(err)
}

// Revoke takes a share of a project away, and its address with it.
func Revoke(ctx context.Context, tx *db.Tx, project, id string) error {
	res, err := tx.ExecContext(ctx, "DELETE FROM shares WHERE id = ? AND project = ?", id, project)
	if err != nil {
		return wrap(err)
	}
	if n, err := res.RowsAffected(); err != nil || n == 0 {
		return errors.Join(wrap(err), fault.New(fault.NotFound, "there is no shared address %.60s", id))
	}
	return nil
}

func wrap(err error) error {
	if err != nil {
		return fmt.Errorf("share: %w", err)
	}
	return nil
}
