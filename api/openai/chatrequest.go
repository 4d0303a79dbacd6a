package openai

import (
	"encoding/json"
	"math"
	"math/rand/v2"
	"strconv"
	"strings"

	"kuai/serve/chat"
	"kuai/text/prompt"
	"kuai/text/sample"
	"kuai/text/schema"
)

const (
	maxMessages = 10_000
	maxTools    = 128
	maxStop     = 16
)

// chatRequest is what OpenAI's clients send. Fields that are not here are not
// about the answer (user, metadata, store ...) and are passed over.
type chatRequest struct {
	Model    string           `json:"model"`
	Messages []requestMessage `json:"messages"`
	Stream   bool             `json:"stream"`
	Options  struct {
		Usage bool `json:"include_usage"`
	} `json:"stream_options"`

	Temperature *float64           `json:"temperature"`
	TopP        *float64           `json:"top_p"`
	TopK        *int               `json:"top_k"` // as llama.cpp and vLLM have it
	MinP        *float64           `json:"min_p"`
	Frequency   float64            `json:"frequency_penalty"`
	Presence    float64            `json:"presence_penalty"`
	Bias        map[string]float32 `json:"logit_bias"`
	Seed        *int64             `json:"seed"`
	MaxTokens   *int               `json:"max_tokens"`
	MaxNew      *int               `json:"max_completion_tokens"`
	Stop        stopList           `json:"stop"`
	N           *int               `json:"n"`
	LogProbs    bool               `json:"logprobs"`
	Top         int                `json:"top_logprobs"`

	Format *struct {
		Type   string `json:"type"`
		Schema struct {
			Schema json.RawMessage `json:"schema"`
		} `json:"json_schema"`
	} `json:"response_format"`
	Tools []struct {
		Type     string      `json:"type"`
		Function prompt.Tool `json:"function"`
	} `json:"tools"`
	ToolChoice json.RawMessage `json:"tool_choice"`
}

// requestMessage is a message whose content is a text or a list of parts.
type requestMessage struct {
	Role       string      `json:"role"`
	Content    contentText `json:"content"`
	Name       string      `json:"name"`
	Reasoning  string      `json:"reasoning_content"`
	ToolCallID string      `json:"tool_call_id"`
	Calls      []chatCall  `json:"tool_calls"`
}

// contentText is a text, null, or the texts of a list of parts.
type contentText string

// UnmarshalJSON refuses parts that are not text: no model here sees or hears.
func (c *contentText) UnmarshalJSON(b []byte) error {
	var s *string
	if err := json.Unmarshal(b, &s); err == nil {
		if s != nil {
			*c = contentText(*s)
		}
		return nil
	}
	var parts []struct{ Type, Text string }
	if err := json.Unmarshal(b, &parts); err != nil {
		return invalid("messages", "content is neither a text nor a list of parts")
	}
	var all []string
	for _, p := range parts {
		if p.Type != "text" {
			return invalid("messages", "a part of type %q, only text is understood", p.Type)
		}
		all = append(all, p.Text)
	}
	*c = contentText(strings.Join(all, "\n"))
	return nil
}

// stopList is a text, a list of texts, or null.
type stopList []string

// UnmarshalJSON takes them all.
func (l *stopList) UnmarshalJSON(b []byte) error {
	var one string
	if err := json.Unmarshal(b, &one); err == nil {
		if one != "" {
			*l = stopList{one}
		}
		return nil
	}
	return json.Unmarshal(b, (*[]string)(l))
}

// decode turns a request into the engine's, or says what cannot be.
func (q *chatRequest) decode() (prompt.Input, chat.Request, error) {
	var in prompt.Input
	var ask chat.Request
	for _, part := range []func(*prompt.Input, *chat.Request) error{q.limits, q.messages, q.tools, q.format, q.sampling} {
		if err := part(&in, &ask); err != nil {
			return in, ask, err
		}
	}
	return in, ask, nil
}

func (q *chatRequest) limits(_ *prompt.Input, ask *chat.Request) error {
	switch {
	case len(q.Messages) == 0:
		return invalid("messages", "there are no messages")
	case len(q.Messages) > maxMessages:
		return invalid("messages", "%d messages, at most %d", len(q.Messages), maxMessages)
	case q.N != nil && *q.N != 1:
		return invalid("n", "n is %d, only one answer is made a request", *q.N)
	case len(q.Stop) > maxStop:
		return invalid("stop", "%d stop texts, at most %d", len(q.Stop), maxStop)
	case q.Top < 0 || q.Top > 20:
		return invalid("top_logprobs", "top_logprobs is %d, want 0 to 20", q.Top)
	}
	ask.Stop = q.Stop
	for name, n := range map[string]*int{"max_tokens": q.MaxTokens, "max_completion_tokens": q.MaxNew} {
		if n == nil {
			continue
		}
		if *n < 1 {
			return invalid(name, "%s is %d, want at least 1", name, *n)
		}
		if ask.MaxTokens == 0 || *n < ask.MaxTokens {
			ask.MaxTokens = *n
		}
	}
	return nil
}

func (q *chatRequest) messages(in *prompt.Input, _ *chat.Request) error {
	for i, m := range q.Messages {
		role := m.Role
		if role == "developer" {
			role = "system"
		}
		switch role {
		case "system", "user", "assistant", "tool", "memory":
		default:
			return invalid("messages", "message %d: role is %q, want system, user, assistant or tool", i, m.Role)
		}
		out := prompt.Message{Role: role, Content: string(m.Content), Name: m.Name, Reasoning: m.Reasoning, ToolCallID: m.ToolCallID}
		for _, c := range m.Calls {
			if !json.Valid([]byte(c.Function.Arguments)) {
				return invalid("messages", "message %d: the arguments of the call of %q are not JSON", i, c.Function.Name)
			}
			out.ToolCalls = append(out.ToolCalls, prompt.ToolCall{ID: c.ID, Name: c.Function.Name, Arguments: json.RawMessage(c.Function.Arguments)})
		}
		in.Messages = append(in.Messages, out)
	}
	return nil
}

func (q *chatRequest) tools(in *prompt.Input, _ *chat.Request) error {
	if len(q.Tools) > maxTools {
		return invalid("tools", "%d tools, at most %d", len(q.Tools), maxTools)
	}
	choice := "auto"
	if len(q.ToolChoice) > 0 && string(q.ToolChoice) != "null" {
		if err := json.Unmarshal(q.ToolChoice, &choice); err != nil || choice != "auto" && choice != "none" {
			return invalid("tool_choice", "tool_choice is %s, only auto and none are understood", q.ToolChoice)
		}
	}
	for i, t := range q.Tools {
		if t.Type != "function" || t.Function.Name == "" {
			return invalid("tools", "tool %d is not a function with a name", i)
		}
		if choice == "auto" {
			in.Tools = append(in.Tools, t.Function)
		}
	}
	return nil
}

func (q *chatRequest) format(_ *prompt.Input, ask *chat.Request) error {
	if q.Format == nil {
		return nil
	}
	switch q.Format.Type {
	case "", "text":
		return nil
	case "json_object":
		ask.Schema = schema.Object()
		return nil
	case "json_schema":
		var err error
		if ask.Schema, err = schema.Compile(q.Format.Schema.Schema); err != nil {
			return invalid("response_format", "%v", err)
		}
		return nil
	}
	return invalid("response_format", "response_format is of type %q, want text, json_object or json_schema", q.Format.Type)
}

func (q *chatRequest) sampling(_ *prompt.Input, ask *chat.Request) error {
	p := sample.Params{Temperature: 1, TopP: 1, FrequencyPenalty: q.Frequency, PresencePenalty: q.Presence, Seed: rand.Uint64()}
	set(&p.Temperature, q.Temperature)
	set(&p.TopP, q.TopP)
	set(&p.MinP, q.MinP)
	set(&p.TopK, q.TopK)
	if q.Seed != nil {
		p.Seed = uint64(*q.Seed)
	}
	if q.LogProbs {
		p.LogProbs = q.Top
		if q.Top == 0 {
			p.LogProbs = -1
		}
	}
	for key, bias := range q.Bias {
		id, err := strconv.ParseInt(key, 10, 32)
		if err != nil {
			return invalid("logit_bias", "%q is not a token's number", key)
		}
		if p.LogitBias == nil {
			p.LogitBias = map[int32]float32{}
		}
		if bias <= -100 {
			bias = float32(math.Inf(-1))
		}
		p.LogitBias[int32(id)] = bias
	}
	if err := p.Check(math.MaxInt32); err != nil {
		return invalid("", "%v", err)
	}
	ask.Sampling = p
	return nil
}

func set[T any](to, from *T) {
	if from != nil {
		*to = *from
	}
}
