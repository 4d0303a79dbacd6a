package converse

import (
	"testing"

	"kuai/companion"
	"kuai/models"
	"kuai/text"
)

// TestSpeller checks which lines can be written of a turn.
func TestSpeller(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		turn, lines string
		may, whole  bool
	}{
		{"My best friend Mira lives in Oslo.", "best fr", true, false},
		{"My best friend Mira lives in Oslo.", "best friend | lives_in | Oslo", true, true},
		{"My best friend Mira lives in Oslo.", "best friend | lives_in | Os", true, false},
		{"My best friend Mira lives in Oslo.", "best friend | lives_in | slo", false, false},
		{"My best friend Mira lives in Oslo.", "Mira | lives_in | Oslo\nuser | li", true, false},
		{"My best friend Mira lives in Oslo.", "lives | lives_in | Oslo", false, false},
		{"My best friend Mira lives in Oslo.", "sister", false, false},
		{"my friend mira lives in oslo", "mira | lives_in | Oslo", true, true},
		{"My sister's dog eats rice.", "sister's dog | pet_eats | rice", true, true},
		{"When was I in Oslo?", "user | trip | Oslo | ?", true, true},
		{"When was I in Oslo?", "user | flies | ?", false, false},
		{"Hi!", "none", true, true},
		{"Hi!", "none\n", true, false},
		{"我妹妹搬到杭州了。", "妹妹 | lives_in | 杭州", true, true},
		{"我妹妹搬到杭州了。", "妹妹 | lives_in | 苏", false, false},
		{"我妹妹搬到杭州了。", "user | not likes | 妹妹\nuser | lives_in | \xe6\x9d", true, false},
	} {
		s := newSpeller(tt.turn)
		if got := s.may(tt.lines); got != tt.may {
			t.Errorf("%s: %q may be written: %v", tt.turn, tt.lines, got)
		}
		if got := s.whole(lastLine(tt.lines)); got != tt.whole {
			t.Errorf("%s: %q is whole: %v", tt.turn, tt.lines, got)
		}
	}
}

// FuzzSpeller checks that what is whole can be written.
func FuzzSpeller(f *testing.F) {
	f.Add("My sister lives in Oslo.", "sister | lives_in | Oslo\nuser | trip | Oslo | ?")
	f.Add("我妹妹", "妹妹 | name | \xff")
	f.Fuzz(func(t *testing.T, turn, line string) {
		s := newSpeller(turn)
		if s.whole(line) && !s.may(line) && len(line) < 200 {
			t.Errorf("%q of %q", line, turn)
		}
	})
}

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
	codec, err := codecOf(m)
	if err != nil {
		t.Fatal(err)
	}
	c := &Conversation{model: m, codec: codec}
	banned := c.foreign(companion.Sample{{Role: companion.User, Text: "Hi!"}})
	if len(banned) == 0 {
		t.Error("nothing is left out")
	}
	for _, id := range banned {
		if !hasHan(string(codec.Tokenizer.Bytes(id))) {
			t.Errorf("token %d is left out", id)
		}
	}
	if ids := c.foreign(companion.Sample{{Role: companion.User, Text: "My friend 小雨 lives here."}}); ids != nil {
		t.Errorf("%d tokens are left out beside a Chinese name", len(ids))
	}
}
