package job

import (
	"context"
	"errors"
	"time"

	"kuai/fault"
	"kuai/platform/db"
)

// maxListed bounds the workers and tokens of a list.
const maxListed = 1000

// Crew is a worker as people see it.
type Crew struct {
	ID, Name string
	Slots    int
	Seen     time.Time // when it gave its last sign of life
	Alive    bool      // that is not long ago
	Draining bool      // it takes nothing new
	Jobs     []Job     // that it works on
}

// Workers lists those that were seen within a day, the latest first.
func (q *Queue) Workers(ctx context.Context) (out []Crew, err error) {
	now := q.now()
	var held []Job
	err = q.db.Read(ctx, func(tx *db.Tx) error {
		if held, err = all(ctx, tx, selectJob+" WHERE state IN (?, ?) ORDER BY id LIMIT ?", string(Running), string(Finalising), maxListed); err != nil {
			return err
		}
		out, err = crews(ctx, tx, now)
		return err
	})
	for i := range out {
		w := &out[i]
		for _, j := range held {
			if j.Worker != w.ID {
				continue
			}
			w.Jobs = append(w.Jobs, j)
			if beat := j.LeaseUntil.Add(-q.lease); beat.After(w.Seen) { // while it works, it renews its leases alone
				w.Seen = beat
			}
		}
		w.Alive = now.Sub(w.Seen) < claimWait+q.lease
	}
	return out, err
}

func crews(ctx context.Context, tx *db.Tx, now time.Time) (out []Crew, err error) {
	rows, err := tx.QueryContext(ctx, "SELECT id, name, slots, seen, draining FROM job_workers WHERE seen > ? ORDER BY seen DESC, id LIMIT ?", db.Micros(now.Add(-workerLife)), maxListed)
	if err != nil {
		return nil, wrap(err)
	}
	defer func() { err = errors.Join(err, rows.Close()) }()
	for rows.Next() {
		var w Crew
		var seen, draining int64
		if err := rows.Scan(&w.ID, &w.Name, &w.Slots, &seen, &draining); err != nil {
			return nil, wrap(err)
		}
		w.Seen, w.Draining = db.Time(seen), draining != 0
		out = append(out, w)
	}
	return out, wrap(rows.Err())
}

// DrainWorker lets a worker end what it has and take nothing new, or lets it
// take jobs again. inTx may add to the transaction.
func (q *Queue) DrainWorker(ctx context.Context, id string, drain bool, inTx func(*db.Tx) error) error {
	value := int64(0)
	if drain {
		value = 1
	}
	err := q.db.Tx(ctx, func(tx *db.Tx) error {
		res, err := tx.ExecContext(ctx, "UPDATE job_workers SET draining = ? WHERE id = ?", value, clip(id, maxName))
		if err != nil {
			return wrap(err)
		}
		if n, err := res.RowsAffected(); err != nil || n == 0 {
			return errors.Join(wrap(err), fault.New(fault.NotFound, "there is no worker %.100s", id))
		}
		return inTx(tx)
	})
	if err == nil && !drain {
		q.tell(wakeSubject, nil)
	}
	return err
}

// Token is what workers join with, as people see it: not the secret.
type Token struct {
	Name    string
	Created time.Time
	Revoked time.Time // zero: it is good
}

// Tokens lists the tokens that were made, the latest first.
func (q *Queue) Tokens(ctx context.Context) (out []Token, err error) {
	err = q.db.Read(ctx, func(tx *db.Tx) (err error) {
		out = nil
		rows, err := tx.QueryContext(ctx, "SELECT name, created, revoked FROM job_tokens ORDER BY created DESC, hash LIMIT ?", maxListed)
		if err != nil {
			return wrap(err)
		}
		defer func() { err = errors.Join(err, rows.Close()) }()
		for rows.Next() {
			var t Token
			var created, revoked int64
			if err := rows.Scan(&t.Name, &created, &revoked); err != nil {
				return wrap(err)
			}
			t.Created = db.Time(created)
			if revoked != 0 {
				t.Revoked = db.Time(revoked)
			}
			out = append(out, t)
		}
		return wrap(rows.Err())
	})
	return out, err
}
