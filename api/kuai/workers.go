package kuai

import (
	"context"
	"errors"
	"net/http"
	"net/url"
	"strconv"
	"time"

	"github.com/go-chi/chi/v5"

	"kuai/api/gate"
	"kuai/api/openai"
	"kuai/api/wire"
	"kuai/fault"
	"kuai/platform/db"
	"kuai/platform/job"
	"kuai/platform/worker"
)

// workers is the server's side of package worker.
type workers struct {
	jobs *job.Queue
	max  int64 // bytes of a file
}

func registerWorkers(m chi.Router, jobs *job.Queue, maxBytes int64) {
	h := workers{jobs, maxBytes}
	m.Post("/api/v1/workers", h.enter(h.join))
	m.Post("/api/v1/workers/{worker}/claim", h.enter(h.claim))
	const one = "/api/v1/workers/{worker}/jobs/{job}/"
	m.Post(one+"heartbeat", h.enter(h.heartbeat))
	m.Post(one+"preview", h.enter(h.preview))
	m.Put(one+"files/{name}", h.enter(h.store))
	m.Get(one+"stopped", h.enter(h.stopped))
	m.Post(one+"finalise", h.word(func(ctx context.Context, l job.Lease, _ worker.Word) error { return h.jobs.Finalise(ctx, l) }))
	m.Post(one+"return", h.word(func(ctx context.Context, l job.Lease, _ worker.Word) error { return h.jobs.Return(ctx, l) }))
	m.Post(one+"finish", h.word(func(ctx context.Context, l job.Lease, v worker.Word) error {
		return h.jobs.Finish(ctx, l, job.Result{Data: v.Data, Usage: v.Usage})
	}))
	m.Post(one+"fail", h.word(func(ctx context.Context, l job.Lease, v worker.Word) error {
		if v.Failure == nil {
			return fault.Param("failure", "why did it fail?")
		}
		return h.jobs.Fail(ctx, l, *v.Failure)
	}))
}

// enter lets workers in by their token, and tells them when a job is no longer
// theirs.
func (h workers) enter(f func(w http.ResponseWriter, r *http.Request) error) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		token := gate.Key(r.Context())
		if token == "" {
			token = gate.ReadKey(r.Header)
		}
		err := h.jobs.CheckToken(r.Context(), token)
		if err == nil {
			err = f(w, r)
		}
		if lost, ok := errors.AsType[*job.LostError](err); ok {
			var body worker.Refusal
			body.Error.Code, body.Error.Message = worker.CodeLost, "this job is no longer this worker's"
			body.Error.State, body.Error.Attempt = lost.State, lost.Attempt
			wire.JSON(w, http.StatusConflict, body)
			return
		}
		if err != nil {
			openai.Failed(w, r, err)
		}
	}
}

// word is a handler of a Word.
func (h workers) word(f func(ctx context.Context, l job.Lease, v worker.Word) error) http.HandlerFunc {
	return h.enter(func(w http.ResponseWriter, r *http.Request) error {
		var v worker.Word
		if err := wire.ReadJSON(w, r, worker.MaxBody, &v); err != nil {
			return err
		}
		return answered(w, f(r.Context(), lease(r, v.Attempt), v))
	})
}

// answered ends a request without content.
func answered(w http.ResponseWriter, err error) error {
	if err == nil {
		w.WriteHeader(http.StatusNoContent)
	}
	return err
}

func lease(r *http.Request, attempt int) job.Lease {
	return job.Lease{Job: chi.URLParam(r, "job"), Attempt: attempt}
}

func (h workers) join(w http.ResponseWriter, r *http.Request) error {
	var hello worker.Hello
	if err := wire.ReadJSON(w, r, worker.MaxBody, &hello); err != nil {
		return err
	}
	id := db.NewID("worker")
	if err := h.jobs.Register(r.Context(), job.Worker{ID: id, Name: hello.Name, Slots: hello.Slots, Kinds: hello.Kinds}); err != nil {
		return err
	}
	wire.JSON(w, http.StatusOK, worker.Welcome{ID: id, LeaseMS: h.jobs.LeaseTime().Milliseconds()})
	return nil
}

func (h workers) claim(w http.ResponseWriter, r *http.Request) error {
	var a worker.Ask
	if err := wire.ReadJSON(w, r, worker.MaxBody, &a); err != nil {
		return err
	}
	id := chi.URLParam(r, "worker")
	if len(id) > gate.MaxKey {
		return fault.Param("worker", "this is no worker's id")
	}
	wait := min(max(time.Duration(a.WaitMS)*time.Millisecond, 0), worker.MaxWait)
	j, ok, err := h.jobs.Next(r.Context(), job.Worker{ID: id, Name: a.Name, Slots: a.Slots, Kinds: a.Kinds, Models: a.Models}, wait)
	switch {
	case err != nil:
		return err
	case !ok:
		return answered(w, nil)
	}
	wire.JSON(w, http.StatusOK, worker.Task{Job: j.ID, Attempt: j.Attempt, Kind: j.Kind, Model: j.Model, Body: j.Body, Trace: job.TraceOf(j.Meta)})
	return nil
}

func (h workers) heartbeat(w http.ResponseWriter, r *http.Request) error {
	var b worker.Beat
	if err := wire.ReadJSON(w, r, worker.MaxBody, &b); err != nil {
		return err
	}
	if b.Keep {
		return answered(w, h.jobs.Heartbeat(r.Context(), lease(r, b.Attempt), b.Progress))
	}
	return answered(w, h.jobs.Progress(r.Context(), lease(r, b.Attempt), b.Progress))
}

func (h workers) preview(w http.ResponseWriter, r *http.Request) error {
	var p worker.Picture
	if err := wire.ReadJSON(w, r, worker.MaxBody, &p); err != nil {
		return err
	}
	return answered(w, h.jobs.Preview(r.Context(), lease(r, p.Attempt), p.Preview))
}

// attemptOf reads the attempt of a request without a body for it.
func attemptOf(r *http.Request) (int, error) {
	n, err := strconv.Atoi(r.URL.Query().Get("attempt"))
	if err != nil || n < 1 {
		return 0, fault.Param("attempt", "attempt is the number of the attempt")
	}
	return n, nil
}

func (h workers) store(w http.ResponseWriter, r *http.Request) error {
	n, err := attemptOf(r)
	if err != nil {
		return err
	}
	name := chi.URLParam(r, "name")
	if r.URL.RawPath != "" { // chi leaves such paths as they came
		if name, err = url.PathUnescape(name); err != nil {
			return fault.Param("name", "this is no file's name")
		}
	}
	wire.Limit(w, r, h.max+1)
	out, err := h.jobs.Store(r.Context(), lease(r, n), name, r.Header.Get("Content-Type"), r.Header.Get(worker.ChecksumHeader), r.Body)
	if err != nil {
		return err
	}
	wire.JSON(w, http.StatusOK, out)
	return nil
}

// stopped answers when the job is no longer the worker's, or after some time
// that it still is.
func (h workers) stopped(w http.ResponseWriter, r *http.Request) error {
	n, err := attemptOf(r)
	if err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(r.Context(), worker.MaxWait)
	defer cancel()
	err = h.jobs.Stopped(ctx, lease(r, n))
	if errors.Is(err, context.DeadlineExceeded) && r.Context().Err() == nil {
		return answered(w, nil)
	}
	return err
}
