package log

import (
	"bufio"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"testing"
	"time"
)

// killed names the log that this test binary, started as a process of its own,
// writes to until it is killed.
const killed = "KUAI_LOG_TEST_DIR"

// TestMain is the writer where the environment says so.
func TestMain(m *testing.M) {
	dir := os.Getenv(killed)
	if dir == "" {
		os.Exit(m.Run())
	}
	l, err := Open(dir, Options{SegmentBytes: 20_000})
	if err != nil {
		_, _ = fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	for {
		id := l.Last() + 1
		text := strings.Repeat(strconv.Itoa(int(id))+" ", 1+int(id)%200)
		if err := l.Append(Record{ID: id, Parent: id - 1, Text: text}, Record{ID: id + 1, Parent: id, Text: text}); err != nil {
			_, _ = fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		_, _ = fmt.Println(id + 1) // acknowledged
	}
}

// Whatever was acknowledged before a kill -9 is there afterwards, whole.
func TestKill(t *testing.T) {
	t.Parallel()
	rounds := 8
	if os.Getenv("KUAI_LONG") != "" {
		rounds = 100
	}
	dir := t.TempDir()
	r := rand.New(rand.NewPCG(1, 2))
	for range rounds {
		acked := killOnce(t, dir, time.Duration(1+r.IntN(60))*time.Millisecond)
		l := open(t, dir, Options{})
		if l.Last() < acked {
			t.Fatalf("acknowledged %d, found %d", acked, l.Last())
		}
		if p := l.Path(l.Last()); p.Len() != int(l.Last()) {
			t.Fatalf("the branch has %d of %d records", p.Len(), l.Last())
		}
		for _, d := range l.Damage() {
			if !d.Torn {
				t.Error(d)
			}
		}
		for rec, err := range l.From(1) {
			if err != nil || !strings.HasPrefix(rec.Text, strconv.Itoa(int(rec.ID-(rec.ID+1)%2))) {
				t.Fatalf("record %d: %q, %v", rec.ID, rec.Text, err)
			}
		}
		if err := l.Close(); err != nil {
			t.Fatal(err)
		}
	}
}

// killOnce runs the writer, kills it some time after its first word, and
// returns the last record that it acknowledged.
func killOnce(t *testing.T, dir string, after time.Duration) (acked uint64) {
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
	lines := bufio.NewScanner(out)
	var timer *time.Timer
	for lines.Scan() {
		n, err := strconv.ParseUint(lines.Text(), 10, 64)
		if err != nil {
			break // the last line, cut short
		}
		acked = n
		if timer == nil {
			timer = time.AfterFunc(after, func() { _ = cmd.Process.Kill() })
		}
	}
	_ = cmd.Wait() // it was killed
	return acked
}
