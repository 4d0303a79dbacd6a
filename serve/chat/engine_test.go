package chat

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"kuai/text/sample"
	"kuai/text/schema"
)

// start runs an engine in a bubble of virtual time, and checks that it leaves
// nothing behind: synctest fails when a goroutine is left.
func start(t *testing.T, m *fakeModel, o Options, f func(t *testing.T, e *Engine)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		e := New(t.Context(), m, fakeTokens{}, o)
		f(t, e)
		e.Close()
		if m.open != 0 {
			t.Errorf("%d sessions are open after the end", m.open)
		}
	})
}

func submit(t *testing.T, e *Engine, r Request) *Stream {
	t.Helper()
	s, err := e.Submit(t.Context(), r)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func read(t *testing.T, s *Stream) (string, *Result) {
	t.Helper()
	text, res, err := s.ReadAll(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if _, err := s.Next(t.Context()); !errors.Is(err, io.EOF) {
		t.Errorf("after the result: got %v, want io.EOF", err)
	}
	return text, res
}

// TestLoad runs 64 conversations at once with prompts of very different
// lengths: each answers as it would alone, answers go on while long prompts are
// read, short questions do not wait for long ones, and nothing is left.
func TestLoad(t *testing.T) {
	t.Parallel()
	m := &fakeModel{perToken: 100 * time.Microsecond}
	start(t, m, Options{StepTime: 20 * time.Millisecond}, func(t *testing.T, e *Engine) {
		var wg sync.WaitGroup
		first := make([]time.Duration, 64)
		begin := time.Now()
		for i := range 64 {
			prompt := ids(strings.Repeat(fmt.Sprint("prompt ", i), 1+i%7))
			if i%16 == 0 {
				prompt = ids(strings.Repeat(fmt.Sprint("long ", i), 2000))
			}
			want := m.answer(prompt, 50)
			s := submit(t, e, Request{Prompt: prompt, MaxTokens: 50, Sampling: sample.Params{Seed: uint64(i)}})
			wg.Go(func() {
				got, res, err := s.ReadAll(t.Context())
				if err != nil || got != want {
					t.Errorf("request %d: got %q, %v, want %q", i, got, err, want)
					return
				}
				first[i] = res.Usage.FirstToken
				if u := res.Usage; u.Prompt != len(prompt) || u.Total < u.FirstToken || u.Queued > u.FirstToken {
					t.Errorf("request %d: the account %+v is wrong", i, u)
				}
			})
		}
		wg.Wait()
		took := time.Since(begin)
		for i, d := range first {
			if i%16 != 0 && d > took/2 {
				t.Errorf("request %d of %d short ones waited %v of %v", i, 60, d, took)
			}
		}
		// 64 tokens of answers, a chunk of 200 by 20 ms, and the first guess
		if bar := 40 * time.Millisecond; m.longest > bar {
			t.Errorf("a step in which answers went on took %v, more than %v", m.longest, bar)
		}
		if s := e.Stats(); s.Requests != 64 || s.Running != 0 || s.Waiting != 0 {
			t.Errorf("got %+v", s)
		}
	})
}

// TestStops ends answers at strings that lie across tokens, in whole
// characters.
func TestStops(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		name, script string
		stop         []string
		want, met    string
		reason       Reason
	}{
		{"none", "hello", nil, "hello", "", Stopped},
		{"across tokens", "hello wörld, and on", []string{"ld, a"}, "hello wör", "ld, a", Stopped},
		{"the first", "abc", []string{"c", "bc"}, "a", "bc", Stopped},
		{"begun and not met", "a\n\nUse", []string{"\n\nUser"}, "a\n\nUse", "", Stopped},
		{"at once", "User: x", []string{"User"}, "", "User", Stopped},
		{"a character", "日本語です", []string{"語"}, "日本", "語", Stopped},
		{"too long", strings.Repeat("x", 200), nil, strings.Repeat("x", 100), "", Length},
		{"broken bytes", "a\xffb\xe6\x97", nil, "a\ufffdb\ufffd", "", Stopped},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			start(t, &fakeModel{script: tt.script}, Options{}, func(t *testing.T, e *Engine) {
				got, res := read(t, submit(t, e, Request{Prompt: ids("q|"), Stop: tt.stop, MaxTokens: 100}))
				if got != tt.want || res.Stop != tt.met || res.Reason != tt.reason {
					t.Errorf("got %q, %+v, want %q, stop %q, %s", got, res, tt.want, tt.met, tt.reason)
				}
			})
		})
	}
}

// TestStreamed checks that each event has whole characters and comes at once.
func TestStreamed(t *testing.T) {
	t.Parallel()
	start(t, &fakeModel{script: "aé日👋."}, Options{}, func(t *testing.T, e *Engine) {
		s := submit(t, e, Request{Prompt: ids("q|")})
		var got []string
		for {
			ev, err := s.Next(t.Context())
			if err != nil {
				t.Fatal(err)
			}
			if ev.Result != nil {
				break
			}
			got = append(got, ev.Text)
		}
		if fmt.Sprint(got) != "[a é 日 👋 .]" {
			t.Errorf("got %q", got)
		}
	})
}

// TestCancelled checks that a request ends within a step when its client goes
// away, whether it runs or waits, and that others go on.
func TestCancelled(t *testing.T) {
	t.Parallel()
	for _, how := range []string{"context", "close"} {
		t.Run(how, func(t *testing.T) {
			t.Parallel()
			m := &fakeModel{script: strings.Repeat("x", 1<<16)}
			start(t, m, Options{Running: 1}, func(t *testing.T, e *Engine) {
				ctx, cancel := context.WithCancelCause(t.Context())
				one, err := e.Submit(ctx, Request{Prompt: ids("q|")})
				if err != nil {
					t.Fatal(err)
				}
				two, err := e.Submit(ctx, Request{Prompt: ids("q|")}) // waits
				if err != nil {
					t.Fatal(err)
				}
				other := submit(t, e, Request{Prompt: ids("q|"), MaxTokens: 3})
				time.Sleep(5500 * time.Microsecond)
				why := errors.New("gone")
				if how == "context" {
					cancel(why)
				} else {
					one.Close()
					two.Close()
					one.Close()
				}
				if got, _ := read(t, other); got != "xxx" {
					t.Errorf("the other got %q", got)
				}
				if n := len(m.steps); n > 6+1+3+1 {
					t.Errorf("%d steps were made, want no more than 11", n)
				}
				for _, s := range []*Stream{one, two} {
					_, res, err := s.ReadAll(t.Context())
					if err == nil || res.Reason != Cancelled || how == "context" && !errors.Is(err, why) {
						t.Errorf("got %+v, %v", res, err)
					}
				}
				cancel(nil)
			})
		})
	}
}

// TestSlow checks that a reader who does not read loses its request and
// nobody else's.
func TestSlow(t *testing.T) {
	t.Parallel()
	m := &fakeModel{script: strings.Repeat("x", 1<<16)}
	start(t, m, Options{Backlog: 20}, func(t *testing.T, e *Engine) {
		slow := submit(t, e, Request{Prompt: ids("q|")})
		other := submit(t, e, Request{Prompt: ids("q|"), MaxTokens: 200})
		for n := 0; ; n++ {
			ev, err := other.Next(t.Context())
			if err != nil {
				t.Fatal(err)
			}
			if ev.Result != nil {
				if n != 200 {
					t.Errorf("the other reader got %d events, want 200", n)
				}
				break
			}
		}
		text, res, err := slow.ReadAll(t.Context())
		if !errors.Is(err, ErrSlow) || len(text) != 20 || res.Usage.Completion != 21 {
			t.Errorf("got %d bytes, %+v, %v", len(text), res, err)
		}
	})
}

func TestRefused(t *testing.T) {
	t.Parallel()
	m := &fakeModel{context: 100, script: strings.Repeat("x", 1<<10)}
	start(t, m, Options{Running: 1, Waiting: 2, MemoryBytes: 1060}, func(t *testing.T, e *Engine) {
		var long *TooLongError
		for _, tt := range []struct {
			r    Request
			want any
		}{
			{Request{}, ErrEmpty},
			{Request{Prompt: make([]int32, 100)}, &long},
			{Request{Prompt: []int32{fakeVocab}}, "token 257"},
			{Request{Prompt: []int32{-1}}, "token -1"},
			{Request{Prompt: ids("a"), MaxTokens: -1}, "-1 tokens"},
			{Request{Prompt: ids("a"), MaxTokens: 5, Stop: []string{""}}, "stop string of 0"},
			{Request{Prompt: ids("a"), MaxTokens: 5, Stop: make([]string, 17)}, "17 stop strings"},
			{Request{Prompt: ids("a"), MaxTokens: 5, Sampling: sample.Params{TopP: 2}}, "top-p"},
			{Request{Prompt: ids("a"), MaxTokens: 80}, ErrMemory},
			{Request{Prompt: make([]int32, 70)}, ErrMemory},
		} {
			_, err := e.Submit(t.Context(), tt.r)
			var ok bool
			switch want := tt.want.(type) {
			case error:
				ok = errors.Is(err, want)
			case string:
				ok = err != nil && strings.Contains(err.Error(), want)
			default:
				ok = errors.As(err, want)
			}
			if !ok {
				t.Errorf("%+v: got %v, want %v", tt.r, err, tt.want)
			}
		}
		r := Request{Prompt: ids("q|"), MaxTokens: 10}
		for range 3 {
			_ = submit(t, e, r)
			synctest.Wait()
		}
		if _, err := e.Submit(t.Context(), r); !errors.Is(err, ErrFull) {
			t.Errorf("got %v, want ErrFull", err)
		}
	})
}

// TestConversation checks what a conversation's next turn computes.
func TestConversation(t *testing.T) {
	t.Parallel()
	m := &fakeModel{}
	start(t, m, Options{}, func(t *testing.T, e *Engine) {
		turn := func(prompt string, reused int) string {
			t.Helper()
			want := m.answer(ids(prompt), 20)
			got, res := read(t, submit(t, e, Request{Prompt: ids(prompt), Conversation: "c", MaxTokens: 20}))
			if got != want {
				t.Errorf("%q: got %q, want %q", prompt, got, want)
			}
			if res.Usage.Reused != reused {
				t.Errorf("%q: %d of %d tokens were reused, want %d", prompt, res.Usage.Reused, len(prompt), reused)
			}
			return got
		}
		one := "This is the first prompt"
		for len(m.answer(ids(one), 20)) < 20 { // one that the model has much to say to
			one += "."
		}
		a := turn(one, 0)
		two := one + a + " And the second."
		turn(two, len(one)+19)                          // the last token was never computed
		turn(one+" Edited.", len(one)/10*10)            // from the checkpoint before
		turn(one+" Edited.", len(one+" Edited.")/10*10) // the same once more
		if m.begun > 4 {
			t.Errorf("%d sessions were begun", m.begun)
		}
	})
}

// TestKept checks that kept sessions stay within their bytes, the longest
// unused going first.
func TestKept(t *testing.T) {
	t.Parallel()
	m := &fakeModel{}
	start(t, m, Options{KeepBytes: 3300}, func(t *testing.T, e *Engine) {
		ask := func(name string) int {
			t.Helper()
			_, res := read(t, submit(t, e, Request{Prompt: ids("a prompt of some length"), Conversation: name, MaxTokens: 5}))
			return res.Usage.Reused
		}
		for _, name := range []string{"a", "b", "c", "a", "d"} { // d drives b out
			ask(name)
		}
		for name, kept := range map[string]bool{"a": true, "c": true} {
			if got := ask(name) > 0; got != kept {
				t.Errorf("%s: kept is %v, want %v", name, got, kept)
			}
		}
		if ask("b") > 0 {
			t.Error("b was kept")
		}
		synctest.Wait()
		if s := e.Stats(); s.Kept != 3 || s.KeptBytes > 3300 {
			t.Errorf("got %+v", s)
		}
	})
}

// TestShared checks that requests which come at once and begin alike have the
// beginning read once, and that one whose leader goes away reads it itself.
func TestShared(t *testing.T) {
	t.Parallel()
	for _, leave := range []bool{false, true} {
		m := &fakeModel{shares: true, perToken: 100 * time.Microsecond}
		start(t, m, Options{Chunk: 200}, func(t *testing.T, e *Engine) {
			system := strings.Repeat("You are a helpful test. ", 40) // 960 tokens
			ctx, cancel := context.WithCancel(t.Context())
			defer cancel()
			var all []*Stream
			for i := range 8 {
				c := t.Context()
				if i == 0 {
					c = ctx
				}
				s, err := e.Submit(c, Request{Prompt: ids(system + fmt.Sprint("question ", i)), MaxTokens: 5})
				if err != nil {
					t.Fatal(err)
				}
				all = append(all, s)
			}
			time.Sleep(50 * time.Millisecond) // amid the first one's prompt
			if leave {
				cancel()
			}
			for i, s := range all {
				_, res, err := s.ReadAll(t.Context())
				if gone := leave && i == 0; (err != nil) != gone {
					t.Errorf("request %d: %v", i, err)
				} else if !gone && i > 1 && res.Usage.Reused < len(system) {
					t.Errorf("request %d reused %d tokens, want %d", i, res.Usage.Reused, len(system))
				}
			}
			if n := e.Stats().PromptTokens; n > int64(2*len(system)) {
				t.Errorf("%d tokens of prompts were read; together they share %d", n, len(system))
			}
		})
	}
}

func TestSchema(t *testing.T) {
	t.Parallel()
	s, err := schema.Compile([]byte(`{"type":"object","properties":{"n":{"type":"integer","minimum":10,"maximum":99},"ok":{"type":"boolean"}},"required":["n","ok"],"additionalProperties":false}`))
	if err != nil {
		t.Fatal(err)
	}
	start(t, &fakeModel{}, Options{}, func(t *testing.T, e *Engine) {
		for seed := range uint64(10) {
			got, res := read(t, submit(t, e, Request{Prompt: ids("q"), Schema: s, Sampling: sample.Params{Temperature: 1, Seed: seed}}))
			if !strings.HasPrefix(got, "{") || !strings.HasSuffix(got, "}") || !strings.Contains(got, `"ok":`) || res.Reason != Stopped {
				t.Errorf("got %q, %+v", got, res)
			}
		}
	})
}

func TestLogProbs(t *testing.T) {
	t.Parallel()
	start(t, &fakeModel{script: "ab"}, Options{}, func(t *testing.T, e *Engine) {
		s := submit(t, e, Request{Prompt: ids("q|"), Sampling: sample.Params{LogProbs: 2}})
		ev, err := s.Next(t.Context())
		if err != nil || len(ev.Tokens) != 1 || ev.Tokens[0].ID != 'a' || len(ev.Tokens[0].Top) != 2 || string(ev.Tokens[0].Bytes) != "a" {
			t.Errorf("got %+v, %v", ev, err)
		}
		read(t, s)
	})
}

// TestFailures checks that a failing and a panicking step fail their requests
// alone, and that the engine goes on.
func TestFailures(t *testing.T) {
	t.Parallel()
	broken := errors.New("broken")
	for _, panics := range []bool{false, true} {
		m := &fakeModel{script: "abc"}
		m.fail = func(batch []Slice) error {
			if len(batch[0].Tokens) == 3 {
				if panics {
					panic("a bug")
				}
				return broken
			}
			return nil
		}
		start(t, m, Options{}, func(t *testing.T, e *Engine) {
			_, res, err := submit(t, e, Request{Prompt: ids("xq|"), Conversation: "c"}).ReadAll(t.Context())
			want := broken
			if panics {
				want = ErrInternal
			}
			if !errors.Is(err, want) || res.Reason != Failed {
				t.Errorf("got %+v, %v, want %v", res, err, want)
			}
			if got, _ := read(t, submit(t, e, Request{Prompt: ids("q|")})); got != "abc" {
				t.Errorf("after it: got %q", got)
			}
		})
	}
}

func TestDrain(t *testing.T) {
	t.Parallel()
	start(t, &fakeModel{script: strings.Repeat("x", 1000)}, Options{Running: 2}, func(t *testing.T, e *Engine) {
		var all []*Stream
		for range 5 {
			all = append(all, submit(t, e, Request{Prompt: ids("q|"), MaxTokens: 50}))
		}
		e.Drain(t.Context())
		if _, err := e.Submit(t.Context(), Request{Prompt: ids("q|")}); !errors.Is(err, ErrClosed) {
			t.Errorf("got %v, want ErrClosed", err)
		}
		for _, s := range all {
			if got, _ := read(t, s); len(got) != 50 {
				t.Errorf("got %d tokens, want 50", len(got))
			}
		}
	})
	start(t, &fakeModel{script: strings.Repeat("x", 1<<16)}, Options{Running: 1}, func(t *testing.T, e *Engine) {
		one, two := submit(t, e, Request{Prompt: ids("q|")}), submit(t, e, Request{Prompt: ids("q|")})
		ctx, cancel := context.WithTimeout(t.Context(), 30*time.Millisecond)
		defer cancel()
		e.Drain(ctx)
		for _, s := range []*Stream{one, two} {
			if _, _, err := s.ReadAll(t.Context()); !errors.Is(err, ErrClosed) {
				t.Errorf("got %v, want ErrClosed", err)
			}
		}
	})
}

func TestPlan(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		left []int
		room int
		want string
	}{
		{nil, 10, "[]"},
		{[]int{0, 0}, 10, "[0 0]"},
		{[]int{100}, 10, "[10]"},
		{[]int{100, 3, 4}, 20, "[13 3 4]"},
		{[]int{100, 50, 4}, 20, "[10 6 4]"},
		{[]int{0, 2, 100}, 20, "[0 2 18]"},
		{[]int{100, 100}, 1, "[1 0]"},
	} {
		if got := fmt.Sprint(plan(tt.left, tt.room, nil)); got != tt.want {
			t.Errorf("%v with %d: got %s, want %s", tt.left, tt.room, got, tt.want)
		}
	}
}
