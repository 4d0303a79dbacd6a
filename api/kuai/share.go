package kuai

import (
	"net/http"
	"strconv"
	"time"

	"github.com/go-chi/chi/v5"

	"kuai/api/clip"
	"kuai/api/file"
	"kuai/api/gate"
	"kuai/api/openai"
	"kuai/api/wire"
	"kuai/fault"
	"kuai/serve"
)

const (
	usualShare = 7  // days that an address is good, unless asked otherwise
	mostShare  = 30 // days
)

// RegisterShares adds the route that makes addresses by which others watch a
// clip without a key. An address cannot be taken back; it runs out, and leads
// nowhere once the clip is deleted.
func RegisterShares(m chi.Router, room *clip.Room, links *file.Links, g gate.Gate) {
	h := shares{videos{room, g}, links}
	m.Post("/api/v1/videos/{id}/share", h.share)
}

type shares struct {
	videos
	links *file.Links
}

func (h shares) share(w http.ResponseWriter, r *http.Request) {
	owner, id, ok := h.enter(w, r)
	if !ok {
		return
	}
	days := usualShare
	if s := r.URL.Query().Get("days"); s != "" {
		var err error
		if days, err = strconv.Atoi(s); err != nil || days < 1 || days > mostShare {
			openai.Failed(w, r, fault.Param("days", "days is %.20q, want 1 to %d", s, mostShare))
			return
		}
	}
	j, _, err := h.room.Videos.Get(r.Context(), owner, id)
	if err == nil && j.Status != serve.Completed {
		err = serve.ErrNotReady
	}
	if err != nil {
		openai.Failed(w, r, clip.Translate(err))
		return
	}
	until := time.Now().AddDate(0, 0, days)
	wire.JSON(w, http.StatusOK, map[string]any{
		"object": "video.share", "url": h.links.URL(wire.Base(r), owner, "video", chi.URLParam(r, "id"), "clip.mp4", until) + "&format=mp4", "expires_at": until.Unix(),
	})
}
