package job

import (
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"
	"strings"

	"kuai/fault"
	"kuai/platform/db"
)

// columns of a job in the order of scan and of values.
var columns = []string{
	"id", "org", "project", "user_id", "key_id", "kind", "model", "body", "meta", "priority", "share",
	"state", "attempt", "failures", "allowed", "cancelling", "dead", "not_before", "expires",
	"worker", "lease_until", "beats", "progress", "result", "error_code", "error_message", "cause",
	"version", "created", "started", "ended",
}

var (
	selectJob = "SELECT " + strings.Join(columns, ", ") + " FROM jobs"
	updateJob = "UPDATE jobs SET " + strings.Join(columns, " = ?, ") + " = ? WHERE id = ?"
	insertJob = "INSERT INTO jobs (" + strings.Join(columns, ", ") + ", idempotency_key, request_hash) VALUES (" +
		strings.Repeat("?, ", len(columns)) + "?, ?) ON CONFLICT DO NOTHING"
)

// scan reads the columns.
func scan(row interface{ Scan(...any) error }) (Job, error) {
	var j Job
	var body, meta, progress, result, code, message, cause string
	var notBefore, expires, lease, created, started, ended int64
	var cancelling, dead int
	err := row.Scan(&j.ID, &j.Org, &j.Project, &j.User, &j.Key, &j.Kind, &j.Model, &body, &meta, &j.Priority, &j.Share,
		&j.State, &j.Attempt, &j.Failures, &j.Allowed, &cancelling, &dead, &notBefore, &expires,
		&j.Worker, &lease, &j.beats, &progress, &result, &code, &message, &cause,
		&j.Version, &created, &started, &ended)
	if err != nil {
		return j, err
	}
	j.Body, j.Meta = json.RawMessage(body), json.RawMessage(meta)
	j.Cancelling, j.Dead = cancelling != 0, dead != 0
	j.NotBefore, j.Expires, j.LeaseUntil = db.Time(notBefore), db.Time(expires), db.Time(lease)
	j.Created, j.Started, j.Ended = db.Time(created), db.Time(started), db.Time(ended)
	if err := json.Unmarshal([]byte(progress), &j.Progress); err != nil {
		return j, fmt.Errorf("job: %s: progress: %w", j.ID, err)
	}
	if result != "" {
		if err := json.Unmarshal([]byte(result), &j.Result); err != nil {
			return j, fmt.Errorf("job: %s: result: %w", j.ID, err)
		}
	}
	if code != "" {
		j.Error = &fault.Error{Code: fault.Code(code), Message: message}
		if cause != "" {
			j.Error.Cause = errors.New(cause)
		}
	}
	return j, nil
}

// values returns what is stored of a job.
func (j *Job) values() ([]any, error) {
	progress, err := json.Marshal(j.Progress)
	if err != nil || len(progress) > maxProgress {
		return nil, fault.Param("progress", "progress is not of its form")
	}
	result := ""
	if j.State == Done {
		data, err := json.Marshal(j.Result)
		if err != nil || len(data) > maxResult {
			return nil, fault.Param("result", "a result is JSON of at most %d bytes", maxResult)
		}
		result = string(data)
	}
	code, message, cause := "", "", ""
	if j.Error != nil {
		code, message = string(j.Error.Code), j.Error.Message
		if j.Error.Cause != nil {
			cause = clip(j.Error.Cause.Error(), maxCause)
		}
	}
	return []any{
		j.ID, j.Org, j.Project, j.User, j.Key, j.Kind, j.Model, string(j.Body), string(j.Meta), j.Priority, j.Share,
		string(j.State), j.Attempt, j.Failures, j.Allowed, bit(j.Cancelling), bit(j.Dead), db.Micros(j.NotBefore), db.Micros(j.Expires),
		j.Worker, db.Micros(j.LeaseUntil), j.beats, string(progress), result, code, clip(message, maxCause), cause,
		j.Version, db.Micros(j.Created), db.Micros(j.Started), db.Micros(j.Ended),
	}, nil
}

// clip shortens a text for people to at most n bytes, as valid UTF-8 without
// zero bytes, which PostgreSQL does not take.
func clip(s string, n int) string {
	s = strings.ReplaceAll(s, "\x00", "")
	return strings.ToValidUTF8(s[:min(n, len(s))], "")
}

func bit(b bool) int {
	if b {
		return 1
	}
	return 0
}

// load reads a job, locked for writing where lock is set.
func load(ctx context.Context, tx *db.Tx, id string, lock bool) (Job, error) {
	query := selectJob + " WHERE id = ?"
	if lock {
		query += tx.ForUpdate()
	}
	j, err := scan(tx.QueryRowContext(ctx, query, id))
	if errors.Is(err, sql.ErrNoRows) {
		return j, errNotFound(id)
	}
	return j, wrap(err)
}

// save writes a job that was loaded with a lock.
func save(ctx context.Context, tx *db.Tx, j *Job) error {
	values, err := j.values()
	if err != nil {
		return err
	}
	_, err = tx.ExecContext(ctx, updateJob, append(values, j.ID)...)
	return wrap(err)
}

// all scans every row of a query of selectJob.
func all(ctx context.Context, tx *db.Tx, query string, args ...any) (out []Job, err error) {
	rows, err := tx.QueryContext(ctx, query, args...)
	if err != nil {
		return nil, wrap(err)
	}
	defer func() { err = errors.Join(err, rows.Close()) }()
	for rows.Next() {
		j, err := scan(rows)
		if err != nil {
			return nil, wrap(err)
		}
		out = append(out, j)
	}
	return out, wrap(rows.Err())
}

// wrap names the room in an error of the database.
func wrap(err error) error {
	if err == nil {
		return nil
	}
	return fmt.Errorf("job: %w", err)
}
