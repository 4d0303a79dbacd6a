package talk

import (
	"errors"
	"testing"

	"github.com/google/go-cmp/cmp"

	"kuai/fault"
	"kuai/text/prompt"
)

func TestRoles(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct{ in, want []prompt.Message }{
		"the common ones": {
			[]prompt.Message{{Role: "developer", Content: "a"}, {Role: "user", Content: "b", Name: "Ada"}, {Role: "tool", Content: "c"}},
			[]prompt.Message{{Role: "system", Content: "a"}, {Role: "user", Content: "b", Name: "Ada"}, {Role: "tool", Content: "c"}},
		},
		"role-play": {
			[]prompt.Message{
				{Role: "system", Content: "You are Lin.", Name: "Lin"},
				{Role: "user_system", Content: "a poet", Name: "Ada"},
				{Role: "group", Content: "They meet in a library."},
				{Role: "sample_message_user", Content: "Hi", Name: "Ada"},
				{Role: "sample_message_ai", Content: "Hello"},
				{Role: "user", Content: "Who are you?"},
			},
			[]prompt.Message{
				{Role: "system", Content: "You are Lin.\n\nThe user (Ada): a poet\n\nThe conversation: They meet in a library.\n\nAn example of how they talk:\nAda: Hi\nAssistant: Hello"},
				{Role: "user", Content: "Who are you?"},
			},
		},
		"several speakers": {
			[]prompt.Message{{Role: "user", Content: "x", Name: "Ada"}, {Role: "assistant", Content: "y", Name: "Lin"}, {Role: "user", Content: "z", Name: "Bob"}},
			[]prompt.Message{{Role: "user", Content: "Ada: x", Name: "Ada"}, {Role: "assistant", Content: "y", Name: "Lin"}, {Role: "user", Content: "Bob: z", Name: "Bob"}},
		},
	} {
		got, err := Roles(c.in, "messages")
		if err != nil {
			t.Errorf("%s: %v", name, err)
		}
		if diff := cmp.Diff(c.want, got); diff != "" {
			t.Errorf("%s: %s", name, diff)
		}
	}
	_, err := Roles([]prompt.Message{{Role: "king"}}, "messages")
	if f, ok := errors.AsType[*fault.Error](err); !ok || f.Param != "messages" {
		t.Errorf("a king: %v", err)
	}
}

// TestTold checks that calls and results are text for a template without tools.
func TestTold(t *testing.T) {
	t.Parallel()
	got := told([]prompt.Message{
		{Role: "assistant", ToolCalls: []prompt.ToolCall{{ID: "1", Name: "weather", Arguments: []byte(`{"city":"Paris"}`)}}},
		{Role: "tool", ToolCallID: "1", Content: "sunny"},
		{Role: "tool", Name: "clock", Content: "noon"},
	})
	want := []prompt.Message{
		{Role: "assistant", Content: `weather{"city":"Paris"}`},
		{Role: "user", Content: "weather: sunny", ToolCallID: "1"},
		{Role: "user", Content: "clock: noon", Name: "clock"},
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
}

func TestCallSchema(t *testing.T) {
	t.Parallel()
	tools := []prompt.Tool{{Name: "a"}, {Name: "b", Parameters: []byte(`{"type":"object","properties":{"x":{"type":"integer"}},"required":["x"],"additionalProperties":false}`)}}
	for n := 1; n <= 2; n++ {
		if _, err := callSchema(tools[:n]); err != nil {
			t.Errorf("%d tools: %v", n, err)
		}
	}
	if _, err := callSchema([]prompt.Tool{{Name: "a", Parameters: []byte(`{"type":"soup"}`)}}); err == nil {
		t.Error("a schema of soup was taken")
	}
	if c, err := parseCall(`{"name":"b","arguments":{"x":1}}`); err != nil || c.Name != "b" || string(c.Arguments) != `{"x":1}` {
		t.Errorf("%+v %v", c, err)
	}
	if _, err := parseCall(`{"name":"b","argum`); !errors.Is(err, errNoCall) {
		t.Errorf("half a call: %v", err)
	}
}
