package companion

import (
	"math/rand/v2"
	"strings"
	"testing"

	"kuai/companion/fact"
)

// TestFrames fills every frame of every shape in, for training and for tuning:
// what it tells stands in it, a value a fact, and nothing is left unfilled.
func TestFrames(t *testing.T) {
	t.Parallel()
	n := 0
	for section, all := range files().composed {
		l, shape, _ := strings.Cut(section, ".")
		if shape == "when" || shape == "state" {
			continue
		}
		lang := fact.English
		if l == languageKeys[fact.Chinese] {
			lang = fact.Chinese
		}
		for i, frame := range all {
			n++
			for seed := range uint64(4) {
				w := newWriter(rand.New(rand.NewPCG(seed, uint64(i))), []Split{Train, Tune}[seed%2])
				w.lang = lang
				c := &composer{writer: w, cast: map[string]*someone{"me": {}}, used: map[string]bool{}}
				s := c.fill(frame)
				if strings.ContainsAny(s, "{}[]|") || strings.Contains(s, "  ") || len(c.facts) > mostFacts {
					t.Errorf("%q: %q tells %d facts", frame, s, len(c.facts))
				}
				if told := len(c.facts)+len(c.asked) > 0; !told && !strings.Contains(frame, "{no.") && !strings.Contains(frame, "{state}") {
					t.Errorf("%q: %q tells nothing", frame, s)
				}
				for _, f := range c.facts {
					if !strings.Contains(s, f.Object) || f.Subject != fact.User && !strings.Contains(s, f.Subject) {
						t.Errorf("%q: %q does not tell %s", frame, s, fact.Line(f))
					}
				}
			}
		}
	}
	if n < 600 {
		t.Errorf("%d frames", n)
	}
}

// TestComposed checks that frames for tuning are not shown to training, and what
// share of the turns tells several things at once.
func TestComposed(t *testing.T) {
	t.Parallel()
	for l := range languageKeys {
		seen := [2]map[string]bool{{}, {}}
		for i, split := range []Split{Train, Tune} {
			w := newWriter(rand.New(rand.NewPCG(1, 1)), split)
			w.lang = fact.Language(l)
			for range 2000 {
				for _, s := range shapes {
					seen[i][w.frame(s.name)] = true
				}
			}
		}
		for s := range seen[1] {
			if seen[0][s] {
				t.Errorf("%q is shown to training and for tuning", s)
			}
		}
		if len(seen[1]) < 15 {
			t.Errorf("%s: %d frames for tuning", languageKeys[l], len(seen[1]))
		}
	}
	var sum float64
	for _, s := range shapes {
		sum += s.weight
	}
	if sum < 0.999 || sum > 1.001 {
		t.Errorf("the shapes' weights make %v", sum)
	}
}

// TestComposedHeldOut checks that a phrase held out is known again in a turn.
func TestComposedHeldOut(t *testing.T) {
	t.Parallel()
	for l := range languageKeys {
		n := 0
		for _, p := range files().predicates {
			if p.who != anyone {
				continue
			}
			for _, phrase := range p.forms[l]["tell"] {
				w := newWriter(rand.New(rand.NewPCG(1, 1)), Train)
				w.lang = fact.Language(l)
				c := &composer{writer: w, used: map[string]bool{}}
				c.tell(&someone{}, p.name, "xyz")
				s := filled(w.lang, phrase, byUser, &someone{}, valueSlots("xyz"))
				isHeld := held(p.name+"tell"+strings.ReplaceAll(phrase, "{T}", "{P}"), heldPhrases)
				if got := c.heldOut("Well, " + s + " and so on."); isHeld && !got {
					t.Errorf("%s %q was not known", p.name, phrase)
				} else if got {
					n++
				}
			}
		}
		if n < 30 {
			t.Errorf("%d phrases are held out", n)
		}
	}
}

// TestStuck checks that a turn that cannot be drawn, since all values of a kind
// stand in it already, is given up and not drawn for ever.
func TestStuck(t *testing.T) {
	t.Parallel()
	w := newWriter(rand.New(rand.NewPCG(1, 1)), Train)
	c := &composer{writer: w, cast: map[string]*someone{"me": {}}, used: map[string]bool{}}
	days := map[string]bool{}
	for !c.stuck && len(days) < 10 {
		days[c.apart(func() value { return w.listed("weekday") })[w.lang]] = true
	}
	if !c.stuck || len(days) != 7 {
		t.Errorf("%d days of the week, stuck %v", len(days), c.stuck)
	}
}
