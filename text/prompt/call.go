package prompt

import (
	"bytes"
	"encoding/json"
	"strings"
)

// written is a call as the models write it.
type written struct {
	Name       string          `json:"name"`
	Arguments  json.RawMessage `json:"arguments"`
	Parameters json.RawMessage `json:"parameters"` // Llama
	ID         string          `json:"id"`         // Mistral
	Function   *written        `json:"function"`
}

// calls reads what stands between the marks; false if it is no call.
func (p *Parser) calls(body string) ([]Part, bool) {
	body = strings.TrimSpace(body)
	switch {
	case body == "":
		return nil, false
	case strings.HasPrefix(body, "<function="):
		return p.tagged(body)
	case p.format == FormatMistral && !strings.HasPrefix(body, "[") && !strings.HasPrefix(body, "{"):
		return p.named(body)
	case p.format == FormatMistral:
		body, _, _ = strings.Cut(body, "[TOOL_CALLS]") // one list has all
	}
	var out []Part
	for body != "" {
		body = strings.TrimLeft(body, " \t\r\n;,")
		if body == "" {
			break
		}
		d := json.NewDecoder(strings.NewReader(body))
		var raw json.RawMessage
		if d.Decode(&raw) != nil {
			return nil, false
		}
		body = body[d.InputOffset():]
		list := []json.RawMessage{raw}
		if raw[0] == '[' && json.Unmarshal(raw, &list) != nil {
			return nil, false
		}
		for _, item := range list {
			var w written
			if json.Unmarshal(item, &w) != nil {
				return nil, false
			}
			part, ok := p.finish(w)
			if !ok {
				return nil, false
			}
			out = append(out, part)
		}
	}
	return out, len(out) > 0
}

// finish makes a call of what was read.
func (p *Parser) finish(w written) (Part, bool) {
	if w.Function != nil && w.Name == "" {
		w.Name, w.Arguments = w.Function.Name, w.Function.Arguments
	}
	if w.Arguments == nil {
		w.Arguments = w.Parameters
	}
	args := bytes.TrimSpace(w.Arguments)
	var inner string
	if len(args) > 0 && args[0] == '"' && json.Unmarshal(args, &inner) == nil { // JSON in a string
		args = bytes.TrimSpace([]byte(inner))
	}
	if len(args) == 0 || string(args) == "null" {
		args = []byte("{}")
	}
	if w.Name == "" || args[0] != '{' || !json.Valid(args) {
		return Part{}, false
	}
	if _, known := p.tools[w.Name]; !known && p.format == FormatLlama {
		return Part{}, false // an answer that happens to be JSON
	}
	id := w.ID
	if id == "" {
		id = p.id()
	}
	return Part{Kind: KindCall, Call: ToolCall{ID: id, Name: w.Name, Arguments: args}}, true
}

// named reads Mistral's newer form: name[ARGS]{...}, [TOOL_CALLS] between.
func (p *Parser) named(body string) ([]Part, bool) {
	var out []Part
	for one := range strings.SplitSeq(body, "[TOOL_CALLS]") {
		name, args, ok := strings.Cut(one, "[ARGS]")
		if !ok {
			if i := strings.IndexByte(one, '{'); i > 0 { // the control token was not shown
				name, args, ok = one[:i], one[i:], true
			}
		}
		name, id, _ := strings.Cut(name, "[CALL_ID]")
		part, fine := p.finish(written{Name: strings.TrimSpace(name), ID: strings.TrimSpace(id), Arguments: json.RawMessage(strings.TrimSpace(args))})
		if !ok || !fine {
			return nil, false
		}
		out = append(out, part)
	}
	return out, true
}

// tagged reads the form of newer Qwen models:
//
//	<function=name>
//	<parameter=city>
//	Paris
//	</parameter>
//	</function>
func (p *Parser) tagged(body string) ([]Part, bool) {
	head, rest, ok := strings.Cut(strings.TrimPrefix(body, "<function="), ">")
	if !ok {
		return nil, false
	}
	name := strings.TrimSpace(head)
	var args bytes.Buffer
	args.WriteByte('{')
	for {
		_, after, ok := strings.Cut(rest, "<parameter=")
		if !ok {
			break
		}
		key, after, ok := strings.Cut(after, ">")
		if !ok {
			return nil, false
		}
		value, after, ok := strings.Cut(after, "</parameter>")
		if !ok {
			return nil, false
		}
		rest = after
		value = strings.TrimSuffix(strings.TrimPrefix(value, "\n"), "\n")
		if args.Len() > 1 {
			args.WriteByte(',')
		}
		k, _ := json.Marshal(key) // strings always can
		args.Write(k)
		args.WriteByte(':')
		args.Write(p.typed(name, key, value))
	}
	args.WriteByte('}')
	part, ok := p.finish(written{Name: name, Arguments: args.Bytes()})
	return []Part{part}, ok
}

// typed turns a parameter's text into JSON: by the tool's schema where it says
// something, else whatever the text is.
func (p *Parser) typed(tool, key, value string) []byte {
	var schema struct {
		Properties map[string]struct {
			Type any `json:"type"`
		} `json:"properties"`
	}
	_ = json.Unmarshal(p.tools[tool].Parameters, &schema) // no schema: no type
	prop, known := schema.Properties[key]
	text, _ := json.Marshal(value)
	if known && prop.Type == "string" || !json.Valid([]byte(value)) {
		return text
	}
	return []byte(value)
}
