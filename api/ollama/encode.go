package ollama

import (
	"errors"
	"io"
	"net/http"
	"time"

	"kuai/api/gate"
	"kuai/api/talk"
	"kuai/api/wire"
	"kuai/fault"
	"kuai/serve/chat"
	"kuai/text/prompt"
)

// piece is a line of an answer, or all of it.
type piece struct {
	Model    string  `json:"model"`
	Created  string  `json:"created_at"`
	Message  *turn   `json:"message,omitempty"`  // of chat
	Response *string `json:"response,omitempty"` // of generate
	Thinking string  `json:"thinking,omitempty"` // of generate
	Done     bool    `json:"done"`
	*ending
}

// ending is what only the last line has. Durations are in nanoseconds.
type ending struct {
	Reason         string        `json:"done_reason"`
	Total          time.Duration `json:"total_duration"`
	Load           time.Duration `json:"load_duration"`
	PromptCount    int           `json:"prompt_eval_count"`
	PromptDuration time.Duration `json:"prompt_eval_duration"`
	Count          int           `json:"eval_count"`
	Duration       time.Duration `json:"eval_duration"`
}

func endingOf(reason talk.Reason, u chat.Usage) *ending {
	e := &ending{
		Reason: "stop", Total: u.Total, Load: u.Queued, PromptCount: u.Prompt, PromptDuration: max(u.FirstToken-u.Queued, 0),
		Count: u.Completion, Duration: max(u.Total-u.FirstToken, 0),
	}
	if reason == talk.Length {
		e.Reason = "length"
	}
	return e
}

func (h *handler) chat(w http.ResponseWriter, r *http.Request) {
	h.answer(w, r, (*request).chat, func(m turn) piece { return piece{Message: &m} })
}

func (h *handler) generate(w http.ResponseWriter, r *http.Request) {
	h.answer(w, r, (*request).generate, func(m turn) piece { return piece{Response: &m.Content, Thinking: m.Thinking} })
}

// answer decodes a request, and encodes its answer with what shape makes of a
// message or a part of one.
func (h *handler) answer(w http.ResponseWriter, r *http.Request, decode func(*request) (talk.Request, error), shape func(turn) piece) {
	var q request
	if err := wire.ReadJSON(w, r, wire.MaxChat, &q); err != nil {
		failed(w, r, err)
		return
	}
	ask, err := decode(&q)
	if err != nil {
		failed(w, r, err)
		return
	}
	if q.loads() {
		h.load(w, r, &q, shape)
		return
	}
	reply, err := h.room.Ask(r, w.Header(), gate.Work{Dialect: "ollama", Endpoint: wire.Route(r)}, ask)
	if err != nil {
		failed(w, r, err)
		return
	}
	defer func() {
		if err := reply.Close(r.Context()); err != nil {
			_ = wire.Report(r, err) // the answer has gone out: the log alone is told
		}
	}()
	dated := func(m turn) piece {
		m.Role = "assistant"
		p := shape(m)
		p.Model, p.Created = q.Model, time.Now().UTC().Format(time.RFC3339Nano)
		return p
	}
	if q.streamed() {
		stream(w, r, reply, dated)
		return
	}
	m, err := reply.All(r.Context())
	if err != nil {
		failed(w, r, err)
		return
	}
	p := dated(turn{Content: m.Content, Thinking: m.Reasoning, Calls: callsOf(m.ToolCalls...)})
	p.Done, p.ending = true, endingOf(reply.Reason, reply.Usage)
	wire.JSON(w, http.StatusOK, p)
}

// load answers those who want a model to be ready: it is.
func (h *handler) load(w http.ResponseWriter, r *http.Request, q *request, shape func(turn) piece) {
	p, ok := h.enter(w, r, gate.ScopeChat)
	if !ok {
		return
	}
	_, id, err := h.room.Find(q.Model)
	if err == nil && !p.May(id) {
		err = fault.New(fault.Forbidden, "this key may not use the model %s", id)
	}
	if err != nil {
		failed(w, r, err)
		return
	}
	out := shape(turn{Role: "assistant"})
	out.Model, out.Created, out.Done, out.ending = q.Model, time.Now().UTC().Format(time.RFC3339Nano), true, &ending{Reason: "load"}
	wire.JSON(w, http.StatusOK, out)
}

func callsOf(calls ...prompt.ToolCall) []call {
	var out []call
	for _, c := range calls {
		var one call
		one.Function.Name, one.Function.Arguments = c.Name, c.Arguments
		out = append(out, one)
	}
	return out
}

// stream sends the answer as it is written, a JSON object a line.
func stream(w http.ResponseWriter, r *http.Request, reply *talk.Reply, dated func(turn) piece) {
	s := wire.Lines(w)
	defer s.Close()
	var err error
	for err == nil {
		var parts []prompt.Part
		parts, err = reply.Next(r.Context())
		for _, p := range parts {
			var m turn
			switch p.Kind {
			case prompt.KindReasoning:
				m.Thinking = p.Text
			case prompt.KindCall:
				m.Calls = callsOf(p.Call)
			default:
				m.Content = p.Text
			}
			if err == nil {
				err = s.Send("", dated(m))
			}
		}
	}
	if !errors.Is(err, io.EOF) {
		_ = s.Send("", body(wire.Report(r, err))) // the status has gone out: say it in the stream, if anyone listens
		return
	}
	last := dated(turn{})
	last.Done, last.ending = true, endingOf(reply.Reason, reply.Usage)
	_ = s.Send("", last) // the client may have gone
}
