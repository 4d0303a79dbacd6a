package companion

import (
	"math/rand/v2"
	"strings"
	"testing"

	"kuai/companion/fact"
)

const someSituations = `@pet: cat; old dog
@place: sofa; bed

U: my {pet} sleeps on the {place}
A: {a pet} loves {a place}.
A: is the {pet} alone, or is there {a pet2}?
U: yes
A: poor {pet}.

U: hi
A: Hello. {nothing} here.

A: nobody asked
U: hi

U: no reply

---
@pet: goose; goat; hen; black sheep

U: a {pet}!
A: {a pet}, really.
`

// TestParseSituations leaves out what is no situation, and keeps the slots of one
// writer apart from another's.
func TestParseSituations(t *testing.T) {
	t.Parallel()
	all := parseSituations(someSituations, map[string]bool{"goat": true, "sheep": true})
	if len(all) != 2 || len(all[0].rounds) != 2 || len(all[0].rounds[0][1]) != 2 || len(all[1].slots["pet"]) != 2 || all[1].slots["place"] != nil {
		t.Fatalf("%+v", all)
	}
	w := &writer{r: rand.New(rand.NewPCG(1, 2)), lang: fact.English}
	for range 50 {
		taken := map[string]string{}
		if got := w.fill("{a pet} and {pet}, not {pet2}", all[0], taken); got != "a cat and cat, not old dog" && got != "an old dog and old dog, not cat" {
			t.Errorf("%q", got)
		}
	}
}

// TestSituations draws from those that were written: what is said is filled, and
// those held out are drawn for the Test split alone.
func TestSituations(t *testing.T) {
	t.Parallel()
	for l := range languageKeys {
		first := map[string]bool{}
		for _, s := range situations()[1][l] {
			first[s.rounds[0][0][0]] = true
		}
		n := 0
		for _, s := range situations()[0][l] {
			if first[s.rounds[0][0][0]] {
				n++
			}
		}
		if len(first) == 0 || len(situations()[0][l]) == 0 || n > 0 {
			t.Errorf("%s: %d held out, %d of them trained on", languageKeys[l], len(first), n)
		}
		w := &writer{r: rand.New(rand.NewPCG(3, 4)), split: Train, lang: fact.Language(l)}
		for range 500 {
			c := w.situated(situations()[0][l])
			if len(c.turns)%2 != 0 || strings.ContainsAny(strings.Join(c.turns, ""), "{}") {
				t.Fatalf("%v", c)
			}
		}
	}
}

// TestParseSituationsLimits leaves out what costs too much to compare.
func TestParseSituationsLimits(t *testing.T) {
	t.Parallel()
	const one = "U: hi\nA: hello\n\n"
	for name, tt := range map[string]struct {
		text string
		want int
	}{
		"fine":       {one, 1},
		"text":       {one + strings.Repeat("\n", maxSituationsText) + one, 1},
		"line":       {"U: " + strings.Repeat("a", maxSituationLine+1) + "\nA: hello\n\n" + one, 1},
		"slots":      {"@a: b; c\n\nU: " + strings.Repeat("{a}", maxLineSlots+1) + "\nA: hello\n\n" + one, 1},
		"value":      {"@a: b; " + strings.Repeat("c", maxSlotValue+1) + "\n\nU: {a}\nA: hello\n\n" + one, 1},
		"round":      {strings.Repeat("U: hi\n", maxRoundHeard+1) + "A: hello\n\n" + one, 1},
		"blank":      {"U: hi\r\nA: hello\r\n  \r\nU: hi\r\nA: hello\r\n", 2},
		"values":     {"@a: b" + strings.Repeat("; c", maxSlotValues) + "\n\nU: {a}\nA: hello\n\n" + one, 1},
		"situations": {strings.Repeat(one, maxHeard+1), maxHeard},
	} {
		if got := len(ParseSituations(tt.text)); got != tt.want {
			t.Errorf("%s: %d, want %d", name, got, tt.want)
		}
	}
}

// TestVoices has small talk of its own for every character, in both languages.
func TestVoices(t *testing.T) {
	t.Parallel()
	for l := range languageKeys {
		if len(figures()[l]) < 6 {
			t.Errorf("%s: %d", languageKeys[l], len(figures()[l]))
		}
		for name, f := range figures()[l] {
			_, text := Voice(name, fact.Language(l))
			written, read := strings.Count(text, "\n\nU: "), len(ParseSituations(text))
			if f.system == "" || read < 100 || read != written || len(f.situations) < read*4/5 {
				t.Errorf("%s, %s: %q, %d situations of %d, %d to learn from", name, languageKeys[l], f.system, read, written, len(f.situations))
			}
		}
		w := &writer{r: rand.New(rand.NewPCG(5, 6)), split: Train, lang: fact.Language(l)}
		s, ok := w.voiced()
		if !ok || s[0].Role != System || s[len(s)-1].Role != Assistant || s[len(s)-1].Weight != replyWeight {
			t.Errorf("%v", s)
		}
		w.split = Test
		if _, ok := w.voiced(); ok {
			t.Error("what was written for training is drawn to test with")
		}
	}
}

// TestOutOfRole tells what only a program says from what anybody might.
func TestOutOfRole(t *testing.T) {
	t.Parallel()
	for l, all := range map[fact.Language]map[string]bool{
		fact.English: {
			"I'm a program, I don't sleep.": true, "I have no body, but I like soup.": true, "Sadly I can't taste it.": true, "I'm Kuai.": true,
			"I have no idea. You?": false, "I can't see why not.": false, "There's no home like it.": false, "The program of the fair hangs at the door.": false,
		},
		fact.Chinese: {
			"我是程序，不会累。": true, "我没有身体，但爱听你说。": true, "我尝不到，你讲讲。": true,
			"我不会走的。": false, "我没有办法，只好等。": false, "慢慢找，越急越看不见。": false,
		},
	} {
		for s, want := range all {
			if OutOfRole(l, s) != want {
				t.Errorf("%q: %v", s, !want)
			}
		}
	}
}

// TestAlike draws two ways to say the same, and none of those for tuning to learn
// from.
func TestAlike(t *testing.T) {
	t.Parallel()
	r := rand.New(rand.NewPCG(7, 8))
	for l := range languageKeys {
		for _, split := range []Split{Train, Tune} {
			for range 200 {
				a, b := Alike(r, fact.Language(l), split)
				if a == "" || b == "" || strings.ContainsAny(a+b, "{}") {
					t.Fatalf("%q, %q", a, b)
				}
			}
		}
		for _, s := range alike()[0][l] {
			if s.Tuned() {
				t.Fatalf("%q is for tuning", s.Heard(0)[0])
			}
		}
		if len(alike()[1][l]) == 0 {
			t.Error("none for tuning")
		}
	}
}
