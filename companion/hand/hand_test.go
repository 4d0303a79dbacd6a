package hand

import (
	"strings"
	"testing"

	"kuai/companion"
	"kuai/companion/fact"
)

// TestCases checks that every right answer stands in what the model sees, apart
// from counts and what is decided, that no reply is right by chance, and that
// there are two hundred in each language.
func TestCases(t *testing.T) {
	t.Parallel()
	for _, l := range []fact.Language{fact.English, fact.Chinese} {
		types := map[string]int{}
		asked := map[string]bool{}
		for _, c := range Cases(l) {
			types[c.Type]++
			var seen strings.Builder
			seen.WriteString(c.Pack())
			for _, p := range c.Said {
				seen.WriteString(p.Text + "\n")
			}
			if asked[seen.String()+c.Ask] {
				t.Errorf("%q is asked twice", c.Ask)
			}
			asked[seen.String()+c.Ask] = true
			if c.Type == "never" {
				if v := c.Judge("I think it's purple. 应该是紫色的。"); v.Right {
					t.Errorf("%q: a guess is right", c.Ask)
				}
				continue
			}
			if v := c.Judge("Well, " + c.Accept[0] + "."); !v.Right {
				t.Errorf("%q: %q is judged %+v", c.Ask, c.Accept[0], v)
			}
			ok := c.Type == "count" || c.Type == "time" || c.Type == "preference"
			for _, a := range c.Accept {
				ok = ok || strings.Contains(strings.ToLower(seen.String()), strings.ToLower(a))
			}
			if !ok {
				t.Errorf("%q: none of %q is in %q", c.Ask, c.Accept, seen.String())
			}
		}
		if n := len(Cases(l)); n != 200 {
			t.Errorf("%v: %d cases, want 200", l, n)
		}
		t.Logf("%v: %v", l, types)
	}
}

// TestNotByTheGrammar checks that training has none of these questions.
func TestNotByTheGrammar(t *testing.T) {
	t.Parallel()
	asks := map[string]bool{}
	for _, l := range []fact.Language{fact.English, fact.Chinese} {
		for _, c := range Cases(l) {
			asks[c.Ask] = true
		}
	}
	n := 0
	for s := range companion.Samples(1, companion.Train, companion.Mix{}) {
		for _, p := range s {
			if p.Role == companion.User && asks[p.Text] {
				t.Errorf("the grammar makes %q", p.Text)
			}
		}
		if n++; n == 5000 {
			break
		}
	}
}
