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
	p, err := c.Memory().Recall(t.Context(), "What is my dog called?", time.Now(), 768, c.tokens)
	if err != nil || strings.Contains(p.Text, "Plato") {
		t.Errorf("recalled what was taken back: %q, %v", p.Text, err)
	}
	say("My dog is called Rex.")
	p, err = c.Memory().Recall(t.Context(), "What is my dog called?", time.Now(), 768, c.tokens)
	if err != nil || !strings.Contains(p.Text, "Rex") || strings.Contains(p.Text, "Plato") {
		t.Errorf("recalled %q: %v", p.Text, err)
	}
	if err := c.Close(); err != nil {
		t.Error(err)
	}
}
