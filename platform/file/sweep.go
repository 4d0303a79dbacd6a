package file

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"log/slog"
	"time"

	"kuai/platform/blob"
	"kuai/platform/db"
)

const (
	sweepEvery = time.Minute
	maxSwept   = 1000 // of each kind in one sweep
)

// Run sweeps until ctx is done.
func (s *Store) Run(ctx context.Context) {
	t := time.NewTicker(sweepEvery)
	defer t.Stop()
	for {
		if err := s.Sweep(ctx); err != nil && ctx.Err() == nil {
			slog.Warn("old files cannot be removed; the next sweep does", "error", err)
		}
		select {
		case <-ctx.Done():
			return
		case <-t.C:
		}
	}
}

// Sweep removes files that have expired, then bytes that no file has had for
// the time of grace. Only one goroutine of a process may call it.
func (s *Store) Sweep(ctx context.Context) error {
	return errors.Join(s.expire(ctx), s.orphans(ctx), s.clean(ctx))
}

func (s *Store) expire(ctx context.Context) error {
	return s.db.Tx(ctx, func(tx *db.Tx) error {
		old, err := all(ctx, tx, selectFile+" WHERE expires > 0 AND expires <= ? LIMIT ?"+tx.ForUpdate(), db.Micros(s.now()), maxSwept)
		for _, f := range old {
			if err := s.remove(ctx, tx, f); err != nil {
				return err
			}
		}
		return err
	})
}

// orphans finds bytes without a row, which attempts that never finished left,
// and gives them one, so that clean removes them like all others. It goes on
// where the sweep before ended.
func (s *Store) orphans(ctx context.Context) error {
	n := 0
	for info, err := range s.blobs.List(ctx, s.swept) {
		if err != nil {
			return wrap(err)
		}
		s.swept = info.Hash
		if s.now().Sub(info.Modified) > s.grace {
			if err := s.db.Tx(ctx, func(tx *db.Tx) error {
				_, err := tx.ExecContext(ctx, "INSERT INTO blobs (sha256, bytes, refs, since) VALUES (?, ?, 0, ?) ON CONFLICT DO NOTHING",
					info.Hash, info.Bytes, db.Micros(info.Modified))
				return wrap(err)
			}); err != nil {
				return err
			}
		}
		if n++; n == maxSwept {
			return nil
		}
	}
	s.swept = ""
	return nil
}

func (s *Store) clean(ctx context.Context) error {
	before := s.now().Add(-s.grace)
	var old []string
	err := s.db.Read(ctx, func(tx *db.Tx) (err error) {
		rows, err := tx.QueryContext(ctx, "SELECT sha256 FROM blobs WHERE refs = 0 AND since < ? LIMIT ?", db.Micros(before), maxSwept)
		if err != nil {
			return wrap(err)
		}
		defer func() { err = errors.Join(err, rows.Close()) }()
		old = old[:0]
		for rows.Next() {
			var hash string
			if err := rows.Scan(&hash); err != nil {
				return wrap(err)
			}
			old = append(old, hash)
		}
		return wrap(rows.Err())
	})
	errs := []error{err}
	for _, hash := range old {
		errs = append(errs, s.drop(ctx, hash, before))
	}
	return errors.Join(errs...)
}

// drop removes bytes that no file has, under the lock of their row: whoever
// wants them next comes before, or finds that they are gone.
func (s *Store) drop(ctx context.Context, hash string, before time.Time) error {
	return s.db.Tx(ctx, func(tx *db.Tx) error {
		var refs, since int64
		err := tx.QueryRowContext(ctx, "SELECT refs, since FROM blobs WHERE sha256 = ?"+tx.ForUpdate(), hash).Scan(&refs, &since)
		if errors.Is(err, sql.ErrNoRows) || err == nil && (refs > 0 || since >= db.Micros(before)) {
			return nil
		}
		if err != nil {
			return wrap(err)
		}
		info, err := s.blobs.Stat(ctx, hash)
		switch {
		case err == nil && !info.Modified.Before(before):
			return nil // stored again a moment ago
		case err == nil:
			err = s.blobs.Delete(ctx, hash)
		case errors.Is(err, blob.ErrNotFound):
			err = nil
		}
		if err != nil {
			return fmt.Errorf("file: %w", err)
		}
		_, err = tx.ExecContext(ctx, "DELETE FROM blobs WHERE sha256 = ?", hash)
		return wrap(err)
	})
}
