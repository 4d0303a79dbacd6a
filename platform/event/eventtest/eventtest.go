// Package eventtest has the contract that every bus keeps, and a bus that
// loses messages.
package eventtest

import (
	"errors"
	"math/rand/v2"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"kuai/platform/event"
)

// patience is how long a message may take; it takes microseconds on a machine
// that does nothing else.
const patience = time.Minute

// Run checks a bus; open makes a fresh one.
func Run(t *testing.T, open func(t *testing.T) event.Bus) {
	t.Helper()
	t.Run("subjects", func(t *testing.T) { t.Parallel(); subjects(t, open(t)) })
	t.Run("refusals", func(t *testing.T) { t.Parallel(); refusals(t, open(t)) })
	t.Run("order", func(t *testing.T) { t.Parallel(); order(t, open(t)) })
	t.Run("stop", func(t *testing.T) { t.Parallel(); stop(t, open(t)) })
	t.Run("slow", func(t *testing.T) { t.Parallel(); slow(t, open(t)) })
}

// listen subscribes and returns what came.
func listen(t *testing.T, b event.Bus, subject string) <-chan event.Message {
	t.Helper()
	c := make(chan event.Message, 10_000)
	if _, err := b.Subscribe(subject, func(m event.Message) { c <- m }); err != nil {
		t.Fatal(err)
	}
	return c
}

func publish(t *testing.T, b event.Bus, subject, data string) {
	t.Helper()
	if err := b.Publish(subject, []byte(data)); err != nil {
		t.Fatal(err)
	}
}

func next(t *testing.T, c <-chan event.Message) event.Message {
	t.Helper()
	select {
	case m := <-c:
		return m
	case <-time.After(patience):
		t.Fatal("a message did not arrive")
		return event.Message{}
	}
}

func subjects(t *testing.T, b event.Bus) {
	t.Helper()
	published := []string{"job.a", "job.b", "job.a.cancel", "wake", "end"}
	for pattern, want := range map[string][]string{
		"job.a":    {"job.a"},
		"job.*":    {"job.a", "job.b"},
		"job.>":    {"job.a", "job.b", "job.a.cancel"},
		"*.a.*":    {"job.a.cancel"},
		">":        published,
		"job.*.no": nil,
	} {
		c := listen(t, b, pattern)
		end := listen(t, b, "end")
		for _, s := range published {
			publish(t, b, s, s+"!")
		}
		next(t, end)
		var got []string
		for range want {
			m := next(t, c)
			if string(m.Data) != m.Subject+"!" {
				t.Errorf("%s brought %q", m.Subject, m.Data)
			}
			got = append(got, m.Subject)
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("%s (-want +got):\n%s", pattern, diff)
		}
	}
}

func refusals(t *testing.T, b event.Bus) {
	t.Helper()
	for _, subject := range []string{"", ".", "a.", ".a", "a..b", "a b", "a.*", "a.>", strings.Repeat("a", 300), "a\n"} {
		if err := b.Publish(subject, nil); !errors.Is(err, event.ErrSubject) {
			t.Errorf("publish to %q: %v", subject, err)
		}
	}
	for _, subject := range []string{"", "a..b", ">.a", "a*", "a>"} {
		if _, err := b.Subscribe(subject, func(event.Message) {}); !errors.Is(err, event.ErrSubject) {
			t.Errorf("subscribe to %q: %v", subject, err)
		}
	}
	if err := b.Publish("a", make([]byte, 1<<20+1)); !errors.Is(err, event.ErrLong) {
		t.Errorf("a long message: %v", err)
	}
	if err := b.Close(); err != nil {
		t.Fatal(err)
	}
	if err := b.Publish("a", nil); !errors.Is(err, event.ErrClosed) {
		t.Errorf("publish after the end: %v", err)
	}
	if _, err := b.Subscribe("a", func(event.Message) {}); !errors.Is(err, event.ErrClosed) {
		t.Errorf("subscribe after the end: %v", err)
	}
}

func order(t *testing.T, b event.Bus) {
	t.Helper()
	c := listen(t, b, "n")
	data := []byte{0}
	for i := range 200 {
		data[0] = byte(i) // the bus keeps no hold of what is not its own
		if err := b.Publish("n", data); err != nil {
			t.Fatal(err)
		}
	}
	for i := range 200 {
		if m := next(t, c); m.Data[0] != byte(i) {
			t.Fatalf("message %d is %d", i, m.Data[0])
		}
	}
}

func stop(t *testing.T, b event.Bus) {
	t.Helper()
	gone := make(chan event.Message, 100)
	end, err := b.Subscribe("s", func(m event.Message) { gone <- m })
	if err != nil {
		t.Fatal(err)
	}
	stays := listen(t, b, "s")
	publish(t, b, "s", "1")
	next(t, gone)
	next(t, stays)
	end()
	end()
	publish(t, b, "s", "2")
	next(t, stays)
	select {
	case m := <-gone:
		t.Errorf("a message after the end: %q", m.Data)
	default:
	}
}

// slow checks that one who does not listen holds nobody up.
func slow(t *testing.T, b event.Bus) {
	t.Helper()
	release := make(chan struct{})
	if _, err := b.Subscribe("q", func(event.Message) { <-release }); err != nil {
		t.Fatal(err)
	}
	for range 3000 {
		publish(t, b, "q", "x")
	}
	quick := listen(t, b, "r")
	publish(t, b, "r", "y")
	next(t, quick)
	close(release)
}

// lossy drops messages by chance.
type lossy struct {
	event.Bus
	mu   sync.Mutex
	r    *rand.Rand
	rate float64
}

// Lossy is a bus that drops a share of what is published, drawn from a seed.
func Lossy(b event.Bus, seed uint64, rate float64) event.Bus {
	return &lossy{Bus: b, r: rand.New(rand.NewPCG(seed, 0)), rate: rate}
}

// Publish sends, or does not.
func (l *lossy) Publish(subject string, data []byte) error {
	l.mu.Lock()
	drop := l.r.Float64() < l.rate
	l.mu.Unlock()
	if drop {
		return nil
	}
	return l.Bus.Publish(subject, data)
}
