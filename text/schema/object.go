package schema

import (
	"fmt"
	"slices"
	"strings"
)

// shared builds a symbol once.
func (b *builder) shared(name string, build func() sym) sym {
	s, ok := b.g.shared[name]
	if !ok {
		s = b.g.alt() // may refer to itself
		b.g.shared[name] = s
		of := build()
		b.g.symbols[s].alts = [][]sym{{of}}
	}
	return s
}

// space is the white space between values: none, one space, or a line break
// with its indentation.
func (b *builder) space() sym {
	return b.shared("space", func() sym {
		g := b.g
		if b.tight {
			return g.alt(nil)
		}
		return g.alt(nil, g.lit(" "), []sym{g.single['\n'], g.repeat(g.class(' ', ' ', '\t', '\t'), 0, 40)})
	})
}

// gap is the space after a colon.
func (b *builder) gap() sym {
	return b.shared("gap", func() sym {
		if b.tight {
			return b.g.alt(nil)
		}
		return b.g.alt(nil, b.g.lit(" "))
	})
}

// any is any value.
func (b *builder) any() sym {
	return b.shared("any", func() sym {
		g := b.g
		return g.alt([]sym{b.anyObject()}, []sym{b.anyArray()}, []sym{b.anyText()}, []sym{b.anyNumber()},
			g.lit("true"), g.lit("false"), g.lit("null"))
	})
}

func (b *builder) anyObject() sym {
	return b.shared("object", func() sym {
		return b.members([]sym{b.pair(b.anyText(), b.any())}, nil)
	})
}

func (b *builder) anyArray() sym {
	return b.shared("array", func() sym { return b.list(b.any(), 0, -1) })
}

// pair is a key and its value.
func (b *builder) pair(key, value sym) sym {
	g := b.g
	return g.seq(key, g.single[':'], b.gap(), value)
}

// property is one that the schema names.
type property struct {
	pair     sym
	required bool
}

// members is an object: the named properties in their order, then any number
// of the further ones, of which further holds one or none.
func (b *builder) members(further []sym, named []property) sym {
	g := b.g
	// what may follow when nothing was written yet, and when something was
	first, later := g.alt(nil), g.alt(nil)
	for _, f := range further {
		more := g.repeat(g.seq(g.single[','], b.space(), f), 0, -1)
		first = g.alt(nil, []sym{b.space(), f, more})
		later = more
	}
	for _, p := range slices.Backward(named) {
		f := []sym{b.space(), p.pair, later}
		l := []sym{g.single[','], b.space(), p.pair, later}
		if p.required {
			first, later = g.alt(f), g.alt(l)
		} else {
			first, later = g.alt(f, []sym{first}), g.alt(l, []sym{later})
		}
	}
	return g.seq(g.single['{'], first, b.space(), g.single['}'])
}

// object builds the objects of a schema.
func (b *builder) object(n *node, path string) (sym, error) {
	props, more := n.get("properties"), n.get("additionalProperties")
	if props != nil && props.kind != '{' {
		return 0, unsupported(path, "properties is no object")
	}
	keys, fields := []string{}, map[string]*node{}
	if props != nil {
		keys, fields = slices.Clone(props.keys), props.fields
	}
	required, err := requiredKeys(n, path)
	if err != nil {
		return 0, err
	}
	closed := more != nil && more.value == false
	for _, key := range required {
		if fields[key] == nil {
			if closed {
				return 0, unsupported(path, "the property %q is required and not allowed", key)
			}
			keys = append(keys, key)
		}
	}
	var further []sym
	value := b.any()
	if more != nil && !closed {
		if value, err = b.schema(more, path+"/additionalProperties"); err != nil {
			return 0, err
		}
	}
	if more != nil && !closed || more == nil && props == nil {
		further = []sym{b.pair(b.otherKey(keys), value)}
	}
	var named []property
	for _, key := range keys {
		s := value
		if fields[key] != nil {
			if s, err = b.schema(fields[key], path+"/properties/"+escape(key)); err != nil {
				return 0, err
			}
		}
		named = append(named, property{b.pair(b.g.seq(b.g.lit(string(quoted(key)))...), s), slices.Contains(required, key)})
	}
	return b.members(further, named), nil
}

func escape(key string) string { return strings.NewReplacer("~", "~0", "/", "~1").Replace(key) }

func requiredKeys(n *node, path string) ([]string, error) {
	r := n.get("required")
	if r == nil {
		return nil, nil
	}
	var out []string
	for _, item := range r.items {
		key, ok := item.value.(string)
		if !ok {
			return nil, unsupported(path, "required has what is no name")
		}
		if !slices.Contains(out, key) {
			out = append(out, key)
		}
	}
	if r.kind != '[' {
		return nil, unsupported(path, "required is no list")
	}
	return out, nil
}

// otherKey is a key that is none of these. Such keys are written without
// escapes, so that there is one way to write each.
func (b *builder) otherKey(keys []string) sym {
	if len(keys) == 0 {
		return b.anyText()
	}
	runes := make([][]rune, len(keys))
	for i, k := range keys {
		runes[i] = []rune(k)
	}
	return b.g.seq(b.g.single['"'], b.notOneOf(runes))
}

// notOneOf is the rest of a text, with its closing quote, that is none of these.
func (b *builder) notOneOf(keys [][]rune) sym {
	g := b.g
	next := map[rune][][]rune{}
	var order []rune
	taken := false
	for _, k := range keys {
		if len(k) == 0 {
			taken = true
			continue
		}
		if next[k[0]] == nil {
			order = append(order, k[0])
		}
		next[k[0]] = append(next[k[0]], k[1:])
	}
	var alts [][]sym
	if !taken {
		alts = append(alts, g.lit(`"`))
	}
	slices.Sort(order)
	var other []rune // ranges between the runes
	at := rune(0x20)
	for _, r := range order {
		if r > at {
			other = append(other, at, r-1)
		}
		at = max(at, r+1)
		if r >= 0x20 && r != '"' && r != '\\' {
			alts = append(alts, append(g.lit(string(r)), b.notOneOf(next[r])))
		}
	}
	other = append(other, at, 0x10ffff)
	if plain := b.plainRunes(other); len(plain) > 0 {
		free := b.shared("rest of a plain text", func() sym {
			return g.seq(g.repeat(g.alt(b.plainRunes([]rune{0x20, 0x10ffff})...), 0, -1), g.single['"'])
		})
		alts = append(alts, []sym{g.alt(plain...), free})
	}
	return g.alt(alts...)
}

// list is an array of low to high items.
func (b *builder) list(item sym, low, high int) sym {
	g := b.g
	if high == 0 {
		return g.seq(g.single['['], b.space(), g.single[']'])
	}
	more := g.repeat(g.seq(g.single[','], b.space(), item), max(low-1, 0), max(high-1, -1))
	full := []sym{g.single['['], b.space(), item, more, b.space(), g.single[']']}
	if low > 0 {
		return g.alt(full)
	}
	return g.alt(full, []sym{g.single['['], b.space(), g.single[']']})
}

// array builds the arrays of a schema.
func (b *builder) array(n *node, path string) (sym, error) {
	low, err := count(n, "minItems", 0, path)
	if err != nil {
		return 0, err
	}
	high, err := count(n, "maxItems", -1, path)
	if err != nil {
		return 0, err
	}
	if high >= 0 && low > high {
		return 0, unsupported(path, "minItems is more than maxItems")
	}
	item, closed := b.any(), false
	if items := n.get("items"); items != nil && items.value == false {
		closed = true
	} else if items != nil {
		if item, err = b.schema(items, path+"/items"); err != nil {
			return 0, err
		}
	}
	prefix := n.get("prefixItems")
	if prefix == nil {
		if closed {
			high = 0
		}
		return b.list(item, low, high), nil
	}
	return b.tuple(prefix, item, low, high, closed || n.get("items") == nil, path)
}

// tuple is an array with schemas for its first items, all of which are written.
func (b *builder) tuple(prefix *node, item sym, low, high int, closed bool, path string) (sym, error) {
	k := len(prefix.items)
	if prefix.kind != '[' || k == 0 {
		return 0, unsupported(path, "prefixItems is no list of schemas")
	}
	if high >= 0 && high < k || closed && low > k {
		return 0, unsupported(path, "%d prefixItems beside minItems %d and maxItems %d", k, low, high)
	}
	g := b.g
	out := []sym{g.single['[']}
	for i, p := range prefix.items {
		s, err := b.schema(p, fmt.Sprintf("%s/prefixItems/%d", path, i))
		if err != nil {
			return 0, err
		}
		if i > 0 {
			out = append(out, g.single[','])
		}
		out = append(out, b.space(), s)
	}
	if !closed {
		out = append(out, g.repeat(g.seq(g.single[','], b.space(), item), max(low-k, 0), max(high-k, -1)))
	}
	return g.seq(append(out, b.space(), g.single[']'])...), nil
}
