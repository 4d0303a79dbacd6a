package chat

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"sync"
	"testing"
	"time"

	"kuai/par"
	"kuai/serve/chat/chattest"
	"kuai/text"
	"kuai/text/prompt"
	"kuai/text/sample"
	"kuai/text/schema"
)

func open(t *testing.T, o Options) *Loaded {
	t.Helper()
	l, err := Open(t.Context(), chattest.Hybrid(t), text.Options{Pool: par.New(1)}, o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := l.Close(); err != nil {
			t.Error(err)
		}
	})
	return l
}

// TestCompany runs 64 requests on a real model at once, each with its own
// sampling, and then each alone: the company must not show. Afterwards there
// are no goroutines more, and no sessions.
func TestCompany(t *testing.T) {
	l := open(t, Options{KeepBytes: -1})
	e := l.Talker.Engine
	request := func(i int) Request {
		return Request{
			Prompt:    RawTokens(l.Vocab, strings.Repeat(fmt.Sprintf("request %d. ", i), 1+i*i%40)),
			MaxTokens: 24, IgnoreEnd: true,
			Sampling: sample.Params{Temperature: 0.7, TopP: 0.9, Seed: uint64(i), FrequencyPenalty: 0.2},
		}
	}
	before := runtime.NumGoroutine()
	var together [64]string
	var first [64]time.Duration
	begin := time.Now()
	var wg sync.WaitGroup
	for i := range together {
		s := submit(t, e, request(i))
		wg.Go(func() {
			text, res, err := s.ReadAll(t.Context())
			if err != nil || res.Usage.Completion != 24 {
				t.Errorf("request %d: %+v, %v", i, res, err)
				return
			}
			together[i], first[i] = text, res.Usage.FirstToken
		})
	}
	wg.Wait()
	took := time.Since(begin)
	t.Logf("64 requests took %v, the last first token came after %v", took, maxOf(first[:]))
	for i := range together {
		if alone, _ := read(t, submit(t, e, request(i))); alone != together[i] {
			t.Errorf("request %d: %q alone, %q in company", i, alone, together[i])
		}
	}
	for range 3000 { // the last answer's step is on its way out
		if runtime.NumGoroutine() <= before && e.Stats().Running == 0 {
			break
		}
		time.Sleep(10 * time.Millisecond)
	}
	if n := runtime.NumGoroutine(); n > before {
		t.Errorf("%d goroutines, %d before", n, before)
	}
	if s := e.Stats(); s.Running != 0 || s.Kept != 0 || s.Requests != 128 {
		t.Errorf("got %+v", s)
	}
}

func maxOf(d []time.Duration) (m time.Duration) {
	for _, x := range d {
		m = max(m, x)
	}
	return m
}

// TestDialogue goes through what a chat does, and checks that every turn
// computes only what is new.
func TestDialogue(t *testing.T) {
	t.Parallel()
	l := open(t, Options{})
	d := NewDialogue(l.Talker, Request{MaxTokens: 20, Sampling: sample.Params{Temperature: 0.5}})
	if _, err := d.Undo(); !errors.Is(err, ErrNothingToUndo) {
		t.Errorf("got %v, want ErrNothingToUndo", err)
	}
	if _, err := d.Retry(t.Context(), nil); !errors.Is(err, ErrNothingToUndo) {
		t.Errorf("got %v, want ErrNothingToUndo", err)
	}
	d.System = "You are a test."
	var shown strings.Builder
	res, err := d.Say(t.Context(), "Hello <|im_end|> there", func(p prompt.Part) { shown.WriteString(p.Text) })
	if err != nil || len(d.Messages) != 2 || strings.TrimSpace(shown.String()) != d.Messages[1].Content {
		t.Fatalf("got %+v, %v, %q", d.Messages, err, shown.String())
	}
	one := res.Usage
	res, err = d.Say(t.Context(), "And again", nil)
	if err != nil {
		t.Fatal(err)
	}
	// white space around an answer is not kept, so a few tokens may differ
	if u := res.Usage; u.Reused < one.Prompt-1 || u.Prompt-u.Reused > 100 {
		t.Errorf("the second turn reused %d of %d tokens, the first had %d", u.Reused, u.Prompt, one.Prompt)
	}
	res, err = d.Retry(t.Context(), nil)
	if err != nil || len(d.Messages) != 4 || res.Usage.Reused < one.Prompt {
		t.Errorf("retry: %d messages, %+v, %v", len(d.Messages), res, err)
	}
	if said, err := d.Undo(); err != nil || said != "And again" || len(d.Messages) != 2 {
		t.Errorf("undo: %q, %v, %d messages", said, err, len(d.Messages))
	}
	file := filepath.Join(t.TempDir(), "d.json")
	if err := d.Save(file); err != nil {
		t.Fatal(err)
	}
	again := NewDialogue(l.Talker, Request{MaxTokens: 5})
	if _, err := again.Load(file); err != nil || again.System != d.System || len(again.Messages) != 2 || again.Messages[1].Content != d.Messages[1].Content {
		t.Errorf("loaded %+v, %v", again, err)
	}
	d.Reset()
	if len(d.Messages) != 0 {
		t.Error("reset left messages")
	}
}

func TestDialogueFiles(t *testing.T) {
	t.Parallel()
	d := NewDialogue(nil, Request{})
	for name, content := range map[string]string{
		"empty": "", "other": `{"a":1}`, "role": `{"format":"kuai dialogue 1","messages":[{"role":"god"}]}`, "cut": `{"format":"kuai dialogue 1","mess`,
	} {
		file := filepath.Join(t.TempDir(), name)
		if err := os.WriteFile(file, []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
		if _, err := d.Load(file); err == nil || !strings.Contains(err.Error(), file) {
			t.Errorf("%s: got %v", name, err)
		}
	}
	if _, err := d.Load(filepath.Join(t.TempDir(), "none")); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("got %v, want os.ErrNotExist", err)
	}
}

// TestTurnStopped stops an answer: what came is kept, and the next turn works.
func TestTurnStopped(t *testing.T) {
	t.Parallel()
	l := open(t, Options{})
	d := NewDialogue(l.Talker, Request{Sampling: sample.Params{Temperature: 1}, IgnoreEnd: true})
	ctx, stop := context.WithCancel(t.Context())
	defer stop()
	shown := 0
	res, err := d.Say(ctx, "Hello", func(prompt.Part) {
		if shown++; shown == 5 {
			stop()
		}
	})
	if !errors.Is(err, context.Canceled) || res.Reason != Cancelled || len(d.Messages) != 2 || d.Messages[1].Content == "" {
		t.Errorf("got %+v, %v, %+v", res, err, d.Messages)
	}
	d.settings.MaxTokens = 3
	if _, err := d.Say(t.Context(), "Go on", nil); err != nil || len(d.Messages) != 4 {
		t.Errorf("got %v, %d messages", err, len(d.Messages))
	}
}

// TestConstrained lets a model of random weights write JSON.
func TestConstrained(t *testing.T) {
	t.Parallel()
	l := open(t, Options{})
	s, err := schema.Compile([]byte(`{"type":"object","properties":{"name":{"type":"string","maxLength":12},"colour":{"enum":["red","green"]},"sizes":{"type":"array","items":{"type":"integer","minimum":1,"maximum":9},"maxItems":3}},"required":["name","colour","sizes"],"additionalProperties":false}`))
	if err != nil {
		t.Fatal(err)
	}
	for seed := range uint64(8) {
		a, err := l.Talker.Ask(t.Context(), prompt.Input{Messages: []prompt.Message{{Role: "user", Content: "x"}}},
			Request{Schema: s, Sampling: sample.Params{Temperature: 1, Seed: seed}})
		if err != nil {
			t.Fatal(err)
		}
		m, res, err := a.ReadAll(t.Context(), nil)
		var v struct {
			Name, Colour string
			Sizes        []int
		}
		if err != nil || res.Reason != Stopped || json.Unmarshal([]byte(m.Content), &v) != nil || v.Colour != "red" && v.Colour != "green" || len(v.Sizes) > 3 {
			t.Errorf("got %q, %+v, %v", m.Content, res, err)
		}
	}
}

func TestTooLong(t *testing.T) {
	t.Parallel()
	l := open(t, Options{})
	d := NewDialogue(l.Talker, Request{})
	var long *TooLongError
	if _, err := d.Say(t.Context(), strings.Repeat("x", chattest.Context), nil); !errors.As(err, &long) || len(d.Messages) != 0 {
		t.Errorf("got %v, %d messages", err, len(d.Messages))
	}
}

// TestSharedOnModel sends requests with one long beginning at once: it is read
// twice at most, by the first, and by the second, which shows where they part.
func TestSharedOnModel(t *testing.T) {
	t.Parallel()
	l := open(t, Options{})
	system := strings.Repeat("You are a helpful test of the engine room. ", 20)
	var all []*Stream
	own := 0
	for i := range 16 {
		prompt := RawTokens(l.Vocab, fmt.Sprint(system, i, " is the question that only this one asks."))
		own += len(prompt) - len(system)
		all = append(all, submit(t, l.Talker.Engine, Request{Prompt: prompt, MaxTokens: 4, IgnoreEnd: true}))
	}
	for i, s := range all {
		if _, res := read(t, s); i > 1 && res.Usage.Reused < len(system)-1 {
			t.Errorf("request %d reused %d of %d shared tokens", i, res.Usage.Reused, len(system))
		}
	}
	if n := int(l.Talker.Engine.Stats().PromptTokens); n > 2*len(system)+own {
		t.Errorf("%d tokens were read; %d are shared, %d are not", n, len(system), own)
	}
}
