package companion

import (
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"kuai/companion/fact"
	"kuai/companion/speech"
)

func take(seed uint64, split Split, mix Mix, n int) []Sample {
	var all []Sample
	for s := range Samples(seed, split, mix) {
		if all = append(all, s); len(all) == n {
			break
		}
	}
	return all
}

func TestSeed(t *testing.T) {
	t.Parallel()
	if diff := cmp.Diff(take(7, Train, Mix{}, 50), take(7, Train, Mix{}, 50)); diff != "" {
		t.Error(diff)
	}
}

// TestWhole checks that nothing is left unfilled and that every part says
// something.
func TestWhole(t *testing.T) {
	t.Parallel()
	for _, split := range []Split{Train, Test} {
		for _, s := range take(1, split, Mix{}, 3000) {
			for _, p := range s {
				if strings.TrimSpace(p.Text) == "" || strings.ContainsAny(p.Text, "{}|") && p.Role != Extract {
					t.Fatalf("%d: %q in %+v", p.Role, p.Text, s)
				}
				if strings.Contains(p.Text, " .") || strings.Contains(p.Text, "  ") || strings.Contains(p.Text, "的的") {
					t.Errorf("%d: %q", p.Role, p.Text)
				}
			}
		}
	}
}

// TestRecall checks that texts to recall from keep to their length and can be
// answered, and how far back their pairs stand.
func TestRecall(t *testing.T) {
	t.Parallel()
	for _, bytes := range []int{400, 3000, 6000, 12000} {
		far, questions, over := 0, 0, 0
		for seed := range uint64(60) {
			s := DrawRecall(rand.New(rand.NewPCG(seed, 1)), Train, bytes)
			size := 0
			for _, p := range s {
				size += len(p.Text)
			}
			if size > bytes {
				over++
			}
			text := s[0].Text
			for i := 1; i < len(s); i += 2 {
				at := strings.Index("\n"+text+"\n", "\n"+s[i].Text+" -> "+s[i+1].Text+"\n")
				if at < 0 {
					t.Fatalf("%q -> %q is not in the text", s[i].Text, s[i+1].Text)
				}
				questions++
				if len(text)-at > 1800 { // a window of 512 tokens
					far++
				}
			}
		}
		if over > 3 {
			t.Errorf("%d of 60 texts are longer than %d bytes", over, bytes)
		}
		if bytes >= 6000 && far < questions/3 {
			t.Errorf("%d bytes: %d of %d pairs stand behind every window", bytes, far, questions)
		}
	}
}

// TestHeldOutValues checks that training samples have no held-out town, country
// or instrument in them.
func TestHeldOutValues(t *testing.T) {
	t.Parallel()
	out := map[string]string{}
	for _, kind := range []string{"city", "country", "instrument"} {
		for _, v := range files().lexicon[kind] {
			if held(kind+v[0], heldValues) && len(v[0]) > 5 {
				out[strings.ToLower(v[0])], out[v[1]] = kind, kind
			}
		}
	}
	if len(out) < 60 {
		t.Fatalf("%d values are held out", len(out))
	}
	for _, l := range []fact.Language{fact.English, fact.Chinese} {
		mix := Usual()
		mix.Chinese = float64(l)
		for _, s := range take(9, Train, mix, 3000) {
			for _, p := range s {
				text := " " + strings.Join(speech.Units(fact.English, p.Text), " ") + " "
				for v, kind := range out {
					if l == fact.English && strings.Contains(text, " "+v+" ") && !strings.Contains(v, " ") && v[0] < 128 {
						t.Errorf("%s %s: %q", kind, v, p.Text)
					}
				}
			}
		}
	}
}

// TestLexicon checks that no comment became a value.
func TestLexicon(t *testing.T) {
	t.Parallel()
	for kind, all := range files().lexicon {
		for _, v := range all {
			if strings.ContainsAny(v[0]+v[1], "#=;") || len(v[0]) > 40 || len(v[1]) > 45 {
				t.Errorf("%s: %q", kind, v)
			}
		}
	}
}

// TestExtract checks that what a turn's facts are is in the turn, and that the
// lines can be read, as facts or as what is asked for.
func TestExtract(t *testing.T) {
	t.Parallel()
	mix := Mix{Chinese: 0.5}
	mix.Formats[Lines] = 1
	for _, split := range []Split{Train, Test} {
		for _, s := range take(2, split, mix, 1000) {
			for i, part := range s {
				if part.Role != Extract || part.Text == fact.Nothing {
					continue
				}
				turn := strings.ToLower(s[i-1].Text)
				facts, asked := fact.ParseLines(part.Text), fact.ParseQueries(part.Text)
				if len(facts)+len(asked) != strings.Count(part.Text, "\n")+1 || len(facts) > 0 && len(asked) > 0 {
					t.Errorf("%d facts and %d queries in %q", len(facts), len(asked), part.Text)
				}
				for _, f := range facts {
					if !strings.Contains(turn, strings.ToLower(f.Object)) {
						t.Errorf("%q does not say %q", turn, f.Object)
					}
				}
				for _, q := range asked {
					if !strings.Contains(turn, strings.ToLower(q.Object)) || q.Line() != part.Text {
						t.Errorf("%q asks for %q, read as %q", turn, part.Text, q.Line())
					}
				}
			}
		}
	}
}

// TestGrounded checks that what the answer says stands in the pack, and only
// once.
func TestGrounded(t *testing.T) {
	t.Parallel()
	for seed := range uint64(2000) {
		w := &writer{r: rand.New(rand.NewPCG(seed, 1)), lang: fact.Language(seed % 2), split: Split(seed / 2 % 2)}
		b := &packer{w: w, quoted: true}
		ask, answer := b.single()
		f := b.facts[0]
		b.distract()
		for _, g := range b.facts[1:] {
			if g.p == f.p && g.who.key(w.lang) == f.who.key(w.lang) {
				t.Errorf("%q is answered twice", ask)
			}
		}
		v := strings.ToLower(f.v[w.lang])
		if !strings.Contains(strings.ToLower(f.text), v) || !strings.Contains(strings.ToLower(answer), v) {
			t.Errorf("%q, %q, %q do not say %q", ask, answer, f.text, v)
		}
	}
}

// TestHeldOut checks that values and phrases of one split are not in the other.
func TestHeldOut(t *testing.T) {
	t.Parallel()
	seen := [2]map[string]bool{{}, {}}
	for split := range seen {
		w := &writer{r: rand.New(rand.NewPCG(1, 2)), split: Split(split)}
		for range 4000 {
			for _, kind := range []string{"city", "job", "company", "title", "name"} {
				seen[split][kind+w.value(kind)[fact.English]] = true
			}
			for _, p := range files().predicates {
				isHeld := func(s string) bool { return held(p.name+"tell"+s, heldPhrases) }
				if slices.ContainsFunc(p.forms[0]["tell"], isHeld) {
					seen[split][p.name+w.phrase(p, "tell")] = true
				}
			}
		}
	}
	both := 0
	for s := range seen[Test] {
		if seen[Train][s] {
			both++
		}
	}
	if both > len(seen[Test])/100 {
		t.Errorf("%d of %d are in both splits", both, len(seen[Test]))
	}
}

// TestReading checks that the mix for reading packs asks more often for what was
