package account

import (
	"context"
	"crypto/sha256"
	"database/sql"
	"encoding/hex"
	"encoding/json"
	"errors"
	"time"

	"kuai/fault"
	"kuai/platform/db"
)

const (
	maxOnce  = 255
	keepOnce = 24 * time.Hour // how long an idempotency key is known
)

// once returns the identifier of what a creation is to make. If the caller has
// made it already under this idempotency key, again says so and the identifier
// is that of the first time; the same key for another request is a conflict.
func (s *Store) once(ctx context.Context, tx *db.Tx, by Caller, prefix string, request ...any) (id string, again bool, err error) {
	id = db.NewID(prefix)
	if by.Once == "" {
		return id, false, nil
	}
	if len(by.Once) > maxOnce {
		return "", false, fault.Param("Idempotency-Key", "an idempotency key has at most %d bytes", maxOnce)
	}
	b, err := json.Marshal(append([]any{prefix}, request...))
	if err != nil {
		return "", false, err
	}
	sum := sha256.Sum256(b)
	digest := hex.EncodeToString(sum[:])
	now := s.now()
	if _, err := tx.ExecContext(ctx, "DELETE FROM idempotency WHERE created_at < ?", db.Micros(now.Add(-keepOnce))); err != nil {
		return "", false, err
	}
	var known, object string
	err = tx.QueryRowContext(ctx, "SELECT digest, object FROM idempotency WHERE caller = ? AND key = ?", by.Principal.Actor(), by.Once).Scan(&known, &object)
	switch {
	case errors.Is(err, sql.ErrNoRows):
		_, err = tx.ExecContext(ctx, "INSERT INTO idempotency (caller, key, digest, object, created_at) VALUES (?, ?, ?, ?, ?)",
			by.Principal.Actor(), by.Once, digest, id, db.Micros(now))
		return id, false, err
	case err != nil:
		return "", false, err
	case known != digest:
		return "", false, fault.New(fault.Conflict, "this idempotency key was used for another request")
	}
	return object, true, nil
}

// changed is the outcome of a statement that must have changed a row.
func changed(r sql.Result, err error) error {
	if err != nil {
		return err
	}
	n, err := r.RowsAffected()
	if err != nil {
		return err
	}
	if n == 0 {
		return sql.ErrNoRows
	}
	return nil
}
