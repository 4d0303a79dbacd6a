package builtin

import (
	"testing"
	"unicode"

	"kuai/character/card"
	"kuai/companion/fact"
)

// TestCards checks that every character is whole in both languages.
func TestCards(t *testing.T) {
	t.Parallel()
	if len(Names()) < 6 {
		t.Errorf("%d characters", len(Names()))
	}
	for _, name := range Names() {
		for _, l := range []fact.Language{fact.English, fact.Chinese} {
			c, ok := Card(name, l)
			if !ok {
				t.Fatalf("%s is missing", name)
			}
			for what, s := range map[string]string{
				"name": c.Name, "description": c.Description, "greeting": c.FirstMessage, "examples": c.Examples, "system prompt": c.SystemPrompt, "personality": c.Personality,
			} {
				han := false
				for _, r := range s {
					han = han || unicode.Is(unicode.Han, r)
				}
				if s == "" || han != (l == fact.Chinese) {
					t.Errorf("%s: %s: %q", name, what, s)
				}
			}
			if c.Book == nil || len(c.Book.Entries) < 2 || len(c.Greetings) == 0 {
				t.Errorf("%s: no lorebook or no greetings", name)
			}
			if _, err := c.PNG(); err != nil {
				t.Error(err)
			}
			for _, e := range c.Book.Active(card.Scene{Messages: []string{c.Book.Entries[0].Keys[0]}}) {
				if e.Content == "" {
					t.Errorf("%s: an empty entry", name)
				}
			}
		}
	}
	if _, ok := Card("nobody", fact.English); ok {
		t.Error("nobody is somebody")
	}
}
