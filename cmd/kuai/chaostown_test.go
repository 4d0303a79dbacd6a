//go:build linux

package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"kuai/internal/loopback"
	"kuai/serve/chat/chattest"
)

const (
	submitters = 3
	chatters   = 2
	maxOpen    = 4 // jobs of one submitter that have not ended: the backlog stays bounded

	readyTime = 4 * time.Minute // half a second of work; machines may do much else
	restTime  = 5 * time.Minute // for all jobs to end

	maxComplaints = 20 // lines of a log that are shown
)

// setting says what a town is made of.
type setting struct {
	servers, workers int      // 0 servers is one
	database         string   // "" is SQLite in the data directory
	data             string   // "" is in the test's directory
	blobs            string   // "" is in the data directory
	nats             []string // a server's each; none: within each process
	env              []string // of the servers
	idle             bool     // servers make no clips
}

// town is servers and workers, in processes of their own, and those who use
// them.
type town struct {
	t        *testing.T
	setting  setting
	dir, key string
	urls     []string // of the servers
	servers  []*victim
	workers  []*victim

	mu       sync.Mutex
	jobs     []string // that were accepted
	chats    int      // that were answered
	statuses map[int]int
}

// victim is a process that is killed and started again.
type victim struct {
	kind      string
	args, env []string
	cmd       *exec.Cmd
	log       *os.File
	ended     chan struct{} // closed when it has
	dead      bool          // the last kill was one
}

func (v *victim) start(t *testing.T) {
	t.Helper()
	v.cmd = exec.CommandContext(t.Context(), "kuai", v.args...)
	v.cmd.Env = append(os.Environ(), v.env...)
	v.cmd.Stdout, v.cmd.Stderr = v.log, v.log
	v.cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true} // Ctrl-C is the test's
	if err := v.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	cmd, ended := v.cmd, make(chan struct{})
	v.ended = ended
	go func() {
		_ = cmd.Wait() // its state tells
		close(ended)
	}()
}

// kill ends the process without notice, and says whether it was that which
// ended it: a process that had ended before, or of something else, was not
// killed.
func (v *victim) kill() bool {
	v.dead = false
	select {
	case <-v.ended:
		return false
	default:
	}
	if err := v.cmd.Process.Signal(syscall.SIGKILL); err != nil && !errors.Is(err, os.ErrProcessDone) {
		return false
	}
	<-v.ended
	status, ok := v.cmd.ProcessState.Sys().(syscall.WaitStatus)
	v.dead = ok && status.Signaled() && status.Signal() == syscall.SIGKILL
	return v.dead
}

// newTown starts servers, the first one first, and workers that join it.
func newTown(t *testing.T, s setting) *town {
	t.Helper()
	s.servers = max(1, s.servers)
	c := &town{t: t, setting: s, dir: t.TempDir(), statuses: map[int]int{}}
	model := filepath.Join(c.dir, "tiny.gguf")
	if err := chattest.Write(model); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		c.end()
		if t.Failed() {
			c.complaints()
		}
	})
	for i := range s.servers {
		addr := freePort(t)
		args := []string{"serve", "--addr", addr, "--data", c.data(i), "--chat", model, "--characters", model, "--threads", "1", "--require-key"}
		if s.database != "" {
			args = append(args, "--database", s.database)
		}
		if s.blobs != "" {
			args = append(args, "--blobs", s.blobs)
		}
		if len(s.nats) > 0 {
			args = append(args, "--nats", s.nats[i])
		}
		if s.idle {
			args = append(args, "--no-render")
		}
		c.urls = append(c.urls, "http://"+addr)
		v := &victim{kind: "server", log: c.log(fmt.Sprintf("server-%d", i)), args: args, env: s.env}
		c.servers = append(c.servers, v)
		v.start(t)
		c.ready(t)
		if i == 0 {
			c.key = regexp.MustCompile(`shown this once: (\S+)`).FindStringSubmatch(c.said("server-0") + "shown this once: none")[1]
		}
	}
	if s.workers > 0 {
		token := c.run("worker", "token", "chaos", "--database", c.database())
		for i := range s.workers {
			name := fmt.Sprintf("worker-%d", i)
			v := &victim{
				kind: "worker", log: c.log(name), env: []string{"KUAI_WORKER_TOKEN=" + strings.TrimSpace(token)},
				args: []string{"worker", "--join", c.urls[0], "--name", name, "--data", filepath.Join(c.dir, name)},
			}
			c.workers = append(c.workers, v)
			v.start(t)
		}
	}
	return c
}

// data is the directory of a server.
func (c *town) data(i int) string {
	if c.setting.data != "" {
		return c.setting.data
	}
	return filepath.Join(c.dir, fmt.Sprintf("data-%d", i))
}

func (c *town) database() string {
	if c.setting.database != "" {
		return c.setting.database
	}
	return filepath.Join(c.data(0), "kuai.db")
}

func (c *town) all() []*victim { return append(append([]*victim{}, c.servers...), c.workers...) }

// end kills everybody.
func (c *town) end() {
	for _, v := range c.all() {
		v.kill()
	}
}

// freePort is an address that stays free while its server is dead.
func freePort(t *testing.T) string {
	t.Helper()
	l, err := (&net.ListenConfig{}).Listen(t.Context(), "tcp", net.JoinHostPort(loopback.Host(), "0"))
	if err != nil {
		t.Fatal(err)
	}
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}
	return l.Addr().String()
}

func (c *town) log(name string) *os.File {
	f, err := os.Create(filepath.Join(c.dir, name+".log"))
	if err != nil {
		c.t.Fatal(err)
	}
	c.t.Cleanup(func() { _ = f.Close() })
	return f
}

func (c *town) said(name string) string {
	data, err := os.ReadFile(filepath.Join(c.dir, name+".log"))
	if err != nil {
		c.t.Fatal(err)
	}
	return string(data)
}

// complaints shows what the servers' logs have of bugs.
func (c *town) complaints() {
	for i := range c.servers {
		n := 0
		for line := range strings.Lines(c.said(fmt.Sprintf("server-%d", i))) {
			if strings.Contains(line, "ERROR") || strings.Contains(line, "a request failed") || strings.Contains(line, "bug") {
				if n++; n <= maxComplaints {
					c.t.Logf("server %d: %s", i, strings.TrimSpace(line))
				}
			}
		}
	}
}

// run runs a command of kuai.
func (c *town) run(args ...string) string {
	c.t.Helper()
	var out, errs bytes.Buffer
	if code := run(c.t.Context(), args, streams{Out: &out, Err: &errs}); code != exitOK {
		c.t.Fatalf("kuai %s: exit %d: %s%s", strings.Join(args, " "), code, &out, &errs)
	}
	return out.String()
}

// answer is what a server said; status 0 is nothing, and err says why.
type answer struct {
	status int
	header http.Header
	body   []byte
	err    error
}

// call asks a server.
func (c *town) call(ctx context.Context, server int, method, path, key string, body any) answer {
	data, err := json.Marshal(body)
	if err != nil {
		return answer{err: err}
	}
	ctx, stop := context.WithTimeout(ctx, 30*time.Second)
	defer stop()
	r, err := http.NewRequestWithContext(ctx, method, c.urls[server]+path, bytes.NewReader(data))
	if err != nil {
		return answer{err: err}
	}
	r.Header.Set("Authorization", "Bearer "+c.key)
	r.Header.Set("Content-Type", "application/json")
	if key != "" {
		r.Header.Set("Idempotency-Key", key)
	}
	res, err := http.DefaultClient.Do(r)
	if err != nil {
		return answer{err: err}
	}
	data, err = io.ReadAll(res.Body)
	if err = errors.Join(err, res.Body.Close()); err != nil {
		return answer{err: err}
	}
	if method != http.MethodGet {
		c.mu.Lock()
		c.statuses[res.StatusCode]++
		c.mu.Unlock()
	}
	return answer{res.StatusCode, res.Header, data, nil}
}

// ready waits until all servers are; one that has ended by itself fails the
// test.
func (c *town) ready(t *testing.T) {
	t.Helper()
	for i := range c.urls {
		began := time.Now()
		for c.call(t.Context(), i, http.MethodGet, "/readyz", "", nil).status != http.StatusOK {
			if time.Since(began) > readyTime {
				t.Fatalf("server %d does not get ready: %s", i, c.said(fmt.Sprintf("server-%d", i)))
			}
			pause(t.Context(), 20*time.Millisecond)
		}
	}
}

// accept asks a server for a clip, and asks again under the same key until it
// is accepted: what was accepted before, though nobody heard of it, is the same
// job.
func (c *town) accept(server int, key string, seed int) (id string) {
	ctx := c.t.Context()
	for ctx.Err() == nil {
		var v struct {
			ID string `json:"id"`
		}
		a := c.call(ctx, server, http.MethodPost, "/v1/videos", key, map[string]any{"prompt": "a fox jumps at night", "steps": 1, "frames": 5, "seed": seed})
		if a.status == http.StatusOK && json.Unmarshal(a.body, &v) == nil && v.ID != "" {
			c.mu.Lock()
			c.jobs = append(c.jobs, v.ID)
			c.mu.Unlock()
			return v.ID
		}
		pause(ctx, 100*time.Millisecond)
	}
	return ""
}

// submit asks for one clip after the other, and lets few wait.
func (c *town) submit(ctx context.Context, who int) {
	var open []string
	for n := 0; ctx.Err() == nil; n++ {
		open = append(open, c.accept((who+n)%len(c.urls), fmt.Sprintf("chaos-%d-%d", who, n), n))
		for len(open) >= maxOpen && ctx.Err() == nil {
			still := open[:0]
			for i, id := range open {
				if !c.ended(ctx, i%len(c.urls), id) {
					still = append(still, id)
				}
			}
			open = still
			pause(ctx, 200*time.Millisecond)
		}
		pause(ctx, 200*time.Millisecond)
	}
}

func (c *town) accepted() []string {
	c.mu.Lock()
	defer c.mu.Unlock()
	return append([]string{}, c.jobs...)
}

// ended says whether a job has ended, as far as the server can be asked.
func (c *town) ended(ctx context.Context, server int, id string) bool {
	a := c.call(ctx, server, http.MethodGet, "/v1/videos/"+id, "", nil)
	var v struct {
		Status string `json:"status"`
	}
	return a.status == http.StatusOK && json.Unmarshal(a.body, &v) == nil && (v.Status == "completed" || v.Status == "failed" || v.Status == "cancelled")
}

// chat asks for one answer after the other, every other one streamed.
func (c *town) chat(ctx context.Context, who int) {
	for n := 0; ctx.Err() == nil; n++ {
		a := c.call(context.WithoutCancel(ctx), (who+n)%len(c.urls), http.MethodPost, "/v1/chat/completions", "", map[string]any{
			"model": "tiny", "max_tokens": 8, "stream": n%2 == 0, "messages": []map[string]string{{"role": "user", "content": "hi"}},
		})
		if a.status == http.StatusOK {
			c.mu.Lock()
			c.chats++
			c.mu.Unlock()
		}
		pause(ctx, 50*time.Millisecond)
	}
}

// rest waits until all jobs have ended: what a killed process had is taken back
// a lease after it fell silent.
func (c *town) rest(ctx context.Context) {
	c.t.Helper()
	limit := time.Now().Add(restTime)
	for i, id := range c.accepted() {
		for !c.ended(ctx, i%len(c.urls), id) {
			if ctx.Err() != nil {
				return
			}
			if time.Now().After(limit) {
				c.t.Fatalf("%s does not end: %s", id, c.call(ctx, 0, http.MethodGet, "/v1/videos/"+id, "", nil).body)
			}
			for _, v := range c.workers { // one that could not join has ended
				select {
				case <-v.ended:
					v.start(c.t)
				default:
				}
			}
			pause(ctx, 100*time.Millisecond)
		}
	}
}
