package anthropic

import (
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"slices"

	"kuai/api/talk"
	"kuai/api/wire"
	"kuai/text/prompt"
)

// encoder writes an answer in Anthropic's shape.
type encoder struct {
	id    string
	reply *talk.Reply
	stops []string
}

// object is a JSON object.
type object map[string]any

// usage is the account; what was not computed again stands apart.
func (e *encoder) usage() object {
	u := e.reply.Usage
	return object{
		"input_tokens": u.Prompt - u.Reused, "output_tokens": u.Completion,
		"cache_creation_input_tokens": 0, "cache_read_input_tokens": u.Reused,
	}
}

// reason is why the answer ended, and the stop text that was met, or nil.
func (e *encoder) reason() (reason string, stop any) {
	switch {
	case e.reply.Reason == talk.Called:
		return "tool_use", nil
	case e.reply.Reason == talk.Length:
		return "max_tokens", nil
	case e.reply.Stop != "" && slices.Contains(e.stops, e.reply.Stop):
		return "stop_sequence", e.reply.Stop
	}
	return "end_turn", nil
}

func (e *encoder) message(content []object, reason, stop any, usage object) object {
	return object{
		"id": e.id, "type": "message", "role": "assistant", "model": e.reply.Model,
		"content": content, "stop_reason": reason, "stop_sequence": stop, "usage": usage,
	}
}

// whole is a message that has ended.
func (e *encoder) whole(m prompt.Message) object {
	content := []object{}
	if m.Reasoning != "" {
		content = append(content, object{"type": "thinking", "thinking": m.Reasoning, "signature": ""})
	}
	if m.Content != "" {
		content = append(content, object{"type": "text", "text": m.Content})
	}
	for _, c := range m.ToolCalls {
		content = append(content, callOf(c, c.Arguments))
	}
	reason, stop := e.reason()
	return e.message(content, reason, stop, e.usage())
}

func callOf(c prompt.ToolCall, input json.RawMessage) object {
	return object{"type": "tool_use", "id": c.ID, "name": c.Name, "input": input}
}

// blockStream writes the content's blocks of a stream, one open at a time.
type blockStream struct {
	*wire.Stream
	open prompt.Kind // "" is none
	at   int         // of the next block, or of the open one
}

// begin opens a block of a kind, unless it is open.
func (s *blockStream) begin(kind prompt.Kind, block object) error {
	if s.open == kind && kind != prompt.KindCall {
		return nil
	}
	if err := s.end(); err != nil {
		return err
	}
	s.open = kind
	return s.Send("content_block_start", object{"type": "content_block_start", "index": s.at, "content_block": block})
}

func (s *blockStream) delta(delta object) error {
	return s.Send("content_block_delta", object{"type": "content_block_delta", "index": s.at, "delta": delta})
}

// end closes the open block, if there is one.
func (s *blockStream) end() error {
	if s.open == "" {
		return nil
	}
	err := s.Send("content_block_stop", object{"type": "content_block_stop", "index": s.at})
	s.open = ""
	s.at++
	return err
}

// part sends a part of the answer.
func (s *blockStream) part(p prompt.Part) error {
	var block, delta object
	switch p.Kind {
	case prompt.KindReasoning:
		block, delta = object{"type": "thinking", "thinking": "", "signature": ""}, object{"type": "thinking_delta", "thinking": p.Text}
	case prompt.KindCall:
		block, delta = callOf(p.Call, json.RawMessage("{}")), object{"type": "input_json_delta", "partial_json": string(p.Call.Arguments)}
	default:
		block, delta = object{"type": "text", "text": ""}, object{"type": "text_delta", "text": p.Text}
	}
	if err := s.begin(p.Kind, block); err != nil {
		return err
	}
	return s.delta(delta)
}

// stream sends the answer as it is written, in named events.
func (e *encoder) stream(w http.ResponseWriter, r *http.Request) {
	s := &blockStream{Stream: wire.Events(w)}
	defer s.Close()
	start := object{"input_tokens": e.reply.Prompt, "output_tokens": 0, "cache_creation_input_tokens": 0, "cache_read_input_tokens": 0}
	err := s.Send("message_start", object{"type": "message_start", "message": e.message([]object{}, nil, nil, start)})
	if err == nil {
		err = s.Send("ping", object{"type": "ping"})
	}
	for err == nil {
		var parts []prompt.Part
		parts, err = e.reply.Next(r.Context())
		for _, p := range parts {
			if err == nil {
				err = s.part(p)
			}
		}
	}
	if !errors.Is(err, io.EOF) {
		_ = s.Send("error", body(wire.Report(r, err))) // the status has gone out: say it in the stream, if anyone listens
		return
	}
	reason, stop := e.reason()
	if s.end() != nil || s.Send("message_delta", object{
		"type": "message_delta", "delta": object{"stop_reason": reason, "stop_sequence": stop}, "usage": e.usage(),
	}) != nil {
		return
	}
	_ = s.Send("message_stop", object{"type": "message_stop"}) // the client may have gone
}
