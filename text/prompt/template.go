package prompt

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/ardanlabs/jinja"
)

// Limits of a template. The largest in use has 25 KB.
const (
	maxTemplate = 256 << 10 // bytes
	maxTag      = 16 << 10  // bytes between {% and %}
	maxNesting  = 64        // brackets in a tag, and blocks in blocks
	maxNumber   = 1_000_000 // that stands in a template
	maxDepth    = 100       // macros in macros
	maxSteps    = 4_000_000 // rounds of all loops together
	maxOutput   = 64 << 20  // bytes, of the prompt and of any one variable
	maxTime     = 10 * time.Second
)

// RaiseError is what a template itself says about the messages, such as that
// roles must take turns.
type RaiseError struct{ Message string }

func (e *RaiseError) Error() string { return "prompt: template: " + e.Message }

// Errors that callers branch on.
var (
	ErrLimit = errors.New("prompt: template: it does more than a chat template should")
	ErrTools = errors.New("prompt: template: the model's template takes no tools")
)

// Options are what a template needs to know of its model.
type Options struct {
	BOS, EOS string           // texts of the tokens
	Control  []string         // texts of control tokens: in messages they are text
	Now      func() time.Time // of strftime_now; nil: time.Now
}

// Template is a compiled chat template. It may be shared by goroutines.
type Template struct {
	source string
	tmpl   *jinja.Template
	o      Options
	hider  *strings.Replacer

	typed    bool // content is a list of parts
	noSystem bool // the system's message goes into the user's
	tools    bool
}

// probe is what a template is tried with.
const probe = "kuai-probe-4711"

// Compile reads a template and finds out what it wants of its messages.
func Compile(source string, o Options) (*Template, error) {
	guarded, err := guard(source)
	if err != nil {
		return nil, err
	}
	t := &Template{source: source, o: o, hider: hider(o.Control), tools: strings.Contains(source, "tools")}
	if o.Now == nil {
		t.o.Now = time.Now
	}
	if t.tmpl, err = compile(guarded); err != nil {
		return nil, err
	}
	ask := []Message{{Role: "user", Content: probe}}
	if out, err := t.render(Input{Messages: ask, Generate: true}); err != nil || !strings.Contains(out, probe) {
		t.typed = true
		if again, err2 := t.render(Input{Messages: ask, Generate: true}); err2 != nil || !strings.Contains(again, probe) {
			if err == nil {
				err = errors.New("prompt: template: it leaves the message out")
			}
			return nil, err
		}
	}
	t.noSystem = !t.takesSystem()
	return t, nil
}

// takesSystem says whether a system message comes through; many templates
// refuse it.
func (t *Template) takesSystem() bool {
	both := []Message{{Role: "system", Content: probe}, {Role: "user", Content: "x"}}
	out, err := t.render(Input{Messages: both, Generate: true})
	return err == nil && strings.Contains(out, probe)
}

// compile parses; a panic of the library is the template's error.
func compile(source string) (t *jinja.Template, err error) {
	defer func() {
		if v := recover(); v != nil {
			err = fmt.Errorf("prompt: template: %v", v)
		}
	}()
	if t, err = jinja.Compile(source); err != nil {
		return nil, fmt.Errorf("prompt: template: %w", err)
	}
	return t, nil
}

// TakesTools says whether the template shows tools to its model.
func (t *Template) TakesTools() bool { return t.tools }

// Source returns the template's text.
func (t *Template) Source() string { return t.source }

// Render makes the prompt. It fails with a RaiseError, ErrTools or ErrLimit.
func (t *Template) Render(in Input) ([]Segment, error) {
	if len(in.Tools) > 0 && !t.tools {
		return nil, ErrTools
	}
	if len(in.Messages) == 0 {
		return nil, errors.New("prompt: there is no message")
	}
	in.Messages = slices.Clone(in.Messages)
	for i := range in.Messages {
		m := &in.Messages[i]
		m.Content, m.Reasoning = t.hider.Replace(m.Content), t.hider.Replace(m.Reasoning)
	}
	if t.noSystem {
		in.Messages = mergeSystem(in.Messages)
	}
	out, err := t.render(in)
	if err != nil {
		return nil, err
	}
	return t.reveal(out), nil
}

// mergeSystem puts leading messages of the system before the first one of the
// user, for models that know no system.
func mergeSystem(messages []Message) []Message {
	var system []string
	for len(messages) > 0 && messages[0].Role == "system" {
		system = append(system, messages[0].Content)
		messages = messages[1:]
	}
	if len(system) == 0 {
		return messages
	}
	if len(messages) == 0 || messages[0].Role != "user" {
		return slices.Insert(messages, 0, Message{Role: "user", Content: strings.Join(system, "\n\n")})
	}
	messages[0].Content = strings.Join(append(system, messages[0].Content), "\n\n")
	return messages
}

// The marks around what hider found; private characters that no model uses.
const markOpen, markClose = "\U0010FDE0", "\U0010FDE1"

// hider marks the texts of control tokens in what a user wrote, of those that
// begin alike the longest.
func hider(control []string) *strings.Replacer {
	control = slices.Clone(control)
	slices.SortStableFunc(control, func(a, b string) int { return len(b) - len(a) })
	pairs := []string{markOpen, "", markClose, ""}
	for _, c := range control {
		if c != "" {
			pairs = append(pairs, c, markOpen+c+markClose)
		}
	}
	return strings.NewReplacer(pairs...)
}

// reveal splits a prompt at the marks.
func (t *Template) reveal(s string) []Segment {
	var out []Segment
	add := func(text string, literal bool) {
		text = strings.NewReplacer(markOpen, "", markClose, "").Replace(text)
		if text != "" {
			out = append(out, Segment{text, literal})
		}
	}
	for {
		before, rest, ok := strings.Cut(s, markOpen)
		add(before, false)
		if !ok {
			return out
		}
		inside, after, _ := strings.Cut(rest, markClose)
		add(inside, true)
		s = after
	}
}

// render runs the template.
func (t *Template) render(in Input) (out string, err error) {
	defer func() {
		if v := recover(); v != nil {
			out, err = "", fmt.Errorf("prompt: template: %v", v)
		}
	}()
	messages := make([]jinja.Value, len(in.Messages))
	for i, m := range in.Messages {
		if messages[i], err = t.message(m); err != nil {
			return "", fmt.Errorf("prompt: message %d: %w", i, err)
		}
	}
	data := map[string]jinja.Value{
		"messages":              jinja.NewList(messages),
		"add_generation_prompt": jinja.NewBool(in.Generate),
		"bos_token":             jinja.NewString(t.o.BOS),
		"eos_token":             jinja.NewString(t.o.EOS),
	}
	if len(in.Tools) > 0 {
		tools := make([]jinja.Value, len(in.Tools))
		for i, tool := range in.Tools {
			if tools[i], err = toolValue(tool); err != nil {
				return "", fmt.Errorf("prompt: tool %q: %w", tool.Name, err)
			}
		}
		data["tools"] = jinja.NewList(tools)
	}
	for k, v := range in.Extra {
		data[k] = jinja.FromGoValue(v)
	}
	newBudget(t.o.Now).install(data)
	out, err = t.tmpl.RenderValues(data)
	if err != nil {
		if errors.Is(err, ErrLimit) {
			return "", ErrLimit
		}
		if raised, ok := errors.AsType[*RaiseError](err); ok {
			return "", raised
		}
		return "", fmt.Errorf("prompt: template: %w", err)
	}
	return out, nil
}

// message is a message as templates expect it.
func (t *Template) message(m Message) (jinja.Value, error) {
	v := jinja.NewDict()
	d := v.AsDict()
	d.Set("role", jinja.NewString(m.Role))
	content := jinja.NewString(m.Content)
	if t.typed {
		part := jinja.NewDict()
		part.AsDict().Set("type", jinja.NewString("text"))
		part.AsDict().Set("text", content)
		content = jinja.NewList([]jinja.Value{part})
	}
	d.Set("content", content)
	if m.Reasoning != "" {
		d.Set("reasoning_content", jinja.NewString(m.Reasoning))
	}
	if len(m.ToolCalls) > 0 {
		var calls []jinja.Value
		for _, c := range m.ToolCalls {
			args, err := decode(c.Arguments)
			if err != nil {
				return v, fmt.Errorf("call of %q: %w", c.Name, err)
			}
			fn, call := jinja.NewDict(), jinja.NewDict()
			fn.AsDict().Set("name", jinja.NewString(c.Name))
			fn.AsDict().Set("arguments", args)
			call.AsDict().Set("id", jinja.NewString(c.ID))
			call.AsDict().Set("type", jinja.NewString("function"))
			call.AsDict().Set("function", fn)
			calls = append(calls, call)
		}
		d.Set("tool_calls", jinja.NewList(calls))
	}
	if m.ToolCallID != "" {
		d.Set("tool_call_id", jinja.NewString(m.ToolCallID))
	}
	if m.Name != "" {
		d.Set("name", jinja.NewString(m.Name))
	}
	return v, nil
}

// toolValue is a tool in the form of the OpenAI API, which templates expect.
func toolValue(t Tool) (jinja.Value, error) {
	params, err := decode(t.Parameters)
	if err != nil {
		return params, err
	}
	fn, v := jinja.NewDict(), jinja.NewDict()
	fn.AsDict().Set("name", jinja.NewString(t.Name))
	fn.AsDict().Set("description", jinja.NewString(t.Description))
	fn.AsDict().Set("parameters", params)
	v.AsDict().Set("type", jinja.NewString("function"))
	v.AsDict().Set("function", fn)
	return v, nil
}
