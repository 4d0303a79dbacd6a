package kuai_test

import (
	"bufio"
	"errors"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"kuai/api/clip"
	"kuai/api/gate"
	"kuai/api/kuai"
	"kuai/platform/db/dbtest"
	"kuai/platform/job"
)

// TestStreamsTogether tells 200 event streams, of both kinds, that a job has
// begun: the database is asked once, not once for each.
func TestStreamsTogether(t *testing.T) {
	t.Parallel()
	const streams = 200
	d := dbtest.Open(t, dbtest.SQLite(t))
	h := newHouse(t, d, time.Hour)
	clips := clip.NewJobs(t.Context(), clip.JobsOptions{Queue: h.jobs, Files: h.files})
	t.Cleanup(clips.Close)
	kuai.Register(h.routes, &clip.Room{Videos: clips, Gate: gate.Open{}}, gate.Open{})
	j := h.submit(t)
	var work, queued, running sync.WaitGroup
	queued.Add(streams)
	running.Add(streams)
	for i := range streams {
		path := "/api/v1/jobs/" + j.ID + "/events"
		if i%2 == 0 {
			path = "/api/v1/videos/" + j.ID + "/events"
		}
		work.Go(func() {
			if err := h.listen(t, path, &queued, &running); err != nil {
				t.Errorf("%s: %v", path, err)
			}
		})
	}
	queued.Wait()
	before := d.Statements()
	_, ok, err := h.jobs.Claim(t.Context(), job.Worker{ID: "w"})
	if err != nil || !ok {
		t.Fatalf("claimed %v, %v", ok, err)
	}
	running.Wait()
	if n := d.Statements() - before; n > streams/4 {
		t.Errorf("a job's beginning, and telling %d streams of it, took %d statements", streams, n)
	}
	must(t, h.jobs.Finish(t.Context(), job.Lease{Job: j.ID, Attempt: 1}, job.Result{}))
	work.Wait()
}

// listen reads a stream to its end, and tells when it says that the job waits and
// that it is at work.
func (h *house) listen(t *testing.T, path string, queued, running *sync.WaitGroup) (err error) {
	t.Helper()
	waits := false
	defer func() {
		if !waits { // the others need not wait for it
			queued.Done()
			running.Done()
		}
	}()
	r, err := http.NewRequestWithContext(t.Context(), http.MethodGet, h.URL+path, http.NoBody)
	if err != nil {
		return err
	}
	res, err := h.Client().Do(r)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, res.Body.Close()) }()
	lines := bufio.NewScanner(res.Body)
	lines.Buffer(nil, 1<<20)
	for lines.Scan() {
		switch line := lines.Text(); {
		case !waits && strings.Contains(line, `"queued"`):
			waits = true
			queued.Done()
		case strings.Contains(line, `"running"`), strings.Contains(line, `"in_progress"`):
			running.Done()
		}
	}
	return lines.Err()
}
