package openai

import (
	"crypto/rand"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"slices"
	"time"

	"kuai/api/gate"
	"kuai/api/talk"
	"kuai/api/wire"
	"kuai/serve/chat"
	"kuai/text/prompt"
	"kuai/text/sample"
)

// complete answers a conversation, whole or as it is written.
func (h *handler) complete(w http.ResponseWriter, r *http.Request) {
	Complete(h.Room, Failed, "openai", h.MiniMax)(w, r)
}

// Additions are what a dialect that is OpenAI's otherwise adds to it.
type Additions struct {
	Fields map[string]any // of every answer
	All    bool           // for everyone, not only for those who name MiniMax's models
}

// Complete answers a conversation in OpenAI's shape, with additions; failed
// writes an error.
func Complete(room *talk.Room, failed func(http.ResponseWriter, *http.Request, error), dialect string, add Additions) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		var q ChatRequest
		if err := wire.ReadJSON(w, r, wire.MaxChat, &q); err != nil {
			failed(w, r, err)
			return
		}
		ask, err := q.Talk()
		if err != nil {
			failed(w, r, err)
			return
		}
		reply, err := room.Ask(r, w.Header(), gate.Work{Dialect: dialect, Endpoint: r.Method + " " + r.URL.Path}, ask)
		if err != nil {
			failed(w, r, err)
			return
		}
		defer Settle(r, reply)
		extra := add.Fields
		if !add.All && !talk.IsMiniMax(q.Model) {
			extra = nil
		}
		e := &chatEncoder{
			id: "chatcmpl-" + rand.Text(), created: time.Now().Unix(), model: reply.Model,
			probs: q.LogProbs, split: q.SplitReasoning, extra: extra, vocab: reply.Talker,
		}
		if q.Stream {
			e.stream(r, w, reply, q.Options.Usage)
			return
		}
		m, err := reply.All(r.Context())
		if err != nil {
			failed(w, r, err)
			return
		}
		wire.JSON(w, http.StatusOK, e.whole(m, reply))
	}
}

// Settle ends a reply and reports what could not be settled.
func Settle(r *http.Request, reply *talk.Reply) {
	if err := reply.Close(r.Context()); err != nil {
		_ = wire.Report(r, err) // the answer has gone out: the log alone is told
	}
}

// chatEncoder writes an answer in OpenAI's shape.
type chatEncoder struct {
	id      string
	created int64
	model   string
	probs   bool
	split   bool           // what the model thinks, as details too
	extra   map[string]any // of a dialect that adds to OpenAI's
	vocab   *chat.Talker
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
	Details   []thought  `json:"reasoning_details,omitempty"`
	Calls     []chatCall `json:"tool_calls,omitempty"`
}

// thought is MiniMax's form of what a model thinks; in a stream those of one
// id belong together.
type thought struct {
	Type  string `json:"type"`
	ID    string `json:"id"`
	Index int    `json:"index"`
	Text  string `json:"text"`
}

func (e *chatEncoder) thoughts(text string) []thought {
	if !e.split || text == "" {
		return nil
	}
	return []thought{{Type: "reasoning.text", ID: "reasoning-text-1", Text: text}}
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

// with adds a dialect's fields to a completion.
func (e *chatEncoder) with(c chatCompletion) any {
	if e.extra == nil {
		return c
	}
	return extended{c, e.extra}
}

// extended is a completion with further fields beside its own.
type extended struct {
	completion chatCompletion
	extra      map[string]any
}

// MarshalJSON puts the further fields last.
func (x extended) MarshalJSON() ([]byte, error) {
	own, err := json.Marshal(x.completion)
	if err != nil {
		return nil, err
	}
	more, err := json.Marshal(x.extra)
	if err != nil || len(x.extra) == 0 {
		return own, err
	}
	return slices.Concat(own[:len(own)-1], []byte{','}, more[1:]), nil
}

// whole is a message that has ended.
func (e *chatEncoder) whole(m prompt.Message, reply *talk.Reply) any {
	out := chatMessage{Role: "assistant", Content: &m.Content, Reasoning: m.Reasoning, Details: e.thoughts(m.Reasoning)}
	for _, c := range m.ToolCalls {
		out.Calls = append(out.Calls, callOf(c))
	}
	if len(out.Calls) > 0 && m.Content == "" {
		out.Content = nil
	}
	reason := string(reply.Reason)
	c := e.completion("chat.completion", chatChoice{Message: &out, LogProbs: e.logProbs(reply.Tokens()), Finish: &reason})
	u := usageOf(reply.Usage)
	c.Usage = &u
	return e.with(c)
}

// stream sends the answer as it is written, in server-sent events.
func (e *chatEncoder) stream(r *http.Request, w http.ResponseWriter, reply *talk.Reply, usage bool) {
	s := wire.Events(w)
	defer s.Close()
	delta := func(m chatMessage, reason *string) error {
		return s.Send("", e.completion("chat.completion.chunk", chatChoice{Delta: &m, LogProbs: e.logProbs(reply.Tokens()), Finish: reason}))
	}
	empty, calls := "", 0
	err := delta(chatMessage{Role: "assistant", Content: &empty}, nil)
	for err == nil {
		var parts []prompt.Part
		parts, err = reply.Next(r.Context())
		for _, p := range parts {
			if err == nil {
				err = delta(e.delta(p, &calls), nil)
			}
		}
	}
	if !errors.Is(err, io.EOF) {
		_ = s.Send("", body(wire.Report(r, err))) // the status has gone out: say it in the stream, if anyone listens
		return
	}
	reason := string(reply.Reason)
	end := e.completion("chat.completion.chunk", chatChoice{Delta: &chatMessage{}, LogProbs: e.logProbs(reply.Tokens()), Finish: &reason})
	if u := usageOf(reply.Usage); e.extra != nil { // MiniMax tells it unasked
		end.Usage = &u
	}
	if s.Send("", e.with(end)) != nil {
		return
	}
	if usage {
		last := e.completion("chat.completion.chunk")
		u := usageOf(reply.Usage)
		last.Usage = &u
		if s.Send("", last) != nil {
			return
		}
	}
	_ = s.Text("[DONE]") // the client may have gone
}

// delta is a part of a message as a stream tells it.
func (e *chatEncoder) delta(p prompt.Part, calls *int) chatMessage {
	switch p.Kind {
	case prompt.KindReasoning:
		return chatMessage{Reasoning: p.Text, Details: e.thoughts(p.Text)}
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
