// Package card reads and writes character cards: versions 1 to 3, as JSON, in
// the text chunks of a PNG portrait, or as a charx archive. What it does not
// know it keeps, so that a card that came in goes out whole.
//
// Cards come from strangers. Their texts are data for a prompt and never
// instructions to the program; every size is bounded before it is believed.
//
// Sources: the specifications chara_card_v2 (malfoyslastname) and
// chara_card_v3 (kwaroran).
package card

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"strconv"
	"strings"
)

// Limits of what is read.
const (
	maxFileBytes = 64 << 20
	maxJSONBytes = 16 << 20
	maxText      = 1 << 20 // bytes of a field
	maxGreetings = 256
	maxTags      = 1024
	maxAssets    = 1024
)

// Names of the specifications.
const (
	SpecV2 = "chara_card_v2"
	SpecV3 = "chara_card_v3"
)

// ErrNoCard says that a file holds no character card.
var ErrNoCard = errors.New("no character card is in it")

// Card is a character.
type Card struct {
	Spec    string // of the file: "" for version 1, SpecV2, SpecV3
	Version string // of the specification, such as 2.0

	Name, Nickname          string
	Description             string
	Personality             string
	Scenario                string
	FirstMessage            string
	Examples                string // example dialogues, each after <START>
	SystemPrompt            string
	PostHistory             string // instructions after the conversation
	Greetings               []string
	GroupGreetings          []string
	Tags                    []string
	Creator, CreatorVersion string
	CreatorNotes            string // for people, never in a prompt
	Assets                  []Asset
	Book                    *Book // the character's lorebook, or nil

	Portrait []byte // PNG, or nil

	top, data fields // everything as it came, by key
	files     []file // of an archive, besides the card
	chunks    []chunk
}

// Asset is a picture or another file that belongs to a card.
type Asset struct {
	Type string `json:"type"` // icon, background, user_icon, emotion ...
	URI  string `json:"uri"`
	Name string `json:"name"`
	Ext  string `json:"ext"`

	rest fields
}

// fields are the members of a JSON object.
type fields map[string]json.RawMessage

// CharName is what {{char}} stands for.
func (c *Card) CharName() string {
	if c.Nickname != "" {
		return c.Nickname
	}
	return c.Name
}

// Open reads a card from a file: PNG, charx or JSON, by its content.
func Open(path string) (*Card, error) {
	info, err := os.Stat(path)
	if err != nil {
		return nil, fmt.Errorf("card: %w", err)
	}
	if info.Size() > maxFileBytes {
		return nil, fmt.Errorf("card: %s: %d bytes, at most %d", path, info.Size(), maxFileBytes)
	}
	data, err := os.ReadFile(path)
	if err != nil {
		return nil, fmt.Errorf("card: %w", err)
	}
	c, err := Parse(data)
	if err != nil {
		return nil, fmt.Errorf("card: %s: %w", filepath.Base(path), err)
	}
	return c, nil
}

// Parse reads a card in any of the forms.
func Parse(data []byte) (*Card, error) {
	switch {
	case len(data) > maxFileBytes:
		return nil, fmt.Errorf("%d bytes, at most %d", len(data), maxFileBytes)
	case bytes.HasPrefix(data, pngMagic):
		return parsePNG(data)
	case bytes.HasPrefix(data, []byte("PK\x03\x04")):
		return parseArchive(data)
	}
	return ParseJSON(data)
}

// ParseJSON reads a card of version 1, 2 or 3, or a later one as far as it is
// understood.
func ParseJSON(data []byte) (*Card, error) {
	data = bytes.TrimPrefix(bytes.TrimSpace(data), []byte("\xef\xbb\xbf"))
	if len(data) > maxJSONBytes {
		return nil, fmt.Errorf("%d bytes of JSON, at most %d", len(data), maxJSONBytes)
	}
	if len(data) == 0 || data[0] != '{' {
		return nil, ErrNoCard
	}
	var top fields
	if err := json.Unmarshal(data, &top); err != nil {
		return nil, fmt.Errorf("the card is not JSON: %w", err)
	}
	c := &Card{top: top, data: top}
	r := reader{top, nil}
	c.Spec, c.Version = r.text("spec"), r.version("spec_version")
	if raw, ok := top["data"]; ok && c.Spec != "" {
		var data fields // not into the map that the members of a flat card are in
		if err := json.Unmarshal(raw, &data); err != nil {
			return nil, fmt.Errorf("the card's data: %w", err)
		}
		c.data = data
	} else if c.Spec != "" {
		return nil, fmt.Errorf("a card of %q has no data", c.Spec)
	}
	if err := errors.Join(r.err, c.read()); err != nil {
		return nil, err
	}
	if strings.TrimSpace(c.Name) == "" {
		return nil, ErrNoCard
	}
	return c, nil
}

// texts are the plain fields of a card.
func (c *Card) texts() map[string]*string {
	return map[string]*string{
		"name": &c.Name, "nickname": &c.Nickname, "description": &c.Description, "personality": &c.Personality,
		"scenario": &c.Scenario, "first_mes": &c.FirstMessage, "mes_example": &c.Examples,
		"system_prompt": &c.SystemPrompt, "post_history_instructions": &c.PostHistory,
		"creator": &c.Creator, "character_version": &c.CreatorVersion, "creator_notes": &c.CreatorNotes,
	}
}

// lists are the fields that are lists of texts.
func (c *Card) lists() map[string]*[]string {
	return map[string]*[]string{"alternate_greetings": &c.Greetings, "group_only_greetings": &c.GroupGreetings, "tags": &c.Tags}
}

// read takes the fields out of the data.
func (c *Card) read() error {
	r := reader{c.data, nil}
	for key, to := range c.texts() {
		*to = r.text(key)
	}
	for key, to := range c.lists() {
		*to = r.list(key, maxGreetings+maxTags)
	}
	if raw, ok := c.data["assets"]; ok && !isNull(raw) {
		var all []fields
		if err := json.Unmarshal(raw, &all); err != nil || len(all) > maxAssets {
			return fmt.Errorf("assets: not a list of at most %d", maxAssets)
		}
		for _, f := range all {
			a := reader{f, nil}
			c.Assets = append(c.Assets, Asset{a.text("type"), a.text("uri"), a.text("name"), a.text("ext"), f})
			r.keep(a.err)
		}
	}
	if raw, ok := c.data["character_book"]; ok && !isNull(raw) {
		book, err := ParseBook(raw)
		if err != nil {
			return err
		}
		c.Book = book
	}
	return r.err
}

func isNull(raw json.RawMessage) bool { return string(bytes.TrimSpace(raw)) == "null" }

// reader takes typed members out of an object and keeps the first error.
type reader struct {
	f   fields
	err error
}

func (r *reader) keep(err error) {
	if r.err == nil {
		r.err = err
	}
}

// get decodes a member; missing and null leave to as it is.
func (r *reader) get(key string, to any) bool {
	raw, ok := r.f[key]
	if !ok || isNull(raw) {
		return false
	}
	if err := json.Unmarshal(raw, to); err != nil {
		r.keep(fmt.Errorf("%s: %w", key, err))
		return false
	}
	return true
}

func (r *reader) text(key string) string {
	var s string
	r.get(key, &s)
	if len(s) > maxText {
		r.keep(fmt.Errorf("%s: %d bytes, at most %d", key, len(s), maxText))
		return ""
	}
	return s
}

// version reads "2.0", or 2.0 as some writers have it.
func (r *reader) version(key string) string {
	var s string
	if json.Unmarshal(r.f[key], &s) == nil {
		return s
	}
	var n float64
	if json.Unmarshal(r.f[key], &n) == nil {
		return strconv.FormatFloat(n, 'f', 1, 64)
	}
	return ""
}

func (r *reader) list(key string, most int) []string {
	var all []string
	r.get(key, &all)
	if len(all) > most {
		r.keep(fmt.Errorf("%s: %d entries, at most %d", key, len(all), most))
		return nil
	}
	for _, s := range all {
		if len(s) > maxText {
			r.keep(fmt.Errorf("%s: an entry of %d bytes, at most %d", key, len(s), maxText))
			return nil
		}
	}
	return all
}

// JSON writes the card under a specification, SpecV2 or SpecV3. Members that
// were there and are not understood stay.
func (c *Card) JSON(spec string) ([]byte, error) {
	version := map[string]string{SpecV2: "2.0", SpecV3: "3.0"}[spec]
	if version == "" {
		return nil, fmt.Errorf("card: specification %q, want %s or %s", spec, SpecV2, SpecV3)
	}
	data := fields{}
	for key, raw := range c.data {
		if c.Spec != "" || !flatOnly[key] {
			data[key] = raw
		}
	}
	for key, from := range c.texts() {
		if *from != "" || key != "nickname" {
			data.set(key, *from)
		}
	}
	for key, from := range c.lists() {
		if spec == SpecV3 || key != "group_only_greetings" || len(*from) > 0 {
			data.set(key, append([]string{}, *from...))
		}
	}
	if _, ok := data["extensions"]; !ok {
		data["extensions"] = json.RawMessage("{}")
	}
	if len(c.Assets) > 0 {
		var all []fields
		for _, a := range c.Assets {
			f := a.rest.clone()
			f.set("type", a.Type)
			f.set("uri", a.URI)
			f.set("name", a.Name)
			f.set("ext", a.Ext)
			all = append(all, f)
		}
		data.set("assets", all)
	}
	if c.Book != nil {
		data.set("character_book", c.Book.fields())
	}
	top := fields{}
	if c.Spec != "" {
		top = c.top.clone()
	}
	top.set("spec", spec)
	top.set("spec_version", version)
	top.set("data", data)
	return json.MarshalIndent(top, "", "  ")
}

// flatOnly are members of version 1 files that tools add for themselves.
var flatOnly = map[string]bool{"spec": true, "spec_version": true, "data": true}

func (f fields) clone() fields {
	out := make(fields, len(f))
	maps.Copy(out, f)
	return out
}

func (f fields) set(key string, v any) {
	raw, err := json.Marshal(v)
	if err == nil { // texts, numbers and raw JSON cannot fail
		f[key] = raw
	}
}

// usualTalkative is SillyTavern's, for cards that say nothing.
const usualTalkative = 0.5

// Talkative is the chance of the character to speak unasked in company, from 0
// to 1.
func (c *Card) Talkative() float64 {
	var e struct {
		Talkativeness json.RawMessage `json:"talkativeness"`
	}
	if json.Unmarshal(c.data["extensions"], &e) != nil {
		return usualTalkative
	}
	v, err := strconv.ParseFloat(strings.Trim(string(e.Talkativeness), `" `), 64)
	if err != nil || v < 0 || v > 1 || v != v {
		return usualTalkative
	}
	return v
}
