package prompt

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
	"unicode/utf8"

	"github.com/ardanlabs/jinja"
)

// The library's own tojson sorts keys where it indents, escapes < and > for
// web pages, and writes large numbers in another way than Python. A model was
// trained on what Python writes; so guard turns
//
//	x | tojson(indent=4)     into     __tojson(x, indent=4)

// filters are those that are replaced by functions of ours.
var filters = map[string]string{"tojson": "__tojson", "string": "__string"}

// lexeme is a word of an expression.
type lexeme struct {
	text  string
	start int
	kind  byte // n name, s string, 0 number, or the character
}

// lex splits the inside of a tag.
func lex(s string) []lexeme {
	var out []lexeme
	for i := 0; i < len(s); {
		c, start := s[i], i
		letter := func(c byte) bool {
			return c == '_' || c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c >= '0' && c <= '9' || c >= 0x80
		}
		switch {
		case c == ' ' || c == '\t' || c == '\n' || c == '\r':
			i++
			continue
		case c == '\'' || c == '"':
			for i++; i < len(s) && s[i] != c; i++ {
				if s[i] == '\\' {
					i++
				}
			}
			i = min(i+1, len(s))
			out = append(out, lexeme{s[start:i], start, 's'})
		case letter(c):
			for i < len(s) && letter(s[i]) {
				i++
			}
			kind := byte('n')
			if c >= '0' && c <= '9' {
				kind = '0'
			}
			out = append(out, lexeme{s[start:i], start, kind})
		default:
			i++
			out = append(out, lexeme{s[start:i], start, c})
		}
	}
	return out
}

// operand returns the index of the lexeme at which the operand begins that
// ends before lexeme end: a primary with calls, indices, attributes and
// filters behind it. -1 is none.
func operand(l []lexeme, end int) int {
	i := end - 1
	for {
		// the end of a primary, a call or an index
		for i >= 0 && (l[i].kind == ')' || l[i].kind == ']' || l[i].kind == '}') {
			depth := 0
			for ; i >= 0; i-- {
				if strings.IndexByte(")]}", l[i].kind) >= 0 {
					depth++
				} else if strings.IndexByte("([{", l[i].kind) >= 0 {
					if depth--; depth == 0 {
						break
					}
				}
			}
			if i < 0 {
				return -1
			}
			if i == 0 || l[i].kind == '{' || !valueEnd(l[i-1]) {
				goto begun // brackets of their own
			}
			i--
		}
		if i < 0 || strings.IndexByte("ns0", l[i].kind) < 0 {
			return -1
		}
	begun:
		if i == 0 || l[i-1].kind != '.' && l[i-1].kind != '|' {
			return i
		}
		i -= 2
	}
}

// valueEnd says whether a call or an index may follow.
func valueEnd(l lexeme) bool {
	if l.kind == 'n' {
		return !slices.Contains([]string{"in", "and", "or", "not", "if", "else", "is", "set"}, l.text)
	}
	return l.kind == ')' || l.kind == ']' || l.kind == 's'
}

// replaceFilters turns filters into calls of ours. A filter whose operand is
// not understood stays.
func replaceFilters(s string) string {
	for range 1000 {
		l := lex(s)
		done := true
		for i := 1; i+1 < len(l); i++ {
			name, ok := filters[l[i+1].text]
			if !ok || l[i].kind != '|' || l[i+1].kind != 'n' {
				continue
			}
			from := operand(l, i)
			if from < 0 {
				continue
			}
			end := l[i+1].start + len(l[i+1].text)
			args := ")"
			if i+2 < len(l) && l[i+2].kind == '(' {
				end = l[i+2].start + 1
				if args = ", "; i+3 < len(l) && l[i+3].kind == ')' {
					args = ""
				}
			}
			at := l[from].start
			s = s[:at] + name + "(" + strings.TrimSpace(s[at:l[i].start]) + args + s[end:]
			done = false
			break
		}
		if done {
			break
		}
	}
	return s
}

// jsonStyle is how json.dumps was asked to write.
type jsonStyle struct {
	indent      int // -1: on one line
	ascii, sort bool
	item, key   string
}

// toJSON is the tojson of transformers: json.dumps with ensure_ascii=False.
func toJSON(args []jinja.Value, kwargs map[string]jinja.Value) (jinja.Value, error) {
	style := jsonStyle{indent: -1, item: ", ", key: ": "}
	if v, ok := kwargs["indent"]; ok && v.IsInt() {
		style.indent = int(min(max(v.AsInt(), 0), 16))
		style.item = ","
	}
	if len(args) > 1 && args[1].IsInt() { // tojson(4)
		style.indent, style.item = int(min(max(args[1].AsInt(), 0), 16)), ","
	}
	style.ascii = kwargs["ensure_ascii"].IsTruthy()
	style.sort = kwargs["sort_keys"].IsTruthy()
	if v := kwargs["separators"]; v.IsList() && v.AsList().Len() == 2 {
		if a, b := v.AsList().Get(0), v.AsList().Get(1); a.IsString() && b.IsString() {
			style.item, style.key = a.AsString(), b.AsString()
		}
	}
	var b strings.Builder
	if err := style.write(&b, first(args), 0); err != nil {
		return jinja.Undefined(), err
	}
	return jinja.NewString(b.String()), nil
}

func (j jsonStyle) write(b *strings.Builder, v jinja.Value, depth int) error {
	if depth > 4*maxJSONDepth || b.Len() > maxOutput {
		return ErrLimit
	}
	line := func(depth int) {
		if j.indent >= 0 {
			b.WriteString("\n" + strings.Repeat(" ", j.indent*depth))
		}
	}
	switch {
	case v.IsNone():
		b.WriteString("null")
	case v.IsBool():
		b.WriteString(strconv.FormatBool(v.AsBool()))
	case v.IsInt():
		b.WriteString(strconv.FormatInt(v.AsInt(), 10))
	case v.IsFloat():
		b.WriteString(pythonFloat(v.AsFloat()))
	case v.IsString():
		quote(b, v.AsString(), j.ascii)
	case v.IsList():
		b.WriteByte('[')
		for i, item := range v.AsList().Items {
			if i > 0 {
				b.WriteString(j.item)
			}
			line(depth + 1)
			if err := j.write(b, item, depth+1); err != nil {
				return err
			}
		}
		if v.AsList().Len() > 0 {
			line(depth)
		}
		b.WriteByte(']')
	case v.IsDict():
		keys := v.AsDict().OrderedKeys()
		if j.sort {
			slices.Sort(keys)
		}
		b.WriteByte('{')
		for i, key := range keys {
			if i > 0 {
				b.WriteString(j.item)
			}
			line(depth + 1)
			quote(b, key, j.ascii)
			b.WriteString(j.key)
			item, _ := v.AsDict().Get(key)
			if err := j.write(b, item, depth+1); err != nil {
				return err
			}
		}
		if len(keys) > 0 {
			line(depth)
		}
		b.WriteByte('}')
	default:
		return fmt.Errorf("tojson: a value that JSON does not have")
	}
	return nil
}

// pythonFloat is repr(x): the shortest digits, an exponent from 1e16 on and
// below 1e-4, and always a sign of being no integer.
func pythonFloat(x float64) string {
	s := strconv.FormatFloat(x, 'e', -1, 64)
	_, exp, _ := strings.Cut(s, "e")
	if n, err := strconv.Atoi(exp); err == nil && n >= -4 && n < 16 {
		s = strconv.FormatFloat(x, 'f', -1, 64)
		if !strings.Contains(s, ".") {
			s += ".0"
		}
	}
	return strings.NewReplacer("+Inf", "Infinity", "-Inf", "-Infinity").Replace(s)
}

// quote writes a string as json.dumps does.
func quote(b *strings.Builder, s string, ascii bool) {
	b.WriteByte('"')
	for i, r := range s {
		switch {
		case r == '"' || r == '\\':
			b.WriteByte('\\')
			b.WriteRune(r)
		case r == '\n':
			b.WriteString(`\n`)
		case r == '\r':
			b.WriteString(`\r`)
		case r == '\t':
			b.WriteString(`\t`)
		case r == '\b':
			b.WriteString(`\b`)
		case r == '\f':
			b.WriteString(`\f`)
		case r < 0x20, ascii && r > 0x7e && r <= 0xffff:
			fmt.Fprintf(b, `\u%04x`, r)
		case ascii && r > 0xffff:
			r -= 0x10000
			fmt.Fprintf(b, `\u%04x\u%04x`, 0xd800+r>>10, 0xdc00+r&0x3ff)
		case r == utf8.RuneError && s[i] != 0xef: // a byte that is no character
			b.WriteString("\ufffd")
		default:
			b.WriteRune(r)
		}
	}
	b.WriteByte('"')
}

// toString is the string filter: what printing would print.
func toString(v jinja.Value) jinja.Value {
	switch {
	case v.IsString():
		return v
	case v.IsFloat():
		return jinja.NewString(pythonFloat(v.AsFloat()))
	case v.IsUndefined():
		return jinja.NewString("")
	}
	return jinja.NewString(v.String())
}
