// Package audit is the log of who changed what. Records are only added, in the
// transaction of the change itself, and each holds the hash of the one before,
//
//	hash_n = SHA-256(JSON [hash_n-1, seq, time, org, actor, action, object, detail, ip])
//
// so that one that was changed, left out or put in later shows. Who can write
// to the database could write the whole chain anew: note the last hash that
// Verify returns somewhere else now and then.
package audit

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"kuai/platform/db"
)

// maxDetail bounds the JSON of a record's detail.
const maxDetail = 16 << 10

// ErrBroken says that the log is not what was written.
var ErrBroken = errors.New("the log was changed")

// Entry is a change as its maker tells it.
type Entry struct {
	Org    string // "" for what concerns the installation
	Actor  string // a user's or key's identifier, or "operator" on the command line
	Action string // what was done to what kind of thing, such as key.create
	Object string // the identifier of the thing
	IP     string // where it was asked from
	Detail any    // what JSON can hold; never a secret
}

// Record is an entry as the log keeps it.
type Record struct {
	Seq      int64           `json:"seq"`
	At       time.Time       `json:"at"`
	Org      string          `json:"organisation"`
	Actor    string          `json:"actor"`
	Action   string          `json:"action"`
	Object   string          `json:"object"`
	Detail   json.RawMessage `json:"detail"`
	IP       string          `json:"ip"`
	Previous string          `json:"previous"`
	Hash     string          `json:"hash"`
}

// sum is the hash that a record must have.
func (r Record) sum() (string, error) {
	b, err := json.Marshal([]any{r.Previous, r.Seq, db.Micros(r.At), r.Org, r.Actor, r.Action, r.Object, string(r.Detail), r.IP})
	if err != nil {
		return "", fmt.Errorf("audit: %w", err)
	}
	h := sha256.Sum256(b)
	return hex.EncodeToString(h[:]), nil
}

// Append adds a record in the transaction that makes the change.
func Append(ctx context.Context, tx *db.Tx, at time.Time, e Entry) error {
	detail := []byte("{}")
	if e.Detail != nil {
		var err error
		if detail, err = json.Marshal(e.Detail); err != nil {
			return fmt.Errorf("audit: %s: %w", e.Action, err)
		}
	}
	if len(detail) > maxDetail {
		return fmt.Errorf("audit: %s: %d bytes of detail, at most %d", e.Action, len(detail), maxDetail)
	}
	// The head is written first: whoever else appends waits here.
	if _, err := tx.ExecContext(ctx, "UPDATE audit_head SET seq = seq + 1 WHERE one = 'head'"); err != nil {
		return fmt.Errorf("audit: %w", err)
	}
	r := Record{At: at, Org: e.Org, Actor: e.Actor, Action: e.Action, Object: e.Object, Detail: detail, IP: e.IP}
	if err := tx.QueryRowContext(ctx, "SELECT seq, hash FROM audit_head WHERE one = 'head'").Scan(&r.Seq, &r.Previous); err != nil {
		return fmt.Errorf("audit: %w", err)
	}
	var err error
	if r.Hash, err = r.sum(); err != nil {
		return err
	}
	if _, err := tx.ExecContext(ctx, "INSERT INTO audit_log ("+columns+") VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
		r.Seq, db.Micros(r.At), r.Org, r.Actor, r.Action, r.Object, string(r.Detail), r.IP, r.Previous, r.Hash); err != nil {
		return fmt.Errorf("audit: %w", err)
	}
	if _, err := tx.ExecContext(ctx, "UPDATE audit_head SET hash = ? WHERE one = 'head'", r.Hash); err != nil {
		return fmt.Errorf("audit: %w", err)
	}
	return nil
}

const columns = "seq, at, org, actor, action, object, detail, ip, previous, hash"

func scan(row db.Scanner) (Record, error) {
	var r Record
	var at int64
	var detail string
	err := row.Scan(&r.Seq, &at, &r.Org, &r.Actor, &r.Action, &r.Object, &detail, &r.IP, &r.Previous, &r.Hash)
	r.At, r.Detail = db.Time(at), json.RawMessage(detail)
	return r, err
}

// List returns up to limit records of an organisation before a number, the
// latest first; before 0 begins with the last. The organisation "*" is all.
func List(ctx context.Context, d *db.DB, org string, before int64, limit int) ([]Record, error) {
	where, args := "", []any{}
	if org != "*" {
		where, args = where+" AND org = ?", append(args, org)
	}
	if before > 0 {
		where, args = where+" AND seq < ?", append(args, before)
	}
	var records []Record
	err := d.Read(ctx, func(tx *db.Tx) (err error) {
		records, err = db.List(ctx, tx, scan, "SELECT "+columns+" FROM audit_log WHERE seq > 0"+where+" ORDER BY seq DESC LIMIT ?", append(args, limit)...)
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("audit: %w", err)
	}
	return records, nil
}

// Report is what Verify found.
type Report struct {
	Records int64  `json:"records"`
	Head    string `json:"head"` // the hash of the last one
}

// verifyBatch is how many records are read at a time.
const verifyBatch = 1000

// Verify recomputes the chain. The error is ErrBroken, with the number of the
// first record that is wrong.
func Verify(ctx context.Context, d *db.DB) (Report, error) {
	var report Report
	err := d.Read(ctx, func(tx *db.Tx) error {
		var err error
		report, err = verify(ctx, tx)
		return err
	})
	if err != nil {
		return Report{}, fmt.Errorf("audit: %w", err)
	}
	return report, nil
}

func verify(ctx context.Context, tx *db.Tx) (Report, error) {
	var report Report
	for {
		records, err := db.List(ctx, tx, scan, "SELECT "+columns+" FROM audit_log WHERE seq > ? ORDER BY seq LIMIT ?", report.Records, verifyBatch)
		if err != nil {
			return report, err
		}
		for _, r := range records {
			want, err := r.sum()
			if err != nil {
				return report, err
			}
			if r.Seq != report.Records+1 || r.Previous != report.Head || r.Hash != want {
				return report, fmt.Errorf("record %d: %w", report.Records+1, ErrBroken)
			}
			report = Report{r.Seq, r.Hash}
		}
		if len(records) < verifyBatch {
			break
		}
	}
	var head Report
	if err := tx.QueryRowContext(ctx, "SELECT seq, hash FROM audit_head WHERE one = 'head'").Scan(&head.Records, &head.Head); err != nil {
		return report, err
	}
	if head != report {
		return report, fmt.Errorf("record %d: %w", report.Records+1, ErrBroken)
	}
	return report, nil
}
