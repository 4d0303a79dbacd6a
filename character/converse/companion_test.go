package converse

import (
	"testing"

	"kuai/companion"
	"kuai/models"
	"kuai/text"
)

// TestForeign checks that Chinese is left out of replies only where nobody
// wrote any.
func TestForeign(t *testing.T) {
	t.Parallel()
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
