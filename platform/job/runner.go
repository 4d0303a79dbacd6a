package job

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"path/filepath"
	"runtime/debug"
	"sync"
	"time"

	"go.opentelemetry.io/otel/trace"

	"kuai/fault"
)

const (
	claimWait    = 20 * time.Second // of one question for work
	retryDesk    = time.Second      // after a desk that did not answer
	defaultDrain = 20 * time.Second
	closingTime  = 10 * time.Second // for the last words about a job
	tries        = 5                // to say them
)

// Desk is where a runner gets jobs and reports: a Queue, or one afar
// (platform/worker).
type Desk interface {
	// Next waits for a job, at most so long; ok is false when there was none.
	Next(ctx context.Context, w Worker, wait time.Duration) (j Job, ok bool, err error)
	Heartbeat(ctx context.Context, l Lease, p Progress) error
	Progress(ctx context.Context, l Lease, p Progress) error
	Preview(ctx context.Context, l Lease, p Preview) error
	Finalise(ctx context.Context, l Lease) error
	Store(ctx context.Context, l Lease, name, kind, checksum string, r io.Reader) (Output, error)
	Finish(ctx context.Context, l Lease, r Result) error
	Fail(ctx context.Context, l Lease, f Failure) error
	Return(ctx context.Context, l Lease) error
	// Stopped waits until the job is no longer the lease's, and says why.
	Stopped(ctx context.Context, l Lease) error
	LeaseTime() time.Duration
}

// Report is how a run tells of itself while it makes a job.
type Report interface {
	Progress(p Progress)
	Preview(p Preview)
	Dir() string // for the files that it makes; removed afterwards
}

// File is one that a run made.
type File struct {
	Name, Type string
	Path       string
}

// Made is what a run made.
type Made struct {
	Data  json.RawMessage  // for whoever asked
	Usage map[string]int64 // for the money
	Files []File
}

// Run makes a job. It returns within a tenth of a second once ctx is done. A
// *fault.Error is told to the client; one that another attempt cannot mend
// (fault.Invalid and the like) ends the job.
type Run func(ctx context.Context, j Job, r Report) (Made, error)

// Causes of the end of a run's context. A job that the runner lost by any other
// cause has an ErrLost.
var (
	ErrShutdown = errors.New("job: the runner shuts down")
	errSilent   = fmt.Errorf("%w: no heartbeat got through for a lease", ErrLost)
)

// Runner makes jobs from a desk. Run is the only method to call.
type Runner struct {
	Desk   Desk
	Worker Worker
	Runs   map[string]Run // by kind
	Dir    string         // for files of jobs at work; "" is the system's
	Tracer trace.Tracer   // nil: no spans
	Drain  time.Duration  // how long jobs may go on after the end; 0 is 20 s, negative is not at all
	Point  func(string)   // as in Options
}

// Run works until ctx is done. Jobs at work then have the drain time to finish;
// after it they are handed back. Run returns when none is left.
func (r *Runner) Run(ctx context.Context) error {
	if err := r.prepare(); err != nil {
		return err
	}
	work, stop := context.WithCancelCause(context.WithoutCancel(ctx))
	defer stop(nil)
	drain := r.Drain
	if drain == 0 {
		drain = defaultDrain
	}
	defer context.AfterFunc(ctx, func() {
		t := time.AfterFunc(max(drain, 0), func() { stop(ErrShutdown) })
		context.AfterFunc(work, func() { t.Stop() })
	})()
	var wg sync.WaitGroup
	for range max(1, r.Worker.Slots) {
		wg.Go(func() { r.slot(ctx, work) })
	}
	wg.Wait()
	return nil
}

func (r *Runner) prepare() error {
	if r.Point == nil {
		r.Point = func(string) {}
	}
	if r.Dir != "" {
		if err := os.MkdirAll(r.Dir, 0o700); err != nil {
			return fmt.Errorf("job: %w", err)
		}
	}
	r.Worker.Kinds = nil
	for kind := range r.Runs {
		r.Worker.Kinds = append(r.Worker.Kinds, kind)
	}
	return r.Worker.check()
}

// slot makes one job after the other.
func (r *Runner) slot(ctx, work context.Context) {
	for ctx.Err() == nil {
		j, ok, err := r.Desk.Next(ctx, r.Worker, claimWait)
		switch {
		case ok:
			r.one(work, j)
		case err != nil && ctx.Err() == nil:
			slog.Warn("no jobs can be got; trying again", "error", err)
			select {
			case <-ctx.Done():
			case <-time.After(retryDesk):
			}
		}
	}
}

// one makes a job and says how it ended.
func (r *Runner) one(work context.Context, j Job) {
	ctx, cancel := context.WithCancelCause(work)
	a := &attempt{desk: r.Desk, lease: j.Lease(), wake: make(chan struct{}, 1)}
	var wg sync.WaitGroup
	watching, leave := context.WithCancel(context.WithoutCancel(work))
	wg.Go(func() { a.beat(watching, cancel) })
	wg.Go(func() {
		if err := r.Desk.Stopped(watching, a.lease); watching.Err() == nil && lost(err) {
			cancel(err)
		}
	})
	start := time.Now()
	in, span := r.traced(ctx, j)
	made, err := r.attempt(in, j, a)
	if err != nil && ctx.Err() != nil {
		err = context.Cause(ctx)
	}
	ended(span, made, err)
	slog.InfoContext(in, "job", "job", j.ID, "kind", j.Kind, "attempt", j.Attempt, "ms", time.Since(start).Milliseconds(), "ok", err == nil)
	r.close(work, a.lease, err)
	leave()
	cancel(nil)
	wg.Wait()
	if _, ok := errors.AsType[*deskError](err); ok {
		select {
		case <-work.Done():
		case <-time.After(deskPause):
		}
	}
}

// lost says whether a job is no longer ours.
func lost(err error) bool {
	return errors.Is(err, ErrLost) || err != nil && fault.From(err).Code == fault.NotFound
}

// attempt runs and stores.
func (r *Runner) attempt(ctx context.Context, j Job, a *attempt) (made Made, err error) {
	if a.dir, err = os.MkdirTemp(r.Dir, "kuai-job-"); err != nil {
		return made, fmt.Errorf("job: %w", err)
	}
	defer func() { err = errors.Join(err, os.RemoveAll(a.dir)) }()
	run, ok := r.Runs[j.Kind]
	if !ok {
		return made, fault.New(fault.Unsupported, "nothing here makes a %s", j.Kind)
	}
	if made, err = isolated(ctx, j, a, run); err != nil {
		return made, err
	}
	r.Point("ran")
	if err = r.hand(ctx, a, made); err != nil && fault.From(err).Code == fault.Overloaded {
		err = &deskError{err}
	}
	return made, err
}

// hand hands in what was made.
func (r *Runner) hand(ctx context.Context, a *attempt, made Made) error {
	if err := r.Desk.Finalise(ctx, a.lease); err != nil {
		return err
	}
	for _, f := range made.Files {
		if err := a.store(ctx, f); err != nil {
			return err
		}
	}
	return a.insist(ctx, func(ctx context.Context) error {
		return r.Desk.Finish(ctx, a.lease, Result{Data: made.Data, Usage: made.Usage})
	})
}

// deskError is of a desk that cannot take what was made, such as for want of
// room: the job is not to blame, and no attempt at it is used up.
type deskError struct{ error }

func (e *deskError) Unwrap() error { return e.error }

// deskPause is how long a worker rests whose job could not be taken: it might be
// given the same one again.
const deskPause = 2 * time.Second

// isolated runs; a bug in the run fails the attempt and nothing else.
func isolated(ctx context.Context, j Job, a *attempt, run Run) (made Made, err error) {
	defer func() {
		if v := recover(); v != nil {
			slog.Error("a job failed by a bug", "job", j.ID, "attempt", j.Attempt, "bug", v, "stack", string(debug.Stack()))
			err = fmt.Errorf("job: bug: %v", v)
		}
	}()
	return run(ctx, j, a)
}

// close says how an attempt ended, where it did not finish.
func (r *Runner) close(work context.Context, l Lease, err error) {
	if err == nil || lost(err) {
		return
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(work), closingTime)
	defer cancel()
	a := &attempt{lease: l}
	last := a.insist(ctx, func(ctx context.Context) error {
		if _, desk := errors.AsType[*deskError](err); desk || errors.Is(err, ErrShutdown) {
			return r.Desk.Return(ctx, l)
		}
		slog.Warn("an attempt at a job failed", "job", l.Job, "attempt", l.Attempt, "error", err)
		return r.Desk.Fail(ctx, l, failure(err))
	})
	if last != nil && !lost(last) {
		slog.Error("the end of an attempt could not be told; its lease will lapse", "job", l.Job, "error", last)
	}
}

// failure is what is told of an error.
func failure(err error) Failure {
	f := fault.From(err)
	out := Failure{Code: f.Code, Message: f.Message, Cause: clip(err.Error(), maxCause)}
	switch f.Code {
	case fault.Invalid, fault.Forbidden, fault.NotFound, fault.Conflict, fault.TooLarge, fault.Moderated,
		fault.Unsupported, fault.TooLong, fault.NoBalance, fault.Cancelled:
		out.Permanent = true
	case fault.Unauthenticated, fault.RateLimited, fault.Overloaded, fault.Timeout, fault.Internal:
	}
	return out
}

// attempt is a job at work here.
type attempt struct {
	desk  Desk
	lease Lease
	dir   string
	wake  chan struct{}

	mu       sync.Mutex
	progress Progress
}

// Dir is where the run may write.
func (a *attempt) Dir() string { return a.dir }

// Progress notes how far the run is; it is sent by the next beat.
func (a *attempt) Progress(p Progress) {
	a.mu.Lock()
	a.progress = p
	a.mu.Unlock()
	select {
	case a.wake <- struct{}{}:
	default:
	}
}

// previewTime is what a run waits at most for a preview to get away.
const previewTime = 2 * time.Second

// Preview shows a picture; one that cannot be shown harms nothing.
func (a *attempt) Preview(p Preview) {
	ctx, cancel := context.WithTimeout(context.Background(), previewTime) //nolint:forbidigo // a run must not end by it
	defer cancel()
	if err := a.desk.Preview(ctx, a.lease, p); err != nil && !lost(err) {
		slog.Debug("a preview was not shown", "job", a.lease.Job, "error", err)
	}
}

// beatsPerLease is how many heartbeats may be lost before a lease lapses.
const beatsPerLease = 5

// beat renews the lease and tells progress. When no beat has got through for a
// lease, the job is another's by now, and the run stops.
func (a *attempt) beat(ctx context.Context, stop context.CancelCauseFunc) {
	t := time.NewTicker(a.desk.LeaseTime() / beatsPerLease)
	defer t.Stop()
	good := time.Now()
	for {
		select {
		case <-ctx.Done():
			return
		case <-a.wake:
			_ = a.desk.Progress(ctx, a.lease, a.now()) // the next beat tells it too
			continue
		case <-t.C:
		}
		begun := time.Now()
		one, cancel := context.WithTimeout(ctx, a.desk.LeaseTime()/2)
		err := a.desk.Heartbeat(one, a.lease, a.now())
		cancel()
		switch {
		case err == nil:
			good = begun
		case lost(err):
			stop(err)
			return
		case time.Since(good) > a.desk.LeaseTime():
			stop(errSilent)
			return
		}
	}
}

func (a *attempt) now() Progress {
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.progress
}

// store sends a file, again where it does not get through.
func (a *attempt) store(ctx context.Context, f File) error {
	return a.insist(ctx, func(ctx context.Context) error {
		r, err := os.Open(filepath.Clean(f.Path))
		if err != nil {
			return fmt.Errorf("job: %w", err)
		}
		_, err = a.desk.Store(ctx, a.lease, f.Name, f.Type, "", r)
		return errors.Join(err, r.Close())
	})
}

// insist says something until it has been heard, with pauses; errors that are
// an answer end it.
func (a *attempt) insist(ctx context.Context, say func(context.Context) error) (err error) {
	for n := range tries {
		if err = say(ctx); err == nil || lost(err) || ctx.Err() != nil || failure(err).Permanent {
			return err
		}
		select {
		case <-ctx.Done():
			return err
		case <-time.After(Backoff(n+1, 0) / 4):
		}
	}
	return err
}
