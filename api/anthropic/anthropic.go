// Package anthropic speaks Anthropic's dialect: messages, whole and streamed,
// and the counting of tokens.
package anthropic

import (
	"crypto/rand"
	"net/http"

	"github.com/go-chi/chi/v5"

	"kuai/api/gate"
	"kuai/api/talk"
	"kuai/api/wire"
)

type handler struct {
	room *talk.Room
	gate gate.Gate
}

// Register adds the routes, at the root and where MiniMax has them.
func Register(m chi.Router, room *talk.Room, g gate.Gate) {
	h := &handler{room, g}
	m = m.With(gate.First(g, failed))
	for _, prefix := range []string{"", "/anthropic"} {
		m.Post(prefix+"/v1/messages", h.messages)
		m.Post(prefix+"/v1/messages/count_tokens", h.count)
	}
}

// read decodes a request.
func read(w http.ResponseWriter, r *http.Request) (request, talk.Request, error) {
	var q request
	if err := wire.ReadJSON(w, r, wire.MaxChat, &q); err != nil {
		return q, talk.Request{}, err
	}
	ask, err := q.talk()
	return q, ask, err
}

// messages answers a conversation, whole or as it is written.
func (h *handler) messages(w http.ResponseWriter, r *http.Request) {
	q, ask, err := read(w, r)
	if err != nil {
		failed(w, r, err)
		return
	}
	reply, err := h.room.Ask(r, w.Header(), gate.Work{Dialect: "anthropic", Endpoint: wire.Route(r)}, ask)
	if err != nil {
		failed(w, r, err)
		return
	}
	defer func() {
		if err := reply.Close(r.Context()); err != nil {
			_ = wire.Report(r, err) // the answer has gone out: the log alone is told
		}
	}()
	e := &encoder{id: "msg_" + rand.Text(), reply: reply, stops: q.Stop}
	if q.Stream {
		e.stream(w, r)
		return
	}
	m, err := reply.All(r.Context())
	if err != nil {
		failed(w, r, err)
		return
	}
	wire.JSON(w, http.StatusOK, e.whole(m))
}

// count tells how many tokens a conversation has, without answering it.
func (h *handler) count(w http.ResponseWriter, r *http.Request) {
	_, ask, err := read(w, r)
	if err != nil {
		failed(w, r, err)
		return
	}
	p, err := gate.Enter(h.gate, w.Header(), r, gate.Work{Dialect: "anthropic", Endpoint: wire.Route(r), Scope: gate.ScopeChat})
	if err != nil {
		failed(w, r, err)
		return
	}
	n, err := h.room.Count(p, ask)
	if err != nil {
		failed(w, r, err)
		return
	}
	wire.JSON(w, http.StatusOK, map[string]int{"input_tokens": n})
}
