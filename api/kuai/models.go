package kuai

import (
	"errors"
	"net/http"

	"github.com/go-chi/chi/v5"

	"kuai/api/gate"
	"kuai/api/wire"
	"kuai/fault"
	"kuai/registry"
	"kuai/serve/fleet"
)

// RegisterModels adds the routes by which operators see the language models of
// this machine, and load, unload and pull them.
func RegisterModels(m chi.Router, f *fleet.Fleet, o Operators) {
	h := models{f, o}
	m.Get("/api/v1/models", o.as(gate.ScopeModels, h.list))
	for action, do := range map[string]func(string) error{"load": f.Load, "unload": f.Unload, "pull": f.Pull, "cancel": f.Cancel} {
		m.Post("/api/v1/models/"+action, o.as(gate.ScopeModels, h.change("model."+action, do)))
	}
}

type models struct {
	fleet *fleet.Fleet
	Operators
}

// modelView is a model on the wire.
type modelView struct {
	Name       string      `json:"name"`
	Object     string      `json:"object"`
	ID         string      `json:"id,omitempty"` // in requests, while it is loaded
	State      fleet.State `json:"state"`
	Error      string      `json:"error,omitempty"`
	Bytes      int64       `json:"bytes"`
	Done       int64       `json:"bytes_done"` // less than bytes while it is pulled
	Arch       string      `json:"architecture,omitempty"`
	Parameters int64       `json:"parameters,omitempty"`
	Context    int         `json:"context,omitempty"`
	StateBytes int64       `json:"state_bytes"`
	KVBytes    int64       `json:"kv_bytes_per_token"`
	Running    int         `json:"running"`
	Waiting    int         `json:"waiting"`
	Requests   int64       `json:"requests"`
	Written    int64       `json:"tokens_written"`
	ReadRate   float64     `json:"prompt_tokens_per_second"` // measured; 0: not yet
	WriteRate  float64     `json:"tokens_per_second"`
}

func (h models) list(http.ResponseWriter, asking) (any, error) {
	all, err := h.fleet.List()
	if err != nil {
		return nil, err
	}
	data := make([]modelView, len(all))
	for i, m := range all {
		data[i] = modelView{
			Name: m.Name, Object: "model", ID: m.ID, State: m.State, Error: m.Error, Bytes: m.Bytes, Done: m.Done, Arch: m.Arch,
			Parameters: m.Parameters, Context: m.Context, StateBytes: m.StateBytes, KVBytes: m.KVBytes, Running: m.Running, Waiting: m.Waiting,
			Requests: m.Requests, Written: m.WrittenSoFar, ReadRate: m.ReadRate, WriteRate: m.WriteRate,
		}
	}
	return list{data}, nil
}

// change begins a change; the list tells how it goes on.
func (h models) change(action string, do func(name string) error) func(http.ResponseWriter, asking) (any, error) {
	return func(w http.ResponseWriter, r asking) (any, error) {
		var in struct {
			Name string `json:"name"`
		}
		if err := wire.ReadJSON(w, r.Request, maxBody, &in); err != nil {
			return nil, err
		}
		if in.Name == "" || len(in.Name) > maxModelName {
			return nil, fault.Param("name", "name is that of a model, of at most %d bytes", maxModelName)
		}
		err := h.logged(r, action, in.Name, func() error { return do(in.Name) })
		switch {
		case errors.Is(err, registry.ErrName):
			err = fault.Param("name", "%s", "a model's name is organisation/repository, with :file behind it if one of several is meant")
		case errors.Is(err, fleet.ErrNotFound):
			err = fault.Wrap(err, fault.NotFound, "there is no model %.100s here", in.Name)
		case errors.Is(err, fleet.ErrBusy), errors.Is(err, fleet.ErrState):
			err = fault.Wrap(err, fault.Conflict, "%s", err)
		}
		return nil, err
	}
}

// maxModelName bounds what a model is called: organisation/repository:file.
const maxModelName = 512
