package job

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"strings"
	"time"

	"kuai/fault"
	"kuai/platform/db"
	"kuai/platform/event"
)

// pollEvery is how long a lost message delays a job at most, and how exactly
// the pauses between attempts are kept.
const pollEvery = time.Second

// maxKinds bounds what a worker says it can make.
const maxKinds = 64

// Worker is who takes jobs.
type Worker struct {
	ID     string   `json:"id"`
	Name   string   `json:"name"`
	Slots  int      `json:"slots"`            // jobs at once
	Kinds  []string `json:"kinds"`            // empty: all
	Models []string `json:"models,omitempty"` // empty: all
}

func (w Worker) check() error {
	if len(w.Kinds) > maxKinds || len(w.Models) > maxKinds {
		return fault.Param("kinds", "a worker names at most %d kinds and models", maxKinds)
	}
	for _, s := range append([]string{w.Name}, append(w.Kinds, w.Models...)...) {
		if len(s) > maxName || strings.ContainsRune(s, 0) {
			return fault.Param("kinds", "a name has at most %d bytes", maxName)
		}
	}
	return nil
}

// waiting is the condition of jobs that a worker may have now. A pause that is
// longer than any pause comes from a clock that was set back, and is over.
func (w Worker) waiting(now time.Time) (where string, args []any) {
	where = "state = ? AND (not_before <= ? OR not_before > ?) AND (expires = 0 OR expires > ?)"
	args = []any{string(Queued), db.Micros(now), db.Micros(now.Add(2 * lastRetry)), db.Micros(now)}
	for _, c := range []struct {
		column string
		names  []string
	}{{"kind", w.Kinds}, {"model", w.Models}} {
		if len(c.names) == 0 {
			continue
		}
		where += fmt.Sprintf(" AND %s IN (?%s)", c.column, strings.Repeat(", ?", len(c.names)-1))
		for _, n := range c.names {
			args = append(args, n)
		}
	}
	return where, args
}

// Claim gives a worker the job that is next: of the highest priority, of the
// tenant who was served longest ago, the oldest. ok is false when none waits.
func (q *Queue) Claim(ctx context.Context, w Worker) (j Job, ok bool, err error) {
	if err := w.check(); err != nil {
		return j, false, err
	}
	where, args := w.waiting(q.now())
	some := false
	err = q.db.Read(ctx, func(tx *db.Tx) error { // most polls end here, without a lock
		if some, err = row(ctx, tx, new(int), "SELECT priority FROM jobs WHERE "+where+" LIMIT 1", args...); err != nil || !some {
			return err
		}
		drains, err := row(ctx, tx, new(int), "SELECT slots FROM job_workers WHERE id = ? AND draining = 1", w.ID)
		some = !drains
		return err
	})
	if err != nil || !some {
		return j, false, err
	}
	q.claiming.Lock()
	defer q.claiming.Unlock()
	err = q.db.Tx(ctx, func(tx *db.Tx) error {
		j, ok, err = q.claim(ctx, tx, w)
		return err
	})
	if err == nil && ok {
		q.point("claimed")
	}
	return j, ok, err
}

// row scans one value, and says whether there was one.
func row(ctx context.Context, tx *db.Tx, into any, query string, args ...any) (bool, error) {
	err := tx.QueryRowContext(ctx, query, args...).Scan(into)
	if errors.Is(err, sql.ErrNoRows) {
		return false, nil
	}
	return err == nil, wrap(err)
}

// claim is Claim in a transaction. Each of its steps is a walk along an index.
func (q *Queue) claim(ctx context.Context, tx *db.Tx, w Worker) (j Job, ok bool, err error) {
	now := q.now()
	where, args := w.waiting(now)
	var priority int
	if ok, err = row(ctx, tx, &priority, "SELECT priority FROM jobs WHERE "+where+" ORDER BY priority DESC LIMIT 1", args...); !ok || err != nil {
		return j, false, err
	}
	args = append(args, priority)
	var share, id string
	if ok, err = row(ctx, tx, &share, "SELECT share FROM job_shares WHERE EXISTS (SELECT 1 FROM jobs WHERE "+where+
		" AND priority = ? AND jobs.share = job_shares.share) ORDER BY turn, share LIMIT 1", args...); !ok || err != nil {
		return j, false, err
	}
	if ok, err = row(ctx, tx, &id, "SELECT id FROM jobs WHERE "+where+" AND priority = ? AND share = ? ORDER BY id LIMIT 1", append(args, share)...); !ok || err != nil {
		return j, false, err
	}
	if j, err = load(ctx, tx, id, true); err != nil {
		return j, false, err
	}
	if j.NotBefore.After(now) {
		j.NotBefore = now
	}
	next, do, err := Next(j.Standing, Event{Kind: Claim, At: now})
	if errors.Is(err, ErrNotReady) {
		return j, false, nil
	}
	if err != nil {
		return j, false, err
	}
	j.Standing = next
	j.Worker, j.Started, j.LeaseUntil = w.ID, db.Time(db.Micros(now)), db.Time(db.Micros(now.Add(q.lease)))
	j.Progress = Progress{}
	j.beats++
	j.Version++
	if err := save(ctx, tx, &j); err != nil {
		return j, false, err
	}
	if _, err := tx.ExecContext(ctx, "UPDATE job_shares SET turn = (SELECT MAX(turn) FROM job_shares) + 1 WHERE share = ?", share); err != nil {
		return j, false, wrap(err)
	}
	return j, true, q.changed(ctx, tx, j, do)
}

// Next is Claim that waits for a job, at most so long.
func (q *Queue) Next(ctx context.Context, w Worker, wait time.Duration) (j Job, ok bool, err error) {
	wake := make(chan struct{}, 1)
	stop, err := q.bus.Subscribe(wakeSubject, func(event.Message) {
		select {
		case wake <- struct{}{}:
		default:
		}
	})
	if err != nil && !errors.Is(err, event.ErrClosed) {
		return j, false, wrap(err)
	}
	if err == nil {
		defer stop()
	}
	if err := q.Register(ctx, w); err != nil {
		return j, false, err
	}
	end := time.NewTimer(wait)
	defer end.Stop()
	poll := time.NewTicker(pollEvery)
	defer poll.Stop()
	for {
		if j, ok, err = q.Claim(ctx, w); ok || err != nil {
			return j, ok, err
		}
		select {
		case <-ctx.Done():
			return j, false, context.Cause(ctx)
		case <-end.C:
			return j, false, nil
		case <-poll.C:
		case <-wake:
		}
	}
}

// Register tells that a worker lives, for estimates and for people.
func (q *Queue) Register(ctx context.Context, w Worker) error {
	if err := w.check(); err != nil {
		return err
	}
	return q.db.Tx(ctx, func(tx *db.Tx) error {
		_, err := tx.ExecContext(ctx, `INSERT INTO job_workers (id, name, slots, seen) VALUES (?, ?, ?, ?)
			ON CONFLICT (id) DO UPDATE SET name = excluded.name, slots = excluded.slots, seen = excluded.seen`,
			w.ID, w.Name, max(1, w.Slots), db.Micros(q.now()))
		return wrap(err)
	})
}
