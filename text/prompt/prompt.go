// Package prompt turns conversations into prompts and answers into messages.
//
// A Template is a model's chat template: a Jinja program that comes with the
// model's weights, so it is foreign code. It is run without access to
// anything, with bounds on its size, its nesting, its steps, its recursion,
// its output and its time. A Parser takes what the model answers apart while
// it streams: thinking, text, calls of tools.
package prompt

import (
	"encoding/json"
	"strings"
)

// Message is one turn of a conversation.
type Message struct {
	Role       string     `json:"role"` // system, user, assistant, tool
	Content    string     `json:"content"`
	Reasoning  string     `json:"reasoning_content,omitempty"` // what an assistant thought before
	ToolCalls  []ToolCall `json:"tool_calls,omitempty"`        // of an assistant
	ToolCallID string     `json:"tool_call_id,omitempty"`      // of a tool: the call it answers
	Name       string     `json:"name,omitempty"`              // of a tool, or of who speaks
}

// ToolCall is a call that a model asks for.
type ToolCall struct {
	ID        string          `json:"id"`
	Name      string          `json:"name"`
	Arguments json.RawMessage `json:"arguments"` // a JSON object
}

// Tool is a function that a model may call.
type Tool struct {
	Name        string          `json:"name"`
	Description string          `json:"description"`
	Parameters  json.RawMessage `json:"parameters"` // a JSON schema; the order of its keys is kept
}

// Input is what a prompt is made of.
type Input struct {
	Messages []Message
	Tools    []Tool
	// Generate opens the assistant's turn at the end.
	Generate bool
	// Prefix is what the answer begins with already: the model goes on from it.
	Prefix string
	// Extra are further variables of the template, such as enable_thinking.
	Extra map[string]any
}

// Segment is a piece of a prompt. In a Literal one the texts of control tokens
// are just text: it came from a message, and must not end its turn.
type Segment struct {
	Text    string
	Literal bool
}

// Text joins segments.
func Text(segments []Segment) string {
	var b strings.Builder
	for _, s := range segments {
		b.WriteString(s.Text)
	}
	return b.String()
}

// Encoder turns text into tokens; special says whether the texts of control
// tokens stand for those tokens. A *token.Tokenizer is one.
type Encoder interface {
	Encode(text string, special bool) []int32
}

// Encode turns segments into tokens.
func Encode(e Encoder, segments []Segment) []int32 {
	var out []int32
	for _, s := range segments {
		out = append(out, e.Encode(s.Text, !s.Literal)...)
	}
	return out
}

// ChatML is the template of models that bring none: that of most of them.
const ChatML = `{% for message in messages %}{{ '<|im_start|>' + message['role'] + '\n' + message['content'] + '<|im_end|>' + '\n' }}{% endfor %}{% if add_generation_prompt %}{{ '<|im_start|>assistant\n' }}{% endif %}`

// Plain is for models that were never taught to chat: a script of a dialogue,
// with PlainStop as a stop string.
const (
	Plain = `{% for message in messages %}{% if message['role'] == 'system' %}{{ message['content'] + '\n\n' }}{% else %}{{ message['role'] | capitalize + ': ' + message['content'] + '\n' }}{% endif %}{% endfor %}{% if add_generation_prompt %}{{ 'Assistant:' }}{% endif %}`

	PlainStop = "\nUser:"
)
