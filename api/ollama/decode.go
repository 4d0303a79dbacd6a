package ollama

import (
	"encoding/json"
	"math/rand/v2"

	"kuai/api/talk"
	"kuai/api/wire"
	"kuai/fault"
	"kuai/text/prompt"
	"kuai/text/sample"
	"kuai/text/schema"
)

// request is one to chat or to generate; what only one of them has stands last.
// keep_alive and the options that lay out memory are passed over: models stay
// loaded.
type request struct {
	Model   string          `json:"model"`
	Stream  *bool           `json:"stream"`
	Format  json.RawMessage `json:"format"`
	Options options         `json:"options"`
	Think   json.RawMessage `json:"think"`

	Messages []turn `json:"messages"`
	Tools    []struct {
		Function prompt.Tool `json:"function"`
	} `json:"tools"`

	Prompt   string            `json:"prompt"`
	System   string            `json:"system"`
	Suffix   string            `json:"suffix"`
	Template string            `json:"template"`
	Raw      bool              `json:"raw"`
	Images   []json.RawMessage `json:"images"`
	Context  []int             `json:"context"`
}

type turn struct {
	Role     string            `json:"role"`
	Content  string            `json:"content"`
	Thinking string            `json:"thinking,omitempty"`
	Images   []json.RawMessage `json:"images,omitempty"`
	Calls    []call            `json:"tool_calls,omitempty"`
	Tool     string            `json:"tool_name,omitempty"`
}

type call struct {
	Function struct {
		Name      string          `json:"name"`
		Arguments json.RawMessage `json:"arguments"` // an object, not a text
	} `json:"function"`
}

type options struct {
	Predict     *int       `json:"num_predict"`
	Temperature *float64   `json:"temperature"`
	TopK        *int       `json:"top_k"`
	TopP        *float64   `json:"top_p"`
	MinP        *float64   `json:"min_p"`
	Seed        *int64     `json:"seed"`
	Stop        wire.Texts `json:"stop"`
	Repeat      *float64   `json:"repeat_penalty"`
	RepeatLast  *int       `json:"repeat_last_n"`
	Presence    float64    `json:"presence_penalty"`
	Frequency   float64    `json:"frequency_penalty"`
	Typical     *float64   `json:"typical_p"`
	Mirostat    int        `json:"mirostat"`
}

func (q *request) streamed() bool { return q.Stream == nil || *q.Stream }

func unsupported(param, why string) error {
	return &fault.Error{Code: fault.Unsupported, Param: param, Message: why}
}

// loads says that a request asks for nothing but the model to be loaded.
func (q *request) loads() bool { return len(q.Messages) == 0 && q.Prompt == "" }

// chat turns a request with messages into the one of all dialects.
func (q *request) chat() (talk.Request, error) {
	out, err := q.common()
	if err != nil {
		return out, err
	}
	var all []prompt.Message
	for i, m := range q.Messages {
		if len(m.Images) > 0 {
			return out, unsupported("images", "no model behind this server sees pictures")
		}
		turn := prompt.Message{Role: m.Role, Content: m.Content, Reasoning: m.Thinking, Name: m.Tool}
		for _, c := range m.Calls {
			if len(c.Function.Arguments) == 0 {
				return out, fault.Param("messages", "message %d: the call of %.40q has no arguments", i, c.Function.Name)
			}
			turn.ToolCalls = append(turn.ToolCalls, prompt.ToolCall{Name: c.Function.Name, Arguments: c.Function.Arguments})
		}
		all = append(all, turn)
	}
	for _, t := range q.Tools {
		out.Tools = append(out.Tools, t.Function)
	}
	out.Messages, err = talk.Roles(all, "messages")
	return out, err
}

// generate turns a request with a prompt into the one of all dialects.
func (q *request) generate() (talk.Request, error) {
	out, err := q.common()
	switch {
	case err != nil:
		return out, err
	case len(q.Images) > 0:
		return out, unsupported("images", "no model behind this server sees pictures")
	case q.Suffix != "":
		return out, unsupported("suffix", "no model behind this server fills in what stands between two texts")
	case q.Template != "":
		return out, unsupported("template", "the model's own template is used; set raw for a prompt without one")
	case len(q.Context) > 0:
		return out, unsupported("context", "a context of tokens is not taken; send the messages to /api/chat")
	case q.Raw:
		out.Raw = q.Prompt
		return out, nil
	}
	if q.System != "" {
		out.Messages = append(out.Messages, prompt.Message{Role: "system", Content: q.System})
	}
	out.Messages = append(out.Messages, prompt.Message{Role: "user", Content: q.Prompt})
	return out, nil
}

func (q *request) common() (talk.Request, error) {
	out := talk.Request{Model: q.Model, Stop: q.Options.Stop, Names: talk.Names{Stop: "options.stop", Schema: "format", Thinking: "think"}}
	if q.Model == "" {
		return out, fault.Param("model", "model is required")
	}
	for _, part := range []func(*talk.Request) error{q.format, q.think, q.sampling} {
		if err := part(&out); err != nil {
			return out, err
		}
	}
	return out, nil
}

// format reads "json" or a schema.
func (q *request) format(out *talk.Request) error {
	switch f := string(q.Format); {
	case f == "", f == "null", f == `""`:
		return nil
	case f == `"json"`:
		out.Schema = schema.Object()
		return nil
	case f[0] == '{':
		var err error
		if out.Schema, err = schema.Compile(q.Format); err != nil {
			return fault.Param("format", "%v", err)
		}
		return nil
	}
	return fault.Param("format", "format is %.40s, want \"json\" or a schema", q.Format)
}

// think reads true, false, or how much: "low", "medium", "high".
func (q *request) think(out *talk.Request) error {
	on := true
	switch string(q.Think) {
	case "", "null":
		return nil
	case "false":
		on = false
	case "true", `"low"`, `"medium"`, `"high"`:
	default:
		return fault.Param("think", "think is %.40s, want true or false", q.Think)
	}
	out.Thinking = &on
	return nil
}

func (q *request) sampling(out *talk.Request) error {
	o := q.Options
	switch {
	case o.Mirostat != 0:
		return unsupported("options.mirostat", "mirostat is not done")
	case o.Typical != nil && *o.Typical != 1 && *o.Typical != 0:
		return unsupported("options.typical_p", "typical sampling is not done")
	}
	if o.Predict != nil && *o.Predict > 0 { // below: until the model ends
		out.MaxTokens = *o.Predict
	}
	p := sample.Params{Temperature: 0.8, TopK: 40, TopP: 0.9, FrequencyPenalty: o.Frequency, PresencePenalty: o.Presence, RepeatLast: 64, Seed: rand.Uint64()} // Ollama's defaults
	set(&p.Temperature, o.Temperature)
	set(&p.TopK, o.TopK)
	set(&p.TopP, o.TopP)
	set(&p.MinP, o.MinP)
	set(&p.RepetitionPenalty, o.Repeat)
	if o.RepeatLast != nil {
		switch n := *o.RepeatLast; {
		case n < 0: // all
			p.RepeatLast = 0
		case n == 0:
			p.RepetitionPenalty, p.RepeatLast = 0, 0
		default:
			p.RepeatLast = n
		}
	}
	if o.Seed != nil {
		p.Seed = uint64(*o.Seed)
	}
	out.Sampling = p
	return talk.CheckSampling(p)
}

func set[T any](to, from *T) {
	if from != nil {
		*to = *from
	}
}
