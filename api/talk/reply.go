package talk

import (
	"context"
	"crypto/rand"
	"errors"
	"io"
	"strings"

	"kuai/api/gate"
	"kuai/serve/chat"
	"kuai/text/prompt"
)

// Reply is an answer on its way. It is for one goroutine. Close it.
type Reply struct {
	Model  string       // its id
	Prompt int          // tokens
	Talker *chat.Talker // nil: a model of other servers

	// Of the end.
	Reason Reason
	Stop   string // the stop text that was met
	Usage  chat.Usage

	answer answer
	ticket gate.Ticket
	forced bool // the text is a call's JSON
	called bool
	text   strings.Builder // of a forced call
	closed bool
}

// answer is one on its way, here or elsewhere.
type answer interface {
	Next(ctx context.Context) ([]prompt.Part, error)
	Tokens() []chat.Token
	Result() *chat.Result // at the end
	Leave()               // nobody reads on
}

// near is an answer of this process.
type near struct {
	a    *chat.Answer
	done func() // gives its place back
}

func (n near) Next(ctx context.Context) ([]prompt.Part, error) { return n.a.Next(ctx) }
func (n near) Tokens() []chat.Token                            { return n.a.Tokens() }
func (n near) Result() *chat.Result                            { return n.a.Result }
func (n near) Leave()                                          { n.a.Stream.Close(); n.done() }

// Reason says why an answer ended.
type Reason string

// The reasons.
const (
	Ended  Reason = "stop"
	Length Reason = "length"
	Called Reason = "tool_calls"
)

// Next returns the next parts; io.EOF after the last ones. Reason, Stop and
// Usage are set then.
func (r *Reply) Next(ctx context.Context) ([]prompt.Part, error) {
	for {
		parts, err := r.answer.Next(ctx)
		if err != nil {
			return nil, err
		}
		res := r.answer.Result()
		if r.forced {
			parts = r.call(parts, res != nil)
		}
		for _, p := range parts {
			r.called = r.called || p.Kind == prompt.KindCall
		}
		if res != nil {
			r.end(res)
			if res.Err != nil {
				return parts, res.Err
			}
		}
		if len(parts) > 0 || res != nil {
			return parts, nil
		}
	}
}

// call keeps a forced call's text back until it is whole.
func (r *Reply) call(parts []prompt.Part, last bool) []prompt.Part {
	for _, p := range parts {
		r.text.WriteString(p.Text)
	}
	if !last || r.text.Len() == 0 {
		return nil
	}
	c, err := parseCall(r.text.String())
	if err != nil { // cut short: what there is of it
		return []prompt.Part{{Kind: prompt.KindText, Text: r.text.String()}}
	}
	c.ID = "call_" + rand.Text()[:20]
	return []prompt.Part{{Kind: prompt.KindCall, Call: c}}
}

func (r *Reply) end(res *chat.Result) {
	r.Usage, r.Stop = res.Usage, res.Stop
	switch {
	case r.called:
		r.Reason = Called
	case res.Reason == chat.Length:
		r.Reason = Length
	default:
		r.Reason = Ended
	}
}

// Tokens returns the log probabilities since the last call.
func (r *Reply) Tokens() []chat.Token { return r.answer.Tokens() }

// All reads the answer to its end.
func (r *Reply) All(ctx context.Context) (prompt.Message, error) {
	m := prompt.Message{Role: "assistant"}
	for {
		parts, err := r.Next(ctx)
		if errors.Is(err, io.EOF) {
			m.Content = strings.TrimSpace(m.Content)
			return m, nil
		}
		if err != nil {
			return m, err
		}
		for _, p := range parts {
			switch p.Kind {
			case prompt.KindText:
				m.Content += p.Text
			case prompt.KindReasoning:
				m.Reasoning += p.Text
			case prompt.KindCall:
				m.ToolCalls = append(m.ToolCalls, p.Call)
			}
		}
	}
}

// Close ends the answer where it is, and settles what was used. It may be
// called twice.
func (r *Reply) Close(ctx context.Context) error {
	if r.closed {
		return nil
	}
	r.closed = true
	ctx, stop := context.WithTimeout(context.WithoutCancel(ctx), settleTimeout)
	defer stop()
	r.answer.Leave()
	for r.answer.Result() == nil { // what was computed until the engine noticed
		if _, err := r.answer.Next(ctx); err != nil {
			return errors.Join(err, r.ticket.Release(ctx, "the answer's account never came"))
		}
	}
	u := r.answer.Result().Usage
	if r.answer.Result().Reason == chat.Failed {
		return r.ticket.Release(ctx, "the engine failed")
	}
	finished(r.ticket, r.Reason)
	return r.ticket.Settle(ctx, gate.Usage{
		gate.InputTokens: int64(u.Prompt), gate.CachedInputTokens: int64(u.Reused), gate.OutputTokens: int64(u.Completion), gate.Requests: 1,
	})
}
