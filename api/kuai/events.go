// Package kuai is Kuai's own dialect: what the studio needs and no other
// dialect has.
package kuai

import (
	"net/http"

	"github.com/go-chi/chi/v5"

	"kuai/api/clip"
	"kuai/api/gate"
	"kuai/api/openai"
	"kuai/api/wire"
	"kuai/fault"
)

// maxBody bounds the body of a request, in bytes.
const maxBody = 64 << 10

type videos struct {
	room *clip.Room
	gate gate.Gate
}

// Register adds the routes of clips.
func Register(m chi.Router, room *clip.Room, g gate.Gate) {
	v := videos{room, g}
	m.Get("/api/v1/videos/options", v.options)
	m.Get("/api/v1/videos/{id}/events", v.events)
	m.Get("/api/v1/videos/{id}/preview", v.preview)
	m.Post("/api/v1/videos/{id}/cancel", v.cancel)
}

func (v videos) enter(w http.ResponseWriter, r *http.Request) (owner, id string, ok bool) {
	p, err := gate.Enter(v.gate, w.Header(), r, gate.Work{Dialect: "kuai", Endpoint: wire.Route(r), Scope: gate.ScopeVideos})
	if err != nil {
		openai.Failed(w, r, err)
	}
	return p.Owner(), chi.URLParam(r, "id"), err == nil
}

// events streams a job's changes as server-sent events until it is final: the
// video without an event's name, and between them "preview", a picture of what
// it is going to be.
func (v videos) events(w http.ResponseWriter, r *http.Request) {
	owner, id, ok := v.enter(w, r)
	if !ok {
		return
	}
	if _, err := v.room.Videos.Get(r.Context(), owner, id); err != nil {
		openai.Failed(w, r, clip.Translate(err))
		return
	}
	s := wire.Events(w)
	defer s.Close()
	for now, err := range v.room.Videos.Follow(r.Context(), owner, id) {
		if err != nil || s.Send("", openai.FromJob(now.Job)) != nil {
			return // deleted, or the client has gone
		}
		if now.Preview != nil && s.Send("preview", now.Preview) != nil {
			return
		}
	}
}

// preview sends the latest picture of what a clip is going to be.
func (v videos) preview(w http.ResponseWriter, r *http.Request) {
	owner, id, ok := v.enter(w, r)
	if !ok {
		return
	}
	p, ok, err := v.room.Videos.Preview(r.Context(), owner, id)
	if err == nil && !ok {
		err = fault.New(fault.NotFound, "this video has no preview now")
	}
	if err != nil {
		openai.Failed(w, r, clip.Translate(err))
		return
	}
	sendPreview(w, p)
}

func (v videos) cancel(w http.ResponseWriter, r *http.Request) {
	owner, id, ok := v.enter(w, r)
	if !ok {
		return
	}
	j, err := v.room.Videos.Cancel(r.Context(), owner, id)
	if err != nil {
		openai.Failed(w, r, clip.Translate(err))
		return
	}
	wire.JSON(w, http.StatusOK, openai.FromJob(j))
}
