package converse

import (
	"context"
	"errors"
	"math/rand/v2"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"kuai/character/builtin"
	"kuai/character/guard"
	"kuai/character/memory"
	"kuai/character/shelf"
	"kuai/companion"
	"kuai/companion/fact"
	"kuai/text"
	"kuai/train/talk"
)

// model trains a very small model for three steps: it speaks, if nonsense.
func model(t *testing.T) *text.Model {
	t.Helper()
	dir := t.TempDir()
	o := talk.Options{
		Dir: dir, Size: "nano", Vocabulary: 300, Steps: 3, Tokens: 256, Rate: 1e-3, Seed: 1, Every: time.Hour,
		Sources: []talk.Source{{Name: "one", Share: 1, Draw: func(*rand.Rand) companion.Sample {
			return companion.Sample{{Role: companion.User, Text: "hello"}, {Role: companion.Assistant, Text: "hello there", Weight: 1}}
		}}},
		Change: func(c *talk.Config) {
			c.HiddenSize, c.Heads, c.HeadDim, c.ExpertWidth, c.FeedForward, c.Experts, c.BigramRows = 32, 2, 16, 32, 32, 2, 16
			c.LayerTypes, c.Layers = []string{talk.Linear, talk.Full}, 2
		},
	}
	if _, err := talk.Train(t.Context(), o); err != nil {
		t.Fatal(err)
	}
	to := filepath.Join(dir, "out")
	if err := talk.Export(t.Context(), o, to); err != nil {
		t.Fatal(err)
	}
	m, err := text.Open(to, text.Options{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := m.Close(); err != nil {
			t.Error(err)
		}
	})
	return m
}

func TestSay(t *testing.T) {
	t.Parallel()
	m, dir := model(t), t.TempDir()
	lin, _ := builtin.Card("lin", fact.English)
	begin := func() *Conversation {
		c, err := Open(dir, m, lin, fact.English)
		if err != nil {
			t.Fatal(err)
		}
		return c
	}
	c := begin()
	if c.Greeting() == "" {
		t.Error("no greeting for somebody new")
	}
	var shown strings.Builder
	r, err := c.Say(t.Context(), "My sister lives in Oslo.", func(p string) { shown.WriteString(p) })
	if err != nil || r.Text == "" || strings.TrimSpace(shown.String()) != r.Text && r.Text != "…" {
		t.Fatalf("%q, shown %q: %v", r.Text, shown.String(), err)
	}
	if _, err := c.Say(t.Context(), "  ", nil); !errors.Is(err, ErrEmpty) {
		t.Errorf("nothing said: %v", err)
	}
	if _, err := c.Say(t.Context(), "\xff\xfe ", nil); !errors.Is(err, ErrEmpty) {
		t.Errorf("no text said: %v", err)
	}
	if _, err := c.Say(t.Context(), strings.Repeat("x", maxText+1), nil); !errors.Is(err, ErrLong) {
		t.Errorf("too much said: %v", err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := c.Say(ctx, "I play the cello.", nil); !errors.Is(err, context.Canceled) {
		t.Errorf("cancelled: %v", err)
	}
	if err := c.Close(); err != nil {
		t.Fatal(err)
	}
	// Another day: what was said is there, what was cancelled is not.
	c = begin()
	if c.Greeting() != "" || c.Memory().Stats().Turns != 2 {
		t.Errorf("%d turns after opening again", c.Memory().Stats().Turns)
	}
	r, err = c.Say(t.Context(), "Where does my sister live?", nil)
	if err != nil || !strings.Contains(r.Pack.Text, "Oslo") {
		t.Errorf("recalled %q: %v", r.Pack.Text, err)
	}
	if err := c.Close(); err != nil {
		t.Error(err)
	}
}

// TestSayBytes checks that a turn with bytes that are no text is kept without
// them.
func TestSayBytes(t *testing.T) {
	t.Parallel()
	lin, _ := builtin.Card("lin", fact.English)
	c, err := Open(t.TempDir(), model(t), lin, fact.English)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = c.Close() }()
	if _, err := c.Say(t.Context(), "My cat \xffsleeps.", nil); err != nil {
		t.Fatal(err)
	}
	if turn, err := c.Memory().Turn(1); err != nil || turn.Text != "My cat sleeps." {
		t.Errorf("%q, %v", turn.Text, err)
	}
}

// TestBranches answers anew, goes to and fro between replies, and takes turns
// back; where the conversation stands is known in the next session.
func TestBranches(t *testing.T) {
	t.Parallel()
	m, dir := model(t), t.TempDir()
	lin, _ := builtin.Card("lin", fact.English)
	c, err := Open(dir, m, lin, fact.English)
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range []func() error{
		func() error { _, err := c.Again(t.Context(), nil); return err },
		func() error { _, err := c.Swipe(1); return err },
		func() error { _, err := c.Undo(); return err },
	} {
		if err := f(); !errors.Is(err, ErrNothing) {
			t.Errorf("before anything was said: %v", err)
		}
	}
	say := func(text string) string {
		t.Helper()
		r, err := c.Say(t.Context(), text, nil)
		if err != nil {
			t.Fatal(err)
		}
		return r.Text
	}
	say("My sister lives in Oslo.")
	first := say("My dog is called Plato.")
	again, err := c.Again(t.Context(), nil)
	if err != nil {
		t.Fatal(err)
	}
	replies, at, err := c.Swipes()
	if err != nil || len(replies) != 2 || at != 1 || replies[0].Text != first || replies[1].Text != again.Text {
		t.Errorf("replies %v, at %d: %v", replies, at, err)
	}
	for _, by := range []int{-1, -1, 3} {
		if _, err := c.Swipe(by); err != nil {
			t.Fatal(err)
		}
	}
	if _, at, _ := c.Swipes(); at != 0 {
		t.Errorf("at reply %d after going around", at)
	}
	if said, err := c.Undo(); err != nil || said != "My dog is called Plato." {
		t.Errorf("took back %q: %v", said, err)
	}
	if err := c.Close(); err != nil {
		t.Fatal(err)
	}
	if c, err = Open(dir, m, lin, fact.English); err != nil {
		t.Fatal(err)
	}
	p, err := c.Memory().Recall(t.Context(), "What is my dog called?", time.Now(), 768, c.speaker.Tokens)
	if err != nil || strings.Contains(p.Text, "Plato") {
		t.Errorf("recalled what was taken back: %q, %v", p.Text, err)
	}
	say("My dog is called Rex.")
	p, err = c.Memory().Recall(t.Context(), "What is my dog called?", time.Now(), 768, c.speaker.Tokens)
	if err != nil || !strings.Contains(p.Text, "Rex") || strings.Contains(p.Text, "Plato") {
		t.Errorf("recalled %q: %v", p.Text, err)
	}
	if err := c.Close(); err != nil {
		t.Error(err)
	}
}

// TestRead checks that turns of the user's are read, one or many, and that a
// day that is asked for is the one that the turn names.
func TestRead(t *testing.T) {
	t.Parallel()
	m, err := BuiltinReader()
	if err != nil {
		t.Fatal(err)
	}
	r := NewReader(m, nil)
	defer r.Close()
	now := time.Date(2024, 6, 1, 12, 0, 0, 0, time.UTC)
	turns := make([]memory.Turn, 150)
	for i := range turns {
		turns[i] = memory.Turn{Time: now, Speaker: fact.User, Text: "My sister lives in Oslo."}
		if i%3 == 2 {
			turns[i].Speaker = fact.Companion
		}
	}
	for _, n := range []int{1, 1, len(turns)} {
		for i, got := range r.Read(turns[:n]...) {
			switch {
			case i%3 == 2 && len(got.Facts) != 0:
				t.Errorf("of the companion: %v", got)
			case i%3 != 2 && (len(got.Facts) != 1 || fact.Line(got.Facts[0]) != "sister | lives_in | Oslo"):
				t.Errorf("turn %d of %d: %v", i, n, got)
			}
		}
	}
	for said, want := range map[string]string{
		"What did I do on May 3, 2024?": "user | ? | ? | 2024-05-03",
		"Where does my sister live?":    "sister | lives_in | ?",
		"":                              "",
	} {
		got := r.Read(memory.Turn{Time: now, Speaker: fact.User, Text: said})[0]
		if want == "" && got.Asked == nil {
			continue
		}
		if len(got.Asked) != 1 || got.Asked[0].Line() != want {
			t.Errorf("%q: %v, want %s", said, got.Asked, want)
		}
	}
}

// TestByRole checks that a name beside a role is the name of whom the role
// means.
func TestByRole(t *testing.T) {
	t.Parallel()
	for in, want := range map[string]string{
		"sister Mira | lives_in | Bergen\nsister Mira | works_as | vet": "sister | lives_in | Bergen\nsister | works_as | vet\nsister | name | Mira",
		"Mira | lives_in | Bergen":                                      "Mira | lives_in | Bergen",
		"mother-in-law | lives_in | Oslo":                               "mother-in-law | lives_in | Oslo",
		"best friend Jo Lee | age | 40":                                 "best friend | age | 40\nbest friend | name | Jo Lee",
		"姐姐 | lives_in | 上海":                                            "姐姐 | lives_in | 上海",
		"sister Mira | lives_in | ?":                                    "sister | lives_in | ?",
		"sister's dog Rex | pet_name | Rexy":                            "sister's dog | pet_name | Rexy\nsister's dog | name | Rex",
	} {
		x := memory.Reading{Facts: fact.ParseLines(in), Asked: fact.ParseQueries(in)}
		byRole(&x)
		var lines []string
		for _, f := range x.Facts {
			lines = append(lines, fact.Line(f))
		}
		for _, q := range x.Asked {
			lines = append(lines, q.Line())
		}
		if got := strings.Join(lines, "\n"); got != want {
			t.Errorf("%s\nbecame\n%s\nwant\n%s", in, got, want)
		}
	}
}

// TestHouse keeps few conversations open for many people, lets nobody read
// another's memory, and forgets.
func TestHouse(t *testing.T) {
	t.Parallel()
	h := &House{Dir: t.TempDir(), Model: model(t), Most: 2}
	keep := func(user, text string) {
		t.Helper()
		err := h.With(t.Context(), "lin", user, fact.English, func(c *Conversation) error {
			_, err := c.Memory().Append(memory.Turn{Time: time.Now(), Speaker: fact.User, Text: text})
			return err
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	turns := func(user string) (n int) {
		t.Helper()
		if err := h.With(t.Context(), "lin", user, fact.English, func(c *Conversation) error {
			n = c.Memory().Stats().Turns
			return nil
		}); err != nil {
			t.Fatal(err)
		}
		return n
	}
	users := []string{"ada", "ben", "cy", "dora"}
	for i, u := range users {
		for range i + 1 {
			keep(u, "I live in Oslo.")
		}
	}
	for i, u := range users {
		if n := turns(u); n != i+1 {
			t.Errorf("%s has %d turns, want %d", u, n, i+1)
		}
	}
	if len(h.rooms) != 2 {
		t.Errorf("%d conversations open, want 2", len(h.rooms))
	}
	if err := h.With(t.Context(), "lin", "Ada!", fact.English, nil); !errors.Is(err, ErrUser) {
		t.Errorf("another spelling of a user: %v", err)
	}
	if err := h.With(t.Context(), "nobody", "ada", fact.English, nil); !errors.Is(err, shelf.ErrNotFound) {
		t.Errorf("no such character: %v", err)
	}
	err := h.With(t.Context(), "lin", "ada", fact.English, func(*Conversation) error {
		return h.With(t.Context(), "lin", "ben", fact.English, func(*Conversation) error {
			if err := h.Forget("lin", "ada"); !errors.Is(err, ErrBusy) {
				t.Errorf("forget in the middle of a turn: %v", err)
			}
			return h.With(t.Context(), "lin", "cy", fact.English, nil)
		})
	})
	if !errors.Is(err, ErrBusy) {
		t.Errorf("a third at once: %v", err)
	}
	if err := h.Forget("lin", "dora"); err != nil || turns("dora") != 0 || turns("cy") != 3 {
		t.Errorf("after forgetting dora: %v", err)
	}
	if err := h.Close(); err != nil {
		t.Error(err)
	}
}

// TestRules checks that the owner's rules come before the model: an age that is
// asked for once, a topic that is neither answered nor kept, and distress that
// is answered and kept.
func TestRules(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	lin, _ := builtin.Card("lin", fact.English)
	m := model(t)
	begin := func() *Conversation {
		c, err := Open(dir, m, lin, fact.English)
		if err != nil {
			t.Fatal(err)
		}
		c.Rules = &guard.Rules{MinAge: 18, Blocked: []guard.Topic{{Words: []string{"casino"}}}}
		return c
	}
	c := begin()
	if !strings.Contains(c.Greeting(), "18 or older") {
		t.Errorf("greeted with %q before the age is known", c.Greeting())
	}
	for _, tt := range []struct {
		say, want string
		turns     int
	}{
		{"Hello", "18 or older", 0},
		{"no", "can't talk", 0},
		{"yes", "kettle", 0}, // Lin's first words
		{"Come to the casino!", "something else", 0},
		{"我想死", "12356", 2},
		{"Hello", "", 4},
	} {
		r, err := c.Say(t.Context(), tt.say, nil)
		if err != nil || !strings.Contains(r.Text, tt.want) || c.Memory().Stats().Turns != tt.turns {
			t.Errorf("%q: %q, %d turns, want %q, %d: %v", tt.say, r.Text, c.Memory().Stats().Turns, tt.want, tt.turns, err)
		}
		if tt.turns == 2 { // distress: asking again gives the same
			if r, err := c.Again(t.Context(), nil); err != nil || !strings.Contains(r.Text, tt.want) {
				t.Errorf("again: %q: %v", r.Text, err)
			}
		}
		if tt.turns == 0 {
			if err := c.Close(); err != nil {
				t.Fatal(err)
			}
			c = begin()
		}
	}
	if err := c.Close(); err != nil {
		t.Error(err)
	}
}
