package talk

import (
	"math"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"kuai/companion"
)

// TestAblate trains two variants for a step or two, and goes on with the times
// that were measured.
func TestAblate(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	path := filepath.Join(dir, "chat.txt")
	if err := os.WriteFile(path, []byte(strings.Repeat("Hello there.\nHi, how are you?\nFine, and you?\n\n", 40)), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(dir, tokenizerFile), learned(t), 0o600); err != nil {
		t.Fatal(err)
	}
	corpus, err := OpenCorpus(path)
	if err != nil {
		t.Fatal(err)
	}
	draw := func(r *rand.Rand) companion.Sample { return companion.DrawCopying(r, companion.Train) }
	a := Ablations{
		Options: Options{
			Dir: dir, Size: "pico", Vocabulary: 300, Tokens: 256, Rate: 1e-3, Seed: 1,
			Sources: []Source{{Name: Copying, Draw: draw}, {Name: "chat", Share: 1, Draw: corpus.Document}},
		},
		Budget: 2 * time.Second, Corpora: []*Corpus{corpus}, Documents: 2, Lengths: []int{64, 256},
	}
	variants := Variants()[:3]
	variants = append(variants[:1], variants[2])
	if err := a.Share(t.Context(), variants); err != nil {
		t.Fatal(err)
	}
	times, err := a.Times(t.Context(), variants)
	if err != nil {
		t.Fatal(err)
	}
	again, err := a.Times(t.Context(), variants)
	if err != nil || again[0] != times[0] || again[1] != times[1] || times[0] <= 0 {
		t.Errorf("%v, then %v, %v", times, again, err)
	}
	var bits []float64
	for i, v := range variants {
		res, err := a.Ablate(t.Context(), v, a.Budget) // a step
		if err != nil {
			t.Fatal(err)
		}
		b := res.Bits[corpus.Name]
		if res.Steps != 1 || !(b > 0.1 && b < 16) || math.IsNaN(b) {
			t.Errorf("%s: %d steps, %v bits a byte", v.Name, res.Steps, b)
		}
		for _, n := range a.Lengths {
			if r := res.Recall[n]; r.Of == 0 || r.Right > r.Of/2 { // nothing is learned in a step
				t.Errorf("%s, %d tokens: %d of %d", v.Name, n, r.Right, r.Of)
			}
		}
		if bits = append(bits, b); i > 0 && b == bits[0] {
			t.Error("positions make no difference")
		}
	}
	if err := os.WriteFile(filepath.Join(dir, timesFile), []byte("{"), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := a.Times(t.Context(), variants); err == nil || !strings.Contains(err.Error(), timesFile) {
		t.Errorf("damaged times: %v", err)
	}
}

// TestVariants checks that each variant is a model that can be made, and another
// one than the architecture as it is.
func TestVariants(t *testing.T) {
	t.Parallel()
	seen := map[string]bool{}
	for _, v := range Variants() {
		c, err := Size("pico", 300)
		if err != nil {
			t.Fatal(err)
		}
		v.change(&c)
		m, err := New(c, 1)
		if err != nil {
			t.Fatalf("%s: %v", v.Name, err)
		}
		if s := m.String() + c.Ablation; seen[s] {
			t.Errorf("%s is as another: %s", v.Name, s)
		} else {
			seen[s] = true
		}
	}
}
