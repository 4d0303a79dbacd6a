package talk

import (
	"testing"

	"kuai/character/converse"
	"kuai/companion"
)

// TestRead checks that the built-in reader finds most lines of held-out
// wordings, and that what is missed is shown.
func TestRead(t *testing.T) {
	t.Parallel()
	m, err := converse.BuiltinReader()
	if err != nil {
		t.Fatal(err)
	}
	rep, err := Read(t.Context(), m, nil, ReadConfig{Turns: 60, Split: companion.Test, Seed: 2})
	if err != nil {
		t.Fatal(err)
	}
	for _, b := range rep.Bars {
		if b.Value == nil || *b.Value < 0.5 || *b.Value > 1 {
			t.Errorf("%s: %v", b.Name, b.Value)
		}
	}
	if len(rep.Bars) != 26 {
		t.Errorf("%d figures", len(rep.Bars))
	}
}
