package score

import (
	"encoding/json"
	"math"
	"os"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// golden is what testdata/f1.py wrote.
type golden struct {
	Scores []struct {
		Category      int
		Reply, Answer string
		Score         float64
	}
	Stems map[string]string
}

func readGolden(t *testing.T) (g golden) {
	t.Helper()
	b, err := os.ReadFile("testdata/f1.json")
	if err == nil {
		err = json.Unmarshal(b, &g)
	}
	if err != nil || len(g.Scores) < 100 || len(g.Stems) < 100 {
		t.Fatal(len(g.Scores), len(g.Stems), err)
	}
	return g
}

// TestStem compares stems with NLTK's.
func TestStem(t *testing.T) {
	t.Parallel()
	for word, want := range readGolden(t).Stems {
		if got := Stem(word); got != want {
			t.Errorf("%q: %q, want %q", word, got, want)
		}
	}
}

// TestLoCoMo compares scores with those of LoCoMo's own scorer.
func TestLoCoMo(t *testing.T) {
	t.Parallel()
	for _, c := range readGolden(t).Scores {
		got, err := LoCoMo(c.Category, c.Reply, c.Answer)
		if err != nil || math.Abs(got-c.Score) > 1e-12 {
			t.Errorf("category %d, %q for %q: %v, want %v (%v)", c.Category, c.Reply, c.Answer, got, c.Score, err)
		}
	}
	if _, err := LoCoMo(6, "", ""); err == nil {
		t.Error("a sixth category")
	}
}

// TestNeedle takes needles apart: lists, lines that are sentences, phrases.
func TestNeedle(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		needle string
		want   []string
	}{
		{"1. Oak\n2. Red Maple\n3. Ash", []string{"Oak", "Red Maple", "Ash"}},
		{"1. 橡树\n2. 枫树", []string{"橡树", "枫树"}},
		{"Owls call, the wind answers.\nUnder the eaves, a lamp goes out.", []string{"Owls call, the wind answers", "Under the eaves, a lamp goes out"}},
		{"灯灭了，夜深了。\n风来了，雨停了。", []string{"灯灭了，夜深了", "风来了，雨停了"}},
		{"Low and grey, clouds gather, rain to come.", []string{"Low and grey", "clouds gather", "rain to come"}},
		{"低垂的云，\n将雨未雨，等一阵风。", []string{"低垂的云", "将雨未雨", "等一阵风"}},
		{"On the old stair,\nA cat waits, half asleep.", []string{"On the old stair", "A cat waits", "half asleep"}},
		{"", nil},
	} {
		if diff := cmp.Diff(c.want, CoreWords(c.needle)); diff != "" {
			t.Errorf("%q: %s", c.needle, diff)
		}
	}
	for reply, want := range map[string]float64{
		"Here: oak, Oak and Ash": 2. / 3, "1. Oak\n2. Red Maple\n3. Ash": 1, "Sorry, Oak": 0, "抱歉，Oak": 1. / 3, "": 0,
	} {
		if got := Needle(reply, "1. Oak\n2. Red Maple\n3. Ash"); got != want {
			t.Errorf("%q: %v, want %v", reply, got, want)
		}
	}
}

func FuzzStem(f *testing.F) {
	f.Add("running")
	f.Add("yied")
	f.Add("\xffed")
	f.Fuzz(func(_ *testing.T, s string) { _, _, _ = Stem(s), stems(s), CoreWords(s) })
}
