package prompt

import (
	"strings"
)

// Kind says what a part of an answer is.
type Kind string

// The kinds.
const (
	KindText      Kind = "text"
	KindReasoning Kind = "reasoning"
	KindCall      Kind = "call"
)

// Part is a piece of an answer: text to be appended to what came before, or a
// whole call.
type Part struct {
	Kind Kind
	Text string
	Call ToolCall // of KindCall
}

// Format is how a model writes its calls of tools.
type Format string

// The formats.
const (
	FormatNone    Format = ""
	FormatHermes  Format = "hermes"  // <tool_call>{...}</tool_call>: Hermes, Qwen; also Qwen's <function=...> inside
	FormatLlama   Format = "llama3"  // {"name": ..., "parameters": ...} is the whole answer
	FormatMistral Format = "mistral" // [TOOL_CALLS][{...}] or [TOOL_CALLS]name[ARGS]{...}
	FormatMiniMax Format = "minimax" // <tool_calls> with a call a line </tool_calls>
)

// maxCall bounds the text of a call that is not finished.
const maxCall = 1 << 20 // bytes

// Format finds out from the template how its model writes calls.
func (t *Template) Format() Format {
	has := func(s string) bool { return strings.Contains(t.source, s) }
	switch {
	case !t.tools:
		return FormatNone
	case has("<tool_calls>"):
		return FormatMiniMax
	case has("[TOOL_CALLS]"):
		return FormatMistral
	case has("<tool_call>"):
		return FormatHermes
	case has("<|python_tag|>"), has(`"parameters": `), has("ipython"):
		return FormatLlama
	}
	return FormatHermes
}

// Parser takes an answer apart as it comes. Whatever can be shown is handed
// on at once; only what may be the beginning of a mark is kept back. A Parser
// is for one answer and one goroutine.
type Parser struct {
	format Format
	tools  map[string]Tool
	id     func() string

	state  state
	buffer string // not yet handed on
	begun  bool   // something other than white space was seen
	trim   bool   // white space that follows belongs to a mark
}

type state int

const (
	inText state = iota
	inReasoning
	inCall
)

// NewParser returns the parser of an answer. id names calls; the tools say of
// which type arguments are. What a prompt ends with says whether the answer
// begins amid thinking, since some templates open the thought themselves.
func NewParser(f Format, tools []Tool, prompt string, id func() string) *Parser {
	p := &Parser{format: f, tools: map[string]Tool{}, id: id}
	if len(tools) == 0 {
		p.format = FormatNone
	}
	for _, t := range tools {
		p.tools[t.Name] = t
	}
	if strings.HasSuffix(strings.TrimRight(prompt, " \n"), "<think>") {
		p.state, p.trim = inReasoning, true
	}
	return p
}

// opens returns the mark that begins calls, and the one that ends them; "" is
// the end of the answer.
func (p *Parser) opens() (open, end string) {
	switch p.format {
	case FormatHermes:
		return "<tool_call>", "</tool_call>"
	case FormatMiniMax:
		return "<tool_calls>", "</tool_calls>"
	case FormatMistral:
		return "[TOOL_CALLS]", ""
	case FormatLlama:
		return "<|python_tag|>", ""
	}
	return "", ""
}

// Push takes the next piece of the answer and returns what it completes.
func (p *Parser) Push(text string) []Part {
	p.buffer += text
	return p.run(false)
}

// Close returns what is left at the end of the answer. A call that is not
// whole is text.
func (p *Parser) Close() []Part { return p.run(true) }

// run hands on what the buffer holds.
func (p *Parser) run(last bool) (out []Part) {
	for {
		var part []Part
		var more bool
		switch p.state {
		case inReasoning:
			part, more = p.reasoning(last)
		case inCall:
			part, more = p.call(last)
		default:
			part, more = p.text(last)
		}
		out = append(out, part...)
		if !more {
			return out
		}
	}
}

// skip drops white space that belongs to a mark.
func (p *Parser) skip() {
	if p.trim {
		p.buffer = strings.TrimLeft(p.buffer, " \t\r\n")
		p.trim = p.buffer == ""
	}
}

// text hands on text up to a mark.
func (p *Parser) text(last bool) (out []Part, more bool) {
	p.skip()
	if !p.begun {
		rest := strings.TrimLeft(p.buffer, " \t\r\n")
		switch {
		case rest == "" && !last:
			return nil, false
		case strings.HasPrefix(rest, "<think>"):
			p.buffer, p.state, p.trim, p.begun = rest[len("<think>"):], inReasoning, true, true
			return nil, true
		case strings.HasPrefix("<think>", rest) && !last:
			return nil, false
		case p.format == FormatLlama && strings.HasPrefix(rest, "{"):
			p.state = inCall
			return nil, true
		}
		p.begun = true
	}
	open, _ := p.opens()
	if open != "" {
		if before, after, ok := strings.Cut(p.buffer, open); ok {
			p.buffer, p.state = after, inCall
			// the line that only leads to the mark is no text
			if before = strings.TrimRight(before, " \t\r\n"); before != "" {
				out = append(out, Part{Kind: KindText, Text: before})
			}
			return out, true
		}
	}
	keep := 0
	if !last && open != "" {
		keep = overlap(p.buffer, open)
		rest := p.buffer[:len(p.buffer)-keep]
		keep += len(rest) - len(strings.TrimRight(rest, " \t\r\n"))
	}
	return p.hand(KindText, keep), false
}

// hand hands on the buffer but for its last bytes.
func (p *Parser) hand(kind Kind, keep int) []Part {
	text := p.buffer[:len(p.buffer)-keep]
	p.buffer = p.buffer[len(text):]
	if text == "" {
		return nil
	}
	return []Part{{Kind: kind, Text: text}}
}

// overlap is the length of the longest end of s that begins the mark.
func overlap(s, mark string) int {
	for n := min(len(mark)-1, len(s)); n > 0; n-- {
		if strings.HasSuffix(s, mark[:n]) {
			return n
		}
	}
	return 0
}

// reasoning hands on thoughts up to their end.
func (p *Parser) reasoning(last bool) (out []Part, more bool) {
	p.skip()
	p.begun = true
	const end = "</think>"
	if before, after, ok := strings.Cut(p.buffer, end); ok {
		p.buffer, p.state, p.trim = after, inText, true
		if before = strings.TrimRight(before, " \t\r\n"); before != "" {
			out = append(out, Part{Kind: KindReasoning, Text: before})
		}
		return out, true
	}
	keep := 0
	if !last {
		keep = overlap(p.buffer, end)
		rest := p.buffer[:len(p.buffer)-keep]
		keep += len(rest) - len(strings.TrimRight(rest, " \t\r\n"))
	}
	return p.hand(KindReasoning, keep), false
}

// call waits for the end of a call and reads it.
func (p *Parser) call(last bool) (out []Part, more bool) {
	open, end := p.opens()
	if end == "" {
		if !last && len(p.buffer) < maxCall {
			return nil, false
		}
		body := p.buffer
		p.buffer, p.state = "", inText
		if calls, ok := p.calls(body); ok {
			return calls, false
		}
		if p.format == FormatMistral {
			body = open + body
		}
		p.begun, p.buffer, p.format = true, body, FormatNone
		return p.hand(KindText, 0), false
	}
	body, after, ok := strings.Cut(p.buffer, end)
	if !ok {
		if !last && len(p.buffer) < maxCall {
			return nil, false
		}
		if calls, ok := p.calls(p.buffer); ok && last { // the closing mark is missing: models forget it
			p.buffer = ""
			return calls, false
		}
		p.buffer, p.state, p.format = open+p.buffer, inText, FormatNone
		return p.hand(KindText, 0), false
	}
	p.buffer, p.state, p.begun, p.trim = after, inText, true, true
	if calls, ok := p.calls(body); ok {
		return calls, true
	}
	return []Part{{Kind: KindText, Text: open + body + end}}, true
}
