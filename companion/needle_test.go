package companion

import (
	"math"
	"math/rand/v2"
	"testing"
	"unicode/utf8"

	"kuai/companion/fact"
)

// TestNeedle checks that dialogues have their length, that the needle stands
// at its place, first of what was asked twice, and what it is asked by.
func TestNeedle(t *testing.T) {
	t.Parallel()
	for seed := range uint64(40) {
		lang, place := fact.Language(seed%2), 0.25*float64(1+seed%3)
		n := NewNeedle(rand.New(rand.NewPCG(seed, 1)), lang, 10_000, place)
		total, before, asked := 0, -1, map[string][]string{}
		for i, p := range n.Said {
			if want := [...]Role{User, Assistant}[i%2]; p.Role != want || p.Text == "" {
				t.Fatalf("seed %d, turn %d: %+v", seed, i, p)
			}
			if p.Text == n.Answer && before < 0 {
				before = total
			}
			if i%2 == 1 {
				asked[n.Said[i-1].Text] = append(asked[n.Said[i-1].Text], p.Text)
			}
			total += utf8.RuneCountInString(p.Text)
		}
		if total < 9_000 || total > 12_000 || math.Abs(float64(before)/float64(total)-place) > 0.1 {
			t.Errorf("seed %d: %d of %d characters before the needle, want %v", seed, before, total, place)
		}
		twice := false
		for _, replies := range asked {
			if len(replies) > 1 && replies[0] == n.Answer {
				twice = replies[1] != n.Answer
			}
		}
		if !twice || n.Ask == "" {
			t.Errorf("seed %d: %q is not the first of two: %q", seed, n.Answer, n.Ask)
		}
		if seed < 8 {
			t.Logf("%q\n%s", n.Ask, n.Answer)
		}
	}
}
