package kuai

import (
	"net/http"
	"time"

	"github.com/go-chi/chi/v5"

	"kuai/api/wire"
	"kuai/fault"
	"kuai/platform/audit"
	"kuai/platform/db"
	"kuai/platform/job"
)

// RegisterWorkers adds the routes by which operators see the workers, let them
// drain, and make the tokens that they join with.
func RegisterWorkers(m chi.Router, jobs *job.Queue, o Operators) {
	h := crew{jobs, o}
	m.Get("/api/v1/workers", o.as(ScopeJobs, h.list))
	m.Post("/api/v1/workers/{worker}/drain", o.as(ScopeJobs, h.drain(true)))
	m.Post("/api/v1/workers/{worker}/resume", o.as(ScopeJobs, h.drain(false)))
	m.Get("/api/v1/workers/tokens", o.as(ScopeJobs, h.tokens))
	m.Post("/api/v1/workers/tokens", o.as(ScopeJobs, h.newToken))
	m.Delete("/api/v1/workers/tokens/{name}", o.as(ScopeJobs, h.revokeToken))
}

type crew struct {
	jobs *job.Queue
	Operators
}

// crewView is a worker on the wire.
type crewView struct {
	ID       string    `json:"id"`
	Object   string    `json:"object"`
	Name     string    `json:"name"`
	Slots    int       `json:"slots"`
	State    string    `json:"state"` // alive, draining or silent
	Seen     int64     `json:"seen_at"`
	Jobs     []jobView `json:"jobs"`
	Draining bool      `json:"draining"`
}

func (h crew) list(_ http.ResponseWriter, r asking) (any, error) {
	all, err := h.jobs.Workers(r.Context())
	if err != nil {
		return nil, err
	}
	data := make([]crewView, len(all))
	for i, w := range all {
		v := crewView{ID: w.ID, Object: "worker", Name: w.Name, Slots: w.Slots, State: "silent", Seen: seconds(w.Seen), Jobs: []jobView{}, Draining: w.Draining}
		switch {
		case w.Alive && w.Draining:
			v.State = "draining"
		case w.Alive:
			v.State = "alive"
		}
		for _, j := range w.Jobs {
			v.Jobs = append(v.Jobs, viewOf(j))
		}
		data[i] = v
	}
	return list{data}, nil
}

func (h crew) drain(on bool) func(http.ResponseWriter, asking) (any, error) {
	action := map[bool]string{true: "worker.drain", false: "worker.resume"}[on]
	return func(_ http.ResponseWriter, r asking) (any, error) {
		id := chi.URLParam(r.Request, "worker")
		return nil, h.jobs.DrainWorker(r.Context(), id, on, func(tx *db.Tx) error {
			return audit.Append(r.Context(), tx, time.Now(), r.entry(action, id, nil))
		})
	}
}

// tokenView is a token on the wire; the secret is told once.
type tokenView struct {
	Name    string `json:"name"`
	Object  string `json:"object"`
	Secret  string `json:"secret,omitempty"`
	Created int64  `json:"created_at,omitempty"`
	Revoked int64  `json:"revoked_at,omitempty"`
}

func (h crew) tokens(_ http.ResponseWriter, r asking) (any, error) {
	all, err := h.jobs.Tokens(r.Context())
	data := make([]tokenView, len(all))
	for i, t := range all {
		data[i] = tokenView{Name: t.Name, Object: "worker.token", Created: seconds(t.Created), Revoked: seconds(t.Revoked)}
	}
	return list{data}, err
}

func (h crew) newToken(w http.ResponseWriter, r asking) (any, error) {
	var in struct {
		Name string `json:"name"`
	}
	if err := wire.ReadJSON(w, r.Request, maxBody, &in); err != nil {
		return nil, err
	}
	secret, err := h.jobs.NewTokenIn(r.Context(), in.Name, func(tx *db.Tx) error {
		return audit.Append(r.Context(), tx, time.Now(), r.entry("worker_token.create", in.Name, nil))
	})
	return tokenView{Name: in.Name, Object: "worker.token", Secret: secret}, err
}

func (h crew) revokeToken(_ http.ResponseWriter, r asking) (any, error) {
	name := chi.URLParam(r.Request, "name")
	n, err := h.jobs.RevokeTokenIn(r.Context(), name, func(tx *db.Tx) error {
		return audit.Append(r.Context(), tx, time.Now(), r.entry("worker_token.revoke", name, nil))
	})
	if err == nil && n == 0 {
		err = fault.New(fault.NotFound, "there is no good token %.100s", name)
	}
	return nil, err
}
