package job

import (
	"context"
	"encoding/json"
	"errors"
	"iter"
	"strings"
	"time"

	"kuai/platform/db"
	"kuai/platform/event"
)

// watchEvery is how long a lost message delays a watcher; a thousand of them
// make 500 small reads a second.
const watchEvery = 2 * time.Second

// maxUnread bounds the messages that wait for one slow watcher. States are read
// from the database and never lost; progress is.
const maxUnread = 64

// Update is what a watcher is told: a change of state, or with ID 0 what lies
// between two: progress or a preview.
type Update struct {
	ID       int64 // grows within a job; a watcher resumes after the last one it saw
	State    State
	Attempt  int
	At       time.Time // of a change of state
	Progress *Progress
	Preview  *Preview
}

// Watch tells what becomes of a job from after an update on (0: from the
// beginning), until it has ended and all is told. The error, if any, comes
// last.
func (q *Queue) Watch(ctx context.Context, id string, after int64) iter.Seq2[Update, error] {
	return func(yield func(Update, error) bool) {
		inbox := make(chan event.Message, maxUnread)
		stop, err := q.bus.Subscribe("job."+id+".*", func(m event.Message) {
			select {
			case inbox <- m:
			default:
			}
		})
		if err != nil {
			yield(Update{}, wrap(err))
			return
		}
		defer stop()
		w := watcher{q: q, id: id, after: after, yield: yield}
		if err := w.follow(ctx, inbox); err != nil {
			yield(Update{}, err)
		}
	}
}

// watcher is one who watches a job.
type watcher struct {
	q        *Queue
	id       string
	after    int64
	attempt  int
	progress Progress
	yield    func(Update, error) bool
}

// follow tells updates until the job has ended or nobody wants more.
func (w *watcher) follow(ctx context.Context, inbox <-chan event.Message) error {
	poll := time.NewTicker(watchEvery)
	defer poll.Stop()
	for {
		more, err := w.look(ctx)
		if err != nil || !more {
			return err
		}
	wait:
		for {
			select {
			case <-ctx.Done():
				return context.Cause(ctx)
			case <-poll.C:
				break wait
			case m := <-inbox:
				if strings.HasSuffix(m.Subject, ".state") {
					break wait
				}
				if !w.hear(m.Data) {
					return nil
				}
			}
		}
	}
}

// look reads the database and tells what is new.
func (w *watcher) look(ctx context.Context) (more bool, err error) {
	var j Job
	var news []Update
	err = w.q.db.Read(ctx, func(tx *db.Tx) error {
		if j, err = load(ctx, tx, w.id, false); err != nil {
			return err
		}
		news, err = since(ctx, tx, w.id, w.after)
		return err
	})
	if err != nil {
		return false, err
	}
	for _, u := range news {
		w.after, w.attempt = u.ID, max(w.attempt, u.Attempt)
		if !w.yield(u, nil) {
			return false, nil
		}
	}
	if j.State.Held() && j.Progress.Fraction > w.progress.Fraction && !w.tell(j.Attempt, j.Progress) {
		return false, nil
	}
	return !j.State.Final(), nil
}

// hear tells what a message says, unless it is of a stale attempt.
func (w *watcher) hear(data []byte) bool {
	var m telling
	if json.Unmarshal(data, &m) != nil || m.Attempt < w.attempt {
		return true
	}
	if m.Preview != nil && !w.yield(Update{Attempt: m.Attempt, State: Running, Preview: m.Preview}, nil) {
		return false
	}
	return m.Progress == nil || w.tell(m.Attempt, *m.Progress)
}

func (w *watcher) tell(attempt int, p Progress) bool {
	w.attempt, w.progress = attempt, p
	return w.yield(Update{Attempt: attempt, State: Running, Progress: &p}, nil)
}

// since reads the changes of state after a version.
func since(ctx context.Context, tx *db.Tx, id string, after int64) (out []Update, err error) {
	rows, err := tx.QueryContext(ctx, "SELECT version, state, attempt, at FROM job_events WHERE job = ? AND version > ? ORDER BY version", id, after)
	if err != nil {
		return nil, wrap(err)
	}
	defer func() { err = errors.Join(err, rows.Close()) }()
	for rows.Next() {
		var u Update
		var at int64
		if err := rows.Scan(&u.ID, &u.State, &u.Attempt, &at); err != nil {
			return nil, wrap(err)
		}
		u.At = db.Time(at)
		out = append(out, u)
	}
	return out, wrap(rows.Err())
}
