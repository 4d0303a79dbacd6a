package converse

import (
	"bytes"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"kuai/character/memory"
	"kuai/serve/upstream"
)

// grep lists the files below a directory that have a text.
func grep(t *testing.T, dir, text string) (found []string) {
	t.Helper()
	err := filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		data, err := os.ReadFile(path)
		if bytes.Contains(data, []byte(text)) {
			found = append(found, path)
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return found
}

// TestTree edits a turn, walks between branches and back by a checkpoint. What
// was said on another branch is not remembered, today or in the next session.
func TestTree(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	_, s := abroad(t, always("I see."))
	c := begin(t, dir, s)
	sayTo(t, c, "My sister lives in Oslo.")
	plato := sayTo(t, c, "My dog is called Plato.")
	if err := c.Checkpoint("with Plato", 0); err != nil {
		t.Fatal(err)
	}
	rex, err := c.Edit(t.Context(), plato.Turn-1, "My dog is called Rex.", nil)
	if err != nil {
		t.Fatal(err)
	}
	knows := func(yes, no string) {
		t.Helper()
		for range 2 {
			p, err := c.Memory().Recall(t.Context(), "What is my dog called?", time.Now(), 768, s.Tokens)
			if err != nil || !strings.Contains(p.Text, yes) || strings.Contains(p.Text, no) {
				t.Errorf("want %s and no %s in %q: %v", yes, no, p.Text, err)
			}
			found, err := c.Memory().Search(t.Context(), no, time.Now(), 10)
			for _, f := range found {
				if strings.Contains(f.Item.Text, no) {
					t.Errorf("found %v: %v", f, err)
				}
			}
			for _, f := range c.Memory().Facts(true) {
				if f.Object == no {
					t.Errorf("known: %v", f)
				}
			}
			if err := c.Close(); err != nil {
				t.Fatal(err)
			}
			c = begin(t, dir, s) // another day
		}
	}
	knows("Rex", "Plato")
	all, err := c.Branches()
	if err != nil || len(all) != 2 || all[0].Present || !all[1].Present || all[0].Own != 2 || all[0].From != 2 || all[1].Leaf.ID != rex.Turn {
		t.Errorf("branches %+v: %v", all, err)
	}
	id, err := c.FindCheckpoint("with Plato")
	if err != nil || id != plato.Turn {
		t.Fatalf("turn %d, want %d: %v", id, plato.Turn, err)
	}
	if err := c.GoTo(id); err != nil {
		t.Fatal(err)
	}
	knows("Plato", "Rex")
	sayTo(t, c, "And my cat is called Mochi.")
	if err := c.GoTo(rex.Turn); err != nil {
		t.Fatal(err)
	}
	knows("Rex", "Mochi")
	for what, err := range map[string]error{
		"no such turn":          c.GoTo(99),
		"no such checkpoint":    c.DropCheckpoint("x"),
		"a checkpoint's number": c.Checkpoint("12", 0),
		"somebody else's turn":  func() error { _, err := c.Edit(t.Context(), rex.Turn, "x", nil); return err }(),
	} {
		if !errors.Is(err, memory.ErrNotFound) && !errors.Is(err, ErrNoCheckpoint) && !errors.Is(err, ErrCheckpoint) && !errors.Is(err, ErrNotYours) {
			t.Errorf("%s: %v", what, err)
		}
	}
	if err := c.GoTo(0); err != nil || c.Memory().Head() != 0 {
		t.Errorf("the beginning: %v", err)
	}
}

// TestAgainKeeps checks that while a reply is written anew, the disk has the
// conversation where it was: a kill then loses nothing.
func TestAgainKeeps(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	var c *Conversation
	during := ""
	_, s := abroad(t, func([]upstream.Message) string {
		if c == nil || c.Memory().Stats().Turns == 0 {
			return "One."
		}
		if b, err := os.ReadFile(filepath.Join(dir, "head")); err == nil {
			during += string(b)
		}
		return "Two."
	})
	c = begin(t, dir, s)
	first := sayTo(t, c, "Hello!")
	second, err := c.Again(t.Context(), nil)
	if err != nil || during != "" || first.Turn != 2 || second.Turn != 3 || second.Text != "Two." {
		t.Errorf("%+v then %+v, the head was %q: %v", first, second, during, err)
	}
	if _, err := c.Continue(t.Context(), nil); err != nil {
		t.Error(err)
	}
	if replies, at, err := c.Swipes(); err != nil || len(replies) != 3 || at != 2 || replies[2].Text != second.Text+" Two." {
		t.Errorf("replies %+v at %d: %v", replies, at, err)
	}
}
