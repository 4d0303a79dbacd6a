package api

import (
	"bufio"
	"context"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"kuai/api/gate"
	"kuai/fault"
	"kuai/par"
	"kuai/serve/chat"
	"kuai/serve/chat/chattest"
	"kuai/text"
)

// book is a gate that writes down how tickets ended.
type book struct{ ended chan ending }

type ending struct {
	work     gate.Work
	used     gate.Usage
	released string
}

type entry struct {
	gate.Ticket
	book *book
	work gate.Work
}

func (b *book) Admit(ctx context.Context, r *http.Request, w gate.Work) (gate.Ticket, error) {
	t, err := gate.Open{}.Admit(ctx, r, w)
	return entry{t, b, w}, err
}

func (e entry) Header(h http.Header) { h.Set("X-Ratelimit-Limit-Requests", "7") }

func (e entry) Settle(_ context.Context, u gate.Usage) error {
	e.book.ended <- ending{work: e.work, used: u}
	return nil
}

func (e entry) Release(_ context.Context, why string) error {
	e.book.ended <- ending{work: e.work, released: why}
	return nil
}

// TestSettle checks that every chat is settled once for what it used: whole,
// streamed, and left by its client in the middle.
func TestSettle(t *testing.T) {
	t.Parallel()
	pool := par.New(1)
	l, err := chat.Open(t.Context(), chattest.Hybrid(t), text.Options{Pool: pool}, chat.Options{})
	if err != nil {
		t.Fatal(err)
	}
	g := &chat.Group{}
	g.Add("tiny", l)
	b := &book{make(chan ending, 10)}
	rooms := roomsOf(t, g, nil)
	rooms.Gate = b
	s := httptest.NewServer(Handler(rooms))
	t.Cleanup(func() {
		s.Close()
		if err := g.Close(); err != nil {
			t.Error(err)
		}
		pool.Close()
	})
	for path, body := range map[string]string{
		"/v1/chat/completions":       `{"model":"tiny","max_tokens":5,"stream":true,"messages":[{"role":"user","content":"hi"}]}`,
		"/v1/messages":               `{"model":"tiny","max_tokens":5,"messages":[{"role":"user","content":"hi"}]}`,
		"/v1/text/chatcompletion_v2": `{"model":"MiniMax-M2","max_tokens":5,"messages":[{"role":"user","content":"hi"}]}`,
		"/api/generate":              `{"model":"tiny","prompt":"hi","options":{"num_predict":5}}`,
		"/anthropic/v1/messages":     `{"model":"tiny","max_tokens":5,"stream":true,"messages":[{"role":"user","content":"hi"}]}`,
	} {
		status, h, answer := call(t, "POST", s.URL+path, "application/json", strings.NewReader(body))
		if status != 200 || h.Get("X-Ratelimit-Limit-Requests") != "7" {
			t.Errorf("%s: %d %v %s", path, status, h, answer)
		}
		e := <-b.ended
		if e.released != "" || e.used[gate.OutputTokens] < 1 || e.used[gate.OutputTokens] > 5 || e.used[gate.InputTokens] != e.work.Estimate[gate.InputTokens] || e.work.Estimate[gate.OutputTokens] != 5 || e.work.Model != "tiny" {
			t.Errorf("%s: %+v", path, e)
		}
	}

	ctx, leave := context.WithCancel(t.Context())
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, s.URL+"/v1/chat/completions", strings.NewReader(`{"model":"tiny","stream":true,"messages":[{"role":"user","content":"hi"}]}`))
	if err != nil {
		t.Fatal(err)
	}
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := bufio.NewReader(res.Body).ReadString('\n'); err != nil {
		t.Fatal(err)
	}
	leave()
	_ = res.Body.Close() // it was left
	if e := <-b.ended; e.released != "" || e.used[gate.InputTokens] < 1 {
		t.Errorf("a stream that was left: %+v", e)
	}
	if len(b.ended) != 0 {
		t.Errorf("%d tickets ended twice", len(b.ended))
	}
}

// full is a gate whose limits are used up.
type full struct{}

func (full) Admit(context.Context, *http.Request, gate.Work) (gate.Ticket, error) {
	return nil, &fault.Error{Code: fault.RateLimited, RetryAfter: 3 * time.Second, Limits: http.Header{"X-Ratelimit-Limit-Requests": {"7"}, "X-Ratelimit-Remaining-Requests": {"0"}}}
}

// TestRefusals checks that every dialect tells of the limits that refuse.
func TestRefusals(t *testing.T) {
	t.Parallel()
	s := talkingIn(t, func(r *Rooms) { r.Gate = full{} })
	for path, body := range map[string]string{
		"/v1/chat/completions":       `{"model":"tiny","messages":[{"role":"user","content":"hi"}]}`,
		"/v1/messages":               `{"model":"tiny","max_tokens":5,"messages":[{"role":"user","content":"hi"}]}`,
		"/v1/text/chatcompletion_v2": `{"model":"MiniMax-M2","messages":[{"role":"user","content":"hi"}]}`,
		"/v2/video_generation":       `{"model":"MiniMax-Hailuo-2.3","content":[{"type":"text","text":"a fox jumps"}]}`,
		"/api/generate":              `{"model":"tiny","prompt":"hi"}`,
		"/v1/videos":                 `{"prompt":"a fox jumps"}`,
	} {
		status, h, answer := call(t, "POST", s.URL+path, "application/json", strings.NewReader(body))
		if h.Get("X-Ratelimit-Limit-Requests") != "7" || h.Get("X-Ratelimit-Remaining-Requests") != "0" || h.Get("Retry-After") != "3" || h.Get("X-Request-Id") == "" {
			t.Errorf("%s: %d %v %s", path, status, h, answer)
		}
	}
}
