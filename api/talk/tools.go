package talk

import (
	"encoding/json"
	"errors"
	"fmt"
	"strings"

	"kuai/fault"
	"kuai/serve/chat"
	"kuai/text/prompt"
	"kuai/text/schema"
)

// input is what the model's template gets. forced says that the answer will be
// the JSON of a call and nothing else: the grammar lets no other token through,
// so that also a model that was never taught to call answers with one.
func (q *Request) input(t *chat.Talker) (in prompt.Input, forced bool, err error) {
	in.Messages = q.Messages
	if q.Thinking != nil {
		if *q.Thinking && !strings.Contains(t.Template.Source(), "think") {
			return in, false, &fault.Error{Code: fault.Unsupported, Param: q.Names.Thinking, Message: "this model does not think before it answers"}
		}
		in.Extra = map[string]any{"enable_thinking": *q.Thinking}
	}
	tools := q.Tools
	switch q.Mode {
	case None:
		tools = nil
	case Named:
		tools = nil
		for _, tool := range q.Tools {
			if tool.Name == q.Tool {
				tools = []prompt.Tool{tool}
			}
		}
		if tools == nil {
			return in, false, fault.Param("tool_choice", "tool_choice names %q, which is none of the tools", q.Tool)
		}
	case Required:
		if len(tools) == 0 {
			return in, false, fault.Param("tool_choice", "tool_choice wants a call, and there are no tools")
		}
	}
	forced = q.Mode == Named || q.Mode == Required
	if forced && q.Schema != nil {
		return in, false, fault.Param("tool_choice", "a call is required, and a format of the answer as well")
	}
	if !t.Template.TakesTools() {
		in.Messages = told(in.Messages)
		if forced {
			in.Messages = append([]prompt.Message{{Role: "system", Content: describe(tools)}}, in.Messages...)
		} else {
			in.Tools = tools // refused by the template, if there are any
		}
	} else {
		in.Tools = tools
	}
	if forced {
		q.Schema, err = callSchema(tools)
		if err != nil {
			return in, false, fault.Param(q.Names.Tools, "a required call needs parameters that a grammar can hold: %v", err)
		}
	}
	return in, forced, nil
}

// told writes calls and their results as text, for templates that know none.
func told(messages []prompt.Message) []prompt.Message {
	out := make([]prompt.Message, len(messages))
	names := map[string]string{} // of calls, by id
	for i, m := range messages {
		for _, c := range m.ToolCalls {
			names[c.ID] = c.Name
			m.Content = strings.TrimSpace(m.Content + "\n" + c.Name + string(c.Arguments))
		}
		if m.Role == "tool" {
			name := names[m.ToolCallID]
			if name == "" {
				name = m.Name
			}
			m.Role, m.Content = "user", strings.TrimSpace(name+": "+m.Content)
		}
		m.ToolCalls = nil
		out[i] = m
	}
	return out
}

// describe lists tools for a model whose template has no place for them.
func describe(tools []prompt.Tool) string {
	var b strings.Builder
	b.WriteString("Call a function.")
	for _, t := range tools {
		fmt.Fprintf(&b, "\n%s: %s %s", t.Name, t.Description, t.Parameters)
	}
	return b.String()
}

// callSchema is {"name": ..., "arguments": ...} of one of the tools.
func callSchema(tools []prompt.Tool) (*schema.Schema, error) {
	var branches []json.RawMessage
	for _, t := range tools {
		parameters := t.Parameters
		if len(parameters) == 0 || string(parameters) == "null" {
			parameters = json.RawMessage(`{"type":"object","properties":{},"additionalProperties":false}`)
		}
		name, err := json.Marshal(t.Name)
		if err != nil {
			return nil, err
		}
		branches = append(branches, fmt.Appendf(nil,
			`{"type":"object","properties":{"name":{"const":%s},"arguments":%s},"required":["name","arguments"],"additionalProperties":false}`, name, parameters))
	}
	if len(branches) == 1 {
		return schema.CompileTight(branches[0])
	}
	all, err := json.Marshal(map[string]any{"anyOf": branches})
	if err != nil {
		return nil, err
	}
	return schema.CompileTight(all)
}

var errNoCall = errors.New("talk: the answer ended before the call was whole")

// parseCall reads what callSchema let the model write.
func parseCall(text string) (prompt.ToolCall, error) {
	var c prompt.ToolCall
	if err := json.Unmarshal([]byte(text), &c); err != nil || c.Name == "" {
		return c, errNoCall
	}
	return c, nil
}
