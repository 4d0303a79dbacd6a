package kuai

import (
	"encoding/json"
	"net/http"

	"github.com/go-chi/chi/v5"

	"kuai/api/gate"
	"kuai/api/wire"
	"kuai/platform/webhook"
)

// ScopeWebhooks is the scope of those who say where events go.
const ScopeWebhooks = "webhooks"

func (h platform) registerHooks(m chi.Router) {
	m.Get("/api/v1/webhooks", h.enter(ScopeWebhooks, h.hooks))
	m.Post("/api/v1/webhooks", h.enter(ScopeWebhooks, h.addHook))
	m.Get("/api/v1/webhooks/deliveries", h.enter(ScopeWebhooks, h.deliveries))
	m.Post("/api/v1/webhooks/{id}/enable", h.enter(ScopeWebhooks, h.enableHook))
	m.Delete("/api/v1/webhooks/{id}", h.enter(ScopeWebhooks, h.removeHook))
}

type hookView struct {
	ID       string   `json:"id"`
	Object   string   `json:"object"`
	URL      string   `json:"url"`
	Secret   string   `json:"secret,omitempty"` // told once
	Events   []string `json:"events"`
	Failures int      `json:"failures"`
	Disabled int64    `json:"disabled_at,omitempty"`
	Created  int64    `json:"created_at"`
}

func hookViewOf(e webhook.Endpoint) hookView {
	return hookView{ID: e.ID, Object: "webhook", URL: e.URL, Events: append([]string{}, e.Events...), Failures: e.Failures, Disabled: seconds(e.Disabled), Created: seconds(e.Created)}
}

func (h platform) hooks(w http.ResponseWriter, r *http.Request, p gate.Principal) error {
	all, err := h.Hooks.Endpoints(r.Context(), p.Org)
	if err != nil {
		return err
	}
	data := make([]hookView, len(all))
	for i, e := range all {
		data[i] = hookViewOf(e)
	}
	wire.JSON(w, http.StatusOK, map[string]any{"object": "list", "data": data, "has_more": false})
	return nil
}

func (h platform) addHook(w http.ResponseWriter, r *http.Request, p gate.Principal) error {
	var in struct {
		URL    string   `json:"url"`
		Events []string `json:"events"`
	}
	if err := wire.ReadJSON(w, r, wire.MaxSmall, &in); err != nil {
		return err
	}
	e, err := h.Hooks.Register(r.Context(), p.Org, in.URL, in.Events)
	if err != nil {
		return err
	}
	v := hookViewOf(e)
	v.Secret = e.Secret
	wire.JSON(w, http.StatusOK, v)
	return nil
}

func (h platform) enableHook(w http.ResponseWriter, r *http.Request, p gate.Principal) error {
	return answered(w, h.Hooks.Enable(r.Context(), p.Org, chi.URLParam(r, "id")))
}

func (h platform) removeHook(w http.ResponseWriter, r *http.Request, p gate.Principal) error {
	return answered(w, h.Hooks.Remove(r.Context(), p.Org, chi.URLParam(r, "id")))
}

type deliveryView struct {
	ID       string          `json:"id"`
	Object   string          `json:"object"`
	Endpoint string          `json:"webhook,omitempty"`
	URL      string          `json:"url"`
	Job      string          `json:"job"`
	Event    string          `json:"event"`
	Body     json.RawMessage `json:"body"`
	State    webhook.State   `json:"state"`
	Attempts int             `json:"attempts"`
	Status   int             `json:"status"`
	Error    string          `json:"error,omitempty"`
	Created  int64           `json:"created_at"`
	Next     int64           `json:"next_at,omitempty"`
	Ended    int64           `json:"ended_at,omitempty"`
}

func (h platform) deliveries(w http.ResponseWriter, r *http.Request, p gate.Principal) error {
	all, err := h.Hooks.Deliveries(r.Context(), p.Org, r.URL.Query().Get("before"))
	if err != nil {
		return err
	}
	data := make([]deliveryView, len(all))
	for i, d := range all {
		data[i] = deliveryView{
			ID: d.ID, Object: "webhook.delivery", Endpoint: d.Endpoint, URL: d.URL, Job: d.Job, Event: d.Event, Body: json.RawMessage(d.Body),
			State: d.State, Attempts: d.Attempts, Status: d.Status, Error: d.Error, Created: seconds(d.Created), Ended: seconds(d.Ended),
		}
		if d.State == webhook.Waiting {
			data[i].Next = seconds(d.Next)
		}
	}
	wire.JSON(w, http.StatusOK, map[string]any{"object": "list", "data": data})
	return nil
}
