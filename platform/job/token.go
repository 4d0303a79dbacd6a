package job

import (
	"context"
	"crypto/rand"
	"crypto/sha256"
	"encoding/hex"

	"kuai/fault"
	"kuai/platform/db"
)

// tokenPrefix tells a worker's token from a client's key, for people and for
// scanners of leaked secrets.
const tokenPrefix = "kuai-worker-"

// NewToken makes a token that workers join with. It is shown once; the database
// has its hash.
func (q *Queue) NewToken(ctx context.Context, name string) (string, error) {
	return q.NewTokenIn(ctx, name, nil)
}

// NewTokenIn is NewToken with more in its transaction.
func (q *Queue) NewTokenIn(ctx context.Context, name string, inTx func(*db.Tx) error) (string, error) {
	if name == "" || len(name) > maxName {
		return "", fault.Param("name", "a token's name has 1 to %d bytes", maxName)
	}
	token := tokenPrefix + rand.Text()
	err := q.db.Tx(ctx, func(tx *db.Tx) error {
		_, err := tx.ExecContext(ctx, "INSERT INTO job_tokens (hash, name, created, revoked) VALUES (?, ?, ?, 0)", hash(token), name, db.Micros(q.now()))
		if err == nil && inTx != nil {
			return inTx(tx)
		}
		return wrap(err)
	})
	return token, err
}

// RevokeToken ends all tokens of a name, and says how many there were.
func (q *Queue) RevokeToken(ctx context.Context, name string) (n int64, err error) {
	return q.RevokeTokenIn(ctx, name, nil)
}

// RevokeTokenIn is RevokeToken with more in its transaction.
func (q *Queue) RevokeTokenIn(ctx context.Context, name string, inTx func(*db.Tx) error) (n int64, err error) {
	err = q.db.Tx(ctx, func(tx *db.Tx) error {
		res, err := tx.ExecContext(ctx, "UPDATE job_tokens SET revoked = ? WHERE name = ? AND revoked = 0", db.Micros(q.now()), name)
		if err != nil {
			return wrap(err)
		}
		n, err = res.RowsAffected()
		if err == nil && inTx != nil {
			return inTx(tx)
		}
		return wrap(err)
	})
	return n, err
}

// CheckToken fails with fault.Unauthenticated unless a worker may join with a
// token.
func (q *Queue) CheckToken(ctx context.Context, token string) error {
	if len(token) > maxName {
		token = ""
	}
	var good bool
	err := q.db.Read(ctx, func(tx *db.Tx) error {
		var err error
		good, err = row(ctx, tx, new(string), "SELECT name FROM job_tokens WHERE hash = ? AND revoked = 0", hash(token))
		return err
	})
	if err == nil && !good {
		return fault.New(fault.Unauthenticated, "this is not a worker's token, or it was revoked")
	}
	return err
}

// hash is enough for tokens: they are 130 random bits, which nobody guesses.
func hash(token string) string {
	sum := sha256.Sum256([]byte(token))
	return hex.EncodeToString(sum[:])
}
