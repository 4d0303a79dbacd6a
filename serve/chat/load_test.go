package chat

import (
	"fmt"
	"os"
	"runtime"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"kuai/par"
	"kuai/text"
	"kuai/text/sample"
)

// TestLoadOfModel runs 64 conversations of three turns at once on the model
// that KUAI_MODEL names, and tells how fast that goes.
func TestLoadOfModel(t *testing.T) {
	path := os.Getenv("KUAI_MODEL")
	if path == "" {
		t.Skip("KUAI_MODEL names no model")
	}
	l, err := Open(t.Context(), path, text.Options{Pool: par.New(0)}, Options{})
	if err != nil {
		t.Fatal(err)
	}
	const sessions, turns, answer = 64, 3, 32
	goroutines := runtime.NumGoroutine()
	var mu sync.Mutex
	var first, between []time.Duration
	read, reused, written := 0, 0, 0
	begin := time.Now()
	var wg sync.WaitGroup
	for i := range sessions {
		wg.Go(func() {
			prompt := RawTokens(l.Vocab, strings.Repeat(fmt.Sprintf("The %d story of this collection begins here. ", i), 1+i%12))
			for turn := range turns {
				s, err := l.Talker.Engine.Submit(t.Context(), Request{
					Prompt: prompt, Conversation: fmt.Sprint(i), MaxTokens: answer, IgnoreEnd: true,
					Sampling: sample.Params{Temperature: 0.8, TopK: 40, TopP: 0.95, Seed: uint64(i), LogProbs: -1},
				})
				if err != nil {
					t.Error(err)
					return
				}
				last := time.Time{}
				for {
					ev, err := s.Next(t.Context())
					if err != nil {
						t.Error(err)
						return
					}
					now := time.Now()
					mu.Lock()
					if ev.Tokens != nil && !last.IsZero() {
						between = append(between, now.Sub(last))
					}
					if r := ev.Result; r != nil {
						read, reused, written = read+r.Usage.Prompt-r.Usage.Reused, reused+r.Usage.Reused, written+r.Usage.Completion
						first = append(first, r.Usage.FirstToken)
						if r.Err != nil {
							t.Error(r.Err)
						}
					}
					mu.Unlock()
					last = now
					for _, tok := range ev.Tokens {
						prompt = append(prompt, tok.ID)
					}
					if ev.Result != nil {
						break
					}
				}
				prompt = append(prompt, l.Vocab.Encode(fmt.Sprintf(" And then, in part %d,", turn), false)...)
			}
		})
	}
	wg.Wait()
	took := time.Since(begin)
	p := func(d []time.Duration, q float64) time.Duration {
		slices.Sort(d)
		return d[int(q*float64(len(d)-1))].Round(time.Millisecond)
	}
	t.Logf("%d sessions, %d turns, %v: %d tokens read (%d reused), %d written, %.0f/s written, %.0f/s together",
		sessions, turns, took.Round(time.Millisecond), read, reused, written, float64(written)/took.Seconds(), float64(written+read)/took.Seconds())
	t.Logf("first token p50 %v p95 %v; between tokens p50 %v p95 %v max %v",
		p(first, 0.5), p(first, 0.95), p(between, 0.5), p(between, 0.95), p(between, 1))
	if n := sessions * turns * answer; written != n {
		t.Errorf("%d tokens were written, want %d", written, n)
	}
	t.Logf("%+v", l.Talker.Engine.Stats())
	if err := l.Close(); err != nil {
		t.Error(err)
	}
	if n := runtime.NumGoroutine(); n > goroutines {
		t.Errorf("%d goroutines, %d before", n, goroutines)
	}
}
