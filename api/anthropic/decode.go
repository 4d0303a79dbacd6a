package anthropic

import (
	"encoding/json"
	"math/rand/v2"
	"strings"

	"kuai/api/talk"
	"kuai/fault"
	"kuai/text/prompt"
	"kuai/text/sample"
	"kuai/text/schema"
)

// request is what Anthropic's clients send. Fields that are not here say
// nothing about the answer (metadata, service_tier, cache_control ...) and are
// passed over.
type request struct {
	Model     string   `json:"model"`
	System    blocks   `json:"system"`
	Messages  []turn   `json:"messages"`
	MaxTokens *int     `json:"max_tokens"`
	Stop      []string `json:"stop_sequences"`
	Stream    bool     `json:"stream"`

	Temperature *float64 `json:"temperature"`
	TopP        *float64 `json:"top_p"`
	TopK        *int     `json:"top_k"`

	Tools  []tool `json:"tools"`
	Choice *struct {
		Type string `json:"type"`
		Name string `json:"name"`
	} `json:"tool_choice"`
	Thinking *struct {
		Type string `json:"type"`
	} `json:"thinking"`
	Servers   json.RawMessage `json:"mcp_servers"` // refused
	Container json.RawMessage `json:"container"`   // refused
	Output    *struct {
		Format *struct {
			Type   string          `json:"type"`
			Schema json.RawMessage `json:"schema"`
		} `json:"format"`
	} `json:"output_config"`
}

type turn struct {
	Role    string `json:"role"`
	Content blocks `json:"content"`
}

type tool struct {
	Type        string          `json:"type"`
	Name        string          `json:"name"`
	Description string          `json:"description"`
	Schema      json.RawMessage `json:"input_schema"`
}

// block is a piece of a message.
type block struct {
	Type     string          `json:"type"`
	Text     string          `json:"text"`
	Thinking string          `json:"thinking"`
	ID       string          `json:"id"`
	Name     string          `json:"name"`
	Input    json.RawMessage `json:"input"`
	Of       string          `json:"tool_use_id"`
	Content  blocks          `json:"content"`
	IsError  bool            `json:"is_error"`
}

// blocks is a text, a list of pieces, or null.
type blocks []block

// UnmarshalJSON takes them all. A list in a list in a list is none that the
// dialect has, and ends as an error of its innermost.
func (b *blocks) UnmarshalJSON(data []byte) error {
	var text *string
	if err := json.Unmarshal(data, &text); err == nil {
		*b = nil
		if text != nil && *text != "" {
			*b = blocks{{Type: "text", Text: *text}}
		}
		return nil
	}
	return json.Unmarshal(data, (*[]block)(b))
}

// text joins pieces that may only be text.
func (b blocks) text(field string) (string, error) {
	var all []string
	for _, p := range b {
		if p.Type != "text" {
			return "", fault.Param(field, "a block of type %.40q, only text is understood here", p.Type)
		}
		all = append(all, p.Text)
	}
	return strings.Join(all, "\n"), nil
}

// talk turns a request into the one of all dialects, or says what cannot be.
func (q *request) talk() (talk.Request, error) {
	out := talk.Request{Model: q.Model, Stop: q.Stop, Names: talk.Names{Stop: "stop_sequences", Schema: "output_config"}}
	for _, part := range []func(*talk.Request) error{q.turns, q.tools, q.output, q.sampling} {
		if err := part(&out); err != nil {
			return out, err
		}
	}
	return out, nil
}

func (q *request) turns(out *talk.Request) error {
	system, err := q.System.text("system")
	if err != nil {
		return err
	}
	if system != "" {
		out.Messages = append(out.Messages, prompt.Message{Role: "system", Content: system})
	}
	if len(q.Messages) == 0 {
		return fault.Param("messages", "there are no messages")
	}
	for i, t := range q.Messages {
		switch t.Role {
		case "user", "assistant", "system":
		default:
			return fault.Param("messages", "message %d: role is %.40q, want user or assistant", i, t.Role)
		}
		all, err := t.messages(i)
		if err != nil {
			return err
		}
		out.Messages = append(out.Messages, all...)
	}
	return nil
}

// messages takes a turn apart: the results of tools become messages of their
// own, before what the user says beside them.
func (t turn) messages(at int) ([]prompt.Message, error) {
	var results []prompt.Message
	m := prompt.Message{Role: t.Role}
	var texts []string
	for _, b := range t.Content {
		switch b.Type {
		case "text":
			texts = append(texts, b.Text)
		case "thinking":
			m.Reasoning += b.Thinking
		case "redacted_thinking": // of another model: nobody can read it
		case "tool_use":
			input := b.Input
			if len(input) == 0 {
				input = json.RawMessage("{}")
			}
			m.ToolCalls = append(m.ToolCalls, prompt.ToolCall{ID: b.ID, Name: b.Name, Arguments: input})
		case "tool_result":
			text, err := b.Content.text("messages")
			if err != nil {
				return nil, err
			}
			if b.IsError {
				text = "error: " + text
			}
			results = append(results, prompt.Message{Role: "tool", Content: text, ToolCallID: b.Of})
		default:
			return nil, fault.Param("messages", "message %d: a block of type %.40q, only text, thinking and tools are understood", at, b.Type)
		}
	}
	m.Content = strings.Join(texts, "\n")
	if len(results) > 0 && m.Content == "" && len(m.ToolCalls) == 0 {
		return results, nil
	}
	return append(results, m), nil
}

func (q *request) tools(out *talk.Request) error {
	for i, t := range q.Tools {
		if t.Type != "" && t.Type != "custom" {
			return &fault.Error{Code: fault.Unsupported, Param: "tools", Message: "tool " + t.Name + " is one of the vendor's own; only tools with an input_schema are understood"}
		}
		if t.Name == "" {
			return fault.Param("tools", "tool %d has no name", i)
		}
		out.Tools = append(out.Tools, prompt.Tool{Name: t.Name, Description: t.Description, Parameters: t.Schema})
	}
	if q.Choice == nil {
		return nil
	}
	switch q.Choice.Type {
	case "auto":
	case "none":
		out.Mode = talk.None
	case "any":
		out.Mode = talk.Required
	case "tool":
		out.Mode, out.Tool = talk.Named, q.Choice.Name
	default:
		return fault.Param("tool_choice", "tool_choice is of type %.40q, want auto, any, tool or none", q.Choice.Type)
	}
	return nil
}

func (q *request) output(out *talk.Request) error {
	for name, raw := range map[string]json.RawMessage{"mcp_servers": q.Servers, "container": q.Container} {
		if s := string(raw); s != "" && s != "null" && s != "[]" {
			return &fault.Error{Code: fault.Unsupported, Param: name, Message: "this server runs no tools of its own"}
		}
	}
	if t := q.Thinking; t != nil && t.Type != "adaptive" { // the budget is within max_tokens
		on := t.Type == "enabled"
		if !on && t.Type != "disabled" {
			return fault.Param("thinking", "thinking is of type %.40q, want enabled, adaptive or disabled", t.Type)
		}
		out.Thinking = &on
	}
	if q.Output == nil || q.Output.Format == nil {
		return nil
	}
	if q.Output.Format.Type != "json_schema" {
		return fault.Param("output_config", "the format is of type %.40q, want json_schema", q.Output.Format.Type)
	}
	var err error
	if out.Schema, err = schema.Compile(q.Output.Format.Schema); err != nil {
		return fault.Param("output_config", "%v", err)
	}
	return nil
}

func (q *request) sampling(out *talk.Request) error {
	if q.MaxTokens != nil {
		if *q.MaxTokens < 1 {
			return fault.Param("max_tokens", "max_tokens is %d, want at least 1", *q.MaxTokens)
		}
		out.MaxTokens = *q.MaxTokens
	}
	p := sample.Params{Temperature: 1, TopP: 1, Seed: rand.Uint64()}
	for _, f := range []struct{ to, from *float64 }{{&p.Temperature, q.Temperature}, {&p.TopP, q.TopP}} {
		if f.from != nil {
			*f.to = *f.from
		}
	}
	if q.TopK != nil {
		p.TopK = *q.TopK
	}
	out.Sampling = p
	return talk.CheckSampling(p)
}
