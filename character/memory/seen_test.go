package memory

import (
	"errors"
	"os"
	"path/filepath"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// counting counts the turns that it reads.
type counting struct{ read []string }

func (c *counting) Read(turns ...Turn) []Reading {
	for _, t := range turns {
		c.read = append(c.read, t.Text)
	}
	return Rules{}.Read(turns...)
}

func openWith(t *testing.T, dir string, r Reader) *Thread {
	t.Helper()
	th, err := Open(dir, Options{NoSync: true, Flush: true, Reader: r})
	if err != nil {
		t.Fatal(err)
	}
	return th
}

// A turn that told no fact is not read again when the thread is opened, unless
// the thread was not closed.
func TestOpenReadsWhatIsUnseen(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	r := &counting{}
	th := openWith(t, dir, r)
	say(t, th, "I live in Oslo.", "Nice.", "It rains.", "I see.")
	if err := errors.Join(th.flushAll(), th.book.log.Close(), th.log.Close()); err != nil { // as a crash leaves it
		t.Fatal(err)
	}
	r.read = nil
	th = openWith(t, dir, r)
	if d := cmp.Diff([]string{"Nice.", "It rains.", "I see."}, r.read); d != "" {
		t.Errorf("after a crash (-want +got):\n%s", d)
	}
	shut(t, th)
	r.read = nil
	th = openWith(t, dir, r)
	shut(t, th)
	if len(r.read) > 0 {
		t.Errorf("read again: %q", r.read)
	}
}

// Where turns were lost, those that get their numbers are read.
func TestLostTurnsAreNotSeen(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	th := openWith(t, dir, Rules{})
	say(t, th, "I live in Oslo.", "Nice.", "It rains.", "I see.")
	shut(t, th)
	for _, name := range []string{"turns", "index"} {
		if err := os.RemoveAll(filepath.Join(dir, name)); err != nil {
			t.Fatal(err)
		}
	}
	r := &counting{}
	th = openWith(t, dir, r)
	say(t, th, "My name is Mira.")
	shut(t, th)
	r.read = nil
	th = openWith(t, dir, r)
	defer shut(t, th)
	if len(r.read) > 0 || len(th.Facts(false)) != 2 {
		t.Errorf("read %q, known %v", r.read, th.Facts(false))
	}
}

func BenchmarkOpen(b *testing.B) {
	dir := b.TempDir()
	th, err := Open(dir, Options{NoSync: true, Flush: true})
	if err != nil {
		b.Fatal(err)
	}
	for i := range 166 { // some 8 thousand characters
		at := start.AddDate(0, 0, i/20)
		if _, err := th.Append(Turn{Time: at, Speaker: "user", Text: "The weather was fine yesterday and we went for a walk."}); err != nil {
			b.Fatal(err)
		}
	}
	if err := th.Close(); err != nil {
		b.Fatal(err)
	}
	for b.Loop() {
		th, err := Open(dir, Options{NoSync: true})
		if err != nil {
			b.Fatal(err)
		}
		if err := th.Close(); err != nil {
			b.Fatal(err)
		}
	}
}
