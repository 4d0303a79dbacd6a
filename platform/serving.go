package platform

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"time"

	"github.com/gofrs/flock"

	"kuai/platform/db"
	"kuai/platform/job"
)

// ErrServing says that a server works on a database.
var ErrServing = errors.New("a server works on this database; stop it first")

// servingPause is how often a server looks whether another has started.
const servingPause = 20 * time.Millisecond

// servingLock is the lock beside a SQLite database that its servers share. The
// system opens it when a process ends, however it does.
func servingLock(path string) *flock.Flock { return flock.New(path + ".serving") }

// HoldDatabase keeps servers from a SQLite database until release is called. It
// wraps ErrServing where one works on it.
func HoldDatabase(path string) (release func() error, err error) {
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		return nil, fmt.Errorf("platform: %w", err)
	}
	lock := servingLock(path)
	alone, err := lock.TryLock()
	if err == nil && !alone {
		err = fmt.Errorf("%w: %s", ErrServing, path)
	}
	if err != nil {
		return nil, fmt.Errorf("platform: %w", err)
	}
	return lock.Close, nil
}

// serving says that a server works on the database. The first one of a SQLite
// database knows that nobody works on what others left: it gives back the money
// of requests that a kill has cut off.
func (p *Platform) serving(ctx context.Context, path string) error {
	if path == "" {
		return nil // PostgreSQL: other nodes may work on anything
	}
	p.lock = servingLock(path)
	alone, err := p.lock.TryLock()
	if err != nil {
		return err
	}
	if alone {
		if err := p.abandon(ctx); err != nil {
			return err
		}
	}
	_, err = p.lock.TryRLockContext(ctx, servingPause)
	return err
}

// abandon gives back all reservations but those of jobs that go on.
func (p *Platform) abandon(ctx context.Context) error {
	keep := map[string]bool{}
	err := p.DB.Read(ctx, func(tx *db.Tx) error {
		metas, err := db.List(ctx, tx, func(row db.Scanner) (text string, err error) {
			err = row.Scan(&text)
			return text, err
		}, "SELECT meta FROM jobs WHERE state IN (?, ?, ?)", string(job.Queued), string(job.Running), string(job.Finalising))
		for _, text := range metas {
			keep[reservationOf(json.RawMessage(text))] = true
		}
		return err
	})
	if err != nil {
		return err
	}
	n, err := p.Ledger.Abandon(ctx, "the server was stopped", func(id string) bool { return keep[id] })
	if n > 0 {
		slog.InfoContext(ctx, "the money of requests that were cut off is given back", "reservations", n)
	}
	return err
}

// reservationOf is what was set aside for a job, "" for nothing.
func reservationOf(meta json.RawMessage) string {
	var m struct {
		Reservation string `json:"reservation"`
	}
	if json.Unmarshal(meta, &m) != nil {
		return "" // the submitter's own meta
	}
	return m.Reservation
}
