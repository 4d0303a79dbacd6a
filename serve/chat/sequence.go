package chat

import (
	"context"
	"fmt"
	"log/slog"
	"runtime/debug"
	"slices"
	"time"

	"kuai/text/sample"
	"kuai/text/schema"
)

// sequence is a request on its way through the engine. Only the loop changes
// it.
type sequence struct {
	req    Request
	stream *Stream
	gone   <-chan struct{} // its context is done
	cause  func() error    // why
	unhook func() bool     // from its context

	sampler *sample.Sampler
	matcher *schema.Matcher
	out     writer

	follows  []leader
	session  Session // nil: it waits for those it follows
	ended    bool
	next     []int32 // not yet in the session: the prompt's rest, or the last token
	reserved int64   // bytes
	room     int     // tokens of prompt and answer that it is for
	budget   int     // tokens that may be written

	begun, first time.Time
	asked        time.Time
	reused       int
	written      int
}

// newSequence checks a request.
func (e *Engine) newSequence(ctx context.Context, r Request) (*sequence, error) {
	info := e.info
	if len(r.Prompt) == 0 {
		return nil, ErrEmpty
	}
	if len(r.Prompt) >= info.Context {
		return nil, &TooLongError{len(r.Prompt), info.Context}
	}
	for _, id := range slices.Concat(r.Prompt, r.StopTokens) {
		if id < 0 || int(id) >= info.Vocab {
			return nil, fmt.Errorf("chat: token %d of a vocabulary of %d", id, info.Vocab)
		}
	}
	switch {
	case len(r.Stop) > maxStops:
		return nil, fmt.Errorf("chat: %d stop strings, more than %d", len(r.Stop), maxStops)
	case len(r.StopTokens) > maxStopTokens:
		return nil, fmt.Errorf("chat: %d stop tokens, more than %d", len(r.StopTokens), maxStopTokens)
	case r.MaxTokens < 0:
		return nil, fmt.Errorf("chat: %d tokens are wanted", r.MaxTokens)
	}
	for _, s := range r.Stop {
		if s == "" || len(s) > maxStopBytes {
			return nil, fmt.Errorf("chat: a stop string of %d bytes, want 1 to %d", len(s), maxStopBytes)
		}
	}
	s := &sequence{req: r, stream: newStream(e.o.Backlog), asked: time.Now(), out: writer{stops: r.Stop}}
	err := s.reserve(info, e.o.MemoryBytes)
	if err != nil {
		return nil, err
	}
	if s.sampler, err = sample.New(r.Sampling, info.Vocab); err != nil {
		return nil, err
	}
	if r.Schema != nil {
		if s.matcher, err = r.Schema.Start(e.vocabulary()); err != nil {
			return nil, err
		}
	}
	s.gone, s.cause = ctx.Done(), func() error { return context.Cause(ctx) }
	return s, nil
}

// left says why nobody wants the answer any more; nil if somebody does.
func (s *sequence) left() error {
	select {
	case <-s.gone:
		if err := s.cause(); err != nil {
			return err
		}
	default:
	}
	if s.stream.abandoned() {
		return context.Canceled
	}
	return nil
}

// leader is a sequence that reads what another one would have to read as well.
type leader struct {
	*sequence
	shared int // tokens that both begin with
}

// minShared is how many tokens are worth waiting for.
const minShared = 128

// follow finds the sequences that a new one lets go ahead: many requests that
// come at once often begin alike, and what they share is read once.
func (e *Engine) follow(s *sequence) {
	if s.req.Conversation != "" && e.kept.has(s.req.Conversation) {
		return // it has a beginning of its own
	}
	for _, q := range e.running {
		if q == s || q.written > 0 {
			continue
		}
		n, most := 0, min(len(q.req.Prompt), len(s.req.Prompt))-1
		for n < most && q.req.Prompt[n] == s.req.Prompt[n] {
			n++
		}
		if n >= minShared {
			s.follows = append(s.follows, leader{q, n})
		}
	}
}

// start begins the sequences that wait for nobody.
func (e *Engine) start() {
	for _, s := range e.running {
		if s.session != nil || slices.ContainsFunc(s.follows, leader.ahead) {
			continue
		}
		s.follows = nil
		e.begin(s)
		e.count(func(t *Stats) { t.ReusedTokens += int64(s.reused) })
	}
}

// ahead says whether the leader is still reading what both begin with.
func (l leader) ahead() bool {
	return !l.ended && l.written == 0 && (l.session == nil || l.session.Len() < l.shared)
}

// begin gives a sequence its session: the conversation's, cut back to what the
// prompt shares with it, or one that the model begins.
func (e *Engine) begin(s *sequence) {
	prompt := s.req.Prompt
	if name := s.req.Conversation; name != "" {
		if old := e.kept.take(name); old != nil {
			s.session = e.resume(old, prompt)
		}
	}
	if s.session == nil {
		s.session = e.model.Begin(prompt)
	}
	s.reused = s.session.Len()
	s.next = prompt[s.reused:]
	s.sampler.Prompt(prompt)
	s.begun = time.Now()
}

// resume cuts a kept session back to what it shares with the prompt; nil if
// the model itself remembers more.
func (e *Engine) resume(old Session, prompt []int32) Session {
	have := old.Tokens()
	n := 0
	for n < len(have) && n < len(prompt)-1 && have[n] == prompt[n] {
		n++
	}
	shared := n
	err := old.Rewind(n)
	if behind := old.Behind(); err == nil && behind > 0 { // to be read again, in pieces as prompts are
		n -= behind
		err = old.Rewind(n)
	}
	switch {
	case err != nil:
		slog.Warn("a kept session cannot be rewound", "error", err)
		old.Close()
		return nil
	case n == shared && shared > 0:
		return old
	}
	fresh := e.model.Begin(prompt)
	if fresh.Len() > n {
		old.Close()
		return fresh
	}
	fresh.Close()
	return old
}

// drawn is what a sequence's sampler said to its logits.
type drawn struct {
	sample.Choice
	err error
}

// draw chooses a sequence's next token. It touches nothing but the sequence's
// sampler and matcher: those of a step draw side by side.
func (s *sequence) draw(logits []float32) (d drawn) {
	defer func() {
		if v := recover(); v != nil {
			slog.Error("a request failed by a bug", "bug", v, "stack", string(debug.Stack()))
			d.err = ErrInternal
		}
	}()
	var mask []uint64
	if s.matcher != nil {
		if mask, d.err = s.matcher.Mask(); d.err != nil {
			return d
		}
	}
	d.Choice, d.err = s.sampler.Next(logits, mask)
	return d
}

// chose goes on by a token that was drawn. It says whether the answer has ended.
func (e *Engine) chose(s *sequence, d drawn) (ended bool) {
	if d.err != nil {
		e.finish(s, Result{Reason: Failed, Err: d.err})
		return true
	}
	if s.written++; s.written == 1 {
		s.first = time.Now()
	}
	id := d.Token
	if e.tok.IsEnd(id) && !s.req.IgnoreEnd || slices.Contains(s.req.StopTokens, id) {
		e.finish(s, Result{Reason: Stopped})
		return true
	}
	s.next = append(s.next[:0:0], id)
	return e.write(s, d.Choice)
}

// write hands a token to the reader.
func (e *Engine) write(s *sequence, c sample.Choice) (ended bool) {
	if s.matcher != nil {
		if err := s.matcher.Accept(c.Token); err != nil {
			e.finish(s, Result{Reason: Failed, Err: err})
			return true
		}
	}
	b := e.tok.Bytes(c.Token)
	if len(b) == 0 && s.req.Control && e.o.Control != nil {
		b = []byte(e.o.Control(c.Token))
	}
	text, stop := s.out.add(b)
	ev := Event{Text: text}
	if s.req.Sampling.LogProbs != 0 {
		ev.Tokens = []Token{{ID: c.Token, Bytes: slices.Clone(b), LogProb: c.LogProb, Top: slices.Clone(c.Top)}}
	}
	if (ev.Text != "" || ev.Tokens != nil) && !s.stream.put(ev) {
		e.finish(s, Result{Reason: Cancelled, Err: ErrSlow})
		return true
	}
	switch {
	case stop != "":
		e.finish(s, Result{Reason: Stopped, Stop: stop})
	case s.matcher != nil && s.matcher.Done():
		e.finish(s, Result{Reason: Stopped})
	case s.written >= s.budget || !e.extend(s):
		e.finish(s, Result{Reason: Length})
	default:
		return false
	}
	return true
}

// finish ends a request: the last event, and the session kept or closed.
func (e *Engine) finish(s *sequence, r Result) {
	s.ended = true
	now := time.Now()
	r.Usage = Usage{Prompt: len(s.req.Prompt), Reused: s.reused, Completion: s.written, Total: now.Sub(s.asked)}
	if !s.begun.IsZero() {
		r.Usage.Queued = s.begun.Sub(s.asked)
	}
	if s.written > 0 {
		r.Usage.FirstToken = s.first.Sub(s.asked)
	}
	ev := Event{Result: &r}
	if r.Stop == "" {
		ev.Text = s.out.flush()
	}
	s.stream.put(ev)
	if s.unhook != nil {
		s.unhook()
	}
	if s.session == nil {
		return
	}
	if s.req.Conversation != "" && r.Reason != Failed && s.session.Len() > 0 {
		e.kept.put(s.req.Conversation, s.session)
	} else {
		s.session.Close()
	}
	s.session = nil
}
