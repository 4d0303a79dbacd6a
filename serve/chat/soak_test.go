package chat

import (
	"bufio"
	"fmt"
	"math/rand/v2"
	"os"
	"runtime"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"kuai/par"
	"kuai/text"
	"kuai/text/sample"
)

// TestSoakOfModel keeps 64 conversations going on the model that KUAI_MODEL
// names for as many minutes as KUAI_MINUTES says, 30 unless it does, and fails
// where memory grows: each minute it samples what the process has and what of
// the heap is alive. It is for a machine that is busy as well; no time counts.
func TestSoakOfModel(t *testing.T) {
	path := os.Getenv("KUAI_MODEL")
	if path == "" || os.Getenv("KUAI_LONG") == "" {
		t.Skip("KUAI_MODEL names no model, or KUAI_LONG is not set")
	}
	minutes := 30
	if s := os.Getenv("KUAI_MINUTES"); s != "" {
		var err error
		if minutes, err = strconv.Atoi(s); err != nil || minutes < 3 {
			t.Fatalf("KUAI_MINUTES=%s, want 3 or more", s)
		}
	}
	// Caches that are full after a few minutes, so that the rest is steady.
	l, err := Open(t.Context(), path, text.Options{Pool: par.New(0), PrefixBytes: 64 << 20}, Options{KeepBytes: 256 << 20})
	if err != nil {
		t.Fatal(err)
	}
	const sessions = 64
	var stop atomic.Bool
	var turns atomic.Int64
	var wg sync.WaitGroup
	for i := range sessions {
		wg.Go(func() {
			r := rand.New(rand.NewPCG(uint64(i), 7))
			for !stop.Load() && !t.Failed() {
				soakConversation(t, l, i, r, &stop, &turns)
			}
		})
	}
	var rss, live []float64
	for minute := 1; minute <= minutes && !t.Failed(); minute++ {
		time.Sleep(time.Minute)
		runtime.GC()
		var m runtime.MemStats
		runtime.ReadMemStats(&m)
		all, anon := residentMiB(t)
		rss, live = append(rss, all), append(live, float64(m.HeapAlloc)/(1<<20))
		s := l.Talker.Engine.Stats()
		t.Logf("minute %2d  resident %7.1f MiB (anonymous %7.1f)  heap alive %7.1f MiB  goroutines %d  turns %d  running %d kept %d  read %d reused %d written %d",
			minute, all, anon, live[minute-1], runtime.NumGoroutine(), turns.Load(), s.Running, s.Kept, s.PromptTokens, s.ReusedTokens, s.CompletionTokens)
	}
	stop.Store(true)
	wg.Wait()
	if n := len(rss) / 3; n > 0 {
		for name, x := range map[string][]float64{"resident": rss, "heap alive": live} {
			second, last := mean(x[n:2*n]), mean(x[2*n:])
			t.Logf("%s: %.1f MiB in the second third, %.1f MiB in the last (%+.1f %%)", name, second, last, 100*(last/second-1))
			if last > 1.05*second {
				t.Errorf("%s has grown by more than 5 %%", name)
			}
		}
	}
	if err := l.Close(); err != nil {
		t.Error(err)
	}
}

// soakConversation is a conversation of one to six turns; some are left amid an
// answer, as people do.
func soakConversation(t *testing.T, l *Loaded, i int, r *rand.Rand, stop *atomic.Bool, turns *atomic.Int64) {
	t.Helper()
	prompt := RawTokens(l.Vocab, strings.Repeat(fmt.Sprintf("The %d story of this collection begins here. ", r.IntN(1000)), 1+r.IntN(6)))
	for turn := range 1 + r.IntN(6) {
		if stop.Load() {
			return
		}
		s, err := l.Talker.Engine.Submit(t.Context(), Request{
			Prompt: prompt, Conversation: fmt.Sprint(i), MaxTokens: 8 + r.IntN(32), IgnoreEnd: true,
			Sampling: sample.Params{Temperature: 0.8, TopK: 40, TopP: 0.95, Seed: r.Uint64(), LogProbs: -1},
		})
		if err != nil {
			t.Error(err)
			return
		}
		leave := -1
		if r.IntN(10) == 0 {
			leave = r.IntN(8)
		}
		for n := 0; ; n++ {
			ev, err := s.Next(t.Context())
			if err != nil {
				t.Error(err)
				return
			}
			for _, tok := range ev.Tokens {
				prompt = append(prompt, tok.ID)
			}
			if n == leave {
				s.Close()
			}
			if ev.Result != nil {
				if ev.Result.Err != nil && leave < 0 {
					t.Error(ev.Result.Err)
				}
				break
			}
		}
		turns.Add(1)
		prompt = append(prompt, l.Vocab.Encode(fmt.Sprintf(" And then, in part %d,", turn), false)...)
	}
}

func mean(x []float64) (m float64) {
	for _, v := range x {
		m += v / float64(len(x))
	}
	return m
}

// residentMiB reads what the process has in memory, and what of it belongs to no
// file.
func residentMiB(t *testing.T) (all, anonymous float64) {
	t.Helper()
	f, err := os.Open("/proc/self/status")
	if err != nil {
		t.Skipf("what the process has in memory cannot be read: %v", err)
	}
	defer f.Close() //nolint:errcheck // was only read
	for s := bufio.NewScanner(f); s.Scan(); {
		name, rest, _ := strings.Cut(s.Text(), ":")
		kb, _ := strconv.ParseFloat(strings.TrimSuffix(strings.TrimSpace(rest), " kB"), 64)
		switch name {
		case "VmRSS":
			all = kb / 1024
		case "RssAnon":
			anonymous = kb / 1024
		}
	}
	return all, anonymous
}
