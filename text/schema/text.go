package schema

import (
	"regexp/syntax"
	"strings"
)

// formats are the ones that are kept, as patterns; every text they let through
// is right, not every right text is let through.
var formats = map[string]string{
	"date":      `^(19|20)[0-9]{2}-(0[1-9]|1[0-2])-(0[1-9]|1[0-9]|2[0-8])$`,
	"time":      `^([01][0-9]|2[0-3]):[0-5][0-9]:[0-5][0-9](\.[0-9]{1,6})?(Z|[+-](0[0-9]|1[0-3]):[0-5][0-9])$`,
	"date-time": `^(19|20)[0-9]{2}-(0[1-9]|1[0-2])-(0[1-9]|1[0-9]|2[0-8])T([01][0-9]|2[0-3]):[0-5][0-9]:[0-5][0-9](\.[0-9]{1,6})?(Z|[+-](0[0-9]|1[0-3]):[0-5][0-9])$`,
	"uuid":      `^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$`,
	"ipv4":      `^((25[0-5]|2[0-4][0-9]|1[0-9][0-9]|[1-9]?[0-9])\.){3}(25[0-5]|2[0-4][0-9]|1[0-9][0-9]|[1-9]?[0-9])$`,
	"email":     `^[a-zA-Z0-9_+-]{1,20}(\.[a-zA-Z0-9_+-]{1,20}){0,2}@[a-z0-9]([a-z0-9-]{0,20}[a-z0-9])?(\.[a-z0-9]([a-z0-9-]{0,20}[a-z0-9])?){0,3}\.[a-z]{2,10}$`,
}

// anyText is any text.
func (b *builder) anyText() sym {
	return b.shared("text", func() sym { return b.quoted(b.g.repeat(b.char(), 0, -1)) })
}

func (b *builder) quoted(inside sym) sym {
	return b.g.seq(b.g.single['"'], inside, b.g.single['"'])
}

// char is one character of a text, as it is or escaped.
func (b *builder) char() sym {
	return b.shared("char", func() sym {
		g := b.g
		hex := g.class('0', '9', 'a', 'f', 'A', 'F')
		d := g.class('d', 'd', 'D', 'D')
		alts := b.plainRunes([]rune{0x20, 0x10ffff})
		back := g.single['\\']
		alts = append(
			alts,
			[]sym{back, g.class('"', '"', '\\', '\\', '/', '/', 'b', 'b', 'f', 'f', 'n', 'n', 'r', 'r', 't', 't')},
			[]sym{back, g.single['u'], g.class('0', '9', 'a', 'c', 'e', 'f', 'A', 'C', 'E', 'F'), hex, hex, hex},
			[]sym{back, g.single['u'], d, g.class('0', '7'), hex, hex},
			[]sym{
				back, g.single['u'], d, g.class('8', '9', 'a', 'b', 'A', 'B'), hex, hex,
				back, g.single['u'], d, g.class('c', 'f', 'C', 'F'), hex, hex,
			},
		)
		return g.alt(alts...)
	})
}

// text builds the texts of a schema.
func (b *builder) text(n *node, path string) (sym, error) {
	low, err := count(n, "minLength", 0, path)
	if err != nil {
		return 0, err
	}
	high, err := count(n, "maxLength", -1, path)
	if err != nil {
		return 0, err
	}
	if high >= 0 && low > high {
		return 0, unsupported(path, "minLength is more than maxLength")
	}
	counted := n.get("minLength") != nil || n.get("maxLength") != nil
	pattern := ""
	if f := n.get("format"); f != nil {
		name, _ := f.value.(string)
		pattern = formats[name]
	}
	if p := n.get("pattern"); p != nil {
		s, ok := p.value.(string)
		switch {
		case !ok:
			return 0, unsupported(path, "pattern is no text")
		case pattern != "":
			return 0, unsupported(path, "pattern beside a format that is kept")
		}
		pattern = s
		if s == "" {
			pattern = "^"
		}
	}
	switch {
	case pattern == "":
		return b.quoted(b.g.repeat(b.char(), low, high)), nil
	case counted:
		return 0, unsupported(path, "a pattern or format beside minLength or maxLength")
	}
	inside, err := b.pattern(pattern, path)
	if err != nil {
		return 0, err
	}
	return b.quoted(inside), nil
}

// pattern builds the texts in which a pattern is found. Patterns are those of
// ECMAScript as far as Go's syntax has the same; what one of the two reads
// otherwise is refused or left out.
func (b *builder) pattern(pattern, path string) (sym, error) {
	if len(pattern) > 4096 {
		return 0, unsupported(path, "a pattern of more than 4096 bytes")
	}
	if strings.Contains(pattern, "(?") && strings.Contains(strings.ReplaceAll(pattern, "(?:", ""), "(?") {
		return 0, unsupported(path, "groups that begin (? are not supported in patterns, but (?:")
	}
	for _, escape := range []string{`\A`, `\z`, `\Z`, `\a`, `\Q`, `\E`, `\C`, `[[:`, `\pN`, `\x{`} {
		if strings.Contains(strings.ReplaceAll(pattern, `\\`, ""), escape) {
			return 0, unsupported(path, "%q is not supported in patterns", escape)
		}
	}
	re, err := syntax.Parse(pattern, syntax.Perl)
	if err != nil {
		return 0, unsupported(path, "pattern: %v", err)
	}
	return b.search(re, path)
}

// search is a text that has the expression somewhere, or where anchors say.
func (b *builder) search(re *syntax.Regexp, path string) (sym, error) {
	g := b.g
	switch re.Op {
	case syntax.OpCapture:
		return b.search(re.Sub[0], path)
	case syntax.OpAlternate:
		var alts [][]sym
		for _, sub := range re.Sub {
			s, err := b.search(sub, path)
			if err != nil {
				return 0, err
			}
			alts = append(alts, []sym{s})
		}
		return g.alt(alts...), nil
	}
	parts := []*syntax.Regexp{re}
	if re.Op == syntax.OpConcat {
		parts = re.Sub
	}
	var out []sym
	free := g.repeat(b.char(), 0, -1)
	if len(parts) > 0 && parts[0].Op == syntax.OpBeginText {
		parts = parts[1:]
	} else {
		out = append(out, free)
	}
	end := free
	if len(parts) > 0 && parts[len(parts)-1].Op == syntax.OpEndText {
		parts, end = parts[:len(parts)-1], g.alt(nil)
	}
	// of ^(^a|b)$ and its like only the outer anchors are read
	for _, p := range parts {
		s, err := b.expression(p, path)
		if err != nil {
			return 0, err
		}
		out = append(out, s)
	}
	return g.seq(append(out, end)...), nil
}

// expression builds what an expression matches, without anchors.
func (b *builder) expression(re *syntax.Regexp, path string) (sym, error) {
	g := b.g
	if re.Flags&syntax.FoldCase != 0 && re.Op == syntax.OpLiteral {
		return 0, unsupported(path, "patterns that ignore case are not supported")
	}
	var subs []sym
	switch re.Op {
	case syntax.OpCapture, syntax.OpStar, syntax.OpPlus, syntax.OpQuest, syntax.OpRepeat, syntax.OpConcat, syntax.OpAlternate:
		for _, r := range re.Sub {
			s, err := b.expression(r, path)
			if err != nil {
				return 0, err
			}
			subs = append(subs, s)
		}
	}
	switch re.Op {
	case syntax.OpEmptyMatch:
		return g.alt(nil), nil
	case syntax.OpLiteral:
		var out []sym
		for _, r := range re.Rune {
			out = append(out, b.runes([]rune{r, r}))
		}
		return g.seq(out...), nil
	case syntax.OpCharClass:
		return b.runes(re.Rune), nil
	case syntax.OpAnyCharNotNL: // ECMAScript's line ends
		return b.runes([]rune{0, '\n' - 1, '\n' + 1, '\r' - 1, '\r' + 1, 0x2027, 0x202a, 0x10ffff}), nil
	case syntax.OpAnyChar:
		return b.runes([]rune{0, 0x10ffff}), nil
	case syntax.OpCapture:
		return subs[0], nil
	case syntax.OpConcat:
		return g.seq(subs...), nil
	case syntax.OpAlternate:
		var alts [][]sym
		for _, s := range subs {
			alts = append(alts, []sym{s})
		}
		return g.alt(alts...), nil
	case syntax.OpStar:
		return g.repeat(subs[0], 0, -1), nil
	case syntax.OpPlus:
		return g.repeat(subs[0], 1, -1), nil
	case syntax.OpQuest:
		return g.repeat(subs[0], 0, 1), nil
	case syntax.OpRepeat:
		return g.repeat(subs[0], re.Min, re.Max), nil
	}
	return 0, unsupported(path, "%q is not supported within a pattern", re.String())
}

// runes is one character of the ranges, in the way that JSON writes it: as it
// is, or where that cannot be, by its shortest escape.
func (b *builder) runes(ranges []rune) sym {
	g := b.g
	alts := b.plainRunes(ranges)
	back := g.single['\\']
	for i := 0; i+1 < len(ranges); i += 2 {
		for r := ranges[i]; r <= ranges[i+1] && r <= '\\'; r++ {
			switch {
			case r == '"' || r == '\\':
				alts = append(alts, []sym{back, g.single[r]})
			case r < 0x20:
				if at := strings.IndexRune("\b\f\n\r\t", r); at >= 0 {
					alts = append(alts, []sym{back, g.single["bfnrt"[at]]})
				} else {
					const hex = "0123456789abcdef"
					alts = append(alts, append([]sym{back}, g.lit("u00"+string(hex[r>>4])+string(hex[r&15]))...))
				}
			}
		}
	}
	return g.alt(alts...)
}

// plainRunes are the byte sequences of those characters in the ranges that
// need no escape.
func (b *builder) plainRunes(ranges []rune) (out [][]sym) {
	cut := func(lo, hi rune) {
		if lo <= hi {
			out = append(out, b.utf8Range(lo, hi)...)
		}
	}
	for i := 0; i+1 < len(ranges); i += 2 {
		lo, hi := max(ranges[i], 0x20), min(ranges[i+1], 0x10ffff)
		for _, gap := range [][2]rune{{'"', '"'}, {'\\', '\\'}, {0xd800, 0xdfff}} {
			cut(lo, min(hi, gap[0]-1))
			lo = max(lo, gap[1]+1)
		}
		cut(lo, hi)
	}
	return out
}

// utf8Range is the characters lo to hi as sequences of byte ranges.
func (b *builder) utf8Range(lo, hi rune) (out [][]sym) {
	if lo > hi {
		return nil
	}
	for _, last := range []rune{0x7f, 0x7ff, 0xffff} { // lengths of one to three bytes
		if lo <= last && hi > last {
			return append(b.utf8Range(lo, last), b.utf8Range(last+1, hi)...)
		}
	}
	if hi <= 0x7f {
		return [][]sym{{b.g.class(byte(lo), byte(hi))}}
	}
	for shift := 6; shift <= 18; shift += 6 { // make the tails whole: 80 to BF
		m := rune(1)<<shift - 1
		if lo&^m == hi&^m {
			continue
		}
		if lo&m != 0 {
			return append(b.utf8Range(lo, lo|m), b.utf8Range(lo|m+1, hi)...)
		}
		if hi&m != m {
			return append(b.utf8Range(lo, hi&^m-1), b.utf8Range(hi&^m, hi)...)
		}
	}
	x, y := string(lo), string(hi)
	var seq []sym
	for i := range len(x) {
		seq = append(seq, b.g.class(x[i], y[i]))
	}
	return [][]sym{seq}
}
