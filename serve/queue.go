// Package serve runs models for many callers: it queues requests for clips,
// works on one at a time, tells how far it is, and keeps what it made.
//
// A finished clip is two files in the queue's directory: <id>.json says what
// it is, <id>.rgb holds its frames, from which every format is encoded when
// someone asks for it.
package serve

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"time"

	"kuai/format/atomicfile"
	"kuai/media"
	"kuai/video"
)

const (
	maxWaiting   = 100     // jobs
	maxStateJSON = 1 << 20 // bytes of a sidecar
)

// Generator makes clips; *video.Model is one.
type Generator interface {
	// Check says what is wrong with a request, before it waits.
	Check(req video.Request) error
	Generate(ctx context.Context, req video.Request, progress func(video.Progress)) (*video.Result, error)
}

// Shaped is a Generator that says which clips it makes.
type Shaped interface {
	Size() int   // pixels on a side
	Frames() int // at most
	FPS() int
}

// Errors that callers branch on.
var (
	ErrFull     = errors.New("serve: too many clips are waiting; try again later")
	ErrNotFound = errors.New("serve: there is no such clip")
	ErrNotReady = errors.New("serve: the clip is not finished")
	ErrClosed   = errors.New("serve: shutting down")
	errCanceled = errors.New("cancelled by the user")
)

// Status is where a job stands.
type Status string

// The statuses. The last three are final.
const (
	Queued    Status = "queued"
	Running   Status = "in_progress"
	Completed Status = "completed"
	Failed    Status = "failed"
	Cancelled Status = "cancelled"
)

// Final says whether nothing will change any more.
func (s Status) Final() bool { return s == Completed || s == Failed || s == Cancelled }

// Job is one clip on its way or made.
type Job struct {
	ID       string        `json:"id"`
	Request  video.Request `json:"request"`
	Status   Status        `json:"status"`
	Progress float64       `json:"progress"` // 0 to 1
	Stage    string        `json:"stage"`
	Step     int           `json:"step"` // done of Steps, in this stage
	Steps    int           `json:"steps"`
	Created  time.Time     `json:"created"`
	Finished time.Time     `json:"finished,omitzero"`
	Error    string        `json:"error,omitempty"`

	// Tags are the submitter's: whose it is and what it is for. They are kept
	// with the job and mean nothing to the queue.
	Tags map[string]string `json:"tags,omitempty"`

	Width, Height, FPS, Frames int
	Understood                 []video.Slot
	Unknown                    []string
	Seconds                    float64 // of work

	Position int           `json:"-"` // of one that waits: 1 is next; 0 where nobody knows
	Left     time.Duration `json:"-"` // until it is done; 0 where nobody knows
}

// Queue makes clips one after the other.
type Queue struct {
	dir string
	gen Generator

	mu      sync.Mutex
	jobs    map[string]*entry
	waiting []*entry
	wake    chan struct{}
	closed  bool
	stopped chan struct{}
	stop    context.CancelCauseFunc
}

// entry is a job with what belongs to its run.
type entry struct {
	job     Job
	cancel  context.CancelCauseFunc
	changed chan struct{} // closed and replaced at each change
}

// NewQueue opens the queue in a directory, with the clips made before, and
// begins to work. Close ends it.
func NewQueue(ctx context.Context, dir string, gen Generator) (*Queue, error) {
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return nil, fmt.Errorf("serve: %w", err)
	}
	ctx, stop := context.WithCancelCause(ctx)
	q := &Queue{
		dir: dir, gen: gen, jobs: map[string]*entry{},
		wake: make(chan struct{}, 1), stopped: make(chan struct{}), stop: stop,
	}
	if err := q.load(); err != nil {
		stop(err)
		return nil, err
	}
	go q.work(ctx)
	return q, nil
}

// load reads the sidecars; one that is damaged is left out and reported.
func (q *Queue) load() error {
	names, err := filepath.Glob(filepath.Join(q.dir, "*.json"))
	if err != nil {
		return fmt.Errorf("serve: %w", err)
	}
	for _, name := range names {
		var j Job
		info, err := os.Stat(name)
		if err == nil && info.Size() <= maxStateJSON {
			var data []byte
			if data, err = os.ReadFile(name); err == nil {
				err = json.Unmarshal(data, &j)
			}
		}
		if err != nil || j.ID != strings.TrimSuffix(filepath.Base(name), ".json") || !j.Status.Final() {
			slog.Warn("a clip's description cannot be read", "file", name, "error", err)
			continue
		}
		q.jobs[j.ID] = &entry{job: j, changed: make(chan struct{})}
	}
	return nil
}

// Close stops the work at hand and waits until it has stopped.
func (q *Queue) Close() {
	q.mu.Lock()
	q.closed = true
	q.mu.Unlock()
	q.stop(ErrClosed)
	<-q.stopped
}

// Done is closed when the queue works no more.
func (q *Queue) Done() <-chan struct{} { return q.stopped }

// Shape returns what the generator says of its clips, and whether it does.
func (q *Queue) Shape() (s Shaped, ok bool) {
	s, ok = q.gen.(Shaped)
	return s, ok
}

// Submit queues a request. It fails with what is wrong with it, ErrFull or
// ErrClosed.
func (q *Queue) Submit(req video.Request) (Job, error) { return q.SubmitTagged(req, nil) }

// SubmitTagged is Submit for a job with tags, which nobody may change any more.
func (q *Queue) SubmitTagged(req video.Request, tags map[string]string) (Job, error) {
	if err := q.gen.Check(req); err != nil {
		return Job{}, err
	}
	var id [12]byte
	_, _ = rand.Read(id[:]) // never fails
	q.mu.Lock()
	defer q.mu.Unlock()
	switch {
	case q.closed:
		return Job{}, ErrClosed
	case len(q.waiting) >= maxWaiting:
		return Job{}, ErrFull
	}
	e := &entry{
		job:     Job{ID: "video_" + hex.EncodeToString(id[:]), Request: req, Status: Queued, Created: time.Now(), Tags: tags},
		changed: make(chan struct{}),
	}
	q.jobs[e.job.ID] = e
	q.waiting = append(q.waiting, e)
	select {
	case q.wake <- struct{}{}:
	default:
	}
	return e.job, nil
}

// Get returns a job, and a channel that is closed when it has changed.
func (q *Queue) Get(id string) (Job, <-chan struct{}, error) {
	q.mu.Lock()
	defer q.mu.Unlock()
	e, ok := q.jobs[id]
	if !ok {
		return Job{}, nil, ErrNotFound
	}
	return e.job, e.changed, nil
}

// List returns all jobs, the newest first.
func (q *Queue) List() []Job {
	q.mu.Lock()
	defer q.mu.Unlock()
	out := make([]Job, 0, len(q.jobs))
	for _, e := range q.jobs {
		out = append(out, e.job)
	}
	slices.SortFunc(out, func(a, b Job) int { return b.Created.Compare(a.Created) })
	return out
}

// Cancel stops a job that is waiting or at work. One that is final stays.
func (q *Queue) Cancel(id string) (Job, error) {
	q.mu.Lock()
	defer q.mu.Unlock()
	e, ok := q.jobs[id]
	if !ok {
		return Job{}, ErrNotFound
	}
	switch e.job.Status {
	case Queued:
		q.waiting = slices.DeleteFunc(q.waiting, func(w *entry) bool { return w == e })
		e.set(func(j *Job) { j.Status, j.Finished = Cancelled, time.Now() })
	case Running:
		e.cancel(errCanceled)
	}
	return e.job, nil
}

// Delete removes a job and its files, and cancels it first where needed.
func (q *Queue) Delete(id string) error {
	if _, err := q.Cancel(id); err != nil {
		return err
	}
	q.mu.Lock()
	defer q.mu.Unlock()
	delete(q.jobs, id)
	return errors.Join(removed(q.path(id, ".json")), removed(q.path(id, ".rgb")))
}

func removed(path string) error {
	if err := os.Remove(path); err != nil && !os.IsNotExist(err) {
		return fmt.Errorf("serve: %w", err)
	}
	return nil
}

// Clip returns a finished clip. It fails with ErrNotFound or ErrNotReady.
func (q *Queue) Clip(id string) (Job, *media.Clip, error) {
	j, _, err := q.Get(id)
	if err != nil {
		return j, nil, err
	}
	if j.Status != Completed {
		return j, nil, ErrNotReady
	}
	data, err := os.ReadFile(q.path(id, ".rgb"))
	if err != nil {
		return j, nil, fmt.Errorf("serve: %w", err)
	}
	n := j.Width * j.Height * 3
	if n <= 0 || len(data) != n*j.Frames {
		return j, nil, fmt.Errorf("serve: %s: %d bytes, want %d frames of %dx%d", q.path(id, ".rgb"), len(data), j.Frames, j.Width, j.Height)
	}
	c := &media.Clip{Width: j.Width, Height: j.Height, FPS: j.FPS}
	for i := range j.Frames {
		c.Frames = append(c.Frames, data[i*n:(i+1)*n])
	}
	return j, c, nil
}

func (q *Queue) path(id, ending string) string { return filepath.Join(q.dir, id+ending) }

// set changes a job and tells those who watch; the queue's lock is held.
func (e *entry) set(f func(j *Job)) {
	f(&e.job)
	close(e.changed)
	e.changed = make(chan struct{})
}

// work runs the jobs until ctx is done.
func (q *Queue) work(ctx context.Context) {
	defer close(q.stopped)
	for {
		q.mu.Lock()
		var e *entry
		if len(q.waiting) > 0 && ctx.Err() == nil {
			e, q.waiting = q.waiting[0], q.waiting[1:]
		}
		q.mu.Unlock()
		if e != nil {
			q.run(ctx, e)
			continue
		}
		select {
		case <-ctx.Done():
			return
		case <-q.wake:
		}
	}
}

// run makes one clip.
func (q *Queue) run(ctx context.Context, e *entry) {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	begin := time.Now()
	q.change(e, func(j *Job) { j.Status = Running; e.cancel = cancel })
	res, err := q.generate(ctx, e)
	if err == nil {
		err = q.keep(e, res, time.Since(begin))
	}
	if err == nil {
		return
	}
	q.change(e, func(j *Job) {
		j.Status, j.Error, j.Finished = Failed, err.Error(), time.Now()
		if errors.Is(err, errCanceled) {
			j.Status, j.Error = Cancelled, ""
		}
	})
}

// generate runs the model; a bug in it fails the job and nothing else.
func (q *Queue) generate(ctx context.Context, e *entry) (res *video.Result, err error) {
	defer func() {
		if v := recover(); v != nil {
			slog.Error("a clip failed by a bug", "id", e.job.ID, "bug", v)
			err = fmt.Errorf("serve: internal error, see the log for %s", e.job.ID)
		}
	}()
	return q.gen.Generate(ctx, e.job.Request, func(p video.Progress) {
		q.change(e, func(j *Job) { j.Stage, j.Step, j.Steps, j.Progress = p.Stage, p.Step, p.Steps, overall(p) })
	})
}

// overall is how far all stages together are: sampling is most of it.
func overall(p video.Progress) float64 {
	part := float64(p.Step) / float64(max(p.Steps, 1))
	switch p.Stage {
	case "sample":
		return 0.02 + 0.78*part
	case "decode":
		return 0.80 + 0.20*part
	}
	return 0.02 * part
}

func (q *Queue) change(e *entry, f func(j *Job)) {
	q.mu.Lock()
	defer q.mu.Unlock()
	e.set(f)
}

// keep stores a finished clip, the sidecar last.
func (q *Queue) keep(e *entry, res *video.Result, took time.Duration) error {
	j := e.job
	j.Status, j.Progress, j.Finished, j.Seconds = Completed, 1, time.Now(), took.Seconds()
	j.Width, j.Height, j.FPS, j.Frames = res.Clip.Width, res.Clip.Height, res.Clip.FPS, len(res.Clip.Frames)
	j.Understood, j.Unknown = res.Understood, res.Unknown
	j.Request.Seed, j.Request.Steps = res.Seed, res.Steps
	data, err := json.Marshal(j)
	if err != nil {
		return fmt.Errorf("serve: %w", err)
	}
	if err := atomicfile.WriteBytes(q.path(j.ID, ".rgb"), slices.Concat(res.Clip.Frames...)); err != nil {
		return fmt.Errorf("serve: %w", err)
	}
	if err := atomicfile.WriteBytes(q.path(j.ID, ".json"), data); err != nil {
		return fmt.Errorf("serve: %w", err)
	}
	q.change(e, func(job *Job) { *job = j })
	if _, _, err := q.Get(j.ID); err != nil { // deleted while it was being stored
		return errors.Join(removed(q.path(j.ID, ".json")), removed(q.path(j.ID, ".rgb")))
	}
	return nil
}
