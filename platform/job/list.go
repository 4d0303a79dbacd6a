package job

import (
	"context"
	"encoding/base64"
	"errors"
	"fmt"
	"strings"

	"kuai/fault"
	"kuai/platform/db"
)

const (
	defaultPage = 20
	maxPage     = 100
)

// Get returns a job of an organisation; "" is any.
func (q *Queue) Get(ctx context.Context, org, id string) (j Job, err error) {
	if len(id) > maxName || strings.ContainsRune(id, 0) {
		return j, errNotFound(clip(id, maxName))
	}
	err = q.db.Read(ctx, func(tx *db.Tx) error {
		j, err = load(ctx, tx, id, false)
		return err
	})
	if err == nil && org != "" && j.Org != org {
		return Job{}, errNotFound(id)
	}
	return j, err
}

// Filter chooses jobs; empty fields choose all.
type Filter struct {
	Org, Project string
	Kind         string
	State        State
	Dead         bool   // dead letters alone
	After        string // the last id of the page before
	Limit        int    // 1 to 100; 0 is 20
	OldestFirst  bool
}

// List returns a page of jobs, the newest first unless asked otherwise, and
// whether there are more.
func (q *Queue) List(ctx context.Context, f Filter) (jobs []Job, more bool, err error) {
	if f.Limit == 0 {
		f.Limit = defaultPage
	}
	if f.Limit < 1 || f.Limit > maxPage {
		return nil, false, fault.Param("limit", "limit is %d, want 1 to %d", f.Limit, maxPage)
	}
	direction, beyond := "DESC", "id < ?"
	if f.OldestFirst {
		direction, beyond = "ASC", "id > ?"
	}
	var where []string
	var args []any
	for _, c := range []struct{ condition, value string }{
		{"org = ?", f.Org}, {"project = ?", f.Project}, {"kind = ?", f.Kind}, {"state = ?", string(f.State)}, {beyond, f.After},
	} {
		if c.value != "" {
			where, args = append(where, c.condition), append(args, clip(c.value, maxName))
		}
	}
	if f.Dead {
		where = append(where, "dead = 1")
	}
	query := selectJob
	if len(where) > 0 {
		query += " WHERE " + strings.Join(where, " AND ")
	}
	query += fmt.Sprintf(" ORDER BY id %s LIMIT %d", direction, f.Limit+1)
	err = q.db.Read(ctx, func(tx *db.Tx) error {
		jobs, err = all(ctx, tx, query, args...)
		return err
	})
	if len(jobs) > f.Limit {
		return jobs[:f.Limit], true, err
	}
	return jobs, false, err
}

// LastPreview returns the latest preview of a job at work; ok is false when
// there is none.
func (q *Queue) LastPreview(ctx context.Context, id string) (p Preview, ok bool, err error) {
	var data string
	err = q.db.Read(ctx, func(tx *db.Tx) error {
		ok, err = row(ctx, tx, &p.Type, "SELECT type FROM job_previews WHERE job = ?", id)
		if !ok || err != nil {
			return err
		}
		_, err = row(ctx, tx, &data, "SELECT data FROM job_previews WHERE job = ?", id)
		return err
	})
	if err != nil || !ok {
		return p, false, err
	}
	if p.Data, err = base64.StdEncoding.DecodeString(data); err != nil {
		return p, false, wrap(err)
	}
	return p, true, nil
}

// Delete removes a job that has ended; inTx may remove what goes with it.
func (q *Queue) Delete(ctx context.Context, org, id string, inTx func(*db.Tx, Job) error) error {
	return q.db.Tx(ctx, func(tx *db.Tx) error {
		j, err := load(ctx, tx, id, true)
		switch {
		case err != nil:
			return err
		case org != "" && j.Org != org:
			return errNotFound(id)
		case !j.State.Final():
			return fault.New(fault.Conflict, "job %s has not ended; cancel it first", id)
		}
		if inTx != nil {
			if err := inTx(tx, j); err != nil {
				return err
			}
		}
		return remove(ctx, tx, id)
	})
}

// remove deletes a job and what stands beside it.
func remove(ctx context.Context, tx *db.Tx, id string) error {
	var errs []error
	for _, query := range []string{
		"DELETE FROM job_previews WHERE job = ?", "DELETE FROM job_outputs WHERE job = ?",
		"DELETE FROM job_events WHERE job = ?", "DELETE FROM jobs WHERE id = ?",
	} {
		_, err := tx.ExecContext(ctx, query, id)
		errs = append(errs, wrap(err))
	}
	return errors.Join(errs...)
}
