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
	"math/rand/v2"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"kuai/platform/blob"
	"kuai/platform/db"
	"kuai/platform/file"
	"kuai/platform/job"
	"kuai/platform/ledger"
	"kuai/serve/chat/chattest"
)

const (
	shortKills = 3
	longKills  = 200
	restEvery  = 50 // kills, after which all jobs may end

	chaosJobs  = 3 // who submit clips
	chaosChats = 2 // who chat
)

// TestChaos kills a server and two workers at random moments under load, and
// starts them again. At the end every job that was accepted has ended once, its
// money with it, the books agree, no money is set aside and every file is what
// its checksum says. Kills are real: SIGKILL to processes of kuai.
func TestChaos(t *testing.T) {
	t.Parallel()
	kills := shortKills
	if os.Getenv("KUAI_LONG") != "" {
		kills = longKills
	} else {
		t.Logf("%d kills; KUAI_LONG=1 makes %d", shortKills, longKills)
	}
	if n, err := strconv.Atoi(os.Getenv("KUAI_CHAOS_KILLS")); err == nil {
		kills = n
	}
	c := newChaos(t)
	load, stop := context.WithCancel(t.Context())
	var work sync.WaitGroup
	for i := range chaosJobs {
		work.Go(func() { c.submit(load, i) })
	}
	for range chaosChats {
		work.Go(func() { c.chat(load) })
	}
	for n := range kills {
		pause(t.Context(), time.Duration(rand.Int64N(int64(800*time.Millisecond))))
		victim := c.all[rand.IntN(len(c.all))]
		victim.kill(t)
		victim.start(t)
		if victim == c.all[0] && rand.IntN(4) > 0 { // else the next blow may come while it starts
			c.ready(t)
		}
		if n%restEvery == restEvery-1 {
			c.ready(t)
			c.rest(t)
			t.Logf("%d kills, %d jobs, %d chats", n+1, len(c.accepted()), c.chats.Load())
		}
	}
	c.ready(t)
	pause(t.Context(), time.Second)
	stop()
	work.Wait()
	c.rest(t)
	c.all[1].kill(t)
	c.all[2].kill(t)
	c.all[0].kill(t)
	c.check(t, kills)
}

// pause waits, as the one who kills does: that is no test of time.
func pause(ctx context.Context, d time.Duration) {
	select {
	case <-ctx.Done():
	case <-time.After(d):
	}
}

// chaos is a server, its workers and those who use it.
type chaos struct {
	dir, url, key string
	all           []*victim // the server first

	mu    sync.Mutex
	jobs  []string // that were accepted
	chats atomic.Int64
}

// victim is a process that is killed and started again.
type victim struct {
	args []string
	env  string
	cmd  *exec.Cmd
	log  *os.File
}

func (v *victim) start(t *testing.T) {
	t.Helper()
	v.cmd = exec.CommandContext(t.Context(), "kuai", v.args...)
	v.cmd.Env = append(os.Environ(), v.env)
	v.cmd.Stdout, v.cmd.Stderr = v.log, v.log
	if err := v.cmd.Start(); err != nil {
		t.Fatal(err)
	}
}

// kill ends the process without notice. One that has ended by itself counts as
// well: a worker does that when it cannot join.
func (v *victim) kill(t *testing.T) {
	t.Helper()
	if err := v.cmd.Process.Signal(syscall.SIGKILL); err != nil && !errors.Is(err, os.ErrProcessDone) {
		t.Fatal(err)
	}
	_ = v.cmd.Wait() // it was killed
}

func newChaos(t *testing.T) *chaos {
	t.Helper()
	c := &chaos{dir: t.TempDir()}
	model := filepath.Join(c.dir, "tiny.gguf")
	if err := chattest.Write(model); err != nil {
		t.Fatal(err)
	}
	l, err := (&net.ListenConfig{}).Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	addr := l.Addr().String()
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}
	c.url = "http://" + addr
	log := func(name string) *os.File {
		f, err := os.Create(filepath.Join(c.dir, name)) //nolint:gosec // in the test's directory
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = f.Close() })
		return f
	}
	data := filepath.Join(c.dir, "data")
	server := &victim{log: log("server.log"), args: []string{"serve", "--addr", addr, "--data", data, "--chat", model, "--characters", model, "--threads", "1", "--require-key"}}
	server.start(t)
	c.all = []*victim{server}
	c.ready(t)
	said, err := os.ReadFile(filepath.Join(c.dir, "server.log"))
	if err != nil {
		t.Fatal(err)
	}
	c.key = regexp.MustCompile(`shown this once: (\S+)`).FindStringSubmatch(string(said) + "shown this once: none")[1]
	token, err := exec.CommandContext(t.Context(), "kuai", "worker", "token", "chaos", "--data", data).Output() //nolint:gosec // ourselves
	if err != nil {
		t.Fatal(err)
	}
	for i := range 2 {
		name := fmt.Sprintf("worker-%d", i)
		w := &victim{log: log(name + ".log"), env: "KUAI_WORKER_TOKEN=" + strings.TrimSpace(string(token)), args: []string{"worker", "--join", c.url, "--name", name, "--data", filepath.Join(c.dir, name)}}
		w.start(t)
		c.all = append(c.all, w)
	}
	t.Cleanup(func() {
		for _, v := range c.all {
			_ = v.cmd.Process.Kill() // a test that failed left it
		}
	})
	return c
}

// call asks the server; status 0 is no answer.
func (c *chaos) call(ctx context.Context, method, path, key string, body any) (status int, answer []byte) {
	data, err := json.Marshal(body)
	if err != nil {
		return 0, nil
	}
	ctx, stop := context.WithTimeout(ctx, 20*time.Second)
	defer stop()
	r, err := http.NewRequestWithContext(ctx, method, c.url+path, bytes.NewReader(data))
	if err != nil {
		return 0, nil
	}
	r.Header.Set("Authorization", "Bearer "+c.key)
	r.Header.Set("Content-Type", "application/json")
	if key != "" {
		r.Header.Set("Idempotency-Key", key)
	}
	res, err := http.DefaultClient.Do(r)
	if err != nil {
		return 0, nil
	}
	answer, err = io.ReadAll(res.Body)
	if err = errors.Join(err, res.Body.Close()); err != nil {
		return 0, nil
	}
	return res.StatusCode, answer
}

// ready waits until the server answers; one that has ended by itself fails the
// test.
func (c *chaos) ready(t *testing.T) {
	t.Helper()
	for began := time.Now(); time.Since(began) < time.Minute; pause(t.Context(), 20*time.Millisecond) {
		if status, _ := c.call(t.Context(), http.MethodGet, "/v1/models", "", nil); status != 0 {
			return
		}
	}
	said, err := os.ReadFile(filepath.Join(c.dir, "server.log"))
	t.Fatalf("the server does not start: %s, %v", said, err)
}

// submit asks for one clip after the other, and waits a moment for each.
func (c *chaos) submit(ctx context.Context, who int) {
	for n := 0; ctx.Err() == nil; n++ {
		status, answer := c.call(context.WithoutCancel(ctx), http.MethodPost, "/v1/videos", fmt.Sprintf("chaos-%d-%d", who, n),
			map[string]any{"prompt": "a fox jumps at night", "steps": 1, "frames": 5, "seed": n})
		var v struct {
			ID string `json:"id"`
		}
		if status != http.StatusOK || json.Unmarshal(answer, &v) != nil {
			pause(ctx, 100*time.Millisecond)
			continue
		}
		c.mu.Lock()
		c.jobs = append(c.jobs, v.ID)
		c.mu.Unlock()
		for range 10 {
			if pause(ctx, 200*time.Millisecond); ctx.Err() != nil || c.ended(ctx, v.ID) {
				break
			}
		}
	}
}

func (c *chaos) accepted() []string {
	c.mu.Lock()
	defer c.mu.Unlock()
	return append([]string{}, c.jobs...)
}

// ended says whether a job has ended, as far as the server can be asked.
func (c *chaos) ended(ctx context.Context, id string) bool {
	status, answer := c.call(ctx, http.MethodGet, "/v1/videos/"+id, "", nil)
	var v struct {
		Status string `json:"status"`
	}
	return status == http.StatusOK && json.Unmarshal(answer, &v) == nil && (v.Status == "completed" || v.Status == "failed" || v.Status == "cancelled")
}

// chat asks for one answer after the other, every other one streamed.
func (c *chaos) chat(ctx context.Context) {
	for n := 0; ctx.Err() == nil; n++ {
		status, _ := c.call(context.WithoutCancel(ctx), http.MethodPost, "/v1/chat/completions", "", map[string]any{
			"model": "tiny", "max_tokens": 8, "stream": n%2 == 0, "messages": []map[string]string{{"role": "user", "content": "hi"}},
		})
		if status == http.StatusOK {
			c.chats.Add(1)
		}
		pause(ctx, 50*time.Millisecond)
	}
}

// rest waits until all jobs have ended: what a killed process had is taken back
// a lease after it fell silent.
func (c *chaos) rest(t *testing.T) {
	t.Helper()
	limit := time.Now().Add(5 * time.Minute)
	for _, id := range c.accepted() {
		for !c.ended(t.Context(), id) {
			if time.Now().After(limit) {
				t.Fatalf("%s does not end", id)
			}
			pause(t.Context(), 100*time.Millisecond)
		}
	}
}

// check opens what the dead left, and counts.
func (c *chaos) check(t *testing.T, kills int) {
	t.Helper()
	ctx := t.Context()
	url := filepath.Join(c.dir, "data", "kuai.db")
	d, err := db.Open(ctx, url)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = d.Close() }()
	blobs, err := blob.NewDir(filepath.Join(c.dir, "data", "jobs", "blobs"), nil)
	if err != nil {
		t.Fatal(err)
	}
	q, files := job.New(job.Options{DB: d}), file.New(file.Options{DB: d, Blobs: blobs})
	count := map[job.State]int{}
	attempts := 0
	for _, id := range c.accepted() {
		j, err := q.Get(ctx, "", id)
		if err != nil {
			t.Errorf("%s was accepted and is lost: %v", id, err)
			continue
		}
		count[j.State]++
		attempts += j.Attempt
		checkJob(t, d, files, j)
	}
	orphans := checkMoney(t, d)
	var out, errs bytes.Buffer
	if code := run(ctx, []string{"audit", "--database", url}, streams{Out: &out, Err: &errs}); code != exitOK {
		t.Errorf("kuai audit: exit %d: %s%s", code, &out, &errs)
	}
	t.Logf("%d kills; %d chats answered; jobs ended: %v, in %d attempts; reservations of requests that a kill cut off: %d",
		kills, c.chats.Load(), count, attempts, orphans)
	if len(c.accepted()) == 0 || c.chats.Load() == 0 {
		t.Error("there was no load")
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
	var ends int
	if err := d.Read(ctx, func(tx *db.Tx) error {
		return errors.Join(
			tx.QueryRowContext(ctx, "SELECT state FROM ledger_reservations WHERE id = ?", meta.Reservation).Scan(&state),
			tx.QueryRowContext(ctx, "SELECT COUNT(DISTINCT kind) FROM ledger_postings WHERE entry = ? AND kind <> 'reserve'", meta.Reservation).Scan(&ends))
	}); err != nil {
		t.Fatal(err)
	}
	made, _, err := files.List(ctx, file.Filter{Job: j.ID})
	if err != nil {
		t.Fatal(err)
	}
	want, outputs := "released", 0
	if j.State == job.Done {
		want, outputs = "settled", 2
	}
	if !j.State.Final() || state != want || ends != 1 || len(made) != outputs {
		t.Errorf("%s is %s, its money %s in %d ways, its files %d", j.ID, j.State, state, ends, len(made))
	}
	for _, f := range made {
		r, err := files.Open(ctx, f)
		if err != nil {
			t.Errorf("%s: %s: %v", j.ID, f.Name, err)
			continue
		}
		h := sha256.New()
		n, err := io.Copy(h, r)
		if err = errors.Join(err, r.Close()); err != nil || n != f.Bytes || hex.EncodeToString(h.Sum(nil)) != f.SHA256 {
			t.Errorf("%s: %s is damaged: %d bytes, want %d: %v", j.ID, f.Name, n, f.Bytes, err)
		}
	}
}

// checkMoney ends, as the sweeper of a server would a day later, what requests
// had set aside whose client never got an answer, and checks that nothing is
// held then. It returns how many those were.
func checkMoney(t *testing.T, d *db.DB) int {
	t.Helper()
	ctx := t.Context()
	l, err := ledger.New(ctx, d, ledger.Options{Now: func() time.Time { return time.Now().Add(26 * time.Hour) }})
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
