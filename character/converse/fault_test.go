package converse

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"kuai/character/builtin"
	"kuai/character/memory"
	"kuai/character/shelf"
	"kuai/companion/fact"
	"kuai/serve/upstream"
	"kuai/text/sample"
)

// killed names the thread that this test binary, started as a process of its
// own, talks in until it is killed.
const killed = "KUAI_CONVERSE_TEST_DIR"

// slow writes a reply in ten pieces and tells of each.
type slow struct{ turn *int }

func (slow) Room() Room              { return roomIn(upstreamContext) }
func (slow) Sampling() sample.Params { return sample.Params{} }
func (slow) Corrected() bool         { return false }
func (slow) Tokens(s string) int     { return len(s) / 4 }
func (s slow) Speak(_ context.Context, _ *Prompt, show func(string)) (string, error) {
	var b strings.Builder
	for i := range 10 {
		piece := fmt.Sprintf("reply %d piece %d. ", *s.turn, i)
		b.WriteString(piece)
		show(piece)
	}
	return b.String(), nil
}

// TestMain is the one who talks where the environment says so.
func TestMain(m *testing.M) {
	dir := os.Getenv(killed)
	if dir == "" {
		os.Exit(m.Run())
	}
	if err := talkOn(dir); err != nil {
		_, _ = fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

// talkOn says something new, asks for the reply again, and changes what it has
// said, in turns, and acknowledges each as it is kept.
func talkOn(dir string) error {
	lin, _ := builtin.Card("lin", fact.English)
	turn := 0
	c, err := OpenWith(dir, slow{&turn}, lin, fact.English)
	if err != nil {
		return err
	}
	show := func(string) { _, _ = fmt.Println("piece") }
	ctx := context.Background()
	for turn = c.Memory().Stats().Turns; ; turn++ {
		var r Reply
		switch turn % 3 {
		case 1:
			r, err = c.Again(ctx, show)
		case 2:
			turns, e := c.Memory().Last(2)
			if e != nil {
				return e
			}
			r, err = c.Edit(ctx, turns[0].ID, fmt.Sprintf("I moved to Town%d.", turn), show)
		default:
			r, err = c.Say(ctx, fmt.Sprintf("I live in Town%d.", turn), show)
		}
		if errors.Is(err, ErrNothing) {
			r, err = c.Say(ctx, "Hello.", show)
		}
		if err != nil {
			return err
		}
		_, _ = fmt.Println("kept", r.Turn)
	}
}

// TestKill kills a conversation twenty times amid a turn: what was acknowledged
// is there, at its place, and nothing else is damaged.
func TestKill(t *testing.T) {
	t.Parallel()
	dir := filepath.Join(t.TempDir(), "thread")
	r := rand.New(rand.NewPCG(1, 2))
	for round := range 20 {
		kept := talkUntil(t, dir, 3+r.IntN(30))
		th, err := memory.Open(dir, memory.Options{})
		if err != nil {
			t.Fatal(err)
		}
		if kept > 0 {
			turn, err := th.Turn(kept)
			if err != nil || turn.Speaker != fact.Companion || !strings.HasSuffix(turn.Text, "piece 9.") {
				t.Fatalf("round %d: turn %d: %+v, %v", round, kept, turn, err)
			}
			said, err := th.Turn(turn.Parent)
			if err != nil || said.Speaker != fact.User {
				t.Fatalf("round %d: before turn %d: %+v, %v", round, kept, said, err)
			}
			if last := th.Stats().Turns; int(kept) < last-2 || !th.OnPath(kept) && int(kept) == last {
				t.Fatalf("round %d: turn %d was acknowledged last, of %d", round, kept, last)
			}
		}
		for _, w := range th.Warnings() {
			if !strings.Contains(w, "torn by an interrupted write") {
				t.Errorf("round %d: %s", round, w)
			}
		}
		if err := th.Close(); err != nil {
			t.Fatal(err)
		}
	}
}

// talkUntil lets the other process say a number of lines, kills it, and returns
// the last turn that it acknowledged.
func talkUntil(t *testing.T, dir string, lines int) (kept uint64) {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), os.Args[0])
	cmd.Env = append(os.Environ(), killed+"="+dir)
	cmd.Stderr = os.Stderr
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	s := bufio.NewScanner(out)
	for n := 0; s.Scan(); n++ {
		var id uint64
		if _, err := fmt.Sscanf(s.Text(), "kept %d", &id); err == nil {
			kept = max(kept, id)
		}
		if n == lines {
			_ = cmd.Process.Kill()
		}
	}
	_ = cmd.Wait() // it was killed
	return kept
}

// TestTwoProcesses checks that a thread is open once, and that who comes second
// is told.
func TestTwoProcesses(t *testing.T) {
	t.Parallel()
	_, s := abroad(t, always("Hm."))
	dir := t.TempDir()
	c := begin(t, dir, s)
	lin, _ := builtin.Card("lin", fact.English)
	if _, err := OpenWith(dir, s, lin, fact.English); !errors.Is(err, memory.ErrLocked) {
		t.Errorf("the second: %v", err)
	}
	sayTo(t, c, "The first goes on.")
}

// TestFullDisk fills a disk amid a conversation: the turn that does not fit is
// refused whole, others go on, and there is more room again.
func TestFullDisk(t *testing.T) {
	t.Parallel()
	disk := t.TempDir()
	if err := syscall.Mount("tmpfs", disk, "tmpfs", 0, "size=1m"); err != nil {
		t.Skipf("a small disk cannot be mounted here: %v", err)
	}
	t.Cleanup(func() { _ = syscall.Unmount(disk, syscall.MNT_DETACH) })
	filler := filepath.Join(disk, "filler")
	if err := os.WriteFile(filler, make([]byte, 700_000), 0o600); err != nil {
		t.Fatal(err)
	}
	_, s := abroad(t, always(strings.Repeat("It rains. ", 2000)))
	c, other := begin(t, filepath.Join(disk, "thread"), s), begin(t, t.TempDir(), s)
	kept := 0
	var err error
	for range 300 {
		if _, err = c.Say(t.Context(), "And then it rained.", nil); err != nil {
			break
		}
		kept += 2
	}
	if !errors.Is(err, memory.ErrFull) || kept == 0 {
		t.Fatalf("after %d turns: %v", kept, err)
	}
	if n := c.Memory().Stats().Turns; n != kept {
		t.Errorf("%d turns, want %d", n, kept)
	}
	sayTo(t, other, "Here is room.")
	if err := os.Remove(filler); err != nil {
		t.Fatal(err)
	}
	sayTo(t, c, "And now there is room again.")
	if err := c.Close(); err != nil {
		t.Fatal(err)
	}
	again := begin(t, filepath.Join(disk, "thread"), s)
	if n, w := again.Memory().Stats().Turns, again.Memory().Warnings(); n != kept+2 || len(w) != 0 {
		t.Errorf("%d turns, want %d; %v", n, kept+2, w)
	}
}

// TestDamage damages one thread in several ways while another goes on: what is
// whole is still there, the index is made anew, and the end is cut off.
func TestDamage(t *testing.T) {
	t.Parallel()
	_, s := abroad(t, func(asked []upstream.Message) string { return "Heard: " + asked[len(asked)-1].Content })
	h := &House{Dir: t.TempDir(), Shelf: shelf.Shelf{}, Speaker: s, Most: 1} // the other thread closes this one
	t.Cleanup(func() { _ = h.Close() })
	say := func(user, text string) (turns int, warnings []string) {
		t.Helper()
		err := h.With(t.Context(), "lin", user, fact.English, func(c *Conversation) error {
			_, err := c.Say(t.Context(), text, nil)
			turns, warnings = c.Memory().Stats().Turns, c.Memory().Warnings()
			return errors.Join(err, c.Memory().Flush())
		})
		if err != nil {
			t.Fatal(err)
		}
		return turns, warnings
	}
	for i := range 12 {
		say("ada", fmt.Sprintf("My cat number %d is called Mochi.", i))
	}
	seg := filepath.Join(ThreadDir(h.Dir, "lin", "ada"), "turns", "log-000001.seg")
	for _, tt := range []struct {
		name string
		do   func() error
		lost int // turns at most
	}{
		{"torn end", func() error { info, err := os.Stat(seg); return errors.Join(err, os.Truncate(seg, info.Size()-5)) }, 1},
		{"damaged amid", func() error {
			data, err := os.ReadFile(seg)
			if err == nil {
				copy(data[len(data)/2:], "##########")
				err = os.WriteFile(seg, data, 0o600)
			}
			return err
		}, 2},
		{"damaged index", func() error {
			return filepath.Walk(filepath.Join(ThreadDir(h.Dir, "lin", "ada"), "index"), func(path string, info os.FileInfo, err error) error {
				if err == nil && info.Mode().IsRegular() {
					err = os.WriteFile(path, []byte("nonsense"), 0o600)
				}
				return err
			})
		}, 0},
	} {
		before, _ := say("ada", "One more.")
		bens, _ := say("ben", "Good day.")
		if err := tt.do(); err != nil {
			t.Fatal(err)
		}
		if now, w := say("ben", "Still here."); now != bens+2 || len(w) != 0 {
			t.Errorf("%s: the other has %d turns, want %d; %v", tt.name, now, bens+2, w)
		}
		now, w := say("ada", "And on.")
		if now < before+2-tt.lost || len(w) == 0 {
			t.Errorf("%s: %d turns of %d, warned of %v", tt.name, now, before+2, w)
		}
		err := h.With(t.Context(), "lin", "ada", fact.English, func(c *Conversation) error {
			found, err := c.Memory().Search(t.Context(), "What is my cat called?", c.now(), 3)
			if len(found) == 0 || !strings.Contains(found[0].Item.Text, "Mochi") {
				t.Errorf("%s: found %v", tt.name, found)
			}
			return err
		})
		if err != nil {
			t.Error(err)
		}
	}
}
