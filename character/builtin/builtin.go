// Package builtin has the characters that come with Kuai, each in English and
// Chinese. They are ours, written for it, and ordinary cards: what can be done
// with them can be done with any.
package builtin

import (
	"embed"
	"encoding/json"
	"io/fs"
	"strings"

	"kuai/character/card"
	"kuai/companion/fact"
	"kuai/internal/check"
)

//go:embed cards
var files embed.FS

// Names lists the characters.
func Names() []string {
	entries, err := fs.ReadDir(files, "cards")
	check.True(err == nil, "builtin: %v", err)
	var names []string
	for _, e := range entries {
		names = append(names, strings.TrimSuffix(e.Name(), ".json"))
	}
	return names
}

// Card returns a character in a language, and whether there is one of the name.
func Card(name string, l fact.Language) (*card.Card, bool) {
	data, err := files.ReadFile("cards/" + name + ".json")
	if err != nil {
		return nil, false
	}
	c, err := card.ParseJSON(data)
	check.True(err == nil, "builtin: %s: %v", name, err)
	if l == fact.English {
		return c, true
	}
	var whole struct {
		Data struct {
			Extensions struct {
				Kuai struct {
					Zh json.RawMessage `json:"zh"`
				} `json:"kuai"`
			} `json:"extensions"`
		} `json:"data"`
	}
	err = json.Unmarshal(data, &whole)
	check.True(err == nil, "builtin: %s: %v", name, err)
	top, err := json.Marshal(map[string]any{"spec": card.SpecV3, "spec_version": "3.0", "data": whole.Data.Extensions.Kuai.Zh})
	check.True(err == nil, "builtin: %s: %v", name, err)
	c, err = card.ParseJSON(top)
	check.True(err == nil, "builtin: %s: %v", name, err)
	return c, true
}
