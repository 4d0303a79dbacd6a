package kuai

import (
	"net/http"
	"strconv"
	"time"

	"github.com/go-chi/chi/v5"

	"kuai/api/clip"
	"kuai/api/file"
	"kuai/api/gate"
	"kuai/api/wire"
	"kuai/fault"
	"kuai/platform/db"
	"kuai/platform/share"
	"kuai/serve"
)

const (
	usualShare = 7  // days that an address is good, unless asked otherwise
	mostShare  = 30 // days
)

// ShareKind is the kind of things that shared addresses lead to: a share, which
// says whose clip is meant.
const ShareKind = "share"

// RegisterShares adds the routes of addresses by which others watch a clip
// without a key. An address runs out, leads nowhere once the clip is deleted,
// and can be taken back at any time.
func RegisterShares(m chi.Router, room *clip.Room, links *file.Links, d *db.DB, g gate.Gate) {
	h := shares{videos{room, g}, links, d}
	m.Post("/api/v1/videos/{id}/share", enter(g, gate.ScopeVideos, h.share))
	m.Get("/api/v1/shares", enter(g, gate.ScopeVideos, h.list))
	m.Delete("/api/v1/shares/{id}", enter(g, gate.ScopeVideos, h.revoke))
}

type shares struct {
	videos
	links *file.Links
	db    *db.DB
}

// shareView is a share on the wire.
type shareView struct {
	ID      string `json:"id"`
	Object  string `json:"object"`
	Video   string `json:"video"`
	Prompt  string `json:"prompt"`
	URL     string `json:"url"`
	Created int64  `json:"created_at"`
	Expires int64  `json:"expires_at"`
}

func (h shares) view(r *http.Request, s share.Share, prompt string) shareView {
	return shareView{
		ID: s.ID, Object: "video.share", Video: s.Thing, Prompt: prompt,
		URL:     h.links.URL(wire.Base(r), "", ShareKind, s.ID, "clip.mp4", s.Expires) + "&format=mp4",
		Created: s.Created.Unix(), Expires: s.Expires.Unix(),
	}
}

func (h shares) share(w http.ResponseWriter, r *http.Request, p gate.Principal) error {
	days := usualShare
	if s := r.URL.Query().Get("days"); s != "" {
		var err error
		if days, err = strconv.Atoi(s); err != nil || days < 1 || days > mostShare {
			return fault.Param("days", "days is %.20q, want 1 to %d", s, mostShare)
		}
	}
	j, err := h.room.Videos.Get(r.Context(), p.Owner(), chi.URLParam(r, "id"))
	if err == nil && j.Status != serve.Completed {
		err = serve.ErrNotReady
	}
	if err != nil {
		return clip.Translate(err)
	}
	now := time.Now().Truncate(time.Second) // as addresses have it
	var s share.Share
	err = h.db.Tx(r.Context(), func(tx *db.Tx) (err error) {
		s, err = share.Create(r.Context(), tx, now, p.Owner(), j.ID, now.AddDate(0, 0, days))
		return err
	})
	if err != nil {
		return err
	}
	wire.JSON(w, http.StatusOK, h.view(r, s, j.Request.Prompt))
	return nil
}

// list tells what is shared: all, or with ?video= the addresses of one clip.
func (h shares) list(w http.ResponseWriter, r *http.Request, p gate.Principal) error {
	var all []share.Share
	err := h.db.Read(r.Context(), func(tx *db.Tx) (err error) {
		all, err = share.List(r.Context(), tx, time.Now(), p.Owner(), r.URL.Query().Get("video"))
		return err
	})
	if err != nil {
		return err
	}
	out := []shareView{}
	for _, s := range all {
		if j, err := h.room.Videos.Get(r.Context(), p.Owner(), s.Thing); err == nil { // else the clip was deleted
			out = append(out, h.view(r, s, j.Request.Prompt))
		}
	}
	wire.JSON(w, http.StatusOK, list{out})
	return nil
}

func (h shares) revoke(w http.ResponseWriter, r *http.Request, p gate.Principal) error {
	id := chi.URLParam(r, "id")
	return answered(w, h.db.Tx(r.Context(), func(tx *db.Tx) error { return share.Revoke(r.Context(), tx, p.Owner(), id) }))
}
