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
	m.Post("/api/v1/videos/{id}/cancel", v.cancel)
}

func (v videos) enter(w http.ResponseWriter, r *http.Request) (owner, id string, ok bool) {
	p, err := gate.Enter(v.gate, w.Header(), r, gate.Work{Dialect: "kuai", Endpoint: wire.Route(r), Scope: gate.ScopeVideos})
	if err != nil {
		openai.Failed(w, r, err)
	}
	return p.Owner(), chi.URLParam(r, "id"), err == nil
}

// events streams a job's changes as server-sent events until it is final.
func (v videos) events(w http.ResponseWriter, r *http.Request) {
	owner, id, ok := v.enter(w, r)
	if !ok {
		return
	}
	j, changed, err := v.room.Videos.Get(r.Context(), owner, id)
	if err != nil {
		openai.Failed(w, r, clip.Translate(err))
		return
	}
	s := wire.Events(w)
	defer s.Close()
	for {
		if s.Send("", openai.FromJob(j)) != nil || j.Status.Final() {
			return
		}
		select {
		case <-r.Context().Done():
			return
		case <-changed:
		}
		if j, changed, err = v.room.Videos.Get(r.Context(), owner, id); err != nil {
			return // deleted
		}
	}
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
