package prompt

import (
	"fmt"
	"regexp"
	"strconv"
	"strings"
	"unicode"
	"unicode/utf8"
)

// A template is rewritten before the library sees it: the counters of guard.go
// are woven into its tags, and its texts become printed strings. That settles
// white space here, by the rules of Jinja's lexer with trim_blocks and
// lstrip_blocks as transformers sets them (the library strips past tags that
// follow each other):
//
//	text                {{ __out("text") }}
//	{{ x }}             {{ __out(x) }}
//	{% set a = x %}     {% set a = __keep(x) %}
//	{% for a in x %}    {% for a in __each(x) %}
//	{% macro f() %}     {% macro f() %}{% set __n = __enter() %}
//	{% endmacro %}      {% set __n = __leave() %}{% endmacro %}
//	x | tojson          __tojson(x)

// weaver rewrites a template.
type weaver struct {
	source string
	pos    int // of what is not read yet
	blocks int // that are open
	out    strings.Builder
}

var rawEnd = regexp.MustCompile(`\{%[-+]?\s*endraw\s*[-+]?%\}`)

// guard checks a template's shape and rewrites it.
func guard(source string) (string, error) {
	if len(source) > maxTemplate {
		return "", fmt.Errorf("prompt: template: %d bytes, more than %d", len(source), maxTemplate)
	}
	source = strings.NewReplacer("\r\n", "\n", "\r", "\n").Replace(source)
	w := &weaver{source: strings.TrimSuffix(source, "\n")}
	for {
		at := w.tag()
		if at < 0 {
			w.text(w.source[w.pos:])
			return w.out.String(), nil
		}
		if err := w.one(at); err != nil {
			return "", err
		}
	}
}

// tag returns where the next tag begins; -1 is nowhere.
func (w *weaver) tag() int {
	for i := w.pos; i+1 < len(w.source); i++ {
		if w.source[i] == '{' && strings.IndexByte("{%#", w.source[i+1]) >= 0 {
			return i
		}
	}
	return -1
}

// one reads the text before a tag, and the tag.
func (w *weaver) one(at int) error {
	tag := w.source[at:]
	end, nested := tagEnd(tag)
	switch {
	case end < 0:
		return fmt.Errorf("prompt: template: a tag that begins %.20q has no end", tag)
	case tag[1] != '#' && (end > maxTag || nested > maxNesting):
		return fmt.Errorf("prompt: template: a tag that begins %.20q is too long or too deeply nested", tag)
	}
	tag = tag[:end]
	left, right := byte(0), byte(0)
	body := tag[2 : end-2]
	if body != "" && strings.IndexByte("-+", body[0]) >= 0 {
		left, body = body[0], body[1:]
	}
	if n := len(body) - 1; n >= 0 && strings.IndexByte("-+", body[n]) >= 0 {
		right, body = body[n], body[:n]
	}
	w.before(at, tag[1], left)
	w.after(at+end, tag[1], right)
	kind, _, _ := strings.Cut(strings.TrimSpace(body), " ")
	kind, _, _ = strings.Cut(kind, "(")
	switch {
	case tag[1] == '#':
		return nil
	case tag[1] == '%' && kind == "raw":
		return w.raw()
	}
	if err := numbers(body); err != nil {
		return err
	}
	if tag[1] == '%' {
		if w.blocks += nesting(kind); w.blocks > maxNesting {
			return fmt.Errorf("prompt: template: blocks nested deeper than %d", maxNesting)
		}
	}
	w.weave(tag[1], kind, replaceFilters(literals(body)))
	return nil
}

// before prints the text up to a tag, without what the tag strips.
func (w *weaver) before(at int, kind, mark byte) {
	text := w.source[w.pos:at]
	switch {
	case mark == '-':
		text = strings.TrimRightFunc(text, unicode.IsSpace)
	case mark != '+' && kind != '{': // lstrip_blocks: only what is indentation
		line := strings.LastIndexByte(text, '\n') + 1
		begins := w.pos == 0 || w.source[w.pos-1] == '\n'
		if (line > 0 || begins) && strings.TrimFunc(text[line:], unicode.IsSpace) == "" {
			text = text[:line]
		}
	}
	w.text(text)
}

// after goes past a tag and what it strips.
func (w *weaver) after(end int, kind, mark byte) {
	w.pos = end
	rest := w.source[end:]
	switch {
	case mark == '-':
		w.pos += len(rest) - len(strings.TrimLeftFunc(rest, unicode.IsSpace))
	case mark != '+' && kind != '{' && strings.HasPrefix(rest, "\n"): // trim_blocks
		w.pos++
	}
}

// raw prints what stands before the end of a raw block.
func (w *weaver) raw() error {
	at := rawEnd.FindStringIndex(w.source[w.pos:])
	if at == nil {
		return fmt.Errorf("prompt: template: a raw block has no end")
	}
	tag := w.source[w.pos+at[0] : w.pos+at[1]]
	end := w.pos + at[1]
	w.before(w.pos+at[0], '%', tag[2])
	w.after(end, '%', tag[len(tag)-3])
	return nil
}

// text prints a text.
func (w *weaver) text(s string) {
	for len(s) > 0 { // in pieces: a tag has a limit, and long strings are slow to read
		n := min(len(s), 4096)
		for n < len(s) && !utf8.RuneStart(s[n]) {
			n--
		}
		if n == 0 {
			n = min(len(s), 4096)
		}
		w.out.WriteString("{{ __out(" + literal(s[:n]) + ") }}")
		s = s[n:]
	}
}

// literal writes a string in the way that the library reads back.
func literal(s string) string {
	return `"` + strings.NewReplacer(`\`, `\\`, `"`, `\"`).Replace(s) + `"`
}

// literals rewrites the strings of a tag: the library knows fewer escapes than
// Python.
func literals(s string) string {
	var b strings.Builder
	last := 0
	for _, l := range lex(s) {
		if l.kind != 's' {
			continue
		}
		b.WriteString(s[last:l.start])
		inside := strings.TrimSuffix(l.text[1:], l.text[:1])
		b.WriteString(literal(unescape(inside)))
		last = l.start + len(l.text)
	}
	return b.String() + s[last:]
}

// tagEnd returns the length of the tag at the start, and how deep its brackets
// go; -1 if it has no end.
func tagEnd(s string) (end, nested int) {
	closer := map[byte]string{'{': "}}", '%': "%}", '#': "#}"}[s[1]]
	depth := 0
	for i := 2; i < len(s); i++ {
		if strings.HasPrefix(s[i:], closer) {
			return i + 2, nested
		}
		if s[1] == '#' {
			continue
		}
		switch s[i] {
		case '\'', '"':
			quote := s[i]
			for i++; i < len(s) && s[i] != quote; i++ {
				if s[i] == '\\' {
					i++
				}
			}
		case '(', '[', '{':
			depth++
			nested = max(nested, depth)
		case ')', ']', '}':
			depth--
		}
	}
	return -1, 0
}

// top finds a word in an expression outside of strings and brackets; -1 is none.
func top(s, word string) int {
	depth := 0
	for i := 0; i < len(s); i++ {
		switch c := s[i]; {
		case c == '\'' || c == '"':
			for i++; i < len(s) && s[i] != c; i++ {
				if s[i] == '\\' {
					i++
				}
			}
		case c == '(' || c == '[' || c == '{':
			depth++
		case c == ')' || c == ']' || c == '}':
			depth--
		case depth == 0 && strings.HasPrefix(s[i:], word):
			return i
		}
	}
	return -1
}

// numbers refuses numbers that a string could be multiplied by.
func numbers(tag string) error {
	for i := 0; i < len(tag); i++ {
		switch c := tag[i]; {
		case c == '\'' || c == '"':
			for i++; i < len(tag) && tag[i] != c; i++ {
				if tag[i] == '\\' {
					i++
				}
			}
		case c >= '0' && c <= '9':
			j := i
			for j < len(tag) && (tag[j] >= '0' && tag[j] <= '9' || tag[j] == '_') {
				j++
			}
			if n, err := strconv.Atoi(strings.ReplaceAll(tag[i:j], "_", "")); err != nil || n > maxNumber {
				return fmt.Errorf("prompt: template: the number %s is more than %d", tag[i:j], maxNumber)
			}
			i = j - 1
		}
	}
	return nil
}

// nesting is what a statement adds to the depth of blocks.
func nesting(kind string) int {
	switch kind {
	case "if", "for", "macro", "call", "filter", "block", "with":
		return 1
	case "endif", "endfor", "endmacro", "endcall", "endfilter", "endblock", "endwith":
		return -1
	}
	return 0
}

// unescape reads the inside of a string as Python does.
func unescape(s string) string {
	if !strings.Contains(s, `\`) {
		return s
	}
	var b strings.Builder
	for i := 0; i < len(s); i++ {
		if s[i] != '\\' || i+1 == len(s) {
			b.WriteByte(s[i])
			continue
		}
		i++
		digits := map[byte]int{'x': 2, 'u': 4, 'U': 8}[s[i]]
		if r, err := strconv.ParseUint(s[i+1:min(i+1+digits, len(s))], 16, 32); digits > 0 && err == nil && r <= unicode.MaxRune {
			b.WriteRune(rune(r))
			i += digits
			continue
		}
		if at := strings.IndexByte(`abfnrtv0\'"`, s[i]); at >= 0 {
			b.WriteByte("\a\b\f\n\r\t\v\x00\\'\""[at])
		} else {
			b.WriteString(s[i-1 : i+1])
		}
	}
	return b.String()
}

// weave writes a tag with its counters.
func (w *weaver) weave(open byte, kind, body string) {
	if open == '{' {
		w.out.WriteString("{{ __out(" + body + ") }}")
		return
	}
	switch kind {
	case "set":
		if at := top(body, "="); at >= 0 { // else a block: what it prints is counted
			body = body[:at+1] + " __keep(" + body[at+1:] + ")"
		}
	case "for":
		if at := top(body, " in "); at >= 0 {
			list, tail := body[at+4:], ""
			for _, word := range []string{" if ", " recursive"} {
				if i := top(list, word); i >= 0 {
					list, tail = list[:i], list[i:]+tail
				}
			}
			body = body[:at+4] + "__each(" + list + ")" + tail
		}
	case "macro":
		body += "%}{% set __n = __enter()"
	case "endmacro":
		body = "set __n = __leave() %}{% endmacro"
	}
	w.out.WriteString("{% " + strings.TrimSpace(body) + " %}")
}
