//go:build linux

package main

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"path/filepath"
	"testing"
	"time"

	"kuai/platform/blob"
	"kuai/platform/db"
	"kuai/platform/file"
	"kuai/platform/job"
	"kuai/platform/ledger"
)

// check opens what the dead left, and counts.
func (c *town) check() {
	t := c.t
	t.Helper()
	ctx := t.Context()
	d, err := db.Open(ctx, c.database())
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = d.Close() }()
	dir := c.setting.blobs
	if dir == "" {
		dir = filepath.Join(c.data(0), "jobs", "blobs")
	}
	blobs, err := blob.NewDir(dir, nil)
	if err != nil {
		t.Fatal(err)
	}
	q, files := job.New(job.Options{DB: d}), file.New(file.Options{DB: d, Blobs: blobs})
	count := map[job.State]int{}
	attempts, failures := 0, 0
	for _, id := range c.accepted() {
		j, err := q.Get(ctx, "", id)
		if err != nil {
			t.Errorf("%s was accepted and is lost: %v", id, err)
			continue
		}
		count[j.State]++
		attempts += j.Attempt
		failures += j.Failures
		checkJob(t, d, files, j)
	}
	checkOnce(t, d, len(c.accepted()))
	orphans := checkMoney(t, d)
	var out, errs bytes.Buffer
	if code := run(ctx, []string{"audit", "--database", c.database()}, streams{Out: &out, Err: &errs}); code != exitOK {
		t.Errorf("kuai audit: exit %d: %s%s", code, &out, &errs)
	}
	t.Logf("jobs ended: %v, in %d attempts, %d of which failed; reservations of requests that were cut off: %d", count, attempts, failures, orphans)
	if n := c.statuses[http.StatusInternalServerError]; n > 0 {
		t.Errorf("%d answers were of our own bugs", n)
	}
	if len(c.accepted()) == 0 || c.chats == 0 {
		t.Error("there was no load")
	}
}

// checkOnce checks that there are the jobs that were accepted and no others,
// since each was asked for under one key until it was, and that nothing was
// charged twice.
func checkOnce(t *testing.T, d *db.DB, accepted int) {
	t.Helper()
	ctx := t.Context()
	for _, q := range []struct {
		what, query string
		want        int
	}{
		{"jobs", "SELECT COUNT(*) FROM jobs", accepted},
		{"jobs that have not ended", "SELECT COUNT(*) FROM jobs WHERE ended = 0", 0},
		{"reservations that ended in two ways", `SELECT COUNT(*) FROM (SELECT entry FROM ledger_postings WHERE kind IN ('settle', 'late', 'release')
			GROUP BY entry HAVING COUNT(DISTINCT kind) > 1) AS twice`, 0},
		{"reservations whose charge is not that of their events", `SELECT COUNT(*) FROM ledger_reservations r WHERE r.charged <>
			(SELECT COALESCE(SUM(e.amount), 0) FROM ledger_events e WHERE e.reservation = r.id)`, 0},
		{"jobs with two reservations that were charged", `SELECT COUNT(*) FROM (SELECT job FROM ledger_reservations
			WHERE job <> '' AND state = 'settled' GROUP BY job HAVING COUNT(*) > 1) AS twice`, 0},
	} {
		var got int
		if err := d.Read(ctx, func(tx *db.Tx) error { return tx.QueryRowContext(ctx, q.query).Scan(&got) }); err != nil {
			t.Fatalf("%s: %v", q.what, err)
		}
		if got != q.want {
			t.Errorf("%s: %d, want %d", q.what, got, q.want)
		}
	}
}

// checkJob checks that a job ended once: its state, its money, its files.
func checkJob(t *testing.T, d *db.DB, files *file.Store, j job.Job) {
	t.Helper()
	ctx := t.Context()
	var meta struct {
		Reservation string `json:"reservation"`
	}
	if err := json.Unmarshal(j.Meta, &meta); err != nil {
		t.Fatal(err)
	}
	var state string
	var late int
	if err := d.Read(ctx, func(tx *db.Tx) error {
		return errors.Join(
			tx.QueryRowContext(ctx, "SELECT state FROM ledger_reservations WHERE id = ?", meta.Reservation).Scan(&state),
			tx.QueryRowContext(ctx, "SELECT COUNT(*) FROM ledger_postings WHERE entry = ? AND kind = 'expire'", meta.Reservation).Scan(&late))
	}); err != nil {
		t.Fatalf("%s: its money: %v", j.ID, err)
	}
	made, _, err := files.List(ctx, file.Filter{Job: j.ID})
	if err != nil {
		t.Fatal(err)
	}
	want, outputs := "released", 0
	if j.State == job.Done {
		want, outputs = "settled", 2
	} else if late > 0 { // a clock that jumped had ended it before
		want = "expired"
	}
	if !j.State.Final() || state != want || len(made) != outputs {
		t.Errorf("%s is %s, its money %s, its files %d", j.ID, j.State, state, len(made))
	}
	for _, f := range made {
		if err := whole(ctx, files, f); err != nil {
			t.Errorf("%s: %s is damaged: %v", j.ID, f.Name, err)
		}
	}
}

// whole checks a file by its checksum.
func whole(ctx context.Context, files *file.Store, f file.File) error {
	r, err := files.Open(ctx, f)
	if err != nil {
		return err
	}
	h := sha256.New()
	n, err := io.Copy(h, r)
	if err = errors.Join(err, r.Close()); err != nil {
		return err
	}
	if n != f.Bytes || hex.EncodeToString(h.Sum(nil)) != f.SHA256 {
		return fmt.Errorf("%d bytes, want %d", n, f.Bytes)
	}
	return nil
}

// checkMoney ends, as the sweeper of a server would a day later, what requests
// had set aside whose client never got an answer, and checks that nothing is
// held then. It returns how many those were.
func checkMoney(t *testing.T, d *db.DB) int {
	t.Helper()
	ctx := t.Context()
	l, err := ledger.New(ctx, d, ledger.Options{Now: func() time.Time { return time.Now().Add(60 * time.Hour) }})
	if err != nil {
		t.Fatal(err)
	}
	orphans, err := l.Sweep(ctx)
	if err != nil {
		t.Fatal(err)
	}
	var open, held int64
	if err := d.Read(ctx, func(tx *db.Tx) error {
		return errors.Join(
			tx.QueryRowContext(ctx, "SELECT COUNT(*) FROM ledger_reservations WHERE state = 'open'").Scan(&open),
			tx.QueryRowContext(ctx, "SELECT COALESCE(SUM(held_cash + held_promo), 0) FROM ledger_accounts").Scan(&held))
	}); err != nil {
		t.Fatal(err)
	}
	if open != 0 || held != 0 {
		t.Errorf("%d reservations are open, %d millionths are held", open, held)
	}
	return orphans
}
