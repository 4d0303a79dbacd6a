package schema

import (
	"bytes"
	"encoding/json"
	"fmt"
	"slices"
	"strings"
)

// notes are keywords that say nothing about which values are right.
var notes = []string{
	"$schema", "$id", "$comment", "$defs", "definitions", "title", "description", "default", "examples", "example",
	"deprecated", "readOnly", "writeOnly", "contentMediaType", "contentEncoding",
}

// keywords are those that are looked at, by the type they speak of.
var keywords = map[string][]string{
	"object":  {"properties", "required", "additionalProperties"},
	"array":   {"items", "prefixItems", "minItems", "maxItems"},
	"string":  {"minLength", "maxLength", "pattern", "format"},
	"number":  {"minimum", "maximum", "exclusiveMinimum", "exclusiveMaximum", "multipleOf"},
	"integer": {"minimum", "maximum", "exclusiveMinimum", "exclusiveMaximum", "multipleOf"},
}

var allTypes = []string{"object", "array", "string", "number", "boolean", "null"}

// builder turns a document into a grammar.
type builder struct {
	g    *grammar
	root *node
	done map[*node]sym // what was begun: references may go in circles
	met  map[[2]*node]bool

	tight bool // no white space between values
}

// schema builds the symbol of a schema.
func (b *builder) schema(n *node, path string) (sym, error) {
	if s, ok := b.done[n]; ok {
		return s, nil
	}
	if len(b.g.symbols) > maxSymbols {
		return 0, fmt.Errorf("schema: %s: a grammar of more than %d symbols", path, maxSymbols)
	}
	if v, ok := n.value.(bool); ok {
		if v {
			return b.any(), nil
		}
		return 0, unsupported(path, "the schema false lets nothing through")
	}
	if n.kind != '{' {
		return 0, unsupported(path, "a schema is an object, not %s", n.typeOf())
	}
	self := b.g.alt()
	b.done[n] = self
	of, err := b.build(n, path)
	if err != nil {
		return 0, err
	}
	b.g.symbols[self].alts = [][]sym{{of}}
	return self, nil
}

func (b *builder) build(n *node, path string) (sym, error) {
	if err := known(n, path); err != nil {
		return 0, err
	}
	for _, key := range []string{"$ref", "anyOf", "oneOf", "allOf"} {
		if n.get(key) == nil {
			continue
		}
		if other := b.beside(n, key); other != "" {
			return 0, unsupported(path, "%q beside %q", other, key)
		}
		switch key {
		case "$ref":
			return b.ref(n.get(key), path)
		case "allOf":
			if list := n.get(key); list.kind == '[' && len(list.items) == 1 {
				return b.schema(list.items[0], path+"/allOf/0")
			}
			return 0, unsupported(path, "allOf of more than one schema")
		}
		return b.choice(n.get(key), key, path)
	}
	types, err := b.types(n, path)
	if err != nil {
		return 0, err
	}
	if n.get("enum") != nil || n.get("const") != nil {
		return b.values(n, types, path)
	}
	var alts [][]sym
	for _, t := range types {
		s, err := b.typed(n, t, path)
		if err != nil {
			return 0, err
		}
		alts = append(alts, []sym{s})
	}
	return b.g.alt(alts...), nil
}

// known refuses keywords outside of the subset.
func known(n *node, path string) error {
	for _, key := range n.keys {
		switch {
		case slices.Contains(notes, key), slices.Contains([]string{"type", "enum", "const", "$ref", "anyOf", "oneOf", "allOf"}, key):
			continue
		case key == "nullable":
			return unsupported(path, `the keyword "nullable" is OpenAPI's; write "type": [..., "null"]`)
		case key == "uniqueItems":
			if v, ok := n.get(key).value.(bool); ok && !v {
				continue
			}
		}
		ok := false
		for _, list := range keywords {
			ok = ok || slices.Contains(list, key)
		}
		if !ok {
			return unsupported(path, "the keyword %q is not supported", key)
		}
	}
	return nil
}

// beside names a keyword that would have to hold together with this one; "" is
// none. A type that all of anyOf's branches have anyway is none.
func (b *builder) beside(n *node, key string) string {
	for _, k := range n.keys {
		if k == key || slices.Contains(notes, k) {
			continue
		}
		if t, ok := n.get(k).value.(string); ok && k == "type" && (key == "anyOf" || key == "oneOf") {
			same := true
			for _, branch := range n.get(key).items {
				bt, _ := typeNames(branch)
				same = same && len(bt) == 1 && bt[0] == t
			}
			if same {
				continue
			}
		}
		return k
	}
	return ""
}

func (b *builder) ref(n *node, path string) (sym, error) {
	ref, ok := n.value.(string)
	if !ok {
		return 0, unsupported(path, "$ref is no text")
	}
	to, ok := b.root.find(ref)
	if !ok {
		return 0, unsupported(path, "the reference %q leads nowhere in this document", ref)
	}
	return b.schema(to, ref)
}

// choice builds anyOf and oneOf.
func (b *builder) choice(n *node, key, path string) (sym, error) {
	if n.kind != '[' || len(n.items) == 0 {
		return 0, unsupported(path, "%s is no list of schemas", key)
	}
	var alts [][]sym
	for i, item := range n.items {
		s, err := b.schema(item, fmt.Sprintf("%s/%s/%d", path, key, i))
		if err != nil {
			return 0, err
		}
		alts = append(alts, []sym{s})
		for j, other := range n.items[:i] {
			if key == "oneOf" && !b.apart(item, other, 0) {
				return 0, unsupported(path, "branches %d and %d of oneOf may hold together; use anyOf", j, i)
			}
		}
	}
	return b.g.alt(alts...), nil
}

// typeNames are the types that a schema names itself.
func typeNames(n *node) ([]string, bool) {
	t := n.get("type")
	if t == nil {
		return nil, true
	}
	if s, ok := t.value.(string); ok {
		return []string{s}, true
	}
	var out []string
	for _, item := range t.items {
		s, ok := item.value.(string)
		if !ok {
			return nil, false
		}
		out = append(out, s)
	}
	return out, t.kind == '[' && len(out) > 0
}

// types are the types of which values are written: those that the schema
// names, else the one that its keywords speak of, else all.
func (b *builder) types(n *node, path string) ([]string, error) {
	types, ok := typeNames(n)
	if !ok {
		return nil, unsupported(path+"/type", "it is no type")
	}
	for _, t := range types {
		if !slices.Contains(allTypes, t) && t != "integer" {
			return nil, unsupported(path+"/type", "%q is no type", t)
		}
	}
	if types != nil {
		return types, nil
	}
	for _, t := range allTypes {
		for _, k := range keywords[t] {
			if n.get(k) != nil {
				return []string{t}, nil
			}
		}
	}
	return allTypes, nil
}

// values builds enum and const.
func (b *builder) values(n *node, types []string, path string) (sym, error) {
	for _, list := range keywords {
		for _, k := range list {
			if n.get(k) != nil {
				return 0, unsupported(path, "%q beside enum or const", k)
			}
		}
	}
	values, ok := enumerated(n)
	if !ok {
		return 0, unsupported(path, "enum is no list")
	}
	var texts []string
	named, _ := typeNames(n)
	for _, v := range values {
		t := v.typeOf()
		if named != nil && !slices.Contains(types, t) && (t != "integer" || !slices.Contains(types, "number")) {
			continue
		}
		var text bytes.Buffer
		v.encode(&text)
		texts = append(texts, text.String())
	}
	if len(texts) == 0 {
		return 0, unsupported(path, "no value of enum or const is of the type")
	}
	slices.Sort(texts)
	return b.texts(slices.Compact(texts)), nil
}

// enumerated are the values that enum and const leave, if there are such.
func enumerated(n *node) ([]*node, bool) {
	c, e := n.get("const"), n.get("enum")
	switch {
	case e != nil && e.kind != '[':
		return nil, false
	case c == nil && e == nil:
		return nil, false
	case c == nil:
		return e.items, true
	case e == nil:
		return []*node{c}, true
	}
	var out []*node
	for _, v := range e.items {
		if same(v, c) {
			out = append(out, v)
		}
	}
	return out, true
}

// same says whether two values are equal as JSON Schema sees it.
func same(a, b *node) bool {
	if a.kind != b.kind || len(a.items) != len(b.items) || len(a.keys) != len(b.keys) {
		return false
	}
	x, okx := a.value.(json.Number)
	y, oky := b.value.(json.Number)
	if okx && oky {
		p, ok1 := decimal(x.String())
		q, ok2 := decimal(y.String())
		return ok1 && ok2 && p.Cmp(q) == 0 || x == y
	}
	if a.kind == 0 {
		return a.value == b.value
	}
	for i := range a.items {
		if !same(a.items[i], b.items[i]) {
			return false
		}
	}
	for k, v := range a.fields {
		if b.fields[k] == nil || !same(v, b.fields[k]) {
			return false
		}
	}
	return true
}

// apart says whether two schemas surely accept no value both.
func (b *builder) apart(x, y *node, depth int) bool {
	if x.kind != '{' || y.kind != '{' || depth > maxDepth {
		return false
	}
	follow := func(n *node) *node {
		for range maxDepth {
			r := n.get("$ref")
			if r == nil {
				break
			}
			ref, _ := r.value.(string)
			to, ok := b.root.find(ref)
			if !ok || to.kind != '{' {
				break
			}
			n = to
		}
		return n
	}
	x, y = follow(x), follow(y)
	if known, ok := b.met[[2]*node{x, y}]; ok {
		return known // amid it, false: that is not sure yet
	}
	b.met[[2]*node{x, y}] = false
	b.met[[2]*node{x, y}] = b.apartValues(x, y, depth)
	return b.met[[2]*node{x, y}]
}

// apartValues is apart for schemas that are no references.
func (b *builder) apartValues(x, y *node, depth int) bool {
	xv, xok := enumerated(x)
	yv, yok := enumerated(y)
	if xok && yok {
		return !slices.ContainsFunc(xv, func(v *node) bool {
			return slices.ContainsFunc(yv, func(w *node) bool { return same(v, w) })
		})
	}
	xt, _ := typeNames(x)
	yt, _ := typeNames(y)
	if xok && xt == nil {
		xt = typesOf(xv)
	}
	if yok && yt == nil {
		yt = typesOf(yv)
	}
	if xt == nil || yt == nil {
		return false
	}
	meet := slices.ContainsFunc(xt, func(t string) bool {
		return slices.Contains(yt, t) || t == "integer" && slices.Contains(yt, "number") || t == "number" && slices.Contains(yt, "integer")
	})
	if !meet {
		return true
	}
	if len(xt) != 1 || len(yt) != 1 || xt[0] != "object" || x.get("properties") == nil || y.get("properties") == nil {
		return false
	}
	for key, p := range x.get("properties").fields {
		q := y.get("properties").get(key)
		if q != nil && requires(x, key) && requires(y, key) && b.apart(p, q, depth+1) {
			return true
		}
	}
	return false
}

func typesOf(values []*node) (out []string) {
	for _, v := range values {
		out = append(out, v.typeOf())
	}
	return out
}

func requires(n *node, key string) bool {
	r := n.get("required")
	return r != nil && slices.ContainsFunc(r.items, func(i *node) bool { return i.value == key })
}

// typed builds the values of one type.
func (b *builder) typed(n *node, t, path string) (sym, error) {
	switch t {
	case "object":
		return b.object(n, path)
	case "array":
		return b.array(n, path)
	case "string":
		return b.text(n, path)
	case "number", "integer":
		return b.number(n, t == "integer", path)
	case "boolean":
		return b.texts([]string{"false", "true"}), nil
	}
	return b.texts([]string{"null"}), nil
}

// texts is one of several texts, as a tree: sorted, without doubles.
func (b *builder) texts(list []string) sym {
	if len(list) == 1 {
		return b.g.seq(b.g.lit(list[0])...)
	}
	var alts [][]sym
	for i := 0; i < len(list); {
		if list[i] == "" {
			alts = append(alts, nil)
			i++
			continue
		}
		j := i
		for j < len(list) && list[j] != "" && list[j][0] == list[i][0] {
			j++
		}
		prefix := len(list[i])
		for _, s := range list[i:j] {
			n := 0
			for n < prefix && n < len(s) && s[n] == list[i][n] {
				n++
			}
			prefix = n
		}
		rest := make([]string, 0, j-i)
		for _, s := range list[i:j] {
			rest = append(rest, s[prefix:])
		}
		alts = append(alts, append(b.g.lit(list[i][:prefix]), b.texts(rest)))
		i = j
	}
	return b.g.alt(alts...)
}

// count reads a keyword that counts; def if it is not there.
func count(n *node, key string, def int, path string) (int, error) {
	v := n.get(key)
	if v == nil {
		return def, nil
	}
	num, ok := v.value.(json.Number)
	x, fine := decimal(num.String())
	if !ok || !fine || !x.IsInt() || x.Sign() < 0 {
		return 0, unsupported(path, "%s is no count", key)
	}
	if !x.Num().IsInt64() || x.Num().Int64() > maxCount {
		if strings.HasPrefix(key, "max") {
			return maxCount, nil // fewer are right as well
		}
		return 0, unsupported(path, "%s is more than %d", key, maxCount)
	}
	return int(x.Num().Int64()), nil
}
