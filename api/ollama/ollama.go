// Package ollama speaks Ollama's dialect: chat and generate, whole or a JSON
// object a line, and what is told of models.
package ollama

import (
	"net/http"
	"strings"
	"time"

	"github.com/go-chi/chi/v5"

	"kuai/api/gate"
	"kuai/api/talk"
	"kuai/api/wire"
	"kuai/fault"
)

// level is the version of Ollama's API that is spoken: that with thinking and
// answers by a schema.
const level = "0.9.0"

type handler struct {
	room  *talk.Room
	gate  gate.Gate
	began time.Time
}

// Register adds the routes.
func Register(m chi.Router, room *talk.Room, g gate.Gate) {
	h := &handler{room, g, time.Now()}
	m.Get("/api/version", func(w http.ResponseWriter, _ *http.Request) {
		wire.JSON(w, http.StatusOK, map[string]string{"version": level, "server": "kuai"})
	})
	m = m.With(gate.First(g, failed))
	m.Post("/api/chat", h.chat)
	m.Post("/api/generate", h.generate)
	m.Get("/api/tags", h.tags)
	m.Get("/api/ps", h.running)
	m.Post("/api/show", h.show)
	for _, path := range []string{"embed", "embeddings"} {
		m.Post("/api/"+path, h.cannot("no model behind this server makes embeddings"))
	}
	for _, path := range []string{"pull", "push", "create", "copy"} {
		m.Post("/api/"+path, h.cannot("models are managed by kuai models, not over this API"))
	}
	m.Delete("/api/delete", h.cannot("models are managed by kuai models, not over this API"))
}

func (h *handler) enter(w http.ResponseWriter, r *http.Request, scope string) (gate.Principal, bool) {
	p, err := gate.Enter(h.gate, w.Header(), r, gate.Work{Dialect: "ollama", Endpoint: wire.Route(r), Scope: scope})
	if err != nil {
		failed(w, r, err)
	}
	return p, err == nil
}

func (h *handler) cannot(why string) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		if _, ok := h.enter(w, r, ""); ok {
			failed(w, r, fault.New(fault.Unsupported, "%s", why))
		}
	}
}

// model is what is told of a model.
type model struct {
	Name     string  `json:"name"`
	Model    string  `json:"model"`
	Modified string  `json:"modified_at"`
	Size     int64   `json:"size"`
	Digest   string  `json:"digest"`
	Details  details `json:"details"`
	Expires  string  `json:"expires_at,omitempty"`
	VRAM     *int64  `json:"size_vram,omitempty"`
}

type details struct {
	Parent       string   `json:"parent_model"`
	Format       string   `json:"format"`
	Family       string   `json:"family"`
	Families     []string `json:"families"`
	Parameters   string   `json:"parameter_size"`
	Quantization string   `json:"quantization_level"`
}

// tagged is a name with a tag, as Ollama's always have one.
func tagged(name string) string {
	if !strings.Contains(name, ":") {
		name += ":latest"
	}
	return name
}

// models are those that a caller may use.
func (h *handler) models(p gate.Principal) []model {
	all := []model{}
	if h.room.Models == nil {
		return all
	}
	for _, name := range h.room.Models.Names() {
		if !p.May(name) {
			continue
		}
		all = append(all, model{
			Name: tagged(name), Model: tagged(name), Modified: h.began.UTC().Format(time.RFC3339),
			Details: details{Families: []string{}},
		})
	}
	return all
}

// tags lists the models.
func (h *handler) tags(w http.ResponseWriter, r *http.Request) {
	if p, ok := h.enter(w, r, gate.ScopeModels); ok {
		wire.JSON(w, http.StatusOK, map[string]any{"models": h.models(p)})
	}
}

// running lists the models that are loaded: all of them, for good.
func (h *handler) running(w http.ResponseWriter, r *http.Request) {
	p, ok := h.enter(w, r, gate.ScopeModels)
	if !ok {
		return
	}
	all := h.models(p)
	for i := range all {
		all[i].Expires, all[i].VRAM = h.began.AddDate(100, 0, 0).UTC().Format(time.RFC3339), new(int64)
	}
	wire.JSON(w, http.StatusOK, map[string]any{"models": all})
}

// show tells what a model is.
func (h *handler) show(w http.ResponseWriter, r *http.Request) {
	var q struct {
		Model string `json:"model"`
		Name  string `json:"name"` // of older clients
	}
	if err := wire.ReadJSON(w, r, wire.MaxSmall, &q); err != nil {
		failed(w, r, err)
		return
	}
	p, ok := h.enter(w, r, gate.ScopeModels)
	if !ok {
		return
	}
	if q.Model == "" {
		q.Model = q.Name
	}
	if q.Model == "" {
		failed(w, r, fault.Param("model", "model is required"))
		return
	}
	t, id, err := h.room.Find(q.Model)
	if err == nil && !p.May(id) {
		err = &fault.Error{Code: fault.NotFound, Param: "model", Message: "there is no model " + q.Model + "; the list of models has those that are served"}
	}
	if err != nil {
		failed(w, r, err)
		return
	}
	can := []string{"completion"}
	if t == nil { // other servers' models say little of themselves
		wire.JSON(w, http.StatusOK, map[string]any{
			"modelfile": "", "parameters": "", "template": "", "details": details{Families: []string{}},
			"model_info":   map[string]any{"general.architecture": "upstream", "general.basename": id},
			"capabilities": append(can, "tools"), "modified_at": h.began.UTC().Format(time.RFC3339),
		})
		return
	}
	if t.Template.TakesTools() {
		can = append(can, "tools")
	}
	wire.JSON(w, http.StatusOK, map[string]any{
		"modelfile": "", "parameters": "", "template": t.Template.Source(), "details": details{Families: []string{}},
		"model_info":   map[string]any{"general.architecture": "kuai", "general.basename": id, "kuai.context_length": t.Context(), "kuai.vocab_size": t.Vocab()},
		"capabilities": can, "modified_at": h.began.UTC().Format(time.RFC3339),
	})
}
