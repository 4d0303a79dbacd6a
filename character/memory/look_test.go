package memory

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"kuai/companion"
	"kuai/companion/fact"
)

// lines is a reader that knows what it is to say.
type lines struct {
	says map[string]string
	read map[string]int
}

func (l *lines) Read(turns ...Turn) []Reading {
	out := make([]Reading, len(turns))
	for i, t := range turns {
		if t.Speaker == fact.User {
			l.read[t.Text]++
			out[i] = Reading{Facts: fact.ParseLines(l.says[t.Text]), Asked: fact.ParseQueries(l.says[t.Text])}
		}
	}
	return out
}

// TestLook checks what a pack holds for each way to ask, whether turns were
// read when they were told or when the thread was opened again.
func TestLook(t *testing.T) {
	t.Parallel()
	says := map[string]string{
		"My sister moved to Oslo.":             "sister | lives_in | Oslo",
		"My sister has moved again, to Turin.": "sister | lives_in | Turin",
		"My sister is called Mira.":            "sister | name | Mira",
		"I am afraid of bees.":                 "user | afraid_of | bees",
		"And I am afraid of moths.":            "user | afraid_of | moths",
		"Moths are fine, no fear of them now.": "user | not afraid_of | moths",
		"Thunder scares me, I am afraid.":      "user | afraid_of | thunder",
		"I had my physics exam today.":         "user | exam | physics",
		"I bought a lamp today.":               "user | bought | lamp",

		"Where does my sister live?":     "sister | lives_in | ?",
		"Where does Mira live?":          "Mira | lives_in | ?",
		"What am I afraid of?":           "user | afraid_of | ?",
		"When did I buy the lamp?":       "user | bought | lamp | ?",
		"Before my physics exam?":        "user | exam | physics | ? - 1",
		"What was on March 9, 2024?":     "user | ? | ? | 2023-01-01",
		"Where does my brother live?":    "brother | lives_in | ?",
		"What did I do on May 20, 2023?": "user | ? | ? | 2023-05-20",
		"What should I be spared?":       "user | dislikes | ?",
		"My cats are Milo and Luna.":     "cats | pet_name | Milo\ncats | pet_name | Luna",
		"What are my cats called?":       "cats | pet_name | ?",
		"What's my sister called?":       "user | studies | ?",
		"What do I dislike?":             "user | dislikes | ?",
		"I wonder where my sister lives": "sister | lives_in | ?",
	}
	told := []struct{ day, text string }{
		{"2024-03-01", "My sister moved to Oslo."},
		{"2024-03-02", "My sister is called Mira."},
		{"2024-03-03", "I am afraid of bees."},
		{"2024-03-04", "And I am afraid of moths."},
		{"2024-03-05", "Moths are fine, no fear of them now."},
		{"2024-03-06", "Thunder scares me, I am afraid."},
		{"2024-03-09", "I bought a lamp today."},
		{"2024-03-10", "I had my physics exam today."},
		{"2024-04-01", "My sister has moved again, to Turin."},
		{"2024-04-02", "My cats are Milo and Luna."},
	}
	for _, late := range []bool{false, true} {
		t.Run(fmt.Sprintf("late %v", late), func(t *testing.T) {
			t.Parallel()
			r := &lines{says: says, read: map[string]int{}}
			dir := t.TempDir()
			open := func(reader Reader) *Thread {
				th, err := Open(dir, Options{NoSync: true, Reader: reader})
				if err != nil {
					t.Fatal(err)
				}
				return th
			}
			var th *Thread
			if late {
				th = open(NoFacts{})
			} else {
				th = open(r)
			}
			for _, x := range told {
				at, _ := time.Parse(time.DateOnly, x.day)
				if _, err := th.Append(Turn{Time: at.Add(9 * time.Hour), Speaker: fact.User, Text: x.text}, Turn{Time: at.Add(9 * time.Hour), Speaker: fact.Companion, Text: "I see."}); err != nil {
					t.Fatal(err)
				}
			}
			if late { // what nobody read when it was told is read now
				if err := th.Close(); err != nil {
					t.Fatal(err)
				}
				th = open(r)
			}
			defer func() { _ = th.Close() }()
			now := time.Date(2024, 6, 1, 12, 0, 0, 0, time.UTC)
			for ask, want := range map[string]string{
				"Where does my sister live?":     "[2024-04-01] The user's sister lives in Turin.",
				"Where does Mira live?":          "[2024-03-02] The user's sister's name is Mira.|[2024-04-01] The user's sister lives in Turin.",
				"What am I afraid of?":           "[2024-03-06] The user is afraid of bees and thunder (2).",
				"When did I buy the lamp?":       "[2024-03-09] The user bought a lamp (March 9, 2024).",
				"Before my physics exam?":        "[2024-03-09] The user bought a lamp (March 9, 2024).|[2024-03-10] The user had an exam in physics (March 10, 2024).",
				"What was on March 9, 2024?":     "[2024-03-09] The user bought a lamp (March 9, 2024).",
				"Where does my brother live?":    "(nothing found)",
				"What did I do on May 20, 2023?": "(nothing found)",
				"What should I be spared?":       "[2024-03-06] The user is afraid of bees and thunder (2).",
				"What do I dislike?":             "(nothing found)",
				"What's my sister called?":       "[2024-03-02] The user's sister's name is Mira.",
				"What are my cats called?":       "[2024-04-02] The user's cat is called Milo.|[2024-04-02] The user's cat is called Luna.",
				"I wonder where my sister lives": "[2024-04-01] The user's sister lives in Turin.",
			} {
				for range 2 {
					p, err := th.Recall(t.Context(), ask, now, 768, func(s string) int { return len(s) / 4 })
					if err != nil {
						t.Fatal(err)
					}
					_, got, _ := strings.Cut(strings.TrimSpace(p.Text), "\n")
					if got != strings.ReplaceAll(want, "|", "\n") {
						t.Errorf("%s\n%s\nnot\n%s", ask, got, want)
					}
				}
			}
			for _, x := range told {
				if r.read[x.text] > 1 {
					t.Errorf("%q was read %d times", x.text, r.read[x.text])
				}
			}
		})
	}
}

// TestBehind checks that a turn counts whose facts could not be written, and
// that they are read when the thread is opened again.
func TestBehind(t *testing.T) {
	t.Parallel()
	r := &lines{says: map[string]string{"My sister moved to Oslo.": "sister | lives_in | Oslo"}, read: map[string]int{}}
	dir := t.TempDir()
	th, err := Open(dir, Options{NoSync: true, Reader: r})
	if err != nil {
		t.Fatal(err)
	}
	if err := th.book.log.Close(); err != nil { // as a disk that is full
		t.Fatal(err)
	}
	if _, err := th.Append(Turn{Speaker: fact.User, Text: "My sister moved to Oslo."}); err != nil {
		t.Errorf("a turn that is on the disk: %v", err)
	}
	if got := th.Facts(false); len(got) != 0 || !th.behind {
		t.Errorf("%v, behind %v", got, th.behind)
	}
	_ = th.Close() // the book is closed already
	if th, err = Open(dir, Options{NoSync: true, Reader: r}); err != nil {
		t.Fatal(err)
	}
	if got := th.Facts(false); len(got) != 1 || got[0].Object != "Oslo" {
		t.Errorf("opened again: %v", got)
	}
	if err := th.Close(); err != nil {
		t.Error(err)
	}
}

// TestNear checks that a hobby which nobody told of is not made up from what is
// liked, but that this is said.
func TestNear(t *testing.T) {
	t.Parallel()
	r := &lines{says: map[string]string{
		"I love hiking.": "user | likes | hiking", "And I like to read.": "user | likes | to read",
		"What are my hobbies?": "user | hobby | ?", "What are my sister's hobbies?": "sister | hobby | ?",
	}, read: map[string]int{}}
	th, err := Open(t.TempDir(), Options{NoSync: true, Reader: r})
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = th.Close() }()
	for _, s := range []string{"I love hiking.", "And I like to read."} {
		if _, err := th.Append(Turn{Time: time.Now(), Speaker: fact.User, Text: s}); err != nil {
			t.Fatal(err)
		}
	}
	for question, want := range map[string]string{
		"What are my hobbies?":          "You haven't told me that, but you like hiking and to read.",
		"What are my sister's hobbies?": "", // in any words
	} {
		p, err := th.Recall(t.Context(), question, time.Now(), 768, func(s string) int { return len(s) })
		if err != nil {
			t.Fatal(err)
		}
		if got := p.Grounded("You love chess."); got != want && (want != "" || !companion.Denies(fact.English, got)) {
			t.Errorf("%s %q, want %q", question, got, want)
		}
	}
}

// TestNobodyElse checks that what is known of one is not told of another whose
// name holds theirs.
func TestNobodyElse(t *testing.T) {
	t.Parallel()
	th := openWith(t, t.TempDir(), &lines{map[string]string{
		"My uncle lives in Oslo.":                     "uncle | lives_in | Oslo",
		"Where does my younger uncle live?":           "younger uncle | lives_in | ?",
		"Where does my dear uncle live, do you know?": "dear uncle | lives_in | ?",
	}, map[string]int{}})
	defer func() { _ = th.Close() }()
	say(t, th, "My uncle lives in Oslo.", "I see.")
	for ask, want := range map[string]int{"Where does my younger uncle live?": 0, "Where does my dear uncle live, do you know?": 1} {
		if got := th.look(ask, time.Now()); len(got) != 1 || len(got[0].Facts) != want {
			t.Errorf("%s: %v", ask, got)
		}
	}
}
