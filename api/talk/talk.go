// Package talk is what all dialects make of a request to a language model: one
// request, one stream of parts, one account of what was used. A dialect reads
// its own JSON into a Request and writes the parts of a Reply in its own words.
//
//	Room.Ask: the model by its name -> the prompt -> the gate -> the engine -> Reply
//	Reply.Next ... Reply.Close settles what was used
package talk

import (
	"context"
	"encoding/json"
	"errors"
	"math"
	"net/http"
	"strings"
	"time"

	"kuai/api/gate"
	"kuai/fault"
	"kuai/serve/chat"
	"kuai/serve/upstream"
	"kuai/text/prompt"
	"kuai/text/sample"
	"kuai/text/schema"
)

const (
	maxMessages = 10_000
	maxTools    = 128
	maxStop     = 16

	// maxAnswer is how long an answer may be where the request does not say: what
	// is reserved for it, and the end of a model that repeats itself for ever.
	maxAnswer = 16_384

	settleTimeout = 10 * time.Second
)

// Models are the language models that are served.
type Models interface {
	// Talker returns a model by its name; "" is the first one. ok is false where
	// there is none.
	Talker(name string) (t *chat.Talker, id string, ok bool)
	// Names lists the models.
	Names() []string
}

// Room is where dialects ask. Its zero value has no models.
type Room struct {
	Models Models
	Gate   gate.Gate

	turns turns
}

// Mode says which of the tools a model may call.
type Mode string

// The modes.
const (
	Auto     Mode = ""         // it chooses whether to call
	None     Mode = "none"     // it may call none
	Required Mode = "required" // it must call one
	Named    Mode = "named"    // it must call that of Request.Tool
)

// Request is a conversation that wants an answer. The fields that a dialect
// names otherwise are named by Names in errors.
type Request struct {
	Model    string
	Messages []prompt.Message
	Raw      string // a text to be gone on with, instead of messages

	Tools []prompt.Tool
	Mode  Mode
	Tool  string

	// Thinking asks a model that can think before it answers to do so, or not to;
	// nil leaves it to the model.
	Thinking *bool

	Schema    *schema.Schema
	Sampling  sample.Params
	MaxTokens int // 0: up to a limit of ours
	Stop      []string
	Urgency   gate.Urgency // that the body asks for

	Names Names
}

// Names are what a dialect calls fields; empty ones are named as OpenAI does.
type Names struct{ Messages, Tools, Stop, Schema, Thinking string }

func (n Names) withDefaults() Names {
	for _, f := range []struct {
		p   *string
		def string
	}{{&n.Messages, "messages"}, {&n.Tools, "tools"}, {&n.Stop, "stop"}, {&n.Schema, "response_format"}, {&n.Thinking, "thinking"}} {
		if *f.p == "" {
			*f.p = f.def
		}
	}
	return n
}

// check says what cannot be in any dialect.
func (q *Request) check() error {
	q.Names = q.Names.withDefaults()
	switch {
	case len(q.Messages) == 0 && q.Raw == "":
		return fault.Param(q.Names.Messages, "there are no messages")
	case len(q.Messages) > maxMessages:
		return fault.Param(q.Names.Messages, "%d messages, at most %d", len(q.Messages), maxMessages)
	case len(q.Tools) > maxTools:
		return fault.Param(q.Names.Tools, "%d tools, at most %d", len(q.Tools), maxTools)
	case len(q.Stop) > maxStop:
		return fault.Param(q.Names.Stop, "%d stop texts, at most %d", len(q.Stop), maxStop)
	}
	for i, m := range q.Messages {
		for _, c := range m.ToolCalls {
			if !json.Valid(c.Arguments) {
				return fault.Param(q.Names.Messages, "message %d: the arguments of the call of %q are not JSON", i, c.Name)
			}
		}
	}
	for i, t := range q.Tools {
		if t.Name == "" {
			return fault.Param(q.Names.Tools, "tool %d has no name", i)
		}
	}
	return nil
}

// Find returns a model by its name, or says that there is none. The names of
// MiniMax's models stand for the first one: its clients know no others. The
// talker of a model of other servers is nil.
func (rm *Room) Find(name string) (*chat.Talker, string, error) {
	if rm.Models == nil || len(rm.Models.Names()) == 0 {
		return nil, "", fault.New(fault.Unsupported, "this server has no language model")
	}
	bare := strings.TrimSuffix(name, ":latest") // Ollama's clients add it
	if IsMiniMax(bare) {
		bare = ""
	}
	if _, id := rm.upstream(bare); id != "" {
		return nil, id, nil
	}
	t, id, ok := rm.Models.Talker(bare)
	if !ok {
		return nil, "", &fault.Error{Code: fault.NotFound, Param: "model", Message: "there is no model " + name + "; the list of models has those that are served"}
	}
	return t, id, nil
}

// upstream returns the client of a model of other servers, nil if it is none.
func (rm *Room) upstream(name string) (*upstream.Client, string) {
	if all, ok := rm.Models.(Remote); ok {
		return all.Upstream(name)
	}
	return nil, ""
}

// IsMiniMax says whether a name is one of MiniMax's language models.
func IsMiniMax(name string) bool { return strings.HasPrefix(name, "MiniMax-") || name == "M2-her" }

// ready is a request whose prompt has been made.
type ready struct {
	talker   *chat.Talker
	id       string
	prepared *chat.Prepared
	forced   bool
	most     int     // tokens of the answer
	far      *remote // nil: it is answered here
}

func (rm *Room) prepare(q Request) (*ready, error) {
	if err := q.check(); err != nil {
		return nil, err
	}
	t, id, err := rm.Find(q.Model)
	if err != nil {
		return nil, err
	}
	if t == nil {
		c, _ := rm.upstream(id)
		far, err := prepareRemote(c, q)
		return &ready{id: id, far: far}, err
	}
	if err := checkSampling(q.Sampling, t.Vocab()); err != nil {
		return nil, err
	}
	in, forced, err := q.input(t)
	if err != nil {
		return nil, err
	}
	out := &ready{talker: t, id: id, forced: forced}
	ask := chat.Request{Sampling: q.Sampling, MaxTokens: q.MaxTokens, Stop: q.Stop, Schema: q.Schema}
	if ask.MaxTokens == 0 {
		ask.MaxTokens = maxAnswer
	}
	if q.Raw != "" {
		out.prepared = t.PrepareText(q.Raw, ask)
	} else if out.prepared, err = t.Prepare(in, ask); err != nil {
		return nil, q.translate(err)
	}
	room := t.Context() - out.prepared.Tokens()
	if room <= 0 {
		return nil, q.translate(&chat.TooLongError{Tokens: out.prepared.Tokens(), Context: t.Context()})
	}
	out.most = min(ask.MaxTokens, room)
	return out, nil
}

// Count returns how many tokens a caller's prompt has.
func (rm *Room) Count(p gate.Principal, q Request) (int, error) {
	r, err := rm.prepare(q)
	if err != nil {
		return 0, err
	}
	if !p.May(r.id) {
		return 0, fault.New(fault.Forbidden, "this key may not use the model %s", r.id)
	}
	if r.far != nil { // only that server could count
		return tokens(r.far.bytes), nil
	}
	return r.prepared.Tokens(), nil
}

// Ask admits a request and begins its answer, which ends with the request's
// context or with Close. The work's model, scope and estimate are filled in
// here. The header is told of limits.
func (rm *Room) Ask(r *http.Request, header http.Header, work gate.Work, q Request) (*Reply, error) {
	p, err := rm.prepare(q)
	if err != nil {
		return nil, err
	}
	if p.far != nil {
		return p.far.ask(rm, r, header, work, p.id)
	}
	work.Model, work.Scope = p.id, gate.ScopeChat
	work.Estimate = gate.Usage{gate.InputTokens: int64(p.prepared.Tokens()), gate.OutputTokens: int64(p.most), gate.Requests: 1}
	ticket, err := rm.admit(r, work, q, "kuai")
	if err != nil {
		return nil, err
	}
	ticket.Header(header)
	done, err := rm.turn(r, p.id, ticket.Principal(), q.Urgency, work.Estimate)
	if err != nil {
		return nil, errors.Join(err, release(r.Context(), ticket, noTurn))
	}
	answer, err := p.prepared.Ask(r.Context())
	if err != nil {
		done()
		return nil, errors.Join(q.translate(err), release(r.Context(), ticket, "the engine refused it"))
	}
	return &Reply{Model: p.id, Prompt: p.prepared.Tokens(), Talker: p.talker, answer: near{answer, done}, ticket: ticket, forced: p.forced}, nil
}

func release(ctx context.Context, t gate.Ticket, reason string) error {
	ctx, stop := context.WithTimeout(context.WithoutCancel(ctx), settleTimeout)
	defer stop()
	return t.Release(ctx, reason)
}

// translate makes the engine's errors the client's.
func (q *Request) translate(err error) error {
	var long *chat.TooLongError
	var raised *prompt.RaiseError
	switch {
	case errors.As(err, &long):
		return &fault.Error{Code: fault.TooLong, Param: q.Names.Messages, Message: err.Error()}
	case errors.Is(err, prompt.ErrTools):
		return &fault.Error{Code: fault.Unsupported, Param: q.Names.Tools, Message: "this model was not taught to choose among tools; make the call required, or choose another model"}
	case errors.As(err, &raised), errors.Is(err, chat.ErrEmpty):
		return fault.Param(q.Names.Messages, "%v", err)
	case errors.Is(err, chat.ErrFull), errors.Is(err, chat.ErrMemory):
		return &fault.Error{Code: fault.Overloaded, RetryAfter: 5 * time.Second, Message: "too many requests are waiting; try again later", Cause: err}
	case errors.Is(err, chat.ErrClosed):
		return &fault.Error{Code: fault.Overloaded, RetryAfter: 5 * time.Second, Message: "the server is shutting down", Cause: err}
	case errors.Is(err, context.Canceled):
		return fault.Wrap(err, fault.Cancelled, "the request was cancelled")
	}
	return err
}

// CheckSampling says which setting can be with no model, by the name that all
// dialects have for it.
func CheckSampling(p sample.Params) error { return checkSampling(p, math.MaxInt32) }

func checkSampling(p sample.Params, vocab int) error {
	err := p.Check(vocab)
	if err == nil {
		return nil
	}
	text := strings.TrimPrefix(err.Error(), "sample: ")
	field, _, _ := strings.Cut(text, ":")
	return fault.Param(strings.NewReplacer("-", "_", " ", "_").Replace(field), "%s", text)
}
