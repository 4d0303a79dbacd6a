package companion

import (
	"math/rand/v2"
	"strings"
	"testing"

	"kuai/companion/fact"
)

// TestUtterances checks that what a turn tells or asks for stands in it, that
// nothing is left unfilled, and that those of the Train split say nothing held
// out in its words.
func TestUtterances(t *testing.T) {
	t.Parallel()
	for _, split := range []Split{Train, Test, Tune} {
		r := rand.New(rand.NewPCG(3, uint64(split)))
		quiet, asked, told := 0, 0, 0
		for range 4000 {
			u := DrawUtterance(r, split, 0.5)
			if strings.ContainsAny(u.Text, "{}|") || strings.TrimSpace(u.Text) == "" || strings.Contains(u.Text, "  ") {
				t.Errorf("%q", u.Text)
			}
			low := strings.ToLower(u.Text)
			for _, f := range u.Facts {
				if !strings.Contains(low, strings.ToLower(f.Object)) || f.Subject != fact.User && !strings.Contains(low, strings.ToLower(f.Subject)) {
					t.Errorf("%q does not tell %s", u.Text, fact.Line(f))
				}
			}
			switch {
			case len(u.Facts) > 0:
				told++
			case len(u.Asked) > 0:
				asked++
			default:
				quiet++
			}
		}
		if told < 1000 || asked < 800 || quiet < 600 {
			t.Errorf("%d tell, %d ask, %d neither", told, asked, quiet)
		}
	}
}

// TestWider checks that no phrase for training alone says what one held out
// does.
func TestWider(t *testing.T) {
	t.Parallel()
	n := 0
	for _, p := range files().predicates {
		for l, forms := range p.wider {
			for form, all := range forms {
				n += len(all)
				for _, s := range all {
					for _, o := range p.forms[l][form] {
						if plainly(o) == plainly(s) {
							t.Errorf("%s %s: %q", p.name, form, s)
						}
					}
				}
			}
		}
	}
	if n < 26_000 {
		t.Errorf("%d phrases", n)
	}
}
