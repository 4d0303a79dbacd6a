// Package openai speaks OpenAI's dialect: chat completions, videos, images,
// files, models.
package openai

import (
	"net/http"
	"time"

	"github.com/go-chi/chi/v5"

	"kuai/api/clip"
	"kuai/api/file"
	"kuai/api/gate"
	"kuai/api/talk"
	"kuai/api/wire"
	"kuai/fault"
)

// Rooms are what the dialect stands in front of.
type Rooms struct {
	Room  *talk.Room
	Clips *clip.Room
	Files file.Store
	Links *file.Links
	Gate  gate.Gate

	MiniMax Additions // for those who ask for MiniMax's models
}

type handler struct {
	Rooms
	began int64
}

// Register adds the routes.
func Register(m chi.Router, rooms Rooms) {
	h := &handler{rooms, time.Now().Unix()}
	m = m.With(gate.First(rooms.Gate, Failed))
	m.Post("/v1/chat/completions", h.complete)
	for _, prefix := range []string{"", "/anthropic"} { // Anthropic's clients read the same object
		m.Get(prefix+"/v1/models", h.models)
		m.Get(prefix+"/v1/models/*", h.model)
	}
	m.Post("/v1/embeddings", h.cannot("no model behind this server makes embeddings"))

	m.Post("/v1/videos", h.createVideo)
	m.Get("/v1/videos", h.listVideos)
	m.Get("/v1/videos/{id}", h.getVideo)
	m.Delete("/v1/videos/{id}", h.deleteVideo)
	m.Get("/v1/videos/{id}/content", h.content)
	m.Post("/v1/videos/{id}/remix", h.remix)
	m.Post("/v1/videos/edits", h.cannot("the video model edits no clips"))
	m.Post("/v1/videos/extensions", h.cannot("the video model extends no clips"))
	m.Post("/v1/videos/characters", h.cannot("the video model knows no characters of its clients"))
	m.Get("/v1/videos/characters/{id}", h.cannot("the video model knows no characters of its clients"))

	m.Post("/v1/images/generations", h.images)
	m.Post("/v1/images/edits", h.cannot("the image model edits no pictures"))
	m.Post("/v1/audio/speech", h.cannot("no model behind this server speaks"))
	m.Post("/v1/audio/transcriptions", h.cannot("no model behind this server listens"))
	m.Post("/v1/responses", h.cannot("the responses API is not served; use /v1/chat/completions"))

	m.Post("/v1/files", h.upload)
	m.Get("/v1/files", h.listFiles)
	m.Get("/v1/files/{id}", h.getFile)
	m.Delete("/v1/files/{id}", h.deleteFile)
	m.Get("/v1/files/{id}/content", h.fileContent)
}

// Unknown answers for an address that there is not.
func Unknown(w http.ResponseWriter, r *http.Request) {
	Failed(w, r, fault.New(fault.NotFound, "there is no %s %.200s", r.Method, r.URL.Path))
}

// cannot answers for what no model behind the server can do, to those who may
// ask.
func (h *handler) cannot(why string) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		if _, ok := h.enter(w, r, ""); ok {
			Failed(w, r, fault.New(fault.Unsupported, "%s", why))
		}
	}
}

// enter says whose things a request touches; false if it was refused.
func (h *handler) enter(w http.ResponseWriter, r *http.Request, scope string) (string, bool) {
	p, ok := h.admit(w, r, scope)
	return p.Owner(), ok
}

// admit says who asks; false if they were refused.
func (h *handler) admit(w http.ResponseWriter, r *http.Request, scope string) (gate.Principal, bool) {
	p, err := gate.Enter(h.Gate, w.Header(), r, gate.Work{Dialect: "openai", Endpoint: wire.Route(r), Scope: scope})
	if err != nil {
		Failed(w, r, err)
	}
	return p, err == nil
}
