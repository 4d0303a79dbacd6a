package companion

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"
	"time"

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
	widen()
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

// TestTestDraws checks that what the evaluation draws stays as it is: figures of
// readers are compared over months.
func TestTestDraws(t *testing.T) {
	t.Parallel()
	for l, want := range [...]string{fact.English: "7d96afd76e0358f0", fact.Chinese: "6c488cb38d392028"} {
		h := sha256.New()
		r := rand.New(rand.NewPCG(6, uint64(l)))
		for range 400 {
			u := DrawUtterance(r, Test, float64(l))
			fmt.Fprintln(h, u.When.Format(time.DateOnly), u.Text)
			for _, f := range u.Facts {
				fmt.Fprintln(h, fact.Line(f))
			}
			for _, q := range u.Asked {
				fmt.Fprintln(h, q.Line())
			}
		}
		if got := hex.EncodeToString(h.Sum(nil)[:8]); got != want {
			t.Errorf("language %d: the draws are %s, want %s: what is new is for Train and Tune", l, got, want)
		}
	}
}

// TestByHand checks that what a turn marked by hand tells or asks for stands in
// it, and that no turn is of two splits.
func TestByHand(t *testing.T) {
	t.Parallel()
	for name, of := range map[string]func(Split, fact.Language) []Utterance{"spoken": Spoken, "written": Written} {
		for l := range languageKeys {
			seen := map[string]bool{}
			said, quiet := 0, 0
			for _, split := range []Split{Train, Test, Tune} {
				all := of(split, fact.Language(l))
				if len(all) < 150 {
					t.Errorf("%s, language %d, split %d: %d turns", name, l, split, len(all))
				}
				for _, u := range all {
					if seen[u.Text] {
						t.Errorf("twice: %q", u.Text)
					}
					seen[u.Text] = true
					if len(u.Facts)+len(u.Asked) == 0 {
						quiet++
						continue
					}
					said++
					low := strings.ToLower(u.Text)
					stands := func(s string) bool { return s == "" || s == fact.User || strings.Contains(low, strings.ToLower(s)) }
					for _, f := range u.Facts {
						if !stands(f.Object) || !stands(f.Subject) {
							t.Errorf("%q does not tell %s", u.Text, fact.Line(f))
						}
					}
					for _, q := range u.Asked {
						if !stands(q.Object) || !stands(q.Subject) {
							t.Errorf("%q does not ask %s", u.Text, q.Line())
						}
					}
				}
			}
			if said < 500 || quiet < 600 {
				t.Errorf("%s, language %d: %d turns say something, %d nothing", name, l, said, quiet)
			}
		}
	}
}
