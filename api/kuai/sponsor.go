package kuai

import (
	"cmp"
	"context"
	"errors"
	"net/http"
	"time"

	"github.com/go-chi/chi/v5"

	"kuai/api/gate"
	"kuai/api/wire"
	"kuai/fault"
	"kuai/platform/audit"
	"kuai/platform/db"
	"kuai/platform/sponsor"
)

// RegisterSponsor adds the routes of sponsored slots: the one that visitors
// see, where the operator has switched it on, and those that operators keep.
func RegisterSponsor(m chi.Router, o Operators) {
	h := sponsors{o}
	m.Get("/api/v1/sponsor", h.anyone(h.ask))
	m.Post("/api/v1/sponsor/views/{view}/seen", h.anyone(h.mark(sponsor.Seen)))
	m.Post("/api/v1/sponsor/views/{view}/click", h.anyone(h.mark(sponsor.Clicked)))
	m.Put("/api/v1/sponsor", o.as(gate.ScopeUsage, h.enable))
	m.Get("/api/v1/sponsor/slots", o.as(gate.ScopeUsage, h.list))
	m.Post("/api/v1/sponsor/slots", o.as(gate.ScopeUsage, h.create))
	m.Delete("/api/v1/sponsor/slots/{id}", o.as(gate.ScopeUsage, h.end))
}

type sponsors struct{ Operators }

// anyone lets in whoever may look at models: who sees the studio.
func (h sponsors) anyone(f func(w http.ResponseWriter, r *http.Request) error) http.HandlerFunc {
	return enter(h.Gate, gate.ScopeModels, func(w http.ResponseWriter, r *http.Request, _ gate.Principal) error { return f(w, r) })
}

// placement is what a visitor is shown.
type placement struct {
	View    string `json:"view"`
	Sponsor string `json:"sponsor"`
	Text    string `json:"text"`
	Link    string `json:"link"`
}

func (h sponsors) ask(w http.ResponseWriter, r *http.Request) error {
	on := false
	err := h.DB.Read(r.Context(), func(tx *db.Tx) (err error) {
		on, err = sponsor.Enabled(r.Context(), tx)
		return err
	})
	var v sponsor.View
	ok := false
	if err == nil && on {
		err = h.DB.Tx(r.Context(), func(tx *db.Tx) (err error) {
			v, ok, err = sponsor.Ask(r.Context(), tx, time.Now(), nil)
			return err
		})
	}
	if err != nil {
		return err
	}
	var out struct {
		Slot *placement `json:"slot"` // null: nothing is shown
	}
	if ok {
		out.Slot = &placement{v.ID, v.Slot.Sponsor, v.Slot.Body, v.Slot.Link}
	}
	w.Header().Set("Cache-Control", "no-store")
	wire.JSON(w, http.StatusOK, out)
	return nil
}

// marking notes something of a view.
type marking func(ctx context.Context, tx *db.Tx, now time.Time, view string) error

func (h sponsors) mark(do marking) func(w http.ResponseWriter, r *http.Request) error {
	return func(w http.ResponseWriter, r *http.Request) error {
		view := chi.URLParam(r, "view")
		if len(view) > gate.MaxKey {
			return fault.Param("view", "this is no view")
		}
		return answered(w, h.DB.Tx(r.Context(), func(tx *db.Tx) error { return do(r.Context(), tx, time.Now(), view) }))
	}
}

// slotView is a slot on the wire.
type slotView struct {
	ID      string `json:"id"`
	Object  string `json:"object"`
	Sponsor string `json:"sponsor"`
	Text    string `json:"text"`
	Link    string `json:"link"`
	Weight  int64  `json:"weight"`
	Live    bool   `json:"live"`
	From    int64  `json:"from"`
	Until   int64  `json:"until,omitempty"`
	Ended   int64  `json:"ended_at,omitempty"`
	Seen    int64  `json:"impressions"`
	Clicked int64  `json:"clicks"`
}

func slotViewOf(s sponsor.Slot, now time.Time) slotView {
	return slotView{
		ID: s.ID, Object: "sponsor.slot", Sponsor: s.Sponsor, Text: s.Body, Link: s.Link, Weight: s.Weight, Live: s.Live(now),
		From: seconds(s.From), Until: seconds(s.Until), Ended: seconds(s.Ended), Seen: s.Seen, Clicked: s.Clicked,
	}
}

// list tells whether the place is on, how often it was filled in the last 30
// days, and its slots.
func (h sponsors) list(_ http.ResponseWriter, r asking) (any, error) {
	now := time.Now()
	out := struct {
		Enabled bool       `json:"enabled"`
		Asked   int64      `json:"asked"`
		Filled  int64      `json:"filled"`
		Data    []slotView `json:"data"`
	}{Data: []slotView{}}
	err := h.DB.Read(r.Context(), func(tx *db.Tx) error {
		all, err := sponsor.Slots(r.Context(), tx)
		out.Data = out.Data[:0]
		for _, s := range all {
			out.Data = append(out.Data, slotViewOf(s, now))
		}
		var errs [2]error
		out.Enabled, errs[0] = sponsor.Enabled(r.Context(), tx)
		out.Asked, out.Filled, errs[1] = sponsor.Fill(r.Context(), tx, now.Add(-usualSpan), now)
		return errors.Join(err, errs[0], errs[1])
	})
	return out, err
}

func (h sponsors) enable(w http.ResponseWriter, r asking) (any, error) {
	var in struct {
		Enabled bool `json:"enabled"`
	}
	if err := strict(w, r.Request, &in); err != nil {
		return nil, err
	}
	return in, h.DB.Tx(r.Context(), func(tx *db.Tx) error {
		if err := sponsor.Enable(r.Context(), tx, in.Enabled); err != nil {
			return err
		}
		return audit.Append(r.Context(), tx, time.Now(), r.entry("sponsor.switch", "", in))
	})
}

func (h sponsors) create(w http.ResponseWriter, r asking) (any, error) {
	var in struct {
		Sponsor string    `json:"sponsor"`
		Text    string    `json:"text"`
		Link    string    `json:"link"`
		Weight  int64     `json:"weight"`
		From    time.Time `json:"from"`
		Until   time.Time `json:"until"`
	}
	if err := strict(w, r.Request, &in); err != nil {
		return nil, err
	}
	now := time.Now()
	if in.From.IsZero() {
		in.From = now
	}
	s := sponsor.Slot{Sponsor: in.Sponsor, Body: in.Text, Link: in.Link, Weight: cmp.Or(in.Weight, 1), From: in.From, Until: in.Until}
	err := h.DB.Tx(r.Context(), func(tx *db.Tx) (err error) {
		if s, err = sponsor.Create(r.Context(), tx, now, s); err != nil {
			return err
		}
		return audit.Append(r.Context(), tx, now, r.entry("sponsor.create", s.ID, slotViewOf(s, now)))
	})
	return slotViewOf(s, now), err
}

func (h sponsors) end(_ http.ResponseWriter, r asking) (any, error) {
	id := chi.URLParam(r.Request, "id")
	return nil, h.DB.Tx(r.Context(), func(tx *db.Tx) error {
		if err := sponsor.End(r.Context(), tx, time.Now(), id); err != nil {
			return err
		}
		return audit.Append(r.Context(), tx, time.Now(), r.entry("sponsor.end", id, nil))
	})
}
