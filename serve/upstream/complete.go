package upstream

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"mime"
	"strings"
	"time"
)

const (
	openTries = 3               // servers that break off before they say anything
	quietTime = 2 * time.Minute // between two events
	maxCalls  = 128             // of an answer
)

var (
	// ErrBroken says that a server ended an answer before its end.
	ErrBroken = errors.New("upstream: the server broke off its answer")
	errQuiet  = fmt.Errorf("%w: nothing came for %v", ErrBroken, quietTime)
)

// Delta is the next piece of an answer.
type Delta struct {
	Content, Reasoning string
	Calls              []CallDelta
	Finish             string // why it ended; "" is not yet
	Usage              *Usage // near the end, of servers that count
}

// says whether there is anything in it for the client.
func (d *Delta) says() bool {
	return d.Content != "" || d.Reasoning != "" || len(d.Calls) > 0 || d.Finish != ""
}

// CallDelta is a piece of a call: its name first, its arguments bit by bit.
type CallDelta struct {
	Index    int    `json:"index"`
	ID       string `json:"id"`
	Function struct {
		Name      string `json:"name"`
		Arguments string `json:"arguments"`
	} `json:"function"`
}

// Usage is what the server counted, in tokens.
type Usage struct {
	Prompt     int `json:"prompt_tokens"`
	Completion int `json:"completion_tokens"`
	Details    struct {
		Cached int `json:"cached_tokens"`
	} `json:"prompt_tokens_details"`
}

// Stream is an answer on its way. It is for one reader. Close it.
type Stream struct {
	ctx      context.Context //nolint:containedctx // of the request, whose end Close is
	stop     context.CancelCauseFunc
	quiet    *time.Timer
	body     io.Closer
	lines    *bufio.Scanner
	whole    bool // one object
	first    *Delta
	finished bool
}

// Open asks, and returns when the answer has begun: a server that breaks off
// before that is given up for another, one that does it later ends the stream
// with ErrBroken. The body is OpenAI's, its model and stream are set here. It
// wraps a *StatusError where the server refuses.
func (c *Client) Open(ctx context.Context, body map[string]any) (*Stream, error) {
	body["model"], body["stream"], body["stream_options"] = c.Model, true, map[string]bool{"include_usage": true}
	data, err := json.Marshal(body)
	if err != nil {
		return nil, fmt.Errorf("upstream: %w", err)
	}
	for range openTries {
		var s *Stream
		if s, err = c.open(ctx, data); err == nil {
			return s, nil
		}
		if ctx.Err() != nil || !errors.Is(err, ErrBroken) {
			break
		}
	}
	return nil, err
}

func (c *Client) open(ctx context.Context, data []byte) (s *Stream, err error) {
	own, stop := context.WithCancelCause(ctx)
	defer func() {
		if err != nil {
			stop(nil)
		}
	}()
	quiet := time.AfterFunc(quietTime, func() { stop(errQuiet) })
	res, err := c.post(own, data) //nolint:bodyclose // Close of the stream does
	if err != nil {
		return nil, err
	}
	t, _, err := mime.ParseMediaType(res.Header.Get("Content-Type"))
	s = &Stream{ctx: own, stop: stop, quiet: quiet, body: res.Body, whole: err == nil && t == "application/json"}
	s.lines = bufio.NewScanner(io.LimitReader(res.Body, maxStream))
	s.lines.Buffer(nil, maxLine)
	if s.whole {
		s.lines.Buffer(nil, maxStream)
		s.lines.Split(all)
	}
	for { // what says nothing yet, such as a role, can be taken back
		d, err := s.read()
		if errors.Is(err, io.EOF) {
			err = ErrBroken
		}
		if err != nil {
			s.Close()
			return nil, err
		}
		if d.says() {
			s.first = &d
			return s, nil
		}
	}
}

// all makes a scanner return everything at once.
func all(data []byte, atEOF bool) (int, []byte, error) {
	if !atEOF || len(data) == 0 {
		return 0, nil, nil
	}
	return len(data), data, nil
}

// Next returns the next piece; io.EOF after the last one.
func (s *Stream) Next() (Delta, error) {
	if s.first != nil {
		d := *s.first
		s.first = nil
		return d, nil
	}
	return s.read()
}

// Close ends the answer where it is.
func (s *Stream) Close() {
	s.quiet.Stop()
	s.stop(nil)
	_ = s.body.Close() // was only read
}

// read reads one event.
func (s *Stream) read() (Delta, error) {
	for s.lines.Scan() {
		s.quiet.Reset(quietTime)
		data := s.lines.Bytes()
		if !s.whole {
			var ok bool
			if data, ok = bytes.CutPrefix(data, []byte("data:")); !ok {
				continue // names of events, comments
			}
			if data = bytes.TrimSpace(data); string(data) == "[DONE]" {
				return Delta{}, io.EOF
			}
		}
		d, err := decode(data)
		s.finished = s.finished || s.whole || d.Finish != ""
		return d, err
	}
	err := s.lines.Err()
	switch {
	case s.ctx.Err() != nil:
		return Delta{}, context.Cause(s.ctx)
	case err != nil:
		return Delta{}, fmt.Errorf("%w: %w", ErrBroken, cause(s.ctx, err))
	case s.finished: // some servers leave out [DONE]
		return Delta{}, io.EOF
	}
	return Delta{}, ErrBroken
}

// decode reads one chunk, or a whole answer.
func decode(data []byte) (d Delta, err error) {
	type message struct {
		Content   *string     `json:"content"`
		Reasoning *string     `json:"reasoning_content"`
		Thought   *string     `json:"reasoning"` // as others call it
		Calls     []CallDelta `json:"tool_calls"`
	}
	var c struct {
		Choices []struct {
			Delta   message `json:"delta"`
			Message message `json:"message"`
			Finish  string  `json:"finish_reason"`
		} `json:"choices"`
		Usage *Usage          `json:"usage"`
		Error json.RawMessage `json:"error"`
	}
	if err := json.Unmarshal(data, &c); err != nil {
		return d, fmt.Errorf("%w: its answer is not what OpenAI's API has", ErrBroken)
	}
	if m := messageOf(c.Error); m != "" {
		return d, fmt.Errorf("%w: %s", ErrBroken, m)
	}
	d.Usage = c.Usage
	if len(c.Choices) == 0 {
		return d, nil
	}
	first := c.Choices[0]
	d.Finish = first.Finish
	for _, m := range []message{first.Delta, first.Message} {
		text := func(p *string) string {
			if p == nil {
				return ""
			}
			return strings.ToValidUTF8(*p, "\uFFFD")
		}
		d.Content += text(m.Content)
		if m.Reasoning != nil {
			d.Reasoning += text(m.Reasoning)
		} else {
			d.Reasoning += text(m.Thought)
		}
		d.Calls = append(d.Calls, m.Calls...)
	}
	if len(d.Calls) > 1 && d.Calls[0].Index == d.Calls[1].Index { // of a whole answer, which numbers none
		for i := range d.Calls {
			d.Calls[i].Index = i
		}
	}
	for _, c := range d.Calls {
		if c.Index < 0 || c.Index >= maxCalls {
			return d, fmt.Errorf("%w: more than %d calls", ErrBroken, maxCalls)
		}
	}
	return d, nil
}
