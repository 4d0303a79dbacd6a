//go:build linux

package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"mime/multipart"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"kuai/platform/db/dbtest"
)

// rounds is how often a fault happens: once, and more in a long run.
func rounds() int {
	if *killsFlag > 0 {
		return 5
	}
	return 1
}

// question is one in a dialect, and how that says that it can do nothing now.
type question struct {
	dialect, path string
	body          any
	status        int
	says          string
}

func questions() []question {
	turn := []map[string]string{{"role": "user", "content": "hi"}}
	chat := map[string]any{"model": "tiny", "max_tokens": 4, "messages": turn}
	return []question{
		{"openai", "/v1/chat/completions", chat, http.StatusServiceUnavailable, `"overloaded"`},
		{"anthropic", "/v1/messages", chat, 529, "overloaded_error"},
		{"minimax", "/v1/text/chatcompletion_v2", chat, http.StatusOK, `"status_code":1033`},
		{"openai videos", "/v1/videos", map[string]any{"prompt": "a fox"}, http.StatusServiceUnavailable, `"overloaded"`},
		{"minimax v2", "/v2/video_generation", map[string]any{"model": "MiniMax-H3", "content": []map[string]string{{"type": "text", "text": "a fox"}}}, http.StatusServiceUnavailable, "1033"},
		{"ollama", "/api/chat", map[string]any{"model": "tiny", "stream": false, "options": map[string]int{"num_predict": 4}, "messages": turn}, http.StatusServiceUnavailable, `"error"`},
	}
}

// refuses asks in every dialect of a server that lacks what it needs. All must
// say so, and when to come again; with some, those that get by without it may
// answer.
func (c *town) refuses(some bool) {
	c.t.Helper()
	var work sync.WaitGroup
	for _, q := range questions() {
		if some && strings.Contains(q.path, "video") {
			continue // it could be accepted, and nobody would wait for it
		}
		work.Go(func() {
			a := c.call(c.t.Context(), 0, http.MethodPost, q.path, "", q.body)
			refused := a.status == q.status && bytes.Contains(a.body, []byte(q.says)) && a.header.Get("Retry-After") != ""
			if !refused && (!some || a.status != http.StatusOK) {
				c.t.Errorf("%s: %d, Retry-After %q: %s %v", q.dialect, a.status, a.header.Get("Retry-After"), a.body, a.err)
			}
		})
	}
	work.Wait()
}

// red waits until the servers say that they are not ready.
func (c *town) red() {
	c.t.Helper()
	for began := time.Now(); c.call(c.t.Context(), 0, http.MethodGet, "/readyz", "", nil).status != http.StatusServiceUnavailable; {
		if time.Since(began) > readyTime {
			c.t.Fatal("the server says that it is ready")
		}
		pause(c.t.Context(), 20*time.Millisecond)
	}
}

// alive checks that no server has ended: recovery needs no restart.
func (c *town) alive() {
	c.t.Helper()
	for i, v := range c.servers {
		select {
		case <-v.ended:
			c.t.Fatalf("server %d has ended: %s", i, c.said(fmt.Sprintf("server-%d", i)))
		default:
		}
	}
}

// finish ends the load and waits for all jobs, then counts.
func (c *town) finish(load func()) {
	c.t.Helper()
	c.ready(c.t)
	pause(c.t.Context(), time.Second)
	load()
	c.rest(c.t.Context())
	c.alive()
	c.end()
	c.check()
	c.t.Log(c.told())
}

// TestChaosDatabase takes a PostgreSQL away from a server at work: it crashes,
// or it hangs.
func TestChaosDatabase(t *testing.T) {
	t.Parallel()
	pg := dbtest.NewCluster(t)
	c := newTown(t, setting{database: pg.URL(), workers: 1})
	load := c.load(t.Context())
	for range rounds() {
		pause(t.Context(), time.Second)
		pg.Crash()
		c.red()
		c.refuses(false)
		pg.Start()
		c.ready(t)
		if *killsFlag == 0 {
			continue // silence has to be waited for
		}
		pause(t.Context(), time.Second)
		pg.Freeze()
		c.red()
		c.refuses(false)
		pg.Thaw()
		c.ready(t)
	}
	c.finish(load)
}

const diskBytes = 48 << 20

// smallDisk mounts a disk of few bytes, or skips the test.
func smallDisk(t *testing.T) string {
	t.Helper()
	dir := filepath.Join(t.TempDir(), "disk")
	if err := os.Mkdir(dir, 0o700); err != nil {
		t.Fatal(err)
	}
	if err := syscall.Mount("tmpfs", dir, "tmpfs", 0, fmt.Sprintf("size=%d", diskBytes)); err != nil {
		t.Skipf("no small disk can be mounted here: %v", err)
	}
	t.Cleanup(func() {
		if err := syscall.Unmount(dir, syscall.MNT_DETACH); err != nil {
			t.Error(err)
		}
	})
	return dir
}

// fill takes all room on a disk, also what becomes free meanwhile, until the
// function that it returns gives it back.
func fill(t *testing.T, disk string) (free func()) {
	t.Helper()
	f, err := os.Create(filepath.Join(disk, "ballast"))
	if err != nil {
		t.Fatal(err)
	}
	grab := func() {
		for _, n := range []int{1 << 20, 4 << 10, 1} {
			for err == nil {
				_, err = f.Write(make([]byte, n))
			}
			if !errors.Is(err, syscall.ENOSPC) {
				t.Error(err)
			}
			err = nil
		}
	}
	grab()
	ctx, stop := context.WithCancel(t.Context())
	var work sync.WaitGroup
	work.Go(func() {
		for ctx.Err() == nil {
			pause(ctx, 10*time.Millisecond)
			grab()
		}
	})
	return func() {
		stop()
		work.Wait()
		if err := errors.Join(f.Close(), os.Remove(f.Name())); err != nil {
			t.Error(err)
		}
	}
}

// upload stores a file, or is told to come again.
func (c *town) upload() {
	c.t.Helper()
	var body bytes.Buffer
	form := multipart.NewWriter(&body)
	w, err := form.CreateFormFile("file", "note.txt")
	if err == nil {
		_, err = w.Write(bytes.Repeat([]byte("note "), 20_000))
	}
	if err = errors.Join(err, form.WriteField("purpose", "user_data"), form.Close()); err != nil {
		c.t.Fatal(err)
	}
	r, err := http.NewRequestWithContext(c.t.Context(), http.MethodPost, c.urls[0]+"/v1/files", &body)
	if err != nil {
		c.t.Fatal(err)
	}
	r.Header.Set("Authorization", "Bearer "+c.key)
	r.Header.Set("Content-Type", form.FormDataContentType())
	res, err := http.DefaultClient.Do(r)
	if err != nil {
		c.t.Errorf("an upload: %v", err)
		return
	}
	said, err := io.ReadAll(res.Body)
	if err = errors.Join(err, res.Body.Close()); err != nil {
		c.t.Error(err)
	}
	if res.StatusCode != http.StatusOK && (res.StatusCode != http.StatusServiceUnavailable || res.Header.Get("Retry-After") == "") {
		c.t.Errorf("an upload: %d, Retry-After %q: %s", res.StatusCode, res.Header.Get("Retry-After"), said)
	}
}

// TestChaosDisk fills the disk of a server at work, with its database and all
// files or with those of customers alone, and makes room again.
func TestChaosDisk(t *testing.T) {
	t.Parallel()
	for _, what := range []string{"all", "blobs"} {
		t.Run(what, func(t *testing.T) {
			t.Parallel()
			disk := smallDisk(t)
			s := setting{data: filepath.Join(disk, "data"), workers: 1}
			if what == "blobs" {
				s = setting{blobs: filepath.Join(disk, "blobs"), workers: 1}
			}
			c := newTown(t, s)
			load := c.load(t.Context())
			for range rounds() {
				pause(t.Context(), time.Second)
				free := fill(t, disk)
				c.red()
				for range 5 { // until the room that files have already is used up
					c.refuses(true)
					c.upload()
					pause(t.Context(), 500*time.Millisecond)
				}
				free()
				c.ready(t)
			}
			c.finish(load)
		})
	}
}

// TestChaosClock moves a server's clock on the wall by hours, forwards and
// backwards.
func TestChaosClock(t *testing.T) {
	t.Parallel()
	clock := filepath.Join(t.TempDir(), "clock")
	c := newTown(t, setting{workers: 1, env: []string{clockVar + "=" + clock}})
	load := c.load(t.Context())
	for range rounds() {
		for _, wrong := range []string{"2h", "-2h", "26h", "-26h", "3s", "-3s", "0s"} {
			pause(t.Context(), 300*time.Millisecond)
			next := clock + ".next"
			if err := errors.Join(os.WriteFile(next, []byte(wrong), 0o600), os.Rename(next, clock)); err != nil {
				t.Fatal(err)
			}
			for _, q := range questions() {
				if q.path == "/v1/chat/completions" || q.path == "/v1/messages" {
					if a := c.call(t.Context(), 0, http.MethodPost, q.path, "", q.body); a.status != http.StatusOK {
						t.Errorf("with the clock at %s: %s: %d: %s", wrong, q.dialect, a.status, a.body)
					}
				}
			}
			c.ready(t)
		}
	}
	c.finish(load)
}
