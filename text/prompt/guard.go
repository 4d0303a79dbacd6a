package prompt

import (
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/ardanlabs/jinja"
)

// The library runs a template to its end, whatever it does. So what a template
// repeats, keeps and prints goes through functions of ours, which are woven
// into its source and count:
//
//	{{ x }}             {{ __out(x) }}
//	{% set a = x %}     {% set a = __keep(x) %}
//	{% for a in x %}    {% for a in __each(x) %}
//	{% macro f() %}     {% macro f() %}{% set __n = __enter() %}
//	{% endmacro %}      {% set __n = __leave() %}{% endmacro %}
//
// The dashes that trim white space stay on the outer side.

// budget is what one rendering may still do.
type budget struct {
	now    func() time.Time
	end    time.Time
	steps  int
	output int
	depth  int
}

func newBudget(now func() time.Time) *budget {
	return &budget{now: now, end: time.Now().Add(maxTime), steps: maxSteps, output: maxOutput}
}

// install puts the functions where the template finds them.
func (b *budget) install(data map[string]jinja.Value) {
	def := func(name string, f func(args []jinja.Value) (jinja.Value, error)) {
		data[name] = jinja.NewCallable(name, func(args []jinja.Value, _ map[string]jinja.Value) (jinja.Value, error) {
			if time.Now().After(b.end) {
				return jinja.Undefined(), ErrLimit
			}
			return f(args)
		})
	}
	def("__out", func(args []jinja.Value) (jinja.Value, error) {
		v := first(args)
		if v.IsFloat() {
			v = toString(v)
		}
		if b.output -= size(v); b.output < 0 {
			return v, ErrLimit
		}
		return v, nil
	})
	def("__keep", func(args []jinja.Value) (jinja.Value, error) {
		v := first(args)
		if b.steps--; b.steps < 0 || size(v) > maxOutput {
			return v, ErrLimit
		}
		return v, nil
	})
	def("__each", func(args []jinja.Value) (jinja.Value, error) {
		v := first(args)
		if b.steps -= size(v) + 1; b.steps < 0 {
			return v, ErrLimit
		}
		return v, nil
	})
	def("__enter", func([]jinja.Value) (jinja.Value, error) {
		b.steps--
		if b.depth++; b.depth > maxDepth || b.steps < 0 {
			return jinja.Undefined(), ErrLimit
		}
		return jinja.None(), nil
	})
	def("__leave", func([]jinja.Value) (jinja.Value, error) {
		b.depth--
		return jinja.None(), nil
	})
	def("range", b.rang)
	data["__tojson"] = jinja.NewCallable("tojson", toJSON)
	def("__string", func(args []jinja.Value) (jinja.Value, error) { return toString(first(args)), nil })
	def("strftime_now", func(args []jinja.Value) (jinja.Value, error) {
		format := "%Y-%m-%d"
		if v := first(args); v.IsString() {
			format = v.AsString()
		}
		return jinja.NewString(strftime(b.now(), format)), nil
	})
	def("raise_exception", func(args []jinja.Value) (jinja.Value, error) {
		message := "the messages do not fit"
		if v := first(args); v.IsString() {
			message = v.AsString()
		}
		return jinja.Undefined(), &RaiseError{message}
	})
}

func first(args []jinja.Value) jinja.Value {
	if len(args) == 0 {
		return jinja.Undefined()
	}
	return args[0]
}

// size is about how much a value holds.
func size(v jinja.Value) int {
	switch {
	case v.IsString():
		return len(v.AsString())
	case v.IsList():
		return v.AsList().Len()
	case v.IsDict():
		return v.AsDict().Len()
	}
	return 1
}

// rang is Jinja's range.
func (b *budget) rang(args []jinja.Value) (jinja.Value, error) {
	var n [3]int64
	for i, a := range args {
		if i >= 3 || !a.IsInt() {
			return jinja.Undefined(), fmt.Errorf("range: a whole number is wanted")
		}
		n[i] = a.AsInt()
	}
	start, stop, step := int64(0), n[0], int64(1)
	if len(args) > 1 {
		start, stop = n[0], n[1]
	}
	if len(args) > 2 {
		step = n[2]
	}
	if step == 0 {
		return jinja.Undefined(), fmt.Errorf("range: the step is 0")
	}
	var items []jinja.Value
	for i := start; step > 0 && i < stop || step < 0 && i > stop; i += step {
		if b.steps--; b.steps < 0 {
			return jinja.Undefined(), ErrLimit
		}
		items = append(items, jinja.NewInt(i))
	}
	return jinja.NewList(items), nil
}

// strftime formats a time as Python does.
func strftime(t time.Time, format string) string {
	var b strings.Builder
	for i := 0; i < len(format); i++ {
		if format[i] != '%' || i+1 == len(format) {
			b.WriteByte(format[i])
			continue
		}
		i++
		layout, ok := map[byte]string{
			'Y': "2006", 'y': "06", 'm': "01", 'd': "02", 'e': "_2", 'b': "Jan", 'B': "January", 'a': "Mon", 'A': "Monday",
			'H': "15", 'I': "03", 'M': "04", 'S': "05", 'p': "PM", 'Z': "MST", 'z': "-0700", 'F': "2006-01-02", 'T': "15:04:05", 'j': "002",
		}[format[i]]
		if format[i] == '-' && i+1 < len(format) { // %-d: without a zero
			i++
			layout, ok = map[byte]string{'d': "2", 'm': "1", 'H': "15", 'I': "3", 'M': "4", 'S': "5"}[format[i]]
		}
		switch {
		case ok:
			b.WriteString(t.Format(layout))
		case format[i] == '%':
			b.WriteByte('%')
		default:
			b.WriteString("%" + string(format[i]))
		}
	}
	return b.String()
}

// guard checks a template's shape and weaves the counters in.
func guard(source string) (string, error) {
	if len(source) > maxTemplate {
		return "", fmt.Errorf("prompt: template: %d bytes, more than %d", len(source), maxTemplate)
	}
	var b strings.Builder
	blocks, raw := 0, false
	for {
		at := strings.Index(source, "{")
		for at >= 0 && at+1 < len(source) && !strings.ContainsRune("{%#", rune(source[at+1])) {
			next := strings.Index(source[at+1:], "{")
			if next < 0 {
				at = -1
				break
			}
			at += 1 + next
		}
		if at < 0 || at+1 >= len(source) {
			b.WriteString(source)
			return b.String(), nil
		}
		b.WriteString(source[:at])
		source = source[at:]
		end, nested := tagEnd(source)
		switch {
		case end < 0:
			return "", fmt.Errorf("prompt: template: a tag that begins %.20q has no end", source)
		case source[1] != '#' && (end > maxTag || nested > maxNesting):
			return "", fmt.Errorf("prompt: template: a tag that begins %.20q is too long or too deeply nested", source)
		}
		tag := source[:end]
		source = source[end:]
		kind, _, _ := strings.Cut(strings.Trim(tag, "{%-+ \t\n\r"), " ")
		kind = strings.TrimRight(kind, "%}-+ \t\n\r")
		if raw = raw && kind != "endraw" || tag[1] == '%' && kind == "raw"; raw || tag[1] == '#' {
			b.WriteString(tag)
			continue
		}
		if err := numbers(tag); err != nil {
			return "", err
		}
		if tag[1] == '%' {
			blocks += nesting(kind)
		}
		if blocks > maxNesting {
			return "", fmt.Errorf("prompt: template: blocks nested deeper than %d", maxNesting)
		}
		b.WriteString(weave(tag, kind))
	}
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

// weave puts the counters into one tag.
func weave(tag, kind string) string {
	left, right := tag[:2], tag[len(tag)-2:]
	body := tag[2 : len(tag)-2]
	if strings.HasPrefix(body, "-") {
		left, body = left+"-", body[1:]
	}
	if strings.HasSuffix(body, "-") {
		right, body = "-"+right, body[:len(body)-1]
	}
	body = replaceFilters(body)
	if tag[1] == '{' {
		return left + " __out(" + body + ") " + right
	}
	tag = left + body + right
	switch kind {
	case "set":
		at := top(body, "=")
		if at < 0 {
			break // a block: what it prints is counted
		}
		return left + body[:at+1] + " __keep(" + body[at+1:] + ") " + right
	case "for":
		at := top(body, " in ")
		if at < 0 {
			break
		}
		head, list, tail := body[:at+4], body[at+4:], ""
		for _, word := range []string{" if ", " recursive"} {
			if i := top(list, word); i >= 0 {
				list, tail = list[:i], list[i:]+tail
			}
		}
		return left + head + "__each(" + list + ")" + tail + " " + right
	case "macro":
		return left + body + "%}{% set __n = __enter() " + right
	case "endmacro":
		return left + " set __n = __leave() %}{%" + body + right
	}
	return tag
}
