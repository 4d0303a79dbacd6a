// Package folk is the part of Kuai's own dialect that is about characters: who there
// is, talking to one or several of them, walking between the ways that a
// conversation took, whom the user says to be, and what is remembered.
package folk

import (
	"context"
	"encoding/json"
	"errors"
	"log/slog"
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/go-chi/chi/v5"

	"kuai/api/gate"
	"kuai/api/openai"
	"kuai/api/talk"
	"kuai/api/wire"
	"kuai/character/converse"
	"kuai/character/memory"
	"kuai/companion/fact"
	"kuai/fault"
)

const (
	maxBody  = 64 << 10
	lastSaid = 50   // messages, unless asked otherwise
	mostSaid = 1000 // messages at once
)

// Register adds the routes of the characters. Personas and groups have theirs
// where the house has a place for them. The gate lets requests in, the room's
// admits and charges what the model writes.
func Register(mux chi.Router, h *converse.House, t *talk.Room, g gate.Gate) {
	mux.Group(func(m chi.Router) {
		m.Use(gated(g))
		characters{h, t}.register(m)
		if h.People.Dir != "" {
			persons{h}.register(m)
			groups{h, t}.register(m)
		}
	})
}

func (c characters) register(m chi.Router) {
	const one = "/api/v1/characters/{id}"
	m.Get("/api/v1/characters", c.list)
	m.Post("/api/v1/characters", c.imported)
	m.Delete(one, c.remove)
	m.Get(one+"/card", c.export)
	m.Get(one+"/portrait", c.portrait)
	m.Get(one+"/messages", c.said)
	m.Post(one+"/messages", c.say)
	m.Get(one+"/memory", c.facts)
	m.Delete(one+"/memory", c.forget)
	m.Patch(one+"/memory/{fact}", c.edit)
	m.Delete(one+"/memory/{fact}", c.forgetFact)
	walks{c.house.People, func(r *http.Request, f func(walker) error) error {
		return c.with(r, func(t *converse.Conversation) error { return f(t) })
	}}.register(m, one)
}

type characters struct {
	house *converse.House
	room  *talk.Room
}

// language reads "en", "zh" or "", which is English.
func language(s string) (fact.Language, error) {
	switch s {
	case "", "en":
		return fact.English, nil
	case "zh":
		return fact.Chinese, nil
	}
	return 0, fault.Param("language", "language is %q, want en or zh", s)
}

// failed tells a client what went wrong in the house.
func failed(w http.ResponseWriter, r *http.Request, err error) {
	switch away, ok := elsewhere(err); {
	case ok:
		err = away
	case errors.Is(err, memory.ErrLocked):
		err = fault.New(fault.Conflict, "another process has this conversation open")
	case errors.Is(err, converse.ErrBusy):
		err = &fault.Error{Code: fault.Overloaded, RetryAfter: time.Second, Message: err.Error()}
	case errors.Is(err, memory.ErrFull):
		err = fault.Wrap(err, fault.Overloaded, "the disk is full; nothing was lost")
	default:
		err = whose(err)
	}
	openai.Failed(w, r, err)
}

func (c characters) list(w http.ResponseWriter, r *http.Request) {
	l, err := language(r.URL.Query().Get("language"))
	if err != nil {
		failed(w, r, err)
		return
	}
	all, broken := c.house.Shelf.List(l)
	for _, err := range broken {
		slog.Warn("a character cannot be read", "error", err)
	}
	for i := range all {
		all[i].Path = "" // of the server's disk
	}
	wire.JSON(w, http.StatusOK, map[string]any{"characters": all})
}

// with calls f with the conversation that a request's path and query name.
func (c characters) with(r *http.Request, f func(*converse.Conversation) error) error {
	l, err := language(r.URL.Query().Get("language"))
	if err != nil {
		return err
	}
	return c.house.With(r.Context(), r.PathValue("id"), user(r), l, f)
}

// message is a turn on the wire.
type message struct {
	ID      uint64    `json:"id"`
	Time    time.Time `json:"time"`
	Speaker string    `json:"speaker"` // user or companion
	Text    string    `json:"text"`
}

// said answers with the last messages, or with the character's greeting.
func (c characters) said(w http.ResponseWriter, r *http.Request) {
	n := lastSaid
	if s := r.URL.Query().Get("last"); s != "" {
		var err error
		if n, err = strconv.Atoi(s); err != nil || n < 1 || n > mostSaid {
			failed(w, r, fault.Param("last", "last is %q, want 1 to %d", s, mostSaid))
			return
		}
	}
	out := struct {
		Greeting string    `json:"greeting,omitempty"`
		Persona  string    `json:"persona,omitempty"` // whom the user says to be
		Messages []message `json:"messages"`
	}{Messages: []message{}}
	err := c.with(r, func(t *converse.Conversation) error {
		turns, err := t.Memory().Last(n)
		for _, turn := range turns {
			out.Messages = append(out.Messages, message{turn.ID, turn.Time, turn.Speaker, turn.Text})
		}
		out.Greeting = t.Greeting()
		if t.Persona != nil {
			out.Persona = t.Persona.ID
		}
		return err
	})
	if err != nil {
		failed(w, r, err)
		return
	}
	wire.JSON(w, http.StatusOK, out)
}

// saying is the body of a request to say something.
type saying struct {
	User        string `json:"user"`     // "me" unless given
	Language    string `json:"language"` // of built-in characters
	Text        string `json:"text"`
	Again       bool   `json:"again"`       // instead of a text: another reply to the last one
	Continue    bool   `json:"continue"`    // instead of a text: more of the last reply
	Impersonate bool   `json:"impersonate"` // instead of a text: what the user might say; not kept
	Edit        uint64 `json:"edit"`        // the turn of the user's that the text takes the place of
	Stream      bool   `json:"stream"`
}

// do asks for the reply that is wanted.
func (s *saying) do(ctx context.Context, t *converse.Conversation, show func(string)) (converse.Reply, error) {
	switch {
	case s.Again:
		return t.Again(ctx, show)
	case s.Continue:
		return t.Continue(ctx, show)
	case s.Impersonate:
		text, err := t.Impersonate(ctx, show)
		return converse.Reply{Text: text}, err
	case s.Edit != 0:
		return t.Edit(ctx, s.Edit, s.Text, show)
	}
	return t.Say(ctx, s.Text, show)
}

// recalled is something that a reply was told of the past.
type recalled struct {
	Turn uint64    `json:"turn,omitempty"`
	Fact uint64    `json:"fact,omitempty"`
	When time.Time `json:"when"`
	Text string    `json:"text"`
	Why  string    `json:"why"`
}

// answer is a reply on the wire.
type answer struct {
	Reply    string     `json:"reply"`
	Turn     uint64     `json:"turn,omitempty"` // where it is kept
	Recalled []recalled `json:"recalled"`
	RecallMS float64    `json:"recall_ms"`
	Seconds  float64    `json:"seconds"`
}

func answerOf(r converse.Reply) answer {
	a := answer{Reply: r.Text, Turn: r.Turn, Recalled: []recalled{}, RecallMS: float64(r.Recall.Microseconds()) / 1000, Seconds: r.Total.Seconds()}
	for _, p := range r.Pack.Items {
		a.Recalled = append(a.Recalled, recalled{p.Turn, p.Fact, p.Item.When, p.Item.Text, p.Why})
	}
	return a
}

// say lets a character answer: whole, or as server-sent events, {"delta"} for
// each piece and the whole answer last.
func (c characters) say(w http.ResponseWriter, r *http.Request) {
	var s saying
	if err := decode(w, r, &s); err != nil {
		failed(w, r, err)
		return
	}
	l, err := language(s.Language)
	if err != nil {
		failed(w, r, err)
		return
	}
	out := newTeller(w, r, s.Stream)
	defer out.close()
	var show func(string)
	if s.Stream {
		show = func(piece string) { out.send("", map[string]string{"delta": piece}) }
	}
	var reply converse.Reply
	err = c.house.With(r.Context(), r.PathValue("id"), userOf(r, s.User), l, func(t *converse.Conversation) error {
		var err error
		t.Till = newTill(c.room, c.house, w, r, t)
		reply, err = s.do(r.Context(), t, show)
		return err
	})
	out.end(answerOf(reply), err)
}

// teller writes an answer: whole, or as events from the first piece on.
type teller struct {
	w         http.ResponseWriter
	r         *http.Request
	streaming bool
	stream    *wire.Stream
}

func newTeller(w http.ResponseWriter, r *http.Request, streaming bool) *teller {
	return &teller{w: w, r: r, streaming: streaming}
}

func (t *teller) send(event string, v any) {
	if t.stream == nil {
		t.stream = wire.Events(t.w)
	}
	_ = t.stream.Send(event, v) // the caller has gone: the context ends the reply
}

// end writes the whole answer, or what went wrong.
func (t *teller) end(v any, err error) {
	switch {
	case err != nil && t.stream == nil:
		failed(t.w, t.r, err)
	case err != nil:
		slog.Error("a reply broke off", "error", err)
		message := "the reply broke off; nothing of it is kept"
		if f, ok := errors.AsType[*fault.Error](err); ok && f.Code != fault.Internal { // another of a group's was refused
			message = f.Message
		}
		t.send("error", map[string]string{"message": message})
	case t.streaming:
		t.send("done", v)
	default:
		wire.JSON(t.w, http.StatusOK, v)
	}
}

func (t *teller) close() {
	if t.stream != nil {
		t.stream.Close()
	}
}

// known is a fact on the wire.
type known struct {
	ID        uint64     `json:"id"`
	Subject   string     `json:"subject"`
	Predicate string     `json:"predicate"`
	Object    string     `json:"object"`
	Since     time.Time  `json:"since"`
	Until     *time.Time `json:"until,omitempty"`
	Turn      uint64     `json:"turn,omitempty"`
	Pinned    bool       `json:"pinned,omitempty"`
	Edited    bool       `json:"edited,omitempty"`
}

func (c characters) facts(w http.ResponseWriter, r *http.Request) {
	out := struct {
		Facts []known `json:"facts"`
		Turns int     `json:"turns"`
	}{Facts: []known{}}
	err := c.with(r, func(t *converse.Conversation) error {
		for _, f := range t.Memory().Facts(r.URL.Query().Get("history") == "true") {
			k := known{ID: f.ID, Subject: f.Subject, Predicate: f.Predicate, Object: f.Object, Since: f.From, Turn: f.Turn, Pinned: f.Pinned, Edited: f.Edited}
			if !f.To.IsZero() {
				k.Until = &f.To
			}
			out.Facts = append(out.Facts, k)
		}
		out.Turns = t.Memory().Stats().Turns
		return nil
	})
	if err != nil {
		failed(w, r, err)
		return
	}
	wire.JSON(w, http.StatusOK, out)
}

// forget deletes everything that a character remembers of a user.
func (c characters) forget(w http.ResponseWriter, r *http.Request) {
	if _, err := c.house.Shelf.Card(r.PathValue("id"), fact.English); err != nil {
		failed(w, r, err)
		return
	}
	if r.URL.Query().Get("user") == "" {
		failed(w, r, fault.Param("user", "whose memory? give ?user="))
		return
	}
	if err := c.house.Forget(r.PathValue("id"), user(r)); err != nil {
		failed(w, r, err)
		return
	}
	w.WriteHeader(http.StatusNoContent)
}

// factID reads the number of a fact from the path.
func factID(r *http.Request) (uint64, error) {
	id, err := strconv.ParseUint(r.PathValue("fact"), 10, 64)
	if err != nil {
		return 0, fault.Param("fact", "%q is not a fact's number", r.PathValue("fact"))
	}
	return id, nil
}

// edit corrects or pins a fact.
func (c characters) edit(w http.ResponseWriter, r *http.Request) {
	var change struct {
		Object *string `json:"object"`
		Pinned *bool   `json:"pinned"`
	}
	id, err := factID(r)
	if err == nil {
		if e := json.NewDecoder(http.MaxBytesReader(w, r.Body, maxBody)).Decode(&change); e != nil || change.Object == nil && change.Pinned == nil {
			err = fault.New(fault.Invalid, `want {"object": "..."} or {"pinned": true}`)
		} else if change.Object != nil && strings.TrimSpace(*change.Object) == "" {
			err = fault.Param("object", "what is right instead?")
		}
	}
	if err == nil {
		err = c.with(r, func(t *converse.Conversation) error {
			var err error
			if change.Object != nil {
				id, err = t.Memory().EditFact(id, *change.Object)
			}
			if err == nil && change.Pinned != nil {
				err = t.Memory().Pin(id, *change.Pinned)
			}
			return err
		})
	}
	if err != nil {
		failed(w, r, err)
		return
	}
	wire.JSON(w, http.StatusOK, map[string]uint64{"id": id})
}

func (c characters) forgetFact(w http.ResponseWriter, r *http.Request) {
	id, err := factID(r)
	if err == nil {
		err = c.with(r, func(t *converse.Conversation) error { return t.Memory().ForgetFact(id) })
	}
	if err != nil {
		failed(w, r, err)
		return
	}
	w.WriteHeader(http.StatusNoContent)
}
