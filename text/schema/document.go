package schema

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strconv"
	"strings"
)

// node is a JSON value whose objects keep their order.
type node struct {
	value  any // nil, bool, json.Number, string; ignored for the others
	keys   []string
	fields map[string]*node // of an object
	items  []*node          // of an array
	kind   byte             // 0 a scalar, '{', '['
}

// get returns a field of an object; nil if there is none.
func (n *node) get(key string) *node { return n.fields[key] }

// parse reads a document.
func parse(source []byte) (*node, error) {
	d := json.NewDecoder(bytes.NewReader(source))
	d.UseNumber()
	n, err := parseNode(d, 0)
	if err != nil {
		return nil, fmt.Errorf("schema: %w", err)
	}
	if _, err := d.Token(); !errors.Is(err, io.EOF) {
		return nil, errors.New("schema: more than one JSON value")
	}
	return n, nil
}

func parseNode(d *json.Decoder, depth int) (*node, error) {
	if depth > maxDepth {
		return nil, fmt.Errorf("nested deeper than %d", maxDepth)
	}
	tok, err := d.Token()
	if err != nil {
		return nil, fmt.Errorf("not JSON: %w", err)
	}
	delim, ok := tok.(json.Delim)
	switch {
	case !ok:
		return &node{value: tok}, nil
	case delim == '[':
		n := &node{kind: '['}
		for d.More() {
			item, err := parseNode(d, depth+1)
			if err != nil {
				return nil, err
			}
			n.items = append(n.items, item)
		}
		return n, closing(d)
	}
	n := &node{kind: '{', fields: map[string]*node{}}
	for d.More() {
		tok, err := d.Token()
		if err != nil {
			return nil, fmt.Errorf("not JSON: %w", err)
		}
		key, _ := tok.(string) // the decoder lets nothing else through
		item, err := parseNode(d, depth+1)
		if err != nil {
			return nil, err
		}
		if n.fields[key] != nil {
			return nil, fmt.Errorf("the key %q is there twice", key)
		}
		n.keys = append(n.keys, key)
		n.fields[key] = item
	}
	return n, closing(d)
}

// closing reads the bracket at the end.
func closing(d *json.Decoder) error {
	if _, err := d.Token(); err != nil {
		return fmt.Errorf("not JSON: %w", err)
	}
	return nil
}

// encode writes a value as the model has to, without white space.
func (n *node) encode(b *bytes.Buffer) {
	switch n.kind {
	case '[':
		b.WriteByte('[')
		for i, item := range n.items {
			if i > 0 {
				b.WriteByte(',')
			}
			item.encode(b)
		}
		b.WriteByte(']')
	case '{':
		b.WriteByte('{')
		for i, key := range n.keys {
			if i > 0 {
				b.WriteByte(',')
			}
			b.Write(quoted(key))
			b.WriteByte(':')
			n.fields[key].encode(b)
		}
		b.WriteByte('}')
	default:
		switch v := n.value.(type) {
		case string:
			b.Write(quoted(v))
		case json.Number:
			b.WriteString(v.String())
		case bool:
			fmt.Fprint(b, v)
		default:
			b.WriteString("null")
		}
	}
}

// quoted is a string as JSON, with as few escapes as can be.
func quoted(s string) []byte {
	var b bytes.Buffer
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	_ = e.Encode(s) // strings always can
	return bytes.TrimSuffix(b.Bytes(), []byte("\n"))
}

// typeOf names the type of a value as schemas do; a whole number is an integer.
func (n *node) typeOf() string {
	switch n.kind {
	case '[':
		return "array"
	case '{':
		return "object"
	}
	switch v := n.value.(type) {
	case string:
		return "string"
	case bool:
		return "boolean"
	case json.Number:
		if x, ok := decimal(v.String()); ok && x.IsInt() {
			return "integer"
		}
		return "number"
	}
	return "null"
}

// find follows a reference within the document.
func (n *node) find(ref string) (*node, bool) {
	path, ok := strings.CutPrefix(ref, "#")
	if !ok {
		return nil, false
	}
	if path == "" {
		return n, true
	}
	if path[0] != '/' {
		return nil, false
	}
	for part := range strings.SplitSeq(path[1:], "/") {
		part = strings.NewReplacer("~1", "/", "~0", "~").Replace(part)
		switch n.kind {
		case '{':
			n = n.fields[part]
		case '[':
			at, err := strconv.Atoi(part)
			if err != nil || at < 0 || at >= len(n.items) {
				return nil, false
			}
			n = n.items[at]
		default:
			return nil, false
		}
		if n == nil {
			return nil, false
		}
	}
	return n, true
}
