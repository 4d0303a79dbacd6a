package anthropic

import (
	"encoding/json"
	"errors"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"

	"kuai/api/wire"
	"kuai/fault"
	"kuai/text/prompt"
)

func FuzzRequest(f *testing.F) {
	for _, s := range []string{
		`{"model":"m","max_tokens":9,"system":"s","messages":[{"role":"user","content":"hi"}],"stop_sequences":["a"],"stream":true}`,
		`{"system":[{"type":"text","text":"s"}],"messages":[{"role":"user","content":[{"type":"tool_result","tool_use_id":"t","content":[{"type":"text","text":"x"}],"is_error":true},{"type":"text","text":"y"}]}]}`,
		`{"messages":[{"role":"assistant","content":[{"type":"thinking","thinking":"h"},{"type":"tool_use","id":"t","name":"f","input":{"a":1}}]}],"tool_choice":{"type":"tool","name":"f"},"tools":[{"name":"f","input_schema":{}}]}`,
		`{"messages":[{"role":"user","content":[{"type":"image"}]}]}`, `{"thinking":{"type":"enabled","budget_tokens":5},"messages":[{"role":"user","content":null}]}`,
		`{"output_config":{"format":{"type":"json_schema","schema":{"type":"object"}}}}`, ``, `[]`, `{"messages":5}`, `{"max_tokens":-1,"messages":[{"role":"user"}]}`,
	} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		var q request
		err := wire.Unmarshal(data, &q)
		if err == nil {
			ask, bad := q.talk()
			if err = bad; err == nil {
				for _, m := range ask.Messages {
					if !slices.Contains([]string{"system", "user", "assistant", "tool"}, m.Role) {
						t.Errorf("role %q reached the template", m.Role)
					}
				}
			}
		}
		if f, ok := errors.AsType[*fault.Error](err); err != nil && (!ok || f.Code == fault.Internal || f.Message == "") {
			t.Errorf("not an error for a client: %v", err)
		}
	})
}

// TestTurns checks that results of tools come before what is said beside them.
func TestTurns(t *testing.T) {
	t.Parallel()
	var q request
	if err := json.Unmarshal([]byte(`{"system":[{"type":"text","text":"a"},{"type":"text","text":"b"}],"messages":[
		{"role":"user","content":"hi"},
		{"role":"assistant","content":[{"type":"thinking","thinking":"hm"},{"type":"text","text":"one moment"},{"type":"tool_use","id":"t","name":"f","input":{"x":1}}]},
		{"role":"user","content":[{"type":"tool_result","tool_use_id":"t","content":"42"},{"type":"text","text":"well?"}]}]}`), &q); err != nil {
		t.Fatal(err)
	}
	got, err := q.talk()
	if err != nil {
		t.Fatal(err)
	}
	want := []prompt.Message{
		{Role: "system", Content: "a\nb"},
		{Role: "user", Content: "hi"},
		{Role: "assistant", Content: "one moment", Reasoning: "hm", ToolCalls: []prompt.ToolCall{{ID: "t", Name: "f", Arguments: json.RawMessage(`{"x":1}`)}}},
		{Role: "tool", Content: "42", ToolCallID: "t"},
		{Role: "user", Content: "well?"},
	}
	if diff := cmp.Diff(want, got.Messages); diff != "" {
		t.Error(diff)
	}
}

// TestKinds checks that each code has a row, with a status that says failure.
func TestKinds(t *testing.T) {
	t.Parallel()
	for _, code := range fault.Codes {
		if k, ok := kinds[code]; !ok || k.status < 400 || k.kind == "" {
			t.Errorf("%s: %+v", code, k)
		}
	}
}
