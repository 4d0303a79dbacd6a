package openai

import (
	"encoding/json"
	"math"
	"math/rand/v2"
	"strconv"
	"strings"

	"kuai/api/gate"
	"kuai/api/talk"
	"kuai/api/wire"
	"kuai/fault"
	"kuai/text/prompt"
	"kuai/text/sample"
	"kuai/text/schema"
)

// ChatRequest is what OpenAI's clients send, and MiniMax's, who took the shape
// over. Fields that are not here are not about the answer (user, metadata,
// store ...) and are passed over.
type ChatRequest struct {
	Model    string        `json:"model"`
	Messages []chatTurn    `json:"messages"`
	Stream   bool          `json:"stream"`
	Options  streamOptions `json:"stream_options"`

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
	Stop        wire.Texts         `json:"stop"`
	N           *int               `json:"n"`
	LogProbs    bool               `json:"logprobs"`
	Top         int                `json:"top_logprobs"`

	Tier string `json:"service_tier"`

	Format     *responseFormat `json:"response_format"`
	Tools      []chatTool      `json:"tools"`
	ToolChoice json.RawMessage `json:"tool_choice"`

	// What no model here does is refused, not passed over.
	Modalities []string        `json:"modalities"`
	Audio      json.RawMessage `json:"audio"`
	Functions  json.RawMessage `json:"functions"` // before there were tools
	Search     json.RawMessage `json:"web_search_options"`

	// SplitReasoning is MiniMax's: what the model thinks comes as details.
	SplitReasoning bool `json:"reasoning_split"`
}

type streamOptions struct {
	Usage bool `json:"include_usage"`
}

type responseFormat struct {
	Type   string `json:"type"`
	Schema struct {
		Schema json.RawMessage `json:"schema"`
	} `json:"json_schema"`
}

type chatTool struct {
	Type     string      `json:"type"`
	Function prompt.Tool `json:"function"`
}

// chatTurn is a message whose content is a text or a list of parts.
type chatTurn struct {
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
		return fault.Param("messages", "content is neither a text nor a list of parts")
	}
	var all []string
	for _, p := range parts {
		if p.Type != "text" {
			return fault.Param("messages", "a part of type %.40q, only text is understood", p.Type)
		}
		all = append(all, p.Text)
	}
	*c = contentText(strings.Join(all, "\n"))
	return nil
}

// Talk turns a request into the one of all dialects, or says what cannot be.
func (q *ChatRequest) Talk() (talk.Request, error) {
	out := talk.Request{Model: q.Model, Stop: q.Stop}
	for _, part := range []func(*talk.Request) error{q.cannot, q.limits, q.turns, q.tools, q.choice, q.format, q.sampling, q.tier} {
		if err := part(&out); err != nil {
			return out, err
		}
	}
	return out, nil
}

// cannot refuses what no model here does.
func (q *ChatRequest) cannot(*talk.Request) error {
	for _, f := range []struct {
		name string
		raw  json.RawMessage
		why  string
	}{
		{"audio", q.Audio, "no model behind this server speaks"},
		{"functions", q.Functions, "functions are given as tools"},
		{"web_search_options", q.Search, "this server does not search the web"},
	} {
		if len(f.raw) > 0 && string(f.raw) != "null" {
			return &fault.Error{Code: fault.Unsupported, Param: f.name, Message: f.why}
		}
	}
	for _, m := range q.Modalities {
		if m != "text" {
			return &fault.Error{Code: fault.Unsupported, Param: "modalities", Message: "answers are text alone"}
		}
	}
	return nil
}

func (q *ChatRequest) limits(out *talk.Request) error {
	switch {
	case q.N != nil && *q.N != 1:
		return fault.Param("n", "n is %d, only one answer is made a request", *q.N)
	case q.Top < 0 || q.Top > 20:
		return fault.Param("top_logprobs", "top_logprobs is %d, want 0 to 20", q.Top)
	}
	for name, n := range map[string]*int{"max_tokens": q.MaxTokens, "max_completion_tokens": q.MaxNew} {
		if n == nil {
			continue
		}
		if *n < 1 {
			return fault.Param(name, "%s is %d, want at least 1", name, *n)
		}
		if out.MaxTokens == 0 || *n < out.MaxTokens {
			out.MaxTokens = *n
		}
	}
	return nil
}

func (q *ChatRequest) turns(out *talk.Request) error {
	var all []prompt.Message
	for _, m := range q.Messages {
		turn := prompt.Message{Role: m.Role, Content: string(m.Content), Name: m.Name, Reasoning: m.Reasoning, ToolCallID: m.ToolCallID}
		for _, c := range m.Calls {
			turn.ToolCalls = append(turn.ToolCalls, prompt.ToolCall{ID: c.ID, Name: c.Function.Name, Arguments: json.RawMessage(c.Function.Arguments)})
		}
		all = append(all, turn)
	}
	var err error
	out.Messages, err = talk.Roles(all, "messages")
	return err
}

func (q *ChatRequest) tools(out *talk.Request) error {
	for i, t := range q.Tools {
		if t.Type != "function" {
			return fault.Param("tools", "tool %d is of type %.40q, only functions are understood", i, t.Type)
		}
		out.Tools = append(out.Tools, t.Function)
	}
	return nil
}

// choice reads "auto", "none", "required", or a function by its name.
func (q *ChatRequest) choice(out *talk.Request) error {
	if len(q.ToolChoice) == 0 || string(q.ToolChoice) == "null" {
		return nil
	}
	var word string
	if json.Unmarshal(q.ToolChoice, &word) == nil {
		switch word {
		case "auto":
		case "none":
			out.Mode = talk.None
		case "required":
			out.Mode = talk.Required
		default:
			return fault.Param("tool_choice", "tool_choice is %.40q, want auto, none, required or a function", word)
		}
		return nil
	}
	var named struct {
		Type     string
		Function struct{ Name string }
	}
	if err := json.Unmarshal(q.ToolChoice, &named); err != nil || named.Type != "function" {
		return fault.Param("tool_choice", "tool_choice is neither a word nor a function")
	}
	out.Mode, out.Tool = talk.Named, named.Function.Name
	return nil
}

func (q *ChatRequest) format(out *talk.Request) error {
	if q.Format == nil {
		return nil
	}
	switch q.Format.Type {
	case "", "text":
		return nil
	case "json_object":
		out.Schema = schema.Object()
		return nil
	case "json_schema":
		var err error
		if out.Schema, err = schema.Compile(q.Format.Schema.Schema); err != nil {
			return fault.Param("response_format", "%v", err)
		}
		return nil
	}
	return fault.Param("response_format", "response_format is of type %.40q, want text, json_object or json_schema", q.Format.Type)
}

func (q *ChatRequest) sampling(out *talk.Request) error {
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
			return fault.Param("logit_bias", "%.40q is not a token's number", key)
		}
		if p.LogitBias == nil {
			p.LogitBias = map[int32]float32{}
		}
		if bias <= -100 {
			bias = float32(math.Inf(-1))
		}
		p.LogitBias[int32(id)] = bias
	}
	out.Sampling = p
	return talk.CheckSampling(p)
}

// tier is how urgent the request is.
func (q *ChatRequest) tier(out *talk.Request) error {
	switch q.Tier {
	case "", "auto", "default":
	case "priority":
		out.Urgency = gate.Urgent
	case "flex":
		out.Urgency = gate.Batch
	default:
		return fault.Param("service_tier", "service_tier is %.40q, want auto, default, flex or priority", q.Tier)
	}
	return nil
}

func set[T any](to, from *T) {
	if from != nil {
		*to = *from
	}
}
