package prompt

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

var tools = []Tool{
	{Name: "get_weather", Parameters: json.RawMessage(`{"type":"object","properties":{"city":{"type":"string"},"zip":{"type":"string"},"days":{"type":"integer"}}}`)},
	{Name: "add"},
}

// parse feeds an answer in pieces of n bytes and joins equal neighbours.
func parse(f Format, tools []Tool, prompt, answer string, n int) []Part {
	calls := 0
	p := NewParser(f, tools, prompt, func() string { calls++; return fmt.Sprint("call", calls) })
	var out []Part
	add := func(parts []Part) {
		for _, x := range parts {
			if last := len(out) - 1; last >= 0 && x.Kind != KindCall && out[last].Kind == x.Kind {
				out[last].Text += x.Text
				continue
			}
			out = append(out, x)
		}
	}
	for len(answer) > 0 {
		k := min(n, len(answer))
		add(p.Push(answer[:k]))
		answer = answer[k:]
	}
	add(p.Close())
	return out
}

func text(s string) Part    { return Part{Kind: KindText, Text: s} }
func thought(s string) Part { return Part{Kind: KindReasoning, Text: s} }
func called(id, name, args string) Part {
	return Part{Kind: KindCall, Call: ToolCall{id, name, json.RawMessage(args)}}
}

// TestParse gives answers whole and in pieces of every length.
func TestParse(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		name   string
		format Format
		prompt string
		answer string
		want   []Part
	}{
		{"text", FormatHermes, "", "Hello <b>you</b> ", []Part{text("Hello <b>you</b> ")}},
		{"hermes", FormatHermes, "", "I look.\n<tool_call>\n{\"name\": \"add\", \"arguments\": {\"a\": 1}}\n</tool_call>", []Part{text("I look."), called("call1", "add", `{"a": 1}`)}},
		{"two", FormatHermes, "", "<tool_call>{\"name\": \"add\", \"arguments\": {}}</tool_call>\n<tool_call>{\"name\": \"x\"}</tool_call>", []Part{called("call1", "add", `{}`), called("call2", "x", `{}`)}},
		{"text after", FormatHermes, "", "<tool_call>{\"name\": \"add\"}</tool_call>\n\nDone.", []Part{called("call1", "add", `{}`), text("Done.")}},
		{"string arguments", FormatHermes, "", `<tool_call>{"name": "add", "arguments": "{\"a\":1}"}</tool_call>`, []Part{called("call1", "add", `{"a":1}`)}},
		{"broken", FormatHermes, "", "<tool_call>{\"name\": </tool_call>x", []Part{text("<tool_call>{\"name\": </tool_call>x")}},
		{"cut off", FormatHermes, "", "a<tool_call>{\"name\": \"ad", []Part{text("a<tool_call>{\"name\": \"ad")}},
		{"no closing mark", FormatHermes, "", "<tool_call>{\"name\": \"add\"}", []Part{called("call1", "add", `{}`)}},
		{"qwen 3.5", FormatHermes, "", "<tool_call>\n<function=get_weather>\n<parameter=city>\nA \"b\"\n</parameter>\n<parameter=days>\n2\n</parameter>\n<parameter=zip>\n01234\n</parameter>\n</function>\n</tool_call>", []Part{called("call1", "get_weather", `{"city":"A \"b\"","days":2,"zip":"01234"}`)}},
		{"thinking", FormatHermes, "", "<think>\nwell </th\n</think>\n\nYes", []Part{thought("well </th"), text("Yes")}},
		{"thinking opened", FormatHermes, "assistant\n<think>\n", "well\n</think>\n\nYes <think>", []Part{thought("well"), text("Yes <think>")}},
		{"thinking and call", FormatHermes, "", "<think>a</think><tool_call>{\"name\":\"add\"}</tool_call>", []Part{thought("a"), called("call1", "add", `{}`)}},
		{"never ends thinking", FormatHermes, "<think>", "a b", []Part{thought("a b")}},
		{"minimax", FormatMiniMax, "", "Ok\n<tool_calls>\n{\"name\": \"add\", \"arguments\": {\"a\": 1}}\n{\"name\": \"add\", \"arguments\": {\"a\": 2}}\n</tool_calls>", []Part{text("Ok"), called("call1", "add", `{"a": 1}`), called("call2", "add", `{"a": 2}`)}},
		{"mistral", FormatMistral, "", `[TOOL_CALLS][{"name": "add", "arguments": {"a": 1}, "id": "abcdefghi"}, {"name": "add", "arguments": {}}]`, []Part{called("abcdefghi", "add", `{"a": 1}`), called("call1", "add", `{}`)}},
		{"mistral new", FormatMistral, "", `Hm[TOOL_CALLS]add[ARGS]{"a": 1}[TOOL_CALLS]x[CALL_ID]q1[ARGS]{}`, []Part{text("Hm"), called("call1", "add", `{"a": 1}`), called("q1", "x", `{}`)}},
		{"mistral broken", FormatMistral, "", `[TOOL_CALLS][{"name": `, []Part{text(`[TOOL_CALLS][{"name": `)}},
		{"llama", FormatLlama, "", ` {"name": "add", "parameters": {"a": 1}}`, []Part{called("call1", "add", `{"a": 1}`)}},
		{"llama two", FormatLlama, "", `<|python_tag|>{"name": "add", "parameters": {"a": 1}}; {"name": "add", "parameters": {}}`, []Part{called("call1", "add", `{"a": 1}`), called("call2", "add", `{}`)}},
		{"llama JSON that is no call", FormatLlama, "", `{"name": "Ann", "age": 3}`, []Part{text(`{"name": "Ann", "age": 3}`)}},
		{"llama text", FormatLlama, "", `Use {"name": "add"}`, []Part{text(`Use {"name": "add"}`)}},
		{"no tools", FormatNone, "", `<tool_call>{"name": "add"}</tool_call>`, []Part{text(`<tool_call>{"name": "add"}</tool_call>`)}},
		{"empty", FormatHermes, "", "", nil},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			for n := 1; n <= len(tt.answer)+1; n++ {
				if d := cmp.Diff(parse(tt.format, tools, tt.prompt, tt.answer, n), tt.want); d != "" {
					t.Fatalf("in pieces of %d (-got +want):\n%s", n, d)
				}
			}
		})
	}
}

// TestAtOnce checks that text is not kept back longer than a mark asks for.
func TestAtOnce(t *testing.T) {
	t.Parallel()
	p := NewParser(FormatHermes, tools, "", func() string { return "" })
	if got := p.Push("Hi <to"); len(got) != 1 || got[0].Text != "Hi" {
		t.Errorf("got %v, want what cannot be a mark", got)
	}
	if got := p.Push("y"); len(got) != 1 || got[0].Text != " <toy" {
		t.Errorf("got %v, want the rest", got)
	}
}

func TestFormats(t *testing.T) {
	t.Parallel()
	for name, want := range map[string]Format{
		"smollm2": FormatNone, "chatml": FormatNone, "qwen-2.5": FormatHermes, "qwen-3": FormatHermes, "qwen-3.5": FormatHermes,
		"llama-3.1": FormatLlama, "llama-3.2": FormatLlama, "ministral-3": FormatMistral, "minimax-m1": FormatMiniMax,
	} {
		tmpl, err := Compile(source(t, name), fixed)
		if err != nil {
			t.Fatal(err)
		}
		if got := tmpl.Format(); got != want {
			t.Errorf("%s: got %q, want %q", name, got, want)
		}
	}
}

// FuzzParser checks that nothing panics and that pieces do not matter.
func FuzzParser(f *testing.F) {
	f.Add("<think>a</think>b<tool_call>{\"name\":\"add\"}</tool_call>c", 3, 0)
	f.Add("[TOOL_CALLS]add[ARGS]{}[TOOL_CALLS][]", 1, 1)
	f.Add("<tool_call><function=a><parameter=b></parameter></function></tool_call>", 2, 0)
	formats := []Format{FormatHermes, FormatMistral, FormatLlama, FormatMiniMax}
	f.Fuzz(func(t *testing.T, answer string, n, format int) {
		form := formats[uint(format)%4]
		whole := parse(form, tools, "", answer, len(answer)+1)
		pieces := parse(form, tools, "", answer, max(n, 1))
		if d := cmp.Diff(pieces, whole); d != "" {
			t.Errorf("pieces of %d give another answer:\n%s", n, d)
		}
		var b strings.Builder
		for _, p := range whole {
			b.WriteString(p.Text)
		}
		if b.Len() > len(answer) {
			t.Error("more text than the answer has")
		}
	})
}
