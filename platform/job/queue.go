package job

import (
	"context"
	"crypto/sha256"
	"database/sql"
	"encoding/hex"
	"encoding/json"
	"errors"
	"log/slog"
	"math/rand/v2"
	"sync"
	"time"

	"kuai/fault"
	"kuai/platform/db"
	"kuai/platform/event"
)

// defaultLease is how long a worker may be silent: long beside a denoising step
// on a slow machine and a garbage collection, short beside a person's patience.
const defaultLease = 15 * time.Second

// Hook runs in the transaction of every change of a job's state. Money goes
// with Settle and Refund, which come exactly once a job, in its last change. An
// error takes the change back.
type Hook func(ctx context.Context, tx *db.Tx, j Job, do []Action) error

// Options of a queue. DB and Bus are needed.
type Options struct {
	DB    *db.DB
	Bus   event.Bus
	Keep  Keeper // of outputs; nil: jobs have none
	Hooks []Hook

	Lease  time.Duration    // of silence; 0 is 15 seconds
	Now    func() time.Time // nil is time.Now
	Jitter func() float64   // nil is chance
	// Point is told where the code is, so that tests can kill the process
	// there.
	Point func(name string)
}

// Queue is the jobs in the database. Goroutines may share it, and so may
// processes their database.
type Queue struct {
	db     *db.DB
	bus    event.Bus
	keep   Keeper
	hooks  []Hook
	lease  time.Duration
	now    func() time.Time
	jitter func() float64
	point  func(string)

	claiming sync.Mutex // claims of one process take turns, rather than collide in the database
	hub      hub        // who watches
}

// New returns the queue in a database.
func New(o Options) *Queue {
	q := &Queue{db: o.DB, bus: o.Bus, keep: o.Keep, hooks: o.Hooks, lease: o.Lease, now: o.Now, jitter: o.Jitter, point: o.Point}
	if q.lease <= 0 {
		q.lease = defaultLease
	}
	if q.now == nil {
		q.now = time.Now
	}
	if q.jitter == nil {
		q.jitter = rand.Float64
	}
	if q.point == nil {
		q.point = func(string) {}
	}
	q.hub = hub{q: q, every: lookEvery, topics: map[string]*topic{}}
	return q
}

// LeaseTime is how long a worker may be silent.
func (q *Queue) LeaseTime() time.Duration { return q.lease }

// errExists ends a transaction that found the job of an idempotency key.
var errExists = errors.New("job: exists")

// Submit accepts a request. inTx, if not nil, runs in the same transaction,
// such as to reserve money; its error leaves nothing behind. A request whose
// idempotency key the organisation has used returns the job of that time, and
// existed; with another request than then it fails with fault.Conflict.
func (q *Queue) Submit(ctx context.Context, r Request, inTx func(*db.Tx, Job) error) (j Job, existed bool, err error) {
	if err := r.check(); err != nil {
		return Job{}, false, err
	}
	now := q.now()
	id := db.NewID("job")
	err = q.db.Tx(ctx, func(tx *db.Tx) error {
		j = Job{
			ID: id, Org: r.Org, Project: r.Project, User: r.User, Key: r.Key, Kind: r.Kind, Model: r.Model,
			Body: r.Body, Meta: r.Meta, Priority: r.Priority, Share: r.Share,
			Standing: Standing{State: Queued, Allowed: r.Attempts}, Version: 1, Created: db.Time(db.Micros(now)),
		}
		if r.Expires > 0 {
			j.Expires = db.Time(db.Micros(now.Add(r.Expires)))
		}
		if err := q.insert(ctx, tx, &j, r); err != nil {
			return err
		}
		if inTx != nil {
			if err := inTx(tx, j); err != nil {
				return err
			}
		}
		if err := q.changed(ctx, tx, j, []Action{Wake}); err != nil {
			return err
		}
		q.point("submit")
		return nil
	})
	if errors.Is(err, errExists) {
		return j, true, nil
	}
	if err != nil {
		return Job{}, false, err
	}
	q.point("submitted")
	return j, false, nil
}

// insert writes a new job, or finds that of its idempotency key in j and fails
// with errExists.
func (q *Queue) insert(ctx context.Context, tx *db.Tx, j *Job, r Request) error {
	hash := r.hash()
	if r.IdempotencyKey != "" {
		if found, err := byKey(ctx, tx, j, r, hash); found || err != nil {
			return errors.Join(err, exists(found))
		}
	}
	values, err := j.values()
	if err != nil {
		return err
	}
	res, err := tx.ExecContext(ctx, insertJob, append(values, sql.NullString{String: r.IdempotencyKey, Valid: r.IdempotencyKey != ""}, hash)...)
	if err != nil {
		return wrap(err)
	}
	if n, err := res.RowsAffected(); err != nil || n == 0 { // another's, at the same moment
		found, err := byKey(ctx, tx, j, r, hash)
		return errors.Join(err, exists(found))
	}
	_, err = tx.ExecContext(ctx, "INSERT INTO job_shares (share, turn) VALUES (?, 0) ON CONFLICT DO NOTHING", j.Share)
	return wrap(err)
}

func exists(found bool) error {
	if found {
		return errExists
	}
	return nil
}

// byKey finds the job of a request's idempotency key.
func byKey(ctx context.Context, tx *db.Tx, j *Job, r Request, hash string) (found bool, err error) {
	var id, before string
	err = tx.QueryRowContext(ctx, "SELECT id, request_hash FROM jobs WHERE org = ? AND idempotency_key = ?", r.Org, r.IdempotencyKey).Scan(&id, &before)
	switch {
	case errors.Is(err, sql.ErrNoRows):
		return false, nil
	case err != nil:
		return false, wrap(err)
	case before != hash:
		return false, fault.New(fault.Conflict, "this idempotency key was used with another request")
	}
	*j, err = load(ctx, tx, id, false)
	return err == nil, err
}

// hash tells requests apart: what is made, with what, for which project.
func (r *Request) hash() string {
	data, err := json.Marshal([]any{r.Project, r.Kind, r.Model, r.Body})
	if err != nil { // Body is valid JSON
		return ""
	}
	sum := sha256.Sum256(data)
	return hex.EncodeToString(sum[:])
}

// apply puts an event to a job: the state machine decides, edit adds to the new
// job, inTx and the hooks run beside it, in one transaction.
func (q *Queue) apply(ctx context.Context, id string, e Event, edit func(*Job), inTx func(*db.Tx, *Job) error) (Job, error) {
	var j Job
	e.At = q.now()
	e.Jitter = q.jitter()
	err := q.db.Tx(ctx, func(tx *db.Tx) error {
		var err error
		if j, err = load(ctx, tx, id, true); err != nil {
			return err
		}
		next, do, err := Next(j.Standing, e)
		if err != nil {
			return err
		}
		if next == j.Standing {
			return nil // said again
		}
		moved := next.State != j.State
		j.Standing = next
		if edit != nil {
			edit(&j)
		}
		if inTx != nil {
			if err := inTx(tx, &j); err != nil {
				return err
			}
		}
		if moved {
			j.Version++
		}
		if j.State.Final() {
			j.Ended = db.Time(db.Micros(e.At))
			if err := forget(ctx, tx, j); err != nil {
				return err
			}
		}
		if err := save(ctx, tx, &j); err != nil || !moved {
			return err
		}
		return q.changed(ctx, tx, j, do)
	})
	return j, err
}

// forget drops what only a job that has not ended needs.
func forget(ctx context.Context, tx *db.Tx, j Job) error {
	for _, query := range []string{"DELETE FROM job_previews WHERE job = ?", "DELETE FROM job_outputs WHERE job = ?"} {
		if _, err := tx.ExecContext(ctx, query, j.ID); err != nil {
			return wrap(err)
		}
	}
	return nil
}

// changed records a change of state, runs the hooks, and tells everyone once it
// is committed.
func (q *Queue) changed(ctx context.Context, tx *db.Tx, j Job, do []Action) error {
	if _, err := tx.ExecContext(ctx, "INSERT INTO job_events (job, version, state, attempt, at) VALUES (?, ?, ?, ?, ?)",
		j.ID, j.Version, string(j.State), j.Attempt, db.Micros(q.now())); err != nil {
		return wrap(err)
	}
	for _, h := range q.hooks {
		if err := h(ctx, tx, j, do); err != nil {
			return err
		}
	}
	tx.OnCommit(func() {
		q.tell(stateSubject(j.ID), nil)
		for _, a := range do {
			switch a {
			case Wake:
				q.tell(wakeSubject, []byte(j.Kind))
			case Stop:
				q.tell(stopSubject(j.ID), nil)
			case Bury:
				slog.Error("a job has failed for the last time", "job", j.ID, "failures", j.Failures, "error", j.Error)
			case Settle, Refund: // the hooks'
			}
		}
	})
	return nil
}

// Subjects of messages.
const wakeSubject = "job.wake"

func stateSubject(id string) string    { return "job." + id + ".state" }
func progressSubject(id string) string { return "job." + id + ".progress" }
func previewSubject(id string) string  { return "job." + id + ".preview" }
func stopSubject(id string) string     { return "job." + id + ".stop" }

// tell sends a message; one that is lost only delays.
func (q *Queue) tell(subject string, data []byte) {
	if err := q.bus.Publish(subject, data); err != nil && !errors.Is(err, event.ErrClosed) {
		slog.Warn("a message could not be sent", "subject", subject, "error", err)
	}
}

// Cancel ends a job of an organisation ("" is any): at once when it waits or is
// at work, and not at all when its result is being stored or it has ended.
func (q *Queue) Cancel(ctx context.Context, org, id string) (Job, error) {
	if _, err := q.Get(ctx, org, id); err != nil {
		return Job{}, err
	}
	return q.apply(ctx, id, Event{Kind: Cancel}, nil, nil)
}

// Revive queues a dead letter again; inTx may reserve its money again.
func (q *Queue) Revive(ctx context.Context, id string, inTx func(*db.Tx, Job) error) (Job, error) {
	j, err := q.apply(ctx, id, Event{Kind: Revive}, func(j *Job) {
		j.Error, j.Ended, j.Progress = nil, time.Time{}, Progress{}
	}, func(tx *db.Tx, j *Job) error {
		if inTx == nil {
			return nil
		}
		return inTx(tx, *j)
	})
	if errors.Is(err, ErrNotReady) {
		return j, fault.New(fault.Conflict, "job %s is no dead letter", id)
	}
	return j, err
}
