package job

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"math"
	"strings"
	"time"

	"kuai/fault"
	"kuai/platform/db"
	"kuai/platform/event"
)

// Keeper stores what jobs make; platform/file has one.
type Keeper interface {
	// Put stores bytes, durably, and returns how many and their SHA-256 in
	// hexadecimal. They are nobody's yet.
	Put(ctx context.Context, r io.Reader) (bytes int64, sha256 string, err error)
	// Commit makes files of a job's outputs, in the transaction that ends it,
	// and sets their File.
	Commit(ctx context.Context, tx *db.Tx, j Job, outputs []Output) error
}

// Failure is why an attempt failed.
type Failure struct {
	Code      fault.Code `json:"code"`
	Message   string     `json:"message"`         // for the client
	Cause     string     `json:"cause,omitempty"` // for the log
	Permanent bool       `json:"permanent"`       // no use in another attempt
}

// check makes a progress one that JSON and people can take.
func (p *Progress) check() {
	if math.IsNaN(p.Fraction) {
		p.Fraction = 0
	}
	p.Fraction = min(max(p.Fraction, 0), 1)
	p.Stage = clip(p.Stage, maxName)
}

// Heartbeat renews a lease and stores how far the job is. It fails with ErrLost
// when the job is no longer the worker's.
func (q *Queue) Heartbeat(ctx context.Context, l Lease, p Progress) error {
	p.check()
	data, err := json.Marshal(p)
	if err != nil {
		return wrap(err)
	}
	return q.db.Tx(ctx, func(tx *db.Tx) error {
		res, err := tx.ExecContext(ctx, "UPDATE jobs SET lease_until = ?, beats = beats + 1, progress = ? WHERE id = ? AND attempt = ? AND state IN (?, ?)",
			db.Micros(q.now().Add(q.lease)), string(data), l.Job, l.Attempt, string(Running), string(Finalising))
		if err != nil {
			return wrap(err)
		}
		if n, err := res.RowsAffected(); err != nil || n == 1 {
			return wrap(err)
		}
		return fenced(ctx, tx, l)
	})
}

// fenced says why a lease is no longer good, and locks its job.
func fenced(ctx context.Context, tx *db.Tx, l Lease) error {
	j, err := load(ctx, tx, l.Job, true)
	if err == nil && (!j.State.Held() || j.Attempt != l.Attempt) {
		err = &LostError{j.State, j.Attempt}
	}
	return err
}

// telling is a message about a job at work.
type telling struct {
	Attempt  int       `json:"attempt"`
	Progress *Progress `json:"progress,omitempty"`
	Preview  *Preview  `json:"preview,omitempty"`
}

// Progress tells those who watch how far the job is; the next heartbeat stores
// it.
func (q *Queue) Progress(_ context.Context, l Lease, p Progress) error {
	p.check()
	return q.message(progressSubject(l.Job), telling{Attempt: l.Attempt, Progress: &p})
}

func (q *Queue) message(subject string, v telling) error {
	data, err := json.Marshal(v)
	if err != nil {
		return wrap(err)
	}
	q.tell(subject, data)
	return nil
}

// Preview shows those who watch what the job is going to be, and keeps it for
// those who come later, until the next one or the end.
func (q *Queue) Preview(ctx context.Context, l Lease, p Preview) error {
	if len(p.Data) > maxPreview || len(p.Type) > maxName || !strings.HasPrefix(p.Type, "image/") {
		return fault.Param("preview", "a preview is an image of at most %d bytes", maxPreview)
	}
	err := q.db.Tx(ctx, func(tx *db.Tx) error {
		if err := fenced(ctx, tx, l); err != nil {
			return err
		}
		_, err := tx.ExecContext(ctx, `INSERT INTO job_previews (job, attempt, type, data) VALUES (?, ?, ?, ?)
			ON CONFLICT (job) DO UPDATE SET attempt = excluded.attempt, type = excluded.type, data = excluded.data`,
			l.Job, l.Attempt, p.Type, base64.StdEncoding.EncodeToString(p.Data))
		return wrap(err)
	})
	if err != nil {
		return err
	}
	return q.message(previewSubject(l.Job), telling{Attempt: l.Attempt, Preview: &p})
}

// Finalise says that the job is made and only needs storing: from here a
// cancellation comes too late.
func (q *Queue) Finalise(ctx context.Context, l Lease) error {
	_, err := q.apply(ctx, l.Job, Event{Kind: Finalise, Attempt: l.Attempt}, nil, nil)
	q.point("finalising")
	return err
}

// Store keeps one file that an attempt made. It becomes a file of the
// organisation when the attempt finishes, and nobody's when it does not. A
// checksum that is given must be that of what came.
func (q *Queue) Store(ctx context.Context, l Lease, name, kind, checksum string, r io.Reader) (Output, error) {
	out := Output{Name: name, Type: kind}
	if name == "" || len(name) > maxName || strings.ContainsAny(name, "/\\\x00") || len(kind) > maxName {
		return out, fault.Param("name", "a file's name has 1 to %d bytes and no slash", maxName)
	}
	if q.keep == nil {
		return out, fault.New(fault.Unsupported, "this server keeps no files")
	}
	if err := q.db.Read(ctx, func(tx *db.Tx) error { // a stale attempt need not send all its bytes
		j, err := load(ctx, tx, l.Job, false)
		if err == nil && (!j.State.Held() || j.Attempt != l.Attempt) {
			err = &LostError{j.State, j.Attempt}
		}
		return err
	}); err != nil {
		return out, err
	}
	var err error
	if out.Bytes, out.SHA256, err = q.keep.Put(ctx, r); err != nil {
		return out, err
	}
	if checksum != "" && !strings.EqualFold(checksum, out.SHA256) {
		return out, fault.Param("checksum", "the bytes that came have SHA-256 %s, not %s", out.SHA256, clip(checksum, 2*maxName))
	}
	q.point("stored")
	return out, q.db.Tx(ctx, func(tx *db.Tx) error {
		if err := fenced(ctx, tx, l); err != nil {
			return err
		}
		_, err := tx.ExecContext(ctx, `INSERT INTO job_outputs (job, attempt, name, type, bytes, sha256) VALUES (?, ?, ?, ?, ?, ?)
			ON CONFLICT (job, attempt, name) DO UPDATE SET type = excluded.type, bytes = excluded.bytes, sha256 = excluded.sha256`,
			l.Job, l.Attempt, name, kind, out.Bytes, out.SHA256)
		return wrap(err)
	})
}

// outputs are what an attempt has stored, by name.
func outputs(ctx context.Context, tx *db.Tx, l Lease) (out []Output, err error) {
	rows, err := tx.QueryContext(ctx, "SELECT name, type, bytes, sha256 FROM job_outputs WHERE job = ? AND attempt = ? ORDER BY name", l.Job, l.Attempt)
	if err != nil {
		return nil, wrap(err)
	}
	defer func() { err = errors.Join(err, rows.Close()) }()
	for rows.Next() {
		var o Output
		if err := rows.Scan(&o.Name, &o.Type, &o.Bytes, &o.SHA256); err != nil {
			return nil, wrap(err)
		}
		out = append(out, o)
	}
	return out, wrap(rows.Err())
}

// Finish ends a job with what its attempt has stored, exactly once: files,
// hooks and the new state are one transaction. Saying it again is fine.
func (q *Queue) Finish(ctx context.Context, l Lease, r Result) error {
	if len(r.Data) > 0 && !json.Valid(r.Data) {
		return fault.Param("data", "a result's data is JSON")
	}
	_, err := q.apply(ctx, l.Job, Event{Kind: Finish, Attempt: l.Attempt}, func(j *Job) {
		j.Result = Result{Data: r.Data, Usage: r.Usage}
		j.Progress = Progress{Fraction: 1}
		j.Error = nil
	}, func(tx *db.Tx, j *Job) error {
		var err error
		if j.Result.Outputs, err = outputs(ctx, tx, l); err != nil {
			return err
		}
		if len(j.Result.Outputs) > maxOutputs {
			return fault.Param("outputs", "a job makes at most %d files", maxOutputs)
		}
		if q.keep != nil {
			if err := q.keep.Commit(ctx, tx, *j, j.Result.Outputs); err != nil {
				return err
			}
		}
		q.point("finish")
		return pace(ctx, tx, j.Model, q.now().Sub(j.Started))
	})
	q.point("finished")
	return err
}

// Fail ends an attempt: the job waits for another, or fails.
func (q *Queue) Fail(ctx context.Context, l Lease, f Failure) error {
	_, err := q.apply(ctx, l.Job, Event{Kind: Fail, Attempt: l.Attempt, Permanent: f.Permanent}, func(j *Job) {
		j.fail(f)
	}, nil)
	return err
}

// fail notes why, unless the owner no longer cares.
func (j *Job) fail(f Failure) {
	if f.Code == "" {
		f.Code, f.Message = fault.Internal, "internal error"
	}
	j.Error = &fault.Error{Code: f.Code, Message: f.Message}
	if f.Cause != "" {
		j.Error.Cause = errors.New(f.Cause)
	}
	if j.State == Cancelled {
		j.Error = nil
	}
}

// Return hands a job back unharmed: it is queued again where it stood.
func (q *Queue) Return(ctx context.Context, l Lease) error {
	_, err := q.apply(ctx, l.Job, Event{Kind: Return, Attempt: l.Attempt}, nil, nil)
	return err
}

// Stopped waits until a job is no longer a lease's, and says why: ErrLost, or
// the context's cause.
func (q *Queue) Stopped(ctx context.Context, l Lease) error {
	wake := make(chan struct{}, 1)
	stop, err := q.bus.Subscribe(stopSubject(l.Job), func(event.Message) {
		select {
		case wake <- struct{}{}:
		default:
		}
	})
	if err != nil {
		return fmt.Errorf("job: %w", err)
	}
	defer stop()
	poll := time.NewTicker(pollEvery)
	defer poll.Stop()
	for {
		err := q.db.Read(ctx, func(tx *db.Tx) error {
			j, err := load(ctx, tx, l.Job, false)
			if err == nil && (!j.State.Held() || j.Attempt != l.Attempt) {
				err = &LostError{j.State, j.Attempt}
			}
			return err
		})
		if errors.Is(err, ErrLost) || fault.From(err).Code == fault.NotFound {
			return err
		}
		if err != nil && ctx.Err() == nil {
			slog.Warn("a job's state cannot be read", "job", l.Job, "error", err)
		}
		select {
		case <-ctx.Done():
			return context.Cause(ctx)
		case <-wake:
		case <-poll.C:
		}
	}
}
