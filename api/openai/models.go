package openai

import (
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/go-chi/chi/v5"

	"kuai/api/gate"
	"kuai/api/wire"
	"kuai/fault"
)

// Model is the model object of OpenAI and of Anthropic at once: each vendor's
// client reads its own fields.
type Model struct {
	ID      string `json:"id"`
	Object  string `json:"object"`
	Created int64  `json:"created"`
	OwnedBy string `json:"owned_by"`

	Type        string `json:"type"`
	DisplayName string `json:"display_name"`
	CreatedAt   string `json:"created_at"`
}

func (h *handler) modelOf(name string) Model {
	at := time.Unix(h.began, 0).UTC().Format(time.RFC3339)
	return Model{name, "model", h.began, "kuai", "model", name, at}
}

// names lists all models; a key sees those that it may use.
func (h *handler) names() []string {
	names := h.Clips.Models()
	if h.Room.Models != nil {
		names = append(names, h.Room.Models.Names()...)
	}
	return names
}

func (h *handler) models(w http.ResponseWriter, r *http.Request) {
	p, ok := h.admit(w, r, gate.ScopeModels)
	if !ok {
		return
	}
	data := []Model{}
	for _, name := range h.names() {
		if p.May(name) {
			data = append(data, h.modelOf(name))
		}
	}
	out := map[string]any{"object": "list", "data": data, "has_more": false, "first_id": nil, "last_id": nil}
	if len(data) > 0 {
		out["first_id"], out["last_id"] = data[0].ID, data[len(data)-1].ID
	}
	wire.JSON(w, http.StatusOK, out)
}

func (h *handler) model(w http.ResponseWriter, r *http.Request) {
	p, ok := h.admit(w, r, gate.ScopeModels)
	if !ok {
		return
	}
	id := strings.Trim(chi.URLParam(r, "*"), "/")
	found, err := id, error(nil)
	if !slices.Contains(h.Clips.Models(), id) {
		_, found, err = h.Room.Find(id)
	}
	if err != nil || id == "" || !p.May(found) {
		Failed(w, r, &fault.Error{Code: fault.NotFound, Param: "model", Message: "there is no model " + id + "; GET /v1/models lists those that are served"})
		return
	}
	wire.JSON(w, http.StatusOK, h.modelOf(found))
}
