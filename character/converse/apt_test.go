package converse

import (
	"encoding/json"
	"path/filepath"
	"strings"
	"testing"

	"kuai/character/card"
	"kuai/companion/fact"
)

// TestVoice lets a character speak in the words of its card, whatever anybody
// would say to the same.
func TestVoice(t *testing.T) {
	t.Parallel()
	text, err := json.Marshal(map[string]any{"spec": card.SpecV3, "data": map[string]any{
		"name": "Ann", "description": "A miller.", "mes_example": "<START>\n{{user}}: How is the mill?\n{{char}}: Grinding, {{user}}, says {{char}}.",
		"extensions": map[string]any{"kuai": map[string]any{"talk": "U: hello\nU: good morning\nA: Mind the flour!\n\nU: do you sleep well?\nA: Like a sack.\nU: really?\nA: A full sack, mind."}},
	}})
	if err != nil {
		t.Fatal(err)
	}
	ann, err := card.ParseJSON(text)
	if err != nil {
		t.Fatal(err)
	}
	c, err := OpenWith(filepath.Join(t.TempDir(), "t"), small(t), ann, fact.English)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = c.Close() }()
	c.Sampling.Seed = 1
	for _, x := range []exchange{
		{"Good morning!", "Mind the flour!", ""},
		{"Do you sleep well?", "Like a sack.", ""},
		{"Really?", "A full sack, mind.", ""},
		{"Are you a robot?", "computer program", "flour"},
		{"How is the mill?", "Grinding, you, says Ann.", "{{"},
		{"My name is Jonas. Do you sleep well?", "Jonas", ""},
		{"What is my name?", "Jonas", "sack"},
	} {
		r, err := c.Say(t.Context(), x.said, nil)
		if err != nil {
			t.Fatal(err)
		}
		if !strings.Contains(r.Text, x.has) || x.not != "" && strings.Contains(r.Text, x.not) {
			t.Errorf("%q: %q, want %q and not %q", x.said, r.Text, x.has, x.not)
		}
	}
}
