package converse

import (
	"bytes"
	"os"
	"path/filepath"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"

	"kuai/character/card"
	"kuai/character/memory"
	"kuai/companion/fact"
)

// native opens a conversation in dir whose model keeps a room.
func native(t *testing.T, dir string, s *Companion) *Conversation {
	t.Helper()
	c, err := OpenWith(dir, s, &card.Card{Name: "Lin", SystemPrompt: "You are Lin."}, fact.English)
	if err != nil {
		t.Fatal(err)
	}
	if err := c.KeepRoom(); err != nil {
		t.Fatal(err)
	}
	return c
}

// sees returns the tokens that the model has seen once it has followed.
func sees(t *testing.T, c *Conversation) []int32 {
	t.Helper()
	p, err := c.prompt(wish{said: "?"}, memory.Pack{}, c.speaker.Room())
	if err != nil {
		t.Fatal(err)
	}
	if err := c.native.follow(t.Context(), c.thread, p, 0); err != nil {
		t.Fatal(err)
	}
	return slices.Clone(c.native.session.Tokens())
}

func leave(t *testing.T, c *Conversation) {
	t.Helper()
	if err := c.Close(); err != nil {
		t.Error(err)
	}
}

// TestNative checks that the model has seen the branch and nothing else: after
// other replies, after it was closed, and after its files were damaged.
func TestNative(t *testing.T) {
	t.Parallel()
	dir, s := t.TempDir(), small(t)
	c := native(t, dir, s)
	say := func(text string) {
		t.Helper()
		if _, err := c.Say(t.Context(), text, nil); err != nil {
			t.Fatal(err)
		}
	}
	say("My cat is called Miso.")
	say("It rains again.")
	whole := sees(t, c)
	tail := s.codec.Append(nil, s.parts(&Prompt{Card: &card.Card{}, Expand: func(s string) string { return s }, Lines: []Line{{User: true, Text: "It rains again."}}}))
	if !bytes.Contains(raw(whole), raw(tail)) {
		t.Error("a turn was not seen")
	}
	if _, err := c.Again(t.Context(), nil); err != nil {
		t.Fatal(err)
	}
	if _, err := c.Undo(); err != nil {
		t.Fatal(err)
	}
	short := sees(t, c)
	if len(short) >= len(whole) || cmp.Diff(whole[:len(short)], short) != "" {
		t.Errorf("after undoing %d tokens, not a beginning of %d", len(short), len(whole))
	}
	leave(t, c)

	files := filepath.Join(dir, memory.NativeDir)
	for name, harm := range map[string]func() error{
		"as it was": func() error { return nil },
		"session":   func() error { return os.Truncate(filepath.Join(files, sessionFile), 100) },
		"keys":      func() error { return os.WriteFile(filepath.Join(files, "keys.room"), []byte("no room"), 0o600) },
		"absent":    func() error { return os.RemoveAll(files) },
	} {
		if err := harm(); err != nil {
			t.Fatal(err)
		}
		c = native(t, dir, s)
		if d := cmp.Diff(short, sees(t, c)); d != "" {
			t.Errorf("%s: other tokens:\n%s", name, d)
		}
		leave(t, c)
	}

	c = native(t, dir, s)
	if err := c.thread.ForgetTurn(c.thread.Back(1)); err != nil {
		t.Fatal(err)
	}
	if _, err := os.Stat(files); err == nil {
		t.Error("what the model has seen of a forgotten turn is on the disk")
	}
	if got := sees(t, c); len(got) >= len(short) {
		t.Errorf("after forgetting %d tokens of %d", len(got), len(short))
	}
	leave(t, c)
}

func raw(x []int32) []byte {
	var b []byte
	for _, v := range x {
		b = append(b, byte(v), byte(v>>8), byte(v>>16), byte(v>>24))
	}
	return b
}

func FuzzReadSeen(f *testing.F) {
	var b bytes.Buffer
	if err := writeSeen(&b, [32]byte{1}, []seenTurn{{0, 5}, {2, 17}}); err != nil {
		f.Fatal(err)
	}
	f.Add(b.Bytes())
	f.Add(b.Bytes()[:60])
	f.Fuzz(func(t *testing.T, data []byte) {
		mark, seen, err := readSeen(bytes.NewReader(data))
		if err != nil {
			return
		}
		var again bytes.Buffer
		if err := writeSeen(&again, mark, seen); err != nil || !bytes.HasPrefix(data, again.Bytes()) {
			t.Errorf("read %d turns otherwise than written: %v", len(seen), err)
		}
	})
}
