package converse

import (
	"testing"
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
