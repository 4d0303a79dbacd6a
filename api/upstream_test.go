package api

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/google/go-cmp/cmp"

	"kuai/api/gate"
	"kuai/api/talk"
	"kuai/platform/provider"
	"kuai/serve/chat"
	"kuai/serve/upstream"
)

// gpu is a server of a model elsewhere, that fails as it is told.
type gpu struct {
	*httptest.Server
	name  string
	fails atomic.Value // string: "", refuses, early, late, bad, hangs up
	asked atomic.Int64

	mu   sync.Mutex
	last map[string]any
}

func newGPU(t *testing.T, name string) *gpu {
	t.Helper()
	g := &gpu{name: name}
	g.fails.Store("")
	g.Server = httptest.NewServer(g)
	t.Cleanup(g.Close)
	return g
}

func (g *gpu) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	fails := g.fails.Load().(string)
	if r.URL.Path == "/v1/models" {
		if fails != "" {
			w.WriteHeader(http.StatusServiceUnavailable)
		}
		return
	}
	g.asked.Add(1)
	var q map[string]any
	_ = json.NewDecoder(r.Body).Decode(&q) // the test looks at it
	g.mu.Lock()
	g.last = q
	g.mu.Unlock()
	switch fails {
	case "refuses":
		w.WriteHeader(http.StatusServiceUnavailable)
		return
	case "bad":
		http.Error(w, `{"error":{"message":"max_tokens is too large"}}`, http.StatusBadRequest)
		return
	case "hangs up":
		panic(http.ErrAbortHandler)
	}
	w.Header().Set("Content-Type", "text/event-stream")
	say := func(s string) {
		_, _ = fmt.Fprintf(w, "data: %s\n\n", s) // the client may have gone
		_ = http.NewResponseController(w).Flush()
	}
	say(`{"choices":[{"delta":{"role":"assistant"}}]}`)
	if fails == "early" {
		panic(http.ErrAbortHandler)
	}
	say(`{"choices":[{"delta":{"reasoning_content":"hm"}}]}`)
	say(`{"choices":[{"delta":{"content":"I am "}}]}`)
	if fails == "late" {
		panic(http.ErrAbortHandler)
	}
	say(`{"choices":[{"delta":{"content":"` + g.name + `"}}]}`)
	if _, tools := q["tools"]; tools {
		say(`{"choices":[{"delta":{"tool_calls":[{"index":0,"id":"c1","function":{"name":"weather","arguments":"{\"city\":"}}]}}]}`)
		say(`{"choices":[{"delta":{"tool_calls":[{"index":0,"function":{"arguments":"\"Ulm\"}"}}]}}]}`)
	}
	say(`{"choices":[{"delta":{},"finish_reason":"stop"}]}`)
	say(`{"choices":[],"usage":{"prompt_tokens":11,"completion_tokens":7,"prompt_tokens_details":{"cached_tokens":4}}}`)
	say("[DONE]")
}

// upstreamServer is our server in front of two of them.
func upstreamServer(t *testing.T) (url string, a, b *gpu, book *book) {
	t.Helper()
	a, b = newGPU(t, "a"), newGPU(t, "b")
	p, err := provider.NewPool([]string{a.URL + "/v1", b.URL + "/v1"}, provider.Options{Health: "/models"})
	if err != nil {
		t.Fatal(err)
	}
	rooms := roomsOf(t, nil, nil)
	book = newBook()
	rooms.Gate = book
	rooms.Chats = &talk.Both{Here: &chat.Group{}, Clients: []*upstream.Client{upstream.Pooled("large", p)}}
	s := httptest.NewServer(Handler(rooms))
	t.Cleanup(s.Close)
	return s.URL, a, b, book
}

func newBook() *book { return &book{make(chan ending, 10)} }

const hello = `{"model":"large","max_tokens":9,"temperature":0.5,"stream":%v,"options":{"num_predict":9},"messages":[{"role":"user","content":"hi"}]}`

// TestUpstream asks a model of other servers in every dialect.
func TestUpstream(t *testing.T) {
	t.Parallel()
	url, a, _, book := upstreamServer(t)
	for path, want := range map[string]string{
		"/v1/chat/completions":       `"content":"I am `,
		"/v1/messages":               `"text":"I am `,
		"/v1/text/chatcompletion_v2": `"content":"I am `,
		"/api/chat":                  `"content":"I am `,
	} {
		for _, stream := range []bool{false, true} {
			status, _, answer := call(t, "POST", url+path, "application/json", strings.NewReader(fmt.Sprintf(hello, stream)))
			if status != http.StatusOK || !stream && !strings.Contains(answer, want) || stream && !strings.Contains(answer, "I am ") {
				t.Errorf("%s: %d %s", path, status, answer)
			}
			e := <-book.ended
			want := gate.Usage{gate.InputTokens: 11, gate.CachedInputTokens: 4, gate.OutputTokens: 7, gate.Requests: 1}
			if diff := cmp.Diff(want, e.used); diff != "" || e.work.Model != "large" || e.work.Estimate[gate.OutputTokens] != 9 || e.work.Estimate[gate.InputTokens] < 11 {
				t.Errorf("%s: settled (-want +got):\n%s%+v", path, diff, e.work)
			}
		}
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.last["model"] != "large" || a.last["max_tokens"] != 9.0 || a.last["stream"] != true {
		t.Errorf("it was asked %v", a.last)
	}
}

// TestUpstreamFails checks that servers that fail before the first word are
// passed over, and that one that dies amid an answer ends it with an error:
// nobody gets halves of two.
func TestUpstreamFails(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		name, a, b string
		stream     bool
		status     int
		says, not  string
		released   bool
	}{
		{"one refuses", "refuses", "", true, 200, `"b"`, `"a"`, false},
		{"one hangs up", "hangs up", "", false, 200, "I am b", "I am a", false},
		{"one dies before the first word", "early", "", true, 200, `"b"`, `"a"`, false},
		{"one dies amid a stream", "late", "", true, 200, "broke off", `"b"`, true},
		{"one dies amid an answer", "late", "", false, 503, "broke off", "I am", true},
		{"both refuse", "refuses", "refuses", true, 503, "does not answer", "I am", true},
		{"both hang up", "hangs up", "hangs up", false, 503, "does not answer", "I am", true},
		{"both die early", "early", "early", true, 503, "broke off", "I am", true},
		{"the request is wrong", "bad", "", false, 400, "max_tokens is too large", "I am", true},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			url, a, b, book := upstreamServer(t)
			a.fails.Store(tt.a)
			b.fails.Store(tt.b)
			status, h, answer := call(t, "POST", url+"/v1/chat/completions", "application/json", strings.NewReader(fmt.Sprintf(hello, tt.stream)))
			if status != tt.status || !strings.Contains(answer, tt.says) || strings.Contains(answer, tt.not) {
				t.Errorf("%d %s", status, answer)
			}
			if (status == http.StatusServiceUnavailable) != (h.Get("Retry-After") != "") {
				t.Errorf("%d, Retry-After %q", status, h.Get("Retry-After"))
			}
			if e := <-book.ended; (e.released != "") != tt.released {
				t.Errorf("ended %+v", e)
			}
			if len(book.ended) != 0 {
				t.Error("a ticket ended twice")
			}
		})
	}
}

// TestUpstreamTools checks that calls come whole, and what has been honoured or
// refused of a request.
func TestUpstreamTools(t *testing.T) {
	t.Parallel()
	url, a, _, book := upstreamServer(t)
	body := `{"model":"large","tools":[{"type":"function","function":{"name":"weather","parameters":{"type":"object"}}}],"tool_choice":"required","messages":[{"role":"user","content":"hi"},
		{"role":"assistant","tool_calls":[{"id":"x","type":"function","function":{"name":"weather","arguments":"{}"}}]},{"role":"tool","tool_call_id":"x","content":"fine"}]}`
	status, _, answer := call(t, "POST", url+"/v1/chat/completions", "application/json", strings.NewReader(body))
	if status != http.StatusOK || !strings.Contains(answer, `"arguments":"{\"city\":\"Ulm\"}"`) || !strings.Contains(answer, `"finish_reason":"tool_calls"`) {
		t.Errorf("%d %s", status, answer)
	}
	<-book.ended
	a.mu.Lock()
	sent, err := json.Marshal(a.last)
	a.mu.Unlock()
	if err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{`"tool_choice":"required"`, `"tool_call_id":"x"`, `"arguments":"{}"`} {
		if !strings.Contains(string(sent), want) {
			t.Errorf("%s is not in %s", want, sent)
		}
	}
	status, _, answer = call(t, "POST", url+"/v1/chat/completions", "application/json", strings.NewReader(`{"model":"large","logprobs":true,"messages":[{"role":"user","content":"hi"}]}`))
	if status < 400 || !strings.Contains(answer, "logprobs") {
		t.Errorf("%d %s", status, answer)
	}
}

// TestUpstreamLeft checks that a stream that its client leaves ends at the
// other server too, and is charged for what was said.
func TestUpstreamLeft(t *testing.T) {
	t.Parallel()
	gone := make(chan struct{})
	far := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		_, _ = io.WriteString(w, "data: {\"choices\":[{\"delta\":{\"content\":\"eight by\"}}]}\n\n")
		_ = http.NewResponseController(w).Flush()
		<-r.Context().Done()
		close(gone)
	}))
	t.Cleanup(far.Close)
	p, err := provider.NewPool([]string{far.URL}, provider.Options{Health: "/models"})
	if err != nil {
		t.Fatal(err)
	}
	rooms, book := roomsOf(t, nil, nil), newBook()
	rooms.Gate, rooms.Chats = book, &talk.Both{Here: &chat.Group{}, Clients: []*upstream.Client{upstream.Pooled("large", p)}}
	s := httptest.NewServer(Handler(rooms))
	t.Cleanup(s.Close)
	res, err := http.Post(s.URL+"/v1/chat/completions", "application/json", strings.NewReader(fmt.Sprintf(hello, true)))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := res.Body.Read(make([]byte, 1)); err != nil {
		t.Fatal(err)
	}
	if err := res.Body.Close(); err != nil {
		t.Fatal(err)
	}
	<-gone
	if e := <-book.ended; e.released != "" || e.used[gate.OutputTokens] != 2 {
		t.Errorf("ended %+v", e)
	}
}
