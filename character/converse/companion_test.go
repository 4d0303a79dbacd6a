package converse

import (
	"strings"
	"testing"

	"kuai/character/card"
	"kuai/companion"
	"kuai/models"
	"kuai/text"
)

func small(t *testing.T) *Companion {
	t.Helper()
	dir, err := models.Unpack(models.Companion(), "companion", t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	m, err := text.Open(dir, text.Options{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = m.Close() })
	c, err := NewCompanion(m)
	if err != nil {
		t.Fatal(err)
	}
	return c
}

// TestForeign checks that Chinese is left out of replies only where nobody
// wrote any.
func TestForeign(t *testing.T) {
	t.Parallel()
	c := small(t)
	banned := c.foreign(companion.Sample{{Role: companion.User, Text: "Hi!"}})
	if len(banned) == 0 {
		t.Error("nothing is left out")
	}
	for _, id := range banned {
		if !hasHan(string(c.codec.Tokenizer.Bytes(id))) {
			t.Errorf("token %d is left out", id)
		}
	}
	if ids := c.foreign(companion.Sample{{Role: companion.User, Text: "My friend 小雨 lives here."}}); ids != nil {
		t.Errorf("%d tokens are left out beside a Chinese name", len(ids))
	}
}

// TestSceneHoldsLore checks that what the lorebook has for a scene reaches the
// small model, within the room of the card, however long the rest is.
func TestSceneHoldsLore(t *testing.T) {
	t.Parallel()
	c := small(t)
	lore := []card.Entry{{Content: "The lighthouse burns blue."}, {Content: "  "}, {Content: strings.Repeat("far too long ", 500)}}
	for name, prompt := range map[string]string{"short": "You are Lin.", "long": strings.Repeat("You are Lin. ", 200), "none": ""} {
		p := &Prompt{Card: &card.Card{SystemPrompt: prompt}, Expand: func(s string) string { return s }, Lore: lore}
		parts := c.parts(p)
		if len(parts) != 1 || parts[0].Role != companion.System {
			t.Fatalf("%s: %v", name, parts)
		}
		got := parts[0].Text
		if !strings.HasSuffix(got, "The lighthouse burns blue.") || strings.HasPrefix(got, "You are Lin.") != (prompt != "") {
			t.Errorf("%s: %q", name, got)
		}
		if n := c.Tokens(got); n > c.Room().Card {
			t.Errorf("%s: %d tokens", name, n)
		}
	}
}
