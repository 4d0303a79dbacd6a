// Package minimax speaks MiniMax's own dialects: v1, whose every body has a
// base_resp, and the v2 of video generation, which has HTTP's statuses.
package minimax

import (
	"net/http"
	"time"

	"github.com/go-chi/chi/v5"

	"kuai/api/clip"
	"kuai/api/file"
	"kuai/api/gate"
	"kuai/api/openai"
	"kuai/api/talk"
	"kuai/api/wire"
	"kuai/fault"
)

const (
	maxPrompt = 2000          // characters
	linkTime  = 9 * time.Hour // that a download's address is good, as MiniMax has it
)

// Rooms are what the dialect stands in front of.
type Rooms struct {
	Talks *talk.Room
	Clips *clip.Room
	Files file.Store
	Links *file.Links
	Gate  gate.Gate
}

type handler struct{ Rooms }

// Register adds the routes.
func Register(m chi.Router, rooms Rooms) {
	h := &handler{rooms}
	h.register2(m.With(gate.First(rooms.Gate, failed2)))
	m = m.With(gate.First(rooms.Gate, failed))
	m.Post("/v1/text/chatcompletion_v2", openai.Complete(rooms.Talks, failed, "minimax", openai.Additions{Fields: ChatFields, All: true}))

	m.Post("/v1/video_generation", h.createVideo)
	m.Get("/v1/query/video_generation", h.queryVideo)
	m.Post("/v1/image_generation", h.images)

	m.Post("/v1/files/upload", h.upload)
	m.Get("/v1/files/list", h.listFiles)
	m.Get("/v1/files/retrieve", h.retrieve)
	m.Get("/v1/files/retrieve_content", h.retrieveContent)
	m.Post("/v1/files/delete", h.deleteFile)

	m.Post("/v1/get_voice", h.voices)
	m.Get("/v1/token_plan/remains", h.remains)
	m.Get("/account/query_balance", h.balance)
	for path, why := range cannot {
		m.Post(path, h.cannot(why))
	}
	m.Get("/v1/query/t2a_async_query_v2", h.cannot(cannot["/v1/t2a_async_v2"]))
}

// register2 adds those of v2.
func (h *handler) register2(m chi.Router) {
	m.Post("/v2/video_generation", h.createVideo2)
	m.Get("/v2/query/video_generation", h.listVideo2)
	m.Get("/v2/query/video_generation/{id}", h.queryVideo2)
	m.Post("/v2/h3_context_ir", h.cannot2("no model behind this server rewrites prompts"))
	m.Post("/v2/video_regeneration", h.cannot2("the video model makes no clip larger"))
}

// cannot is what no model behind the server does.
var cannot = map[string]string{
	"/v1/t2a_v2":             "no model behind this server speaks",
	"/v1/t2a_async_v2":       "no model behind this server speaks",
	"/v1/voice_clone":        "no model behind this server learns voices",
	"/v1/voice_design":       "no model behind this server makes voices",
	"/v1/speech_to_text":     "no model behind this server listens",
	"/v1/music_generation":   "no model behind this server makes music",
	"/v1/lyrics_generation":  "no model behind this server writes lyrics",
	"/v1/coding_plan/vlm":    "no model behind this server sees pictures",
	"/v1/coding_plan/search": "this server does not search the web",
}

func (h *handler) cannot(why string) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		if _, ok := h.enter(w, r, ""); ok {
			failed(w, r, fault.New(fault.Unsupported, "%s", why))
		}
	}
}

func (h *handler) admit(w http.ResponseWriter, r *http.Request, scope string) (string, error) {
	p, err := gate.Enter(h.Gate, w.Header(), r, gate.Work{Dialect: "minimax", Endpoint: wire.Route(r), Scope: scope})
	return p.Owner(), err
}

// enter says whose things a request touches; false if it was refused.
func (h *handler) enter(w http.ResponseWriter, r *http.Request, scope string) (string, bool) {
	owner, err := h.admit(w, r, scope)
	if err != nil {
		failed(w, r, err)
	}
	return owner, err == nil
}

// voices lists the voices: there are none until a model speaks.
func (h *handler) voices(w http.ResponseWriter, r *http.Request) {
	var q struct {
		Type string `json:"voice_type"`
	}
	if err := wire.ReadJSON(w, r, wire.MaxSmall, &q); err != nil {
		failed(w, r, err)
		return
	}
	switch q.Type {
	case "", "system", "voice_cloning", "voice_generation", "all":
	default:
		failed(w, r, fault.Param("voice_type", "voice_type is %.40q, want system, voice_cloning, voice_generation or all", q.Type))
		return
	}
	if _, ok := h.enter(w, r, gate.ScopeVoices); ok {
		none := []any{}
		write(w, object{"system_voice": none, "voice_cloning": none, "voice_generation": none, "music_generation": none})
	}
}

// remains tells what is left of plans: there are none, so nothing runs out.
func (h *handler) remains(w http.ResponseWriter, r *http.Request) {
	if _, ok := h.enter(w, r, gate.ScopeUsage); ok {
		write(w, object{"model_remains": []any{}})
	}
}

// balance tells what the caller has. Where no money is kept, that is nothing,
// and nothing is taken.
func (h *handler) balance(w http.ResponseWriter, r *http.Request) {
	p, err := gate.Enter(h.Gate, w.Header(), r, gate.Work{Dialect: "minimax", Endpoint: wire.Route(r), Scope: gate.ScopeUsage})
	var b gate.Balance
	if err == nil {
		if bank, ok := h.Gate.(gate.Bank); ok {
			b, err = bank.Balance(r.Context(), p)
		}
	}
	if err != nil {
		failed(w, r, err)
		return
	}
	write(w, object{
		"available_amount": amount(b.Cash + b.Voucher + b.Credit - b.Owed), "cash_balance": amount(b.Cash), "voucher_balance": amount(b.Voucher),
		"credit_balance": amount(b.Credit), "owed_amount": amount(b.Owed),
		"balance_alert_switch": b.AlertBelow > 0, "balance_alert_threshold": amount(b.AlertBelow),
	})
}
