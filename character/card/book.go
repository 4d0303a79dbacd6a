package card

import (
	"encoding/json"
	"fmt"
	"strconv"
	"strings"
)

const (
	maxEntries    = 20_000
	maxKeys       = 512
	maxDecorators = 64
)

// Book is a lorebook: texts that enter the prompt when the conversation names
// them.
type Book struct {
	Name        string
	ScanDepth   int // messages to look through; 0: the caller's
	TokenBudget int // 0: the caller's
	Recursive   bool
	Entries     []Entry

	rest fields
}

// Entry is a text of a lorebook.
type Entry struct {
	Keys, SecondaryKeys []string
	Content             string // without its decorators
	Enabled             bool
	Order               int // lower stands higher up
	Priority            int // lower is dropped first
	CaseSensitive       bool
	Regex               bool
	Selective           bool // a secondary key must be there too
	Constant            bool
	AfterChar           bool // stands after the character's description
	Name                string

	Decorators []Decorator

	content string // as it came
	rest    fields
}

// Decorator is an instruction at the head of an entry's content, such as
// @@depth 4.
type Decorator struct{ Name, Value string }

// ParseBook reads a lorebook: a character_book, or SillyTavern's world info.
func ParseBook(raw json.RawMessage) (*Book, error) {
	var f fields
	if err := json.Unmarshal(raw, &f); err != nil {
		return nil, fmt.Errorf("character_book: %w", err)
	}
	r := reader{f, nil}
	b := &Book{Name: r.text("name"), rest: f}
	r.number("scan_depth", &b.ScanDepth)
	r.number("token_budget", &b.TokenBudget)
	r.flag("recursive_scanning", &b.Recursive)
	list, err := entriesOf(f["entries"])
	if err != nil {
		return nil, err
	}
	if len(list) > maxEntries {
		return nil, fmt.Errorf("character_book: %d entries, at most %d", len(list), maxEntries)
	}
	for i, f := range list {
		e, err := parseEntry(f)
		if err != nil {
			return nil, fmt.Errorf("character_book: entry %d: %w", i, err)
		}
		b.Entries = append(b.Entries, e)
	}
	return b, r.err
}

// entriesOf takes a list, or an object by number as world info files have it.
func entriesOf(raw json.RawMessage) ([]fields, error) {
	if len(raw) == 0 || isNull(raw) {
		return nil, nil
	}
	var list []fields
	if err := json.Unmarshal(raw, &list); err == nil {
		return list, nil
	}
	var by map[string]fields
	if err := json.Unmarshal(raw, &by); err != nil {
		return nil, fmt.Errorf("character_book: entries: %w", err)
	}
	for i := 0; len(list) < len(by) && i < 2*maxEntries; i++ {
		if f, ok := by[strconv.Itoa(i)]; ok {
			list = append(list, f)
		}
	}
	return list, nil
}

func (r *reader) number(key string, to *int) {
	var n float64
	if r.get(key, &n) && n == n && n > -1e9 && n < 1e9 {
		*to = int(n)
	}
}

func (r *reader) flag(key string, to *bool) { r.get(key, to) }

// first is text or list under the first key that is there.
func (r *reader) first(keys ...string) string {
	for _, k := range keys {
		if _, ok := r.f[k]; ok {
			return k
		}
	}
	return keys[0]
}

func parseEntry(f fields) (Entry, error) {
	r := reader{f, nil}
	e := Entry{Enabled: true, rest: f}
	e.Keys = r.list(r.first("keys", "key"), maxKeys)
	e.SecondaryKeys = r.list(r.first("secondary_keys", "keysecondary"), maxKeys)
	e.content = r.text("content")
	r.flag("enabled", &e.Enabled)
	var disabled bool
	if r.flag("disable", &disabled); disabled {
		e.Enabled = false
	}
	r.number(r.first("insertion_order", "order"), &e.Order)
	r.number("priority", &e.Priority)
	r.flag(r.first("case_sensitive", "caseSensitive"), &e.CaseSensitive)
	r.flag("use_regex", &e.Regex)
	r.flag("selective", &e.Selective)
	r.flag("constant", &e.Constant)
	var position any
	r.get("position", &position)
	e.AfterChar = position == "after_char" || position == float64(1)
	e.Name = r.text(r.first("name", "comment"))
	e.Decorators, e.Content = decorators(e.content)
	return e, r.err
}

// decorators splits what an entry's content begins with off. A fallback, @@@,
// counts only where the decorator before it is unknown.
func decorators(content string) ([]Decorator, string) {
	var all []Decorator
	known := true
	for len(all) < maxDecorators {
		line, rest, more := strings.Cut(content, "\n")
		trimmed := strings.TrimSpace(line)
		if !strings.HasPrefix(trimmed, "@@") {
			break
		}
		fallback := strings.HasPrefix(trimmed, "@@@")
		name, value, _ := strings.Cut(strings.TrimLeft(trimmed, "@"), " ")
		d := Decorator{strings.ToLower(name), strings.TrimSpace(value)}
		if !fallback || !known {
			if known = decoratorNames[d.Name]; known {
				all = append(all, d)
			}
		}
		content = rest
		if !more {
			content = ""
			break
		}
	}
	return all, content
}

// decoratorNames are the decorators that Active and its caller honour.
var decoratorNames = map[string]bool{
	"depth": true, "reverse_depth": true, "role": true, "scan_depth": true, "position": true,
	"activate": true, "dont_activate": true, "activate_only_after": true, "activate_only_every": true,
	"additional_keys": true, "exclude_keys": true, "is_greeting": true, "ignore_on_max_context": true,
	"keep_activate_after_match": true, "dont_activate_after_match": true, "is_user_icon": true, "disable_ui_prompt": true,
}

// Decorator returns the value of an entry's decorator.
func (e *Entry) Decorator(name string) (string, bool) {
	for _, d := range e.Decorators {
		if d.Name == name {
			return d.Value, true
		}
	}
	return "", false
}

// fields is the book as it goes out.
func (b *Book) fields() fields {
	out := b.rest.clone()
	entries := make([]fields, 0, len(b.Entries))
	for _, e := range b.Entries {
		f := e.rest.clone()
		if len(f) == 0 {
			f.set("extensions", struct{}{})
		}
		f.set("keys", append([]string{}, e.Keys...))
		f.set("content", e.whole())
		f.set("enabled", e.Enabled)
		f.set("insertion_order", e.Order)
		if len(e.SecondaryKeys) > 0 {
			f.set("secondary_keys", e.SecondaryKeys)
		}
		for key, on := range map[string]bool{"case_sensitive": e.CaseSensitive, "use_regex": e.Regex, "selective": e.Selective, "constant": e.Constant} {
			if _, was := f[key]; was || on {
				f.set(key, on)
			}
		}
		entries = append(entries, f)
	}
	out.set("entries", entries)
	if b.Name != "" {
		out.set("name", b.Name)
	}
	if _, ok := out["extensions"]; !ok {
		out.set("extensions", struct{}{})
	}
	return out
}

// whole is the content with its decorators, as it came unless it was changed.
func (e *Entry) whole() string {
	if _, content := decorators(e.content); content == e.Content {
		return e.content
	}
	var b strings.Builder
	for _, d := range e.Decorators {
		b.WriteString(strings.TrimSpace("@@"+d.Name+" "+d.Value) + "\n")
	}
	return b.String() + e.Content
}
