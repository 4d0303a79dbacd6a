package job

import (
	"context"
	"errors"
	"log/slog"
	"time"

	"kuai/fault"
	"kuai/platform/db"
)

// Workers that were not seen for a day are forgotten, every hour.
const (
	tidyEvery  = time.Hour
	workerLife = 24 * time.Hour
)

// maxSwept bounds what one sweep looks at.
const maxSwept = 10_000

// Sweeper takes jobs back from workers who are silent, ends those whose time is
// over, and forgets old ones. Every node may have one.
type Sweeper struct {
	q      *Queue
	retain time.Duration
	elapse func() time.Duration // monotonic
	seen   map[string]sighting
	tidied time.Duration // when workers of old were forgotten last
}

// sighting is the latest sign of life of an attempt.
type sighting struct {
	attempt int
	beats   int64
	at      time.Duration
}

// NewSweeper returns a sweeper that forgets jobs so long after their end; 0 is
// never. elapsed is a clock that never jumps; nil is the machine's.
func NewSweeper(q *Queue, retain time.Duration, elapsed func() time.Duration) *Sweeper {
	if elapsed == nil {
		begin := time.Now()
		elapsed = func() time.Duration { return time.Since(begin) }
	}
	return &Sweeper{q: q, retain: retain, elapse: elapsed, seen: map[string]sighting{}}
}

// Run sweeps until ctx is done.
func (s *Sweeper) Run(ctx context.Context) {
	t := time.NewTicker(s.q.lease / 4)
	defer t.Stop()
	for {
		if err := s.Sweep(ctx); err != nil && ctx.Err() == nil {
			slog.Warn("lost jobs cannot be looked for; the next sweep does", "error", err)
		}
		select {
		case <-ctx.Done():
			return
		case <-t.C:
		}
	}
}

// Sweep does it once.
func (s *Sweeper) Sweep(ctx context.Context) error {
	return errors.Join(s.lapse(ctx), s.expire(ctx), s.forget(ctx), s.tidy(ctx))
}

// errAlive ends the taking back of a job whose worker was heard of meanwhile.
var errAlive = errors.New("job: its worker lives")

// lapse takes back the jobs of workers that this sweeper has not heard of for
// a lease: it does not ask what the time is.
func (s *Sweeper) lapse(ctx context.Context) error {
	var held []Job
	err := s.q.db.Read(ctx, func(tx *db.Tx) error {
		var err error
		held, err = all(ctx, tx, selectJob+" WHERE state IN (?, ?) LIMIT ?", string(Running), string(Finalising), maxSwept)
		return err
	})
	if err != nil {
		return err
	}
	now := s.elapse()
	seen := make(map[string]sighting, len(held))
	var errs []error
	for _, j := range held {
		last, ok := s.seen[j.ID]
		if !ok || last.attempt != j.Attempt || last.beats != j.beats {
			last = sighting{j.Attempt, j.beats, now}
		}
		seen[j.ID] = last
		if now-last.at >= s.q.lease {
			errs = append(errs, s.take(ctx, j))
		}
	}
	s.seen = seen
	return errors.Join(errs...)
}

// take takes one job back.
func (s *Sweeper) take(ctx context.Context, j Job) error {
	_, err := s.q.apply(ctx, j.ID, Event{Kind: Lapse, Attempt: j.Attempt}, func(n *Job) {
		n.fail(Failure{Code: fault.Internal, Message: "the worker was lost", Cause: "no sign of life from worker " + j.Worker})
	}, func(_ *db.Tx, n *Job) error {
		if n.beats != j.beats {
			return errAlive
		}
		return nil
	})
	if errors.Is(err, errAlive) || errors.Is(err, ErrLost) {
		return nil
	}
	if err == nil {
		slog.Warn("a worker was lost", "job", j.ID, "attempt", j.Attempt, "worker", j.Worker)
		s.q.tell(stopSubject(j.ID), nil)
	}
	return err
}

// ids reads a column of identifiers.
func ids(ctx context.Context, tx *db.Tx, query string, args ...any) (out []string, err error) {
	rows, err := tx.QueryContext(ctx, query, args...)
	if err != nil {
		return nil, wrap(err)
	}
	defer func() { err = errors.Join(err, rows.Close()) }()
	for rows.Next() {
		var id string
		if err := rows.Scan(&id); err != nil {
			return nil, wrap(err)
		}
		out = append(out, id)
	}
	return out, wrap(rows.Err())
}

// expire ends jobs whose time is over, before and during their run.
func (s *Sweeper) expire(ctx context.Context) error {
	var over []string
	err := s.q.db.Read(ctx, func(tx *db.Tx) error {
		var err error
		over, err = ids(ctx, tx, "SELECT id FROM jobs WHERE state IN (?, ?) AND expires > 0 AND expires <= ? LIMIT ?",
			string(Queued), string(Running), db.Micros(s.q.now()), maxSwept)
		return err
	})
	errs := []error{err}
	for _, id := range over {
		if _, err := s.q.apply(ctx, id, Event{Kind: Expire}, nil, nil); !errors.Is(err, ErrNotReady) {
			errs = append(errs, err)
		}
	}
	return errors.Join(errs...)
}

// tidy forgets workers of old.
func (s *Sweeper) tidy(ctx context.Context) error {
	now := s.elapse()
	if s.tidied != 0 && now-s.tidied < tidyEvery {
		return nil
	}
	s.tidied = max(now, 1)
	return s.q.db.Tx(ctx, func(tx *db.Tx) error {
		_, err := tx.ExecContext(ctx, "DELETE FROM job_workers WHERE seen < ?", db.Micros(s.q.now().Add(-workerLife)))
		return wrap(err)
	})
}

// forget removes jobs that ended long ago.
func (s *Sweeper) forget(ctx context.Context) error {
	if s.retain <= 0 {
		return nil
	}
	return s.q.db.Tx(ctx, func(tx *db.Tx) error {
		old, err := ids(ctx, tx, "SELECT id FROM jobs WHERE ended > 0 AND ended < ? LIMIT ?", db.Micros(s.q.now().Add(-s.retain)), maxPage)
		for _, id := range old {
			if err := remove(ctx, tx, id); err != nil {
				return err
			}
		}
		return err
	})
}
