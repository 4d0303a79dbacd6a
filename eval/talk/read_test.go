package talk

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"kuai/character/converse"
	"kuai/companion"
	"kuai/train/talk"
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

// TestReadTexts reads lines that nobody marked: half of them tell something, and
// half speak of nobody.
func TestReadTexts(t *testing.T) {
	t.Parallel()
	m, err := converse.BuiltinReader()
	if err != nil {
		t.Fatal(err)
	}
	var b strings.Builder
	for range 600 {
		b.WriteString("The bridges over the river are old.\nMy sister lives in Oslo and works as a nurse.\n\n")
	}
	path := filepath.Join(t.TempDir(), "lines.txt")
	if err := os.WriteFile(path, []byte(b.String()), 0o600); err != nil {
		t.Fatal(err)
	}
	c, err := talk.OpenCorpus(path)
	if err != nil {
		t.Fatal(err)
	}
	rep, err := Read(t.Context(), m, nil, ReadConfig{Turns: 1, Split: companion.Test, Texts: []*talk.Corpus{c}})
	if err != nil {
		t.Fatal(err)
	}
	want := map[string]float64{"_told": 0.5, "_asked": 0, "_nobody_told": 0, "_nobody_asked": 0}
	for _, bar := range rep.Bars {
		name, ok := strings.CutPrefix(bar.Name, c.Name)
		if !ok {
			continue
		}
		if *bar.Value != want[name] {
			t.Errorf("%s is %v, want %v", bar.Name, *bar.Value, want[name])
		}
		delete(want, name)
	}
	if len(want) > 0 {
		t.Errorf("no figures %v", want)
	}
}
