package read

import (
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"kuai/reader"
	"kuai/train/talk"
)

// TestPlain checks that lines which speak of somebody are not taken for such as
// tell nothing, that others are, and that a step has its share of them.
func TestPlain(t *testing.T) {
	t.Parallel()
	told := []string{"I live in Oslo.", "My sister has a dog.", "He plays the cello.", "Oskar likes tea.", "我住在上海。", "汤姆喜欢猫。"}
	quiet := []string{"The train was late again.", "\"What a day.\"", "Give me a break, please.", "外面下雨了。", "这部电影两个小时。"}
	path := filepath.Join(t.TempDir(), "lines.txt")
	lines := strings.Repeat(strings.Join(append(told, quiet...), "\n")+"\nthe what give\n", 20)
	if err := os.WriteFile(path, []byte(lines), 0o600); err != nil {
		t.Fatal(err)
	}
	c, err := talk.OpenCorpus(path)
	if err != nil {
		t.Fatal(err)
	}
	corpora := []*talk.Corpus{c}
	k := &Task{Net: tiny(t), Corpora: corpora, Turns: 40, Seed: 3, small: smallWords(corpora)}
	quiet = append(quiet[:2], quiet[3:]...) // "me" is somebody
	for want, all := range map[bool][]string{false: append(told, "Give me a break, please."), true: quiet} {
		for _, s := range all {
			if got := k.impersonal(example{text: s, units: reader.Units(s)}); got != want {
				t.Errorf("%q speaks of nobody: %v", s, got)
			}
		}
	}
	r := rand.New(rand.NewPCG(1, 1))
	for range 50 {
		if e, ok := k.plain(r); ok && e.labels.Kind != reader.Nothing {
			t.Errorf("%q tells something", e.text)
		}
	}
	b, err := k.Batch(1)
	if err != nil {
		t.Fatal(err)
	}
	turns, nothing := 0, 0
	for _, g := range b.groups {
		for _, l := range g.labels {
			turns++
			if l.Kind == reader.Nothing {
				nothing++
			}
		}
	}
	if turns != 40 || nothing < 8 {
		t.Errorf("%d of %d turns tell nothing", nothing, turns)
	}
}
