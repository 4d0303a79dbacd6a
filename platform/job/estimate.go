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
func (q *Queue) Estimate(ctx context.Context, j Job) (Estimate, error) {
	o, err := q.outlook(ctx, j)
	return o.estimate(j, q.now()), err
}

// outlook is what an estimate is made of.
type outlook struct {
	position int           // of one that waits
	each     time.Duration // that jobs of its model take; 0: nobody knows
	slots    int64         // where they are made
}

// estimate is what follows for a job, as far as it is.
func (o outlook) estimate(j Job, now time.Time) (e Estimate) {
	if j.State == Queued {
		e.Position = o.position
	}
	switch f := j.Progress.Fraction; {
	case o.each == 0 || j.State.Final():
	case j.State == Queued:
		workers := time.Duration(max(1, o.slots))
		e.Left = o.each + o.each*time.Duration(e.Position)/workers - o.each/(2*workers)
	case f > 0.05: // its own pace is the better guide
		e.Left = time.Duration(float64(now.Sub(j.Started)) * (1 - f) / f)
	default:
		e.Left = max(0, o.each-now.Sub(j.Started))
	}
	return e
}

// outlook asks for that of one job.
func (q *Queue) outlook(ctx context.Context, j Job) (o outlook, err error) {
	if j.State.Final() {
		return o, nil
	}
	var mean int64
	err = q.db.Read(ctx, func(tx *db.Tx) error {
		if _, err := row(ctx, tx, &mean, "SELECT mean FROM job_pace WHERE model = ?", j.Model); err != nil {
			return err
		}
		if o.slots, err = q.slots(ctx, tx); err != nil || j.State != Queued {
			return err
		}
		o.position, err = position(ctx, tx, j)
		return err
	})
	o.each = time.Duration(mean) * time.Microsecond
	return o, err
}

// slots counts the jobs that all workers can make at once.
func (q *Queue) slots(ctx context.Context, tx *db.Tx) (int64, error) {
	var n sql.NullInt64
	_, err := row(ctx, tx, &n, "SELECT SUM(slots) FROM job_workers WHERE seen > ?", db.Micros(q.now().Add(-4*q.lease)))
	return n.Int64, err
}

// maxPlaced bounds the front of the queue whose jobs outlooks tells of.
const maxPlaced = 10_000

// outlooks asks for those of all jobs that wait, at once.
func (q *Queue) outlooks(ctx context.Context, tx *db.Tx) (map[string]outlook, error) {
	type place struct {
		id, model, share string
		priority         int
	}
	var line []place
	err := each(ctx, tx, func(r db.Scanner) error {
		var p place
		err := r.Scan(&p.id, &p.model, &p.share, &p.priority)
		line = append(line, p)
		return wrap(err)
	}, "SELECT id, model, share, priority FROM jobs WHERE state = ? ORDER BY priority DESC, share, id LIMIT ?", []any{string(Queued), maxPlaced})
	if err != nil || len(line) == 0 {
		return nil, err
	}
	last, err := numbers(ctx, tx, "SELECT share, turn FROM job_shares WHERE share IN (SELECT share FROM jobs WHERE state = ?)", string(Queued))
	if err != nil {
		return nil, err
	}
	means, err := numbers(ctx, tx, "SELECT model, mean FROM job_pace")
	if err != nil {
		return nil, err
	}
	slots, err := q.slots(ctx, tx)
	if err != nil {
		return nil, err
	}
	out := make(map[string]outlook, len(line))
	end := 0
	for begin := 0; begin < len(line); begin = end { // those of one priority
		var waiting []turn
		for ; end < len(line) && line[end].priority == line[begin].priority; end++ {
			if share := line[end].share; end == begin || share != line[end-1].share {
				waiting = append(waiting, turn{share: share, last: last[share]})
			}
			waiting[len(waiting)-1].waiting++
		}
		mine := 0
		for i := begin; i < end; i++ {
			p := line[i]
			if mine++; i == begin || p.share != line[i-1].share {
				mine = 0
			}
			out[p.id] = outlook{
				position: 1 + begin + ahead(p.share, last[p.share], mine, waiting), slots: slots, each: time.Duration(means[p.model]) * time.Microsecond,
			}
		}
	}
	return out, nil
}

// numbers reads a table of names and numbers.
func numbers(ctx context.Context, tx *db.Tx, query string, args ...any) (map[string]int64, error) {
	out := map[string]int64{}
	return out, each(ctx, tx, func(r db.Scanner) error {
		var name string
		var n int64
		err := r.Scan(&name, &n)
		out[name] = n
		return wrap(err)
	}, query, args)
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
