package embed

import (
	"math/rand/v2"
	"reflect"
	"testing"

	"kuai/embedder"
)

func TestHalves(t *testing.T) {
	t.Parallel()
	r := rand.New(rand.NewPCG(1, 2))
	for _, s := range []string{"", "a", "我姐姐住在奥斯陆的海边", "My sister lives by the sea in Oslo", "\xff\xfe"} {
		if a, b := halves(r, s); len(a)+len(b) > len(s) {
			t.Errorf("%q: %q and %q", s, a, b)
		}
	}
}

// TestBatch checks that a step's pairs depend on the step alone, and that each
// answer has the number of its question.
func TestBatch(t *testing.T) {
	t.Parallel()
	k := &Task{Net: embedder.New(1), Pairs: 8, Seed: 3}
	a, err := k.Batch(5)
	if err != nil {
		t.Fatal(err)
	}
	b, err := k.Batch(5)
	if err != nil {
		t.Fatal(err)
	}
	if !reflect.DeepEqual(a, b) {
		t.Error("another batch of the same step")
	}
	g := a.groups[0]
	if len(g.asks) != 8 || len(g.answers) <= 8 || g.asks[3]+1 != g.answers[3] {
		t.Errorf("asks %v, answers %v", g.asks, g.answers)
	}
}
