package openai

import (
	"context"
	"crypto/rand"
	"encoding/json"
	"errors"
	"io"
	"log/slog"
	"net/http"
	"time"

	"kuai/serve/chat"
	"kuai/text/prompt"
	"kuai/text/sample"
)

// Chats are the language models that are served.
type Chats interface {
	// Talker returns a model by its name; "" is the first one. ok is false where
	// there is none.
	Talker(name string) (t *chat.Talker, id string, ok bool)
	// Names lists the models.
	Names() []string
}

// maxChatBody bounds a request: a million tokens of text, as JSON.
const maxChatBody = 16 << 20

// RegisterChat adds the routes of language models.
func RegisterChat(mux *http.ServeMux, c Chats) {
	h := &chatHandler{chats: c, began: time.Now().Unix()}
	mux.HandleFunc("POST /v1/chat/completions", h.complete)
	mux.HandleFunc("GET /v1/models", h.list)
	mux.HandleFunc("GET /v1/models/{id...}", h.get)
}

type chatHandler struct {
	chats Chats
	began int64
}

// Model is OpenAI's model object.
type Model struct {
	ID      string `json:"id"`
	Object  string `json:"object"`
	Created int64  `json:"created"`
	OwnedBy string `json:"owned_by"`
}

func (h *chatHandler) model(name string) Model { return Model{name, "model", h.began, "kuai"} }

func (h *chatHandler) list(w http.ResponseWriter, _ *http.Request) {
	data := []Model{h.model(model)} // the video model
	for _, name := range h.chats.Names() {
		data = append(data, h.model(name))
	}
	JSON(w, http.StatusOK, map[string]any{"object": "list", "data": data})
}

func (h *chatHandler) get(w http.ResponseWriter, r *http.Request) {
	id := r.PathValue("id")
	if _, _, ok := h.chats.Talker(id); !ok && id != model {
		noModel(w, id)
		return
	}
	JSON(w, http.StatusOK, h.model(id))
}

func noModel(w http.ResponseWriter, id string) {
	Error(w, http.StatusNotFound, "invalid_request_error", "model_not_found", "there is no model "+id+"; GET /v1/models lists those that are served")
}

// complete answers a conversation, whole or as it is written.
func (h *chatHandler) complete(w http.ResponseWriter, r *http.Request) {
	r.Body = http.MaxBytesReader(w, r.Body, maxChatBody)
	_ = http.NewResponseController(w).SetReadDeadline(time.Now().Add(bodyTimeout)) // where the server can
	var req chatRequest
	if err := json.NewDecoder(r.Body).Decode(&req); err != nil {
		failed(w, badJSON(err))
		return
	}
	in, ask, err := req.decode()
	if err != nil {
		failed(w, err)
		return
	}
	t, name, ok := h.chats.Talker(req.Model)
	if !ok {
		noModel(w, req.Model)
		return
	}
	answer, err := t.Ask(r.Context(), in, ask)
	if err != nil {
		chatFailed(w, err)
		return
	}
	defer answer.Stream.Close()
	e := &chatEncoder{id: "chatcmpl-" + rand.Text(), created: time.Now().Unix(), model: name, probs: req.LogProbs, vocab: t}
	if req.Stream {
		e.stream(r.Context(), w, answer, req.Options.Usage)
		return
	}
	e.whole(r.Context(), w, answer)
}

func badJSON(err error) error {
	if _, ok := errors.AsType[*http.MaxBytesError](err); ok {
		return invalid("", "the request is longer than %d bytes", maxChatBody)
	}
	return invalid("", "the request is not the JSON that is expected: %v", err)
}

// chatFailed maps the engine's errors.
func chatFailed(w http.ResponseWriter, err error) {
	long := new(chat.TooLongError)
	raised := new(prompt.RaiseError)
	switch {
	case errors.As(err, &long):
		JSON(w, http.StatusBadRequest, map[string]any{"error": map[string]any{
			"message": err.Error(), "type": "invalid_request_error", "code": "context_length_exceeded", "param": "messages",
		}})
	case errors.As(err, &raised), errors.Is(err, chat.ErrEmpty):
		paramFailed(w, "messages", err.Error())
	case errors.Is(err, chat.ErrFull), errors.Is(err, chat.ErrMemory):
		w.Header().Set("Retry-After", "5")
		Error(w, http.StatusTooManyRequests, "rate_limit_error", "busy", err.Error())
	case errors.Is(err, chat.ErrClosed):
		Error(w, http.StatusServiceUnavailable, "server_error", "shutting_down", "the server is shutting down")
	case errors.Is(err, context.Canceled):
	default:
		failed(w, err)
	}
}

// chatEncoder writes an answer in OpenAI's shape.
type chatEncoder struct {
	id      string
	created int64
	model   string
	probs   bool
	vocab   *chat.Talker
}

// finish is why an answer ended, in OpenAI's words.
func finish(a *chat.Answer) string {
	switch {
	case len(a.Message.ToolCalls) > 0:
		return "tool_calls"
	case a.Result.Reason == chat.Length:
		return "length"
	}
	return "stop"
}

type chatUsage struct {
	Prompt     int `json:"prompt_tokens"`
	Completion int `json:"completion_tokens"`
	Total      int `json:"total_tokens"`
	Details    struct {
		Cached int `json:"cached_tokens"`
	} `json:"prompt_tokens_details"`
}

func usageOf(u chat.Usage) chatUsage {
	out := chatUsage{Prompt: u.Prompt, Completion: u.Completion, Total: u.Prompt + u.Completion}
	out.Details.Cached = u.Reused
	return out
}

type chatCall struct {
	Index    *int   `json:"index,omitempty"` // in streams alone
	ID       string `json:"id"`
	Type     string `json:"type"`
	Function struct {
		Name      string `json:"name"`
		Arguments string `json:"arguments"`
	} `json:"function"`
}

func callOf(c prompt.ToolCall) chatCall {
	out := chatCall{ID: c.ID, Type: "function"}
	out.Function.Name, out.Function.Arguments = c.Name, string(c.Arguments)
	return out
}

// chatMessage is a message, or in a stream what is new of it.
type chatMessage struct {
	Role      string     `json:"role,omitempty"`
	Content   *string    `json:"content"`
	Reasoning string     `json:"reasoning_content,omitempty"`
	Calls     []chatCall `json:"tool_calls,omitempty"`
}

type chatChoice struct {
	Index    int          `json:"index"`
	Message  *chatMessage `json:"message,omitempty"`
	Delta    *chatMessage `json:"delta,omitempty"`
	LogProbs any          `json:"logprobs"`
	Finish   *string      `json:"finish_reason"`
}

type chatCompletion struct {
	ID      string       `json:"id"`
	Object  string       `json:"object"`
	Created int64        `json:"created"`
	Model   string       `json:"model"`
	Choices []chatChoice `json:"choices"`
	Usage   *chatUsage   `json:"usage,omitempty"`
}

func (e *chatEncoder) completion(object string, choices ...chatChoice) chatCompletion {
	if choices == nil {
		choices = []chatChoice{}
	}
	return chatCompletion{ID: e.id, Object: object, Created: e.created, Model: e.model, Choices: choices}
}

// whole reads the answer to its end.
func (e *chatEncoder) whole(ctx context.Context, w http.ResponseWriter, a *chat.Answer) {
	m, res, err := a.ReadAll(ctx, nil)
	if err != nil {
		chatFailed(w, err)
		return
	}
	out := chatMessage{Role: "assistant", Content: &m.Content, Reasoning: m.Reasoning}
	for _, c := range m.ToolCalls {
		out.Calls = append(out.Calls, callOf(c))
	}
	if len(out.Calls) > 0 && m.Content == "" {
		out.Content = nil
	}
	reason := finish(a)
	c := e.completion("chat.completion", chatChoice{Message: &out, LogProbs: e.logProbs(a.Tokens()), Finish: &reason})
	u := usageOf(res.Usage)
	c.Usage = &u
	JSON(w, http.StatusOK, c)
}

// stream sends the answer as it is written, in server-sent events.
func (e *chatEncoder) stream(ctx context.Context, w http.ResponseWriter, a *chat.Answer, usage bool) {
	w.Header().Set("Content-Type", "text/event-stream")
	w.Header().Set("Cache-Control", "no-store")
	control := http.NewResponseController(w)
	send := func(v any) bool {
		data, err := json.Marshal(v)
		if err == nil {
			_, err = w.Write(append(append([]byte("data: "), data...), "\n\n"...))
		}
		return err == nil && control.Flush() == nil
	}
	delta := func(m chatMessage, reason *string) bool {
		return send(e.completion("chat.completion.chunk", chatChoice{Delta: &m, LogProbs: e.logProbs(a.Tokens()), Finish: reason}))
	}
	empty := ""
	ok := delta(chatMessage{Role: "assistant", Content: &empty}, nil)
	calls := 0
	for ok {
		parts, err := a.Next(ctx)
		if errors.Is(err, io.EOF) {
			break
		}
		if err == nil && a.Result != nil {
			err = a.Result.Err
		}
		if err != nil {
			if ctx.Err() == nil { // the status has gone out: say it in the stream
				slog.Error("an answer failed", "error", err)
				send(map[string]any{"error": map[string]any{"message": "the answer failed; the server's log has it", "type": "server_error", "code": "internal", "param": nil}})
			}
			return
		}
		for _, p := range parts {
			ok = ok && delta(deltaOf(p, &calls), nil)
		}
	}
	if !ok {
		return // the client has gone
	}
	reason := finish(a)
	ok = delta(chatMessage{}, &reason)
	if usage && ok {
		last := e.completion("chat.completion.chunk")
		u := usageOf(a.Result.Usage)
		last.Usage = &u
		ok = send(last)
	}
	if ok {
		_, _ = io.WriteString(w, "data: [DONE]\n\n") // the client may have gone
	}
}

// deltaOf is a part of a message as a stream tells it.
func deltaOf(p prompt.Part, calls *int) chatMessage {
	switch p.Kind {
	case prompt.KindReasoning:
		return chatMessage{Reasoning: p.Text}
	case prompt.KindCall:
		c, at := callOf(p.Call), *calls
		c.Index = &at
		*calls++
		return chatMessage{Calls: []chatCall{c}}
	}
	return chatMessage{Content: &p.Text}
}

type tokenProb struct {
	Token   string      `json:"token"`
	LogProb float32     `json:"logprob"`
	Bytes   []int       `json:"bytes"`
	Top     []tokenProb `json:"top_logprobs,omitempty"`
}

// logProbs encodes the tokens since the last call; nil where none were asked
// for.
func (e *chatEncoder) logProbs(tokens []chat.Token) any {
	if !e.probs {
		return nil
	}
	content := []tokenProb{}
	for _, t := range tokens {
		p := e.prob(t.Bytes, t.LogProb)
		p.Top = []tokenProb{}
		for _, alt := range t.Top {
			p.Top = append(p.Top, e.alternative(alt))
		}
		content = append(content, p)
	}
	return map[string]any{"content": content}
}

func (e *chatEncoder) alternative(p sample.TokenProb) tokenProb {
	return e.prob(e.vocab.Bytes(p.Token), p.LogProb)
}

func (e *chatEncoder) prob(b []byte, logProb float32) tokenProb {
	p := tokenProb{Token: string(b), LogProb: logProb, Bytes: []int{}}
	for _, x := range b {
		p.Bytes = append(p.Bytes, int(x))
	}
	return p
}
