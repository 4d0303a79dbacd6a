package kuai

import (
	"encoding/json"
	"net/http"
	"strconv"
	"time"

	"github.com/go-chi/chi/v5"

	"kuai/api/gate"
	"kuai/api/openai"
	"kuai/api/wire"
	"kuai/fault"
	"kuai/platform/file"
	"kuai/platform/job"
	"kuai/platform/render"
	"kuai/platform/webhook"
)

// ScopeJobs is the scope of those who look at jobs.
const ScopeJobs = "jobs"

// linkTime is how long a signed address of a file is good.
const linkTime = time.Hour

// Platform is what the routes of jobs, files, workers and webhooks stand in
// front of. Hooks may be nil.
type Platform struct {
	Jobs  *job.Queue
	Files *file.Store
	Hooks *webhook.Service
	Gate  gate.Gate
}

// RegisterPlatform adds the routes of jobs, of their files, of workers, and of
// webhooks where there are any.
func RegisterPlatform(m chi.Router, p Platform) {
	h := platform{p}
	m.Get("/api/v1/jobs", h.enter(ScopeJobs, h.list))
	m.Get("/api/v1/jobs/{id}", h.enter(ScopeJobs, h.get))
	m.Delete("/api/v1/jobs/{id}", h.enter(ScopeJobs, h.remove))
	m.Get("/api/v1/jobs/{id}/events", h.enter(ScopeJobs, h.events))
	m.Get("/api/v1/jobs/{id}/preview", h.enter(ScopeJobs, h.preview))
	m.Post("/api/v1/jobs/{id}/cancel", h.enter(ScopeJobs, h.cancel))
	m.Post("/api/v1/jobs/{id}/revive", h.enter(ScopeJobs, h.revive))
	m.Get("/api/v1/files", h.enter(gate.ScopeFiles, h.files))
	m.Get("/api/v1/files/{id}/content", h.enter(gate.ScopeFiles, h.content))
	m.Head("/api/v1/files/{id}/content", h.enter(gate.ScopeFiles, h.content))
	m.Get("/api/v1/files/{id}/link", h.enter(gate.ScopeFiles, h.link))
	m.Delete("/api/v1/files/{id}", h.enter(gate.ScopeFiles, h.removeFile))
	m.Get(BlobPath+"{hash}", h.signed)
	m.Head(BlobPath+"{hash}", h.signed)
	registerWorkers(m, p.Jobs, p.Files.MaxBytes())
	if p.Hooks != nil {
		h.registerHooks(m)
	}
}

// BlobPath is where signed addresses lead; blob.Signer.Base ends in it.
const BlobPath = "/blobs/"

type platform struct{ Platform }

// page is a handler of a caller who was let in.
type page func(w http.ResponseWriter, r *http.Request, p gate.Principal) error

// enter lets those in whose key has a scope, and tells them of errors.
func (h platform) enter(scope string, f page) http.HandlerFunc { return enter(h.Gate, scope, f) }

func enter(g gate.Gate, scope string, f page) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		p, err := gate.Enter(g, w.Header(), r, gate.Work{Dialect: "kuai", Endpoint: wire.Route(r), Scope: scope})
		if err == nil {
			err = f(w, r, p)
		}
		if err != nil {
			openai.Failed(w, r, err)
		}
	}
}

// jobView is a job on the wire. Times are seconds since 1970, as everywhere in
// this API.
type jobView struct {
	ID       string          `json:"id"`
	Object   string          `json:"object"`
	Kind     string          `json:"kind"`
	Model    string          `json:"model"`
	State    job.State       `json:"state"`
	Attempt  int             `json:"attempt"`
	Priority int             `json:"priority"`
	Progress job.Progress    `json:"progress"`
	Position int             `json:"position,omitempty"`     // of one that waits: 1 is next
	Left     float64         `json:"seconds_left,omitempty"` // an estimate
	Body     json.RawMessage `json:"request"`
	Data     json.RawMessage `json:"result,omitempty"`
	Files    []job.Output    `json:"files,omitempty"`
	Error    *jobError       `json:"error,omitempty"`
	Created  int64           `json:"created_at"`
	Started  int64           `json:"started_at,omitempty"`
	Ended    int64           `json:"ended_at,omitempty"`
	Expires  int64           `json:"expires_at,omitempty"`
}

type jobError struct {
	Code    fault.Code `json:"code"`
	Message string     `json:"message"`
}

func seconds(t time.Time) int64 {
	if t.IsZero() {
		return 0
	}
	return t.Unix()
}

// shown is a job's request, but for the bytes of pictures in it.
func shown(j job.Job) json.RawMessage {
	if render.IsClip(j.Kind) {
		return render.Shown(j.Body)
	}
	return j.Body
}

func viewOf(j job.Job) jobView {
	v := jobView{
		ID: j.ID, Object: "job", Kind: j.Kind, Model: j.Model, State: j.State, Attempt: j.Attempt, Priority: j.Priority,
		Progress: j.Progress, Body: shown(j), Data: j.Result.Data, Files: j.Result.Outputs,
		Created: seconds(j.Created), Started: seconds(j.Started), Ended: seconds(j.Ended), Expires: seconds(j.Expires),
	}
	if j.Error != nil {
		v.Error = &jobError{j.Error.Code, j.Error.Message}
	}
	return v
}

// mine returns a job of the caller's project.
func (h platform) mine(r *http.Request, p gate.Principal) (job.Job, error) {
	id := chi.URLParam(r, "id")
	j, err := h.Jobs.Get(r.Context(), p.Org, id)
	if err == nil && j.Project != p.Project && !p.Admin {
		err = fault.New(fault.NotFound, "there is no job %s", id)
	}
	return j, err
}

func (h platform) list(w http.ResponseWriter, r *http.Request, p gate.Principal) error {
	q := r.URL.Query()
	f := job.Filter{
		Org: p.Org, Project: p.Project, Kind: q.Get("kind"), State: job.State(q.Get("state")), After: q.Get("after"),
		Dead: q.Get("dead") == "true", OldestFirst: q.Get("order") == "asc",
	}
	var err error
	if f.Limit, err = limitOf(q.Get("limit")); err != nil {
		return err
	}
	jobs, more, err := h.Jobs.List(r.Context(), f)
	if err != nil {
		return err
	}
	data := make([]jobView, len(jobs))
	for i, j := range jobs {
		data[i] = viewOf(j)
	}
	wire.JSON(w, http.StatusOK, map[string]any{"object": "list", "data": data, "has_more": more})
	return nil
}

func limitOf(s string) (int, error) {
	if s == "" {
		return 0, nil
	}
	n, err := strconv.Atoi(s)
	if err != nil || n < 1 {
		return 0, fault.Param("limit", "limit is %.40q, want a number from 1 on", s)
	}
	return n, nil
}

func (h platform) get(w http.ResponseWriter, r *http.Request, p gate.Principal) error {
	j, err := h.mine(r, p)
	if err != nil {
		return err
	}
	e, err := h.Jobs.Estimate(r.Context(), j)
	if err == nil {
		wire.JSON(w, http.StatusOK, estimated(j, e))
	}
	return err
}

// estimated is a job with its place in the queue and the time until its end.
func estimated(j job.Job, e job.Estimate) jobView {
	v := viewOf(j)
	v.Position, v.Left = e.Position, e.Left.Seconds()
	return v
}

func (h platform) remove(w http.ResponseWriter, r *http.Request, p gate.Principal) error {
	j, err := h.mine(r, p)
	if err != nil {
		return err
	}
	if err := DeleteJob(r.Context(), h.Jobs, h.Files, j); err != nil {
		return err
	}
	wire.JSON(w, http.StatusOK, map[string]any{"id": j.ID, "object": "job.deleted", "deleted": true})
	return nil
}

// events streams what becomes of a job as server-sent events: job for a change
// of state, with an id to resume after (Last-Event-ID), progress and preview
// between them.
func (h platform) events(w http.ResponseWriter, r *http.Request, p gate.Principal) error {
	j, err := h.mine(r, p)
	if err != nil {
		return err
	}
	after, err := strconv.ParseInt(r.Header.Get("Last-Event-ID"), 10, 64)
	if err != nil || after < 0 {
		after = 0 // from the beginning: there are few
	}
	s := wire.Events(w)
	defer s.Close()
	for u, err := range h.Jobs.Watch(r.Context(), j.ID, after) {
		switch {
		case err != nil:
			return nil // deleted or gone away: the stream ends
		case u.Preview != nil:
			err = s.Send("preview", u.Preview)
		case u.Progress != nil:
			err = s.Send("progress", u.Progress)
		default:
			err = state(r, s, u)
		}
		if err != nil {
			return nil // the client has gone
		}
	}
	return nil
}

// state sends a change of state. The last one has all of the job.
func state(r *http.Request, s *wire.Stream, u job.Update) error {
	e, err := u.Sight.Estimate(r.Context())
	if err != nil {
		return err
	}
	v := estimated(u.Sight.Job, e)
	v.State, v.Attempt = u.State, u.Attempt
	return s.SendID(strconv.FormatInt(u.ID, 10), "job", v)
}

func (h platform) preview(w http.ResponseWriter, r *http.Request, p gate.Principal) error {
	j, err := h.mine(r, p)
	if err != nil {
		return err
	}
	pic, ok, err := h.Jobs.LastPreview(r.Context(), j.ID)
	if err == nil && !ok {
		err = fault.New(fault.NotFound, "job %s has no preview now", j.ID)
	}
	if err != nil {
		return err
	}
	sendPreview(w, pic)
	return nil
}

func sendPreview(w http.ResponseWriter, p job.Preview) {
	w.Header().Set("Content-Type", p.Type)
	w.Header().Set("X-Content-Type-Options", "nosniff")
	w.Header().Set("Cache-Control", "no-store")
	_, _ = w.Write(p.Data) // the client has gone
}

func (h platform) cancel(w http.ResponseWriter, r *http.Request, p gate.Principal) error {
	j, err := h.mine(r, p)
	if err == nil {
		j, err = h.Jobs.Cancel(r.Context(), p.Org, j.ID)
	}
	if err == nil {
		wire.JSON(w, http.StatusOK, viewOf(j))
	}
	return err
}

// revive queues a dead letter again: an operator's decision, at the operator's
// cost.
func (h platform) revive(w http.ResponseWriter, r *http.Request, p gate.Principal) error {
	if !p.Admin {
		return fault.New(fault.Forbidden, "only an administrator revives jobs")
	}
	j, err := h.mine(r, p)
	if err == nil {
		j, err = h.Jobs.Revive(r.Context(), j.ID, nil)
	}
	if err == nil {
		wire.JSON(w, http.StatusOK, viewOf(j))
	}
	return err
}
