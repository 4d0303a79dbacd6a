package talk

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"math"
	"net/http"
	"strings"
	"time"

	"kuai/api/gate"
	"kuai/fault"
	"kuai/serve/chat"
	"kuai/serve/upstream"
	"kuai/text/prompt"
)

// Remote is Models some of which other servers have.
type Remote interface {
	Models
	// Upstream returns the client of such a model, nil if the name is another's.
	Upstream(name string) (c *upstream.Client, id string)
}

// Both is models of other servers, the first of which is the default, and those
// of this process.
type Both struct {
	Here    Models
	Clients []*upstream.Client
}

// Upstream returns one of other servers'.
func (b *Both) Upstream(name string) (*upstream.Client, string) {
	for _, c := range b.Clients {
		if name == "" || name == c.Model {
			return c, c.Model
		}
	}
	return nil, ""
}

// Talker returns one of this process's.
func (b *Both) Talker(name string) (*chat.Talker, string, bool) { return b.Here.Talker(name) }

// Names lists all.
func (b *Both) Names() []string {
	var names []string
	for _, c := range b.Clients {
		names = append(names, c.Model)
	}
	return append(names, b.Here.Names()...)
}

// remote is a request that another server answers.
type remote struct {
	client *upstream.Client
	asked  Request
	body   map[string]any
	bytes  int // of the body
	most   int // tokens of the answer
}

// overhead is what a chat template adds to a prompt at most, in tokens.
const overhead = 256

// bytesPerToken is how much text a token is, for servers that do not count and
// for answers that were left in the middle.
const bytesPerToken = 4

// prepareRemote makes the request that another server gets.
func prepareRemote(c *upstream.Client, q Request) (*remote, error) {
	if err := CheckSampling(q.Sampling); err != nil {
		return nil, err
	}
	p, s := &remote{client: c, asked: q, most: q.MaxTokens}, q.Sampling
	for _, no := range []struct {
		is   bool
		name string
	}{{q.Raw != "", "raw"}, {s.LogProbs != 0, "logprobs"}, {len(s.LogitBias) > 0, "logit_bias"}} {
		if no.is {
			return nil, &fault.Error{Code: fault.Unsupported, Param: no.name, Message: "the server behind this model cannot do that: " + no.name}
		}
	}
	if p.most == 0 {
		p.most = maxAnswer
	}
	p.body = map[string]any{"messages": wireMessages(q.Messages), "max_tokens": p.most, "temperature": s.Temperature}
	for name, v := range map[string]float64{
		"top_p": s.TopP, "top_k": float64(s.TopK), "min_p": s.MinP, "repetition_penalty": s.RepetitionPenalty,
		"frequency_penalty": s.FrequencyPenalty, "presence_penalty": s.PresencePenalty,
	} {
		if v != 0 {
			p.body[name] = v
		}
	}
	if s.Seed != 0 { // servers keep it in 64 bits with a sign
		p.body["seed"] = s.Seed & math.MaxInt64
	}
	if len(q.Stop) > 0 {
		p.body["stop"] = q.Stop
	}
	if q.Thinking != nil {
		p.body["chat_template_kwargs"] = map[string]bool{"enable_thinking": *q.Thinking}
	}
	if q.Schema != nil {
		p.body["response_format"] = map[string]any{"type": "json_object"}
		if source := q.Schema.Source(); source != nil {
			p.body["response_format"] = map[string]any{"type": "json_schema", "json_schema": map[string]any{"name": "answer", "strict": true, "schema": json.RawMessage(source)}}
		}
	}
	p.tools(q)
	data, err := json.Marshal(p.body)
	p.bytes = len(data)
	return p, err
}

func (p *remote) tools(q Request) {
	if len(q.Tools) == 0 {
		return
	}
	var tools []map[string]any
	for _, t := range q.Tools {
		f := map[string]any{"name": t.Name, "description": t.Description}
		if len(t.Parameters) > 0 {
			f["parameters"] = t.Parameters
		}
		tools = append(tools, map[string]any{"type": "function", "function": f})
	}
	p.body["tools"] = tools
	switch q.Mode {
	case None, Required:
		p.body["tool_choice"] = string(q.Mode)
	case Named:
		p.body["tool_choice"] = map[string]any{"type": "function", "function": map[string]string{"name": q.Tool}}
	case Auto:
	}
}

func wireMessages(all []prompt.Message) []map[string]any {
	out := make([]map[string]any, 0, len(all))
	for _, m := range all {
		w := map[string]any{"role": m.Role, "content": m.Content}
		var calls []map[string]any
		for _, c := range m.ToolCalls {
			calls = append(calls, map[string]any{"id": c.ID, "type": "function", "function": map[string]string{"name": c.Name, "arguments": string(c.Arguments)}})
		}
		if calls != nil {
			w["tool_calls"] = calls
		}
		if m.ToolCallID != "" {
			w["tool_call_id"] = m.ToolCallID
		}
		if m.Name != "" {
			w["name"] = m.Name
		}
		out = append(out, w)
	}
	return out
}

// tokens is how many a text of so many bytes has, about.
func tokens(bytes int) int { return (bytes + bytesPerToken - 1) / bytesPerToken }

// ask admits a request to another server, and returns when its answer has
// begun.
func (p *remote) ask(rm *Room, r *http.Request, header http.Header, work gate.Work, id string) (*Reply, error) {
	work.Model, work.Scope = id, gate.ScopeChat
	// A token has at least a byte: more than that cannot be counted.
	work.Estimate = gate.Usage{gate.InputTokens: int64(p.bytes + overhead), gate.OutputTokens: int64(p.most), gate.Requests: 1}
	ticket, err := rm.admit(r, work, p.asked, "openai")
	if err != nil {
		return nil, err
	}
	ticket.Header(header)
	about := gate.Usage{gate.InputTokens: int64(tokens(p.bytes)), gate.OutputTokens: int64(p.most)}
	done, err := rm.turn(r, id, ticket.Principal(), p.asked.Urgency, about)
	if err != nil {
		return nil, errors.Join(err, release(r.Context(), ticket, noTurn))
	}
	s, err := p.client.Open(r.Context(), p.body)
	if err != nil {
		done()
		return nil, errors.Join(elsewhere(err), release(r.Context(), ticket, "the model's server refused it"))
	}
	a := &far{stream: s, done: done, asked: tokens(p.bytes), most: p.bytes + overhead}
	return &Reply{Model: id, Prompt: a.asked, answer: a, ticket: ticket}, nil
}

// retryElsewhere is when servers that failed may be well again.
const retryElsewhere = 5 * time.Second

// elsewhere makes the error of another server the client's.
func elsewhere(err error) error {
	if errors.Is(err, context.Canceled) {
		return fault.Wrap(err, fault.Cancelled, "the request was cancelled")
	}
	f := &fault.Error{Code: fault.Overloaded, Message: "the model's server does not answer; try again", RetryAfter: retryElsewhere, Cause: err}
	var status *upstream.StatusError
	switch {
	case errors.Is(err, upstream.ErrBroken):
		f.Message = "the model's server broke off; try again"
	case !errors.As(err, &status):
	case status.Status == http.StatusBadRequest || status.Status == http.StatusUnprocessableEntity:
		f.Code, f.Message, f.RetryAfter = fault.Invalid, "the model's server refuses the request: "+status.Message, 0
	case status.Status == http.StatusRequestEntityTooLarge:
		f.Code, f.Message, f.RetryAfter = fault.TooLarge, "the request is too large for the model's server", 0
	case status.Status == http.StatusUnauthorized, status.Status == http.StatusForbidden, status.Status == http.StatusNotFound:
		f.Code, f.Message, f.RetryAfter = fault.Internal, "internal error", 0 // the operator's key or address is wrong
	}
	return f
}

// far is an answer of another server.
type far struct {
	stream *upstream.Stream
	done   func() // gives its place back
	asked  int    // tokens of the prompt, about
	most   int    // that it can have
	bytes  int    // of the answer
	calls  []prompt.ToolCall
	args   []strings.Builder
	finish string
	usage  *upstream.Usage
	result *chat.Result
	left   bool
}

// maxCallBytes bounds the calls of an answer.
const maxCallBytes = 1 << 20

// Next returns the next parts.
func (f *far) Next(context.Context) ([]prompt.Part, error) {
	for f.result == nil {
		d, err := f.stream.Next()
		if f.left || err != nil {
			return f.end(err), nil
		}
		if parts := f.parts(d); len(parts) > 0 {
			return parts, nil
		}
		if f.bytes > maxCallBytes*16 {
			return f.end(upstream.ErrBroken), nil
		}
	}
	return nil, io.EOF
}

// parts is what a piece says. Calls are told when they are whole.
func (f *far) parts(d upstream.Delta) (out []prompt.Part) {
	if d.Usage != nil {
		f.usage = d.Usage
	}
	if d.Finish != "" {
		f.finish = d.Finish
	}
	f.bytes += len(d.Content) + len(d.Reasoning)
	if d.Reasoning != "" {
		out = append(out, prompt.Part{Kind: prompt.KindReasoning, Text: d.Reasoning})
	}
	if d.Content != "" {
		out = append(out, prompt.Part{Kind: prompt.KindText, Text: d.Content})
	}
	for _, c := range d.Calls {
		for len(f.calls) <= c.Index {
			f.calls, f.args = append(f.calls, prompt.ToolCall{}), append(f.args, strings.Builder{})
		}
		call := &f.calls[c.Index]
		if call.ID == "" {
			call.ID = c.ID
		}
		call.Name += c.Function.Name
		f.bytes += len(c.Function.Name) + len(c.Function.Arguments)
		if f.args[c.Index].Len() < maxCallBytes {
			f.args[c.Index].WriteString(c.Function.Arguments)
		}
	}
	return out
}

// end is the end of the answer, with the calls that are whole.
func (f *far) end(err error) (out []prompt.Part) {
	f.stream.Close()
	f.result = &chat.Result{Reason: chat.Stopped, Usage: f.account()}
	switch {
	case f.left:
		f.result.Reason = chat.Cancelled
	case errors.Is(err, context.Canceled):
		f.result.Reason, f.result.Err = chat.Cancelled, err
	case !errors.Is(err, io.EOF):
		f.result.Reason, f.result.Err = chat.Failed, elsewhere(err)
	case f.finish == "length":
		f.result.Reason = chat.Length
	}
	if f.result.Err != nil {
		return nil // no half calls
	}
	for i, c := range f.calls {
		c.Arguments = json.RawMessage(f.args[i].String())
		if len(c.Arguments) == 0 {
			c.Arguments = json.RawMessage("{}")
		}
		if c.Name != "" && json.Valid(c.Arguments) {
			out = append(out, prompt.Part{Kind: prompt.KindCall, Call: c})
		}
	}
	return out
}

// account is what was used: what the server counted, or about that where it
// does not count or was left.
func (f *far) account() chat.Usage {
	if u := f.usage; u != nil && u.Prompt >= 0 && u.Completion >= 0 {
		prompt := min(u.Prompt, f.most)
		return chat.Usage{Prompt: prompt, Completion: u.Completion, Reused: min(max(u.Details.Cached, 0), prompt)}
	}
	return chat.Usage{Prompt: f.asked, Completion: tokens(f.bytes)}
}

// Result is the end; nil is not yet.
func (f *far) Result() *chat.Result { return f.result }

// Tokens are not told by other servers.
func (f *far) Tokens() []chat.Token { return nil }

// Leave says that nobody reads on.
func (f *far) Leave() {
	f.left = f.result == nil
	f.stream.Close()
	f.done()
}
