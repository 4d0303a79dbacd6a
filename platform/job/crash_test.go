package job_test

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"kuai/platform/blob"
	"kuai/platform/db"
	"kuai/platform/db/dbtest"
	"kuai/platform/event"
	"kuai/platform/file"
	"kuai/platform/job"
)

// inFlight is how many jobs the processes that are killed share.
const inFlight = 30

// TestMain is a process that will be killed instead, where the environment says
// so.
func TestMain(m *testing.M) {
	if role := os.Getenv("KUAI_TEST_ROLE"); role != "" {
		if err := beProcess(role); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		os.Exit(0)
	}
	os.Exit(m.Run())
}

// killAt kills this process without notice when it comes to a point, such as
// finish:3, for the third time.
func killAt(spec string) func(string) {
	point, times, _ := strings.Cut(spec, ":")
	n, err := strconv.Atoi(times)
	if err != nil {
		return func(string) {}
	}
	var seen atomic.Int64
	return func(name string) {
		if name == point && seen.Add(1) == int64(n) {
			_ = syscall.Kill(os.Getpid(), syscall.SIGKILL)
			select {} // the signal is on its way
		}
	}
}

// platformOf opens what a process of the platform has.
func platformOf(ctx context.Context, url, dir string, point func(string)) (*job.Queue, *file.Store, *db.DB, error) {
	d, err := db.Open(ctx, url)
	if err != nil {
		return nil, nil, nil, err
	}
	blobs, err := blob.NewDir(dir, nil)
	if err != nil {
		return nil, nil, nil, err
	}
	files := file.New(file.Options{DB: d, Blobs: blobs})
	hook := func(ctx context.Context, tx *db.Tx, j job.Job, do []job.Action) error {
		for _, a := range do {
			if a == job.Settle || a == job.Refund {
				if _, err := tx.ExecContext(ctx, "INSERT INTO ends (job, action) VALUES (?, ?)", j.ID, string(a)); err != nil {
					return err
				}
			}
		}
		return nil
	}
	q := job.New(job.Options{
		DB: d, Bus: event.Memory(), Keep: files, Hooks: []job.Hook{hook}, Lease: 500 * time.Millisecond, Jitter: func() float64 { return 0 }, Point: point,
	})
	return q, files, d, nil
}

// beProcess submits jobs or makes them until all have ended.
func beProcess(role string) error {
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	point := killAt(os.Getenv("KUAI_TEST_KILL"))
	q, _, d, err := platformOf(ctx, os.Getenv("KUAI_TEST_URL"), os.Getenv("KUAI_TEST_DIR"), point)
	if err != nil {
		return err
	}
	defer func() { _ = d.Close() }()
	if role == "submit" {
		for i := range inFlight {
			r := job.Request{Org: fmt.Sprint(i % 3), Kind: "video", Body: json.RawMessage(strconv.Itoa(i)), IdempotencyKey: strconv.Itoa(i), Attempts: 20}
			if _, _, err := q.Submit(ctx, r, nil); err != nil {
				return err
			}
		}
		return nil
	}
	go job.NewSweeper(q, 0, nil).Run(ctx)
	r := &job.Runner{Desk: q, Worker: job.Worker{ID: strconv.Itoa(os.Getpid()), Slots: 2}, Dir: os.Getenv("KUAI_TEST_DIR"), Point: point, Runs: map[string]job.Run{"video": func(_ context.Context, j job.Job, r job.Report) (job.Made, error) {
		path := filepath.Join(r.Dir(), "out")
		return job.Made{Files: []job.File{{Name: "out", Path: path}}}, os.WriteFile(path, content(j), 0o600)
	}}}
	go func() {
		defer cancel()
		for ctx.Err() == nil {
			if n, err := left(ctx, d); n == 0 && err == nil {
				return
			}
			time.Sleep(50 * time.Millisecond)
		}
	}()
	return r.Run(ctx)
}

// content is what a job makes, always the same.
func content(j job.Job) []byte { return []byte(strings.Repeat(j.ID+string(j.Body)+"\n", 1000)) }

// left counts the jobs that have not ended.
func left(ctx context.Context, d *db.DB) (n int, err error) {
	err = d.Read(ctx, func(tx *db.Tx) error {
		return tx.QueryRowContext(ctx, "SELECT COUNT(*) FROM jobs WHERE state IN ('queued', 'running', 'finalising')").Scan(&n)
	})
	return n, err
}

// TestKills kills processes at each named point with 30 jobs in flight: none
// is lost, none ends twice, every file is whole.
func TestKills(t *testing.T) {
	t.Parallel()
	dbtest.RunURL(t, func(t *testing.T, url string) {
		t.Helper()
		if strings.HasPrefix(url, "postgres") && os.Getenv("KUAI_LONG") == "" {
			t.Skip("many processes on PostgreSQL take long; set KUAI_LONG=1")
		}
		dir := t.TempDir()
		q, files, d, err := platformOf(t.Context(), url, dir, nil)
		if err != nil {
			t.Fatal(err)
		}
		defer func() { _ = d.Close() }()
		if err := d.Tx(t.Context(), func(tx *db.Tx) error {
			_, err := tx.ExecContext(t.Context(), "CREATE TABLE ends (job TEXT, action TEXT)")
			return err
		}); err != nil {
			t.Fatal(err)
		}
		process := func(role, kill string) {
			cmd := exec.CommandContext(t.Context(), os.Args[0])
			cmd.Env = append(os.Environ(), "KUAI_TEST_ROLE="+role, "KUAI_TEST_KILL="+kill, "KUAI_TEST_URL="+url, "KUAI_TEST_DIR="+dir)
			out, err := cmd.CombinedOutput()
			status, ok := cmd.ProcessState.Sys().(syscall.WaitStatus)
			if killed := ok && status.Signaled() && status.Signal() == syscall.SIGKILL; killed != (kill != "") {
				t.Fatalf("%s until %q: %v\n%s", role, kill, err, out)
			}
		}
		process("submit", "submit:7")
		process("submit", "submitted:15")
		process("submit", "")
		for _, point := range []string{"claimed:2", "ran:2", "finalising:2", "stored:2", "finish:3", "finished:3"} {
			process("work", point)
		}
		process("work", "")
		checkEnds(t, q, files, d)
	})
}

// checkEnds counts jobs, ends and files.
func checkEnds(t *testing.T, q *job.Queue, files *file.Store, d *db.DB) {
	t.Helper()
	ctx := t.Context()
	jobs, more, err := q.List(ctx, job.Filter{Limit: 100})
	if err != nil || more || len(jobs) != inFlight {
		t.Fatalf("%d jobs, want %d: %v", len(jobs), inFlight, err)
	}
	again := 0
	for _, j := range jobs {
		again += j.Attempt - 1
		var ends int
		if err := d.Read(ctx, func(tx *db.Tx) error {
			return tx.QueryRowContext(ctx, "SELECT COUNT(*) FROM ends WHERE job = ? AND action = 'settle'", j.ID).Scan(&ends)
		}); err != nil {
			t.Fatal(err)
		}
		made, _, err := files.List(ctx, file.Filter{Job: j.ID})
		if err != nil || j.State != job.Done || ends != 1 || len(made) != 1 {
			t.Errorf("%s is %s, settled %d times, with %d files, %v", j.ID, j.State, ends, len(made), err)
			continue
		}
		r, err := files.Open(ctx, made[0])
		if err != nil {
			t.Fatal(err)
		}
		data, err := io.ReadAll(r)
		_ = r.Close()
		sum := sha256.Sum256(data)
		if err != nil || string(data) != string(content(j)) || hex.EncodeToString(sum[:]) != made[0].SHA256 {
			t.Errorf("%s: the file is damaged: %v", j.ID, err)
		}
	}
	if again == 0 {
		t.Error("no job was made again: nobody was killed in time")
	}
	t.Logf("%d jobs in %d attempts", inFlight, inFlight+again)
}
