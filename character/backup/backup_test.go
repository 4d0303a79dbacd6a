package backup

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"kuai/character/card"
	"kuai/character/converse"
	"kuai/character/group"
	"kuai/character/memory"
	"kuai/character/persona"
	"kuai/character/shelf"
	"kuai/companion/fact"
	"kuai/format/sealed"
)

func roots(dir string) Roots {
	return Roots{filepath.Join(dir, "threads"), filepath.Join(dir, "people"), filepath.Join(dir, "cards")}
}

func open(t *testing.T, dir string) *memory.Thread {
	t.Helper()
	th, err := memory.Open(dir, memory.Options{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = th.Close() })
	return th
}

func tell(t *testing.T, th *memory.Thread, n int, text string) {
	t.Helper()
	for i := range n {
		if _, err := th.Append(memory.Turn{Speaker: fact.User, Text: text}, memory.Turn{Speaker: fact.Companion, Text: fmt.Sprint("I see. ", i)}); err != nil {
			t.Fatal(err)
		}
	}
}

// life makes a user with a conversation, a group, a persona and a card. The
// conversation stays open.
func life(t *testing.T, r Roots) *memory.Thread {
	t.Helper()
	eve, err := card.ParseJSON([]byte(`{"name":"Eve"}`))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := (shelf.Shelf{Dir: r.Cards}).Import(eve, false); err != nil {
		t.Fatal(err)
	}
	if _, err := (persona.Store{Dir: r.People}).Add("me", persona.Persona{Name: "Ada"}); err != nil {
		t.Fatal(err)
	}
	g, err := group.Store{Dir: r.People}.Create("me", group.Group{Name: "Tea", Members: []group.Member{{ID: "eve", Name: "Eve"}}})
	if err != nil {
		t.Fatal(err)
	}
	dir, _ := group.Store{Dir: r.People}.Path("me", g.ID)
	in := open(t, dir)
	tell(t, in, 3, "I play the cello.")
	if err := in.Close(); err != nil {
		t.Fatal(err)
	}
	th := open(t, converse.ThreadDir(r.Threads, "eve", "me"))
	tell(t, th, 50, "I live in Oslo.")
	return th
}

// TestBackup saves while somebody talks, and restores on another machine, for
// another user, and in the place of what is there.
func TestBackup(t *testing.T) {
	t.Parallel()
	r, to := roots(t.TempDir()), t.TempDir()
	th := life(t, r)
	stop, done := make(chan struct{}), make(chan error)
	go func() {
		var err error
		for i := 0; err == nil; i++ {
			select {
			case <-stop:
				done <- nil
				return
			default:
				_, err = th.Append(memory.Turn{Speaker: fact.User, Text: "I like rain."}, memory.Turn{Speaker: fact.Companion, Text: "So do I."})
			}
		}
		done <- err
	}()
	m, err := Save(t.Context(), r, "me", to, time.Now())
	close(stop)
	if e := <-done; e != nil {
		t.Fatal(e)
	}
	if err != nil || m.User != "me" || len(m.Warnings) != 0 {
		t.Fatalf("%+v: %v", m, err)
	}
	if _, err := Save(t.Context(), r, "me", to, time.Now()); !errors.Is(err, ErrNotEmpty) {
		t.Errorf("into a folder with something in it: %v", err)
	}
	if _, err := Save(t.Context(), r, "nobody", t.TempDir(), time.Now()); !errors.Is(err, ErrNothing) {
		t.Errorf("of nobody: %v", err)
	}
	if _, err := Restore(t.Context(), r, "", to, false); !errors.Is(err, memory.ErrLocked) {
		t.Errorf("while it is open: %v", err)
	}
	if err := th.Close(); err != nil {
		t.Fatal(err)
	}
	if _, err := Restore(t.Context(), r, "", to, false); !errors.Is(err, ErrExists) {
		t.Errorf("over what is there: %v", err)
	}
	other := roots(t.TempDir())
	for _, tt := range []struct {
		r       Roots
		user    string
		replace bool
	}{{other, "", false}, {other, "you", false}, {r, "", true}} {
		if _, err := Restore(t.Context(), tt.r, tt.user, to, tt.replace); err != nil {
			t.Fatal(err)
		}
		user := tt.user
		if user == "" {
			user = "me"
		}
		back := open(t, converse.ThreadDir(tt.r.Threads, "eve", user))
		if n := back.Stats(); n.Turns < 100 || n.Facts < 1 || len(back.Warnings()) != 0 {
			t.Errorf("%+v, %v", n, back.Warnings())
		}
		if turn, err := back.Turn(1); err != nil || turn.Text != "I live in Oslo." {
			t.Errorf("%+v: %v", turn, err)
		}
		if _, err := (shelf.Shelf{Dir: tt.r.Cards}).Card("eve", fact.English); err != nil {
			t.Error(err)
		}
		if _, err := (persona.Store{Dir: tt.r.People}).Get(user, "ada"); err != nil {
			t.Error(err)
		}
		if _, err := (group.Store{Dir: tt.r.People}).Get(user, "tea"); err != nil {
			t.Error(err)
		}
	}
	if left, _ := filepath.Glob(filepath.Join(r.Threads, "*.re*")); left != nil {
		t.Errorf("left behind: %v", left)
	}
}

// TestDamage checks that what is not what was written is refused, with what is
// wrong, and nothing restored.
func TestDamage(t *testing.T) {
	t.Parallel()
	r := roots(t.TempDir())
	life(t, r)
	seg := filepath.Join("threads", "eve", "turns", "log-000001.seg")
	for name, tt := range map[string]struct {
		do   func(dir string) error
		want string
	}{
		"a byte": {func(dir string) error {
			data, err := os.ReadFile(filepath.Join(dir, seg))
			if err == nil {
				data[len(data)/2] ^= 1
				err = os.WriteFile(filepath.Join(dir, seg), data, 0o600)
			}
			return err
		}, "log-000001.seg is not what was written"},
		"cut":     {func(dir string) error { return os.Truncate(filepath.Join(dir, seg), 100) }, "has 100 bytes"},
		"missing": {func(dir string) error { return os.Remove(filepath.Join(dir, "personas", "ada.json")) }, "ada.json is missing"},
		"more":    {func(dir string) error { return os.WriteFile(filepath.Join(dir, "x"), nil, 0o600) }, "x was not written"},
		"a link": {func(dir string) error {
			_ = os.Remove(filepath.Join(dir, seg))
			return os.Symlink("/etc/passwd", filepath.Join(dir, seg))
		}, "no ordinary file"},
		"no manifest":   {func(dir string) error { return os.Remove(filepath.Join(dir, sealed.ManifestFile)) }, "no backup"},
		"half manifest": {func(dir string) error { return os.Truncate(filepath.Join(dir, sealed.ManifestFile), 60) }, "not JSON"},
		"a path outside": {func(dir string) error {
			return os.WriteFile(filepath.Join(dir, sealed.ManifestFile), []byte(`{"format":"`+format+`","user":"me","files":[{"path":"threads/../../x/y"}]}`), 0o600)
		}, "does not belong"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			dir, to := t.TempDir(), roots(t.TempDir())
			if _, err := Save(t.Context(), r, "me", dir, time.Now()); err != nil {
				t.Fatal(err)
			}
			if err := tt.do(dir); err != nil {
				t.Fatal(err)
			}
			_, err := Restore(t.Context(), to, "", dir, true)
			if err == nil || !strings.Contains(err.Error(), tt.want) {
				t.Errorf("got %v, want %q", err, tt.want)
			}
			if _, err := os.Stat(to.Threads); err == nil {
				t.Error("something was restored")
			}
		})
	}
}

func FuzzManifest(f *testing.F) {
	f.Add([]byte(`{"format":"kuai characters backup 1","user":"me","files":[{"path":"threads/lin/head","bytes":3}]}`))
	f.Fuzz(func(t *testing.T, data []byte) {
		m, err := parseManifest(data)
		if err != nil {
			return
		}
		places, err := m.places(roots("root"), "me", "from")
		for _, p := range places {
			if err == nil && (!strings.HasPrefix(p.to, "root") || strings.Contains(p.to, "..")) {
				t.Errorf("goes to %s", p.to)
			}
		}
	})
}
