package job

import (
	"context"
	"database/sql"
	"errors"
	"time"

	"kuai/platform/db"
)

// paceWeight is how much the newest duration counts in a model's mean: the last
// ten or so decide.
const paceWeight = 0.1

// Estimate is when a job may be done.
type Estimate struct {
	Position int           // of one that waits, 1 is next; 0 for all others
	Left     time.Duration // until it is done; 0 if no job of its model was measured
}

// turn is a tenant with jobs of one priority that wait.
type turn struct {
	share   string
	last    int64 // when it was served
	waiting int
}

// ahead counts the jobs that are served before the one that has mine jobs of
// its own tenant before it, as tenants take turns.
func ahead(share string, last int64, mine int, others []turn) int {
	n := mine
	for _, o := range others {
		if o.share == share {
			continue
		}
		rounds := mine
		if o.last < last || o.last == last && o.share < share {
			rounds++ // their turn comes first
		}
		n += min(o.waiting, rounds)
	}
	return n
}

// Estimate says how many jobs go before one that waits and how long it will
// take, by what jobs of its model took and how many workers there are.
func (q *Queue) Estimate(ctx context.Context, j Job) (e Estimate, err error) {
	if j.State.Final() {
		return e, nil
	}
	var mean int64
	var slots sql.NullInt64
	err = q.db.Read(ctx, func(tx *db.Tx) error {
		if _, err := row(ctx, tx, &mean, "SELECT mean FROM job_pace WHERE model = ?", j.Model); err != nil {
			return err
		}
		if _, err := row(ctx, tx, &slots, "SELECT SUM(slots) FROM job_workers WHERE seen > ?", db.Micros(q.now().Add(-4*q.lease))); err != nil {
			return err
		}
		if j.State != Queued {
			return nil
		}
		e.Position, err = position(ctx, tx, j)
		return err
	})
	if err != nil || mean == 0 {
		return e, err
	}
	each := time.Duration(mean) * time.Microsecond
	if j.State == Queued {
		workers := time.Duration(max(1, slots.Int64))
		e.Left = each + each*time.Duration(e.Position)/workers - each/(2*workers)
		return e, nil
	}
	e.Left = max(0, each-q.now().Sub(j.Started))
	if f := j.Progress.Fraction; f > 0.05 { // its own pace is the better guide
		e.Left = time.Duration(float64(q.now().Sub(j.Started)) * (1 - f) / f)
	}
	return e, nil
}

// position is the place of a job in the queue; the next one has 1.
func position(ctx context.Context, tx *db.Tx, j Job) (int, error) {
	var higher, mine int
	var last int64
	if _, err := row(ctx, tx, &higher, "SELECT COUNT(*) FROM jobs WHERE state = ? AND priority > ?", string(Queued), j.Priority); err != nil {
		return 0, err
	}
	if _, err := row(ctx, tx, &mine, "SELECT COUNT(*) FROM jobs WHERE state = ? AND priority = ? AND share = ? AND id < ?", string(Queued), j.Priority, j.Share, j.ID); err != nil {
		return 0, err
	}
	if _, err := row(ctx, tx, &last, "SELECT turn FROM job_shares WHERE share = ?", j.Share); err != nil {
		return 0, err
	}
	others, err := turns(ctx, tx, j.Priority)
	return 1 + higher + ahead(j.Share, last, mine, others), err
}

// turns lists the tenants who wait with a priority.
func turns(ctx context.Context, tx *db.Tx, priority int) (out []turn, err error) {
	rows, err := tx.QueryContext(ctx, `SELECT jobs.share, job_shares.turn, COUNT(*) FROM jobs JOIN job_shares ON job_shares.share = jobs.share
		WHERE jobs.state = ? AND jobs.priority = ? GROUP BY jobs.share, job_shares.turn`, string(Queued), priority)
	if err != nil {
		return nil, wrap(err)
	}
	defer func() { err = errors.Join(err, rows.Close()) }()
	for rows.Next() {
		var t turn
		if err := rows.Scan(&t.share, &t.last, &t.waiting); err != nil {
			return nil, wrap(err)
		}
		out = append(out, t)
	}
	return out, wrap(rows.Err())
}

// pace adds a duration to a model's mean.
func pace(ctx context.Context, tx *db.Tx, model string, took time.Duration) error {
	micros := took.Microseconds()
	if micros <= 0 || took > 24*time.Hour {
		return nil // the clock was set
	}
	var mean, samples int64
	err := tx.QueryRowContext(ctx, "SELECT mean, samples FROM job_pace WHERE model = ?"+tx.ForUpdate(), model).Scan(&mean, &samples)
	if err != nil && !errors.Is(err, sql.ErrNoRows) {
		return wrap(err)
	}
	samples++
	mean += int64(max(paceWeight, 1/float64(samples)) * float64(micros-mean))
	_, err = tx.ExecContext(ctx, `INSERT INTO job_pace (model, mean, samples) VALUES (?, ?, ?)
		ON CONFLICT (model) DO UPDATE SET mean = excluded.mean, samples = excluded.samples`, model, mean, samples)
	return wrap(err)
}
