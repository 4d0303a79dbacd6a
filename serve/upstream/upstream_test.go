package upstream

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
)

func server(t *testing.T, h http.HandlerFunc) *Client {
	t.Helper()
	s := httptest.NewServer(h)
	t.Cleanup(s.Close)
	c, err := New(s.URL+"/v1#some-model", "sk-secret")
	if err != nil {
		t.Fatal(err)
	}
	return c
}

// TestChat checks the request on the wire and both forms of an answer.
func TestChat(t *testing.T) {
	t.Parallel()
	for name, answer := range map[string]func(w http.ResponseWriter){
		"stream": func(w http.ResponseWriter) {
			w.Header().Set("Content-Type", "text/event-stream")
			_, _ = io.WriteString(w, ": hello\n\n")
			for _, p := range []string{`{"choices":[{"delta":{"role":"assistant"}}]}`, `{"choices":[{"delta":{"content":"Good "}}]}`, `{"choices":[{"delta":{"content":"day"}}]}`, `{"choices":[],"usage":{}}`, `[DONE]`} {
				_, _ = fmt.Fprintf(w, "data: %s\r\n\r\n", p)
			}
		},
		"whole": func(w http.ResponseWriter) {
			w.Header().Set("Content-Type", "application/json; charset=utf-8")
			_, _ = io.WriteString(w, `{"choices":[{"message":{"role":"assistant","content":"Good day"}}]}`)
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			c := server(t, func(w http.ResponseWriter, r *http.Request) {
				var b struct {
					Model     string
					Stream    bool
					Messages  []Message
					MaxTokens int `json:"max_tokens"`
				}
				if err := json.NewDecoder(r.Body).Decode(&b); err != nil || b.Model != "some-model" || !b.Stream || len(b.Messages) != 1 || b.MaxTokens != 7 {
					t.Errorf("asked %+v: %v", b, err)
				}
				if r.URL.Path != "/v1/chat/completions" || r.Header.Get("Authorization") != "Bearer sk-secret" {
					t.Errorf("asked at %s with %v", r.URL.Path, r.Header)
				}
				answer(w)
			})
			var shown strings.Builder
			got, err := c.Chat(t.Context(), Request{Messages: []Message{{"user", "Hi"}}, MaxTokens: 7}, func(p string) { shown.WriteString(p) })
			if err != nil || got != "Good day" || shown.String() != got {
				t.Errorf("got %q, shown %q: %v", got, shown.String(), err)
			}
		})
	}
}

// TestChatFails checks that answers that are none are errors that say what the
// server said, and never the key.
func TestChatFails(t *testing.T) {
	t.Parallel()
	for name, tt := range map[string]struct {
		answer http.HandlerFunc
		want   string
	}{
		"refused": {func(w http.ResponseWriter, _ *http.Request) {
			http.Error(w, `{"error":{"message":"no such\nmodel"}}`, http.StatusNotFound)
		}, "404: no such model"},
		"refused plain": {func(w http.ResponseWriter, _ *http.Request) {
			http.Error(w, `{"error":"busy"}`, http.StatusTooManyRequests)
		}, "429: busy"},
		"no JSON":    {func(w http.ResponseWriter, _ *http.Request) { http.Error(w, `<html>`, http.StatusBadGateway) }, "502: Bad Gateway"},
		"broken off": {func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, "data: {}\n\n") }, "broke off"},
		"amid": {func(w http.ResponseWriter, _ *http.Request) {
			_, _ = io.WriteString(w, "data: {\"error\":{\"message\":\"overloaded\"}}\n\n")
		}, "overloaded"},
		"nonsense": {func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, "data: 7\n\n") }, "OpenAI"},
		"redirect": {func(w http.ResponseWriter, r *http.Request) {
			http.Redirect(w, r, "http://127.0.0.1:1/", http.StatusFound)
		}, "302"},
		"endless": {func(w http.ResponseWriter, _ *http.Request) {
			for range 20 {
				_, _ = fmt.Fprintf(w, "data: {\"choices\":[{\"delta\":{\"content\":%q}}]}\n\n", strings.Repeat("x", 100_000))
			}
		}, "more than"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			_, err := server(t, tt.answer).Chat(t.Context(), Request{}, nil)
			if err == nil || !strings.Contains(err.Error(), tt.want) || strings.Contains(err.Error(), "sk-secret") {
				t.Errorf("got %v, want %q", err, tt.want)
			}
		})
	}
}

// TestCancelled checks that a caller who leaves is told why.
func TestCancelled(t *testing.T) {
	t.Parallel()
	gone := errors.New("gone")
	ctx, cancel := context.WithCancelCause(t.Context())
	c := server(t, func(w http.ResponseWriter, r *http.Request) {
		_, _ = io.WriteString(w, "data: {\"choices\":[{\"delta\":{\"content\":\"Good \"}}]}\n\n")
		_ = http.NewResponseController(w).Flush()
		<-r.Context().Done()
	})
	if _, err := c.Chat(ctx, Request{}, func(string) { cancel(gone) }); !errors.Is(err, gone) {
		t.Errorf("got %v", err)
	}
}

func TestNew(t *testing.T) {
	t.Parallel()
	for _, s := range []string{"", "https://host/v1", "https:///v1#m", "ftp://host#m", "http://host/v1?x=1#m", "http://[::1#m", "model.gguf"} {
		if _, err := New(s, ""); !errors.Is(err, ErrAddress) {
			t.Errorf("%q: %v", s, err)
		}
	}
	if c, err := New("http://host/v1/#org/model:7b", ""); err != nil || c.Model != "org/model:7b" || c.chat != "http://host/v1/chat/completions" {
		t.Errorf("%+v, %v", c, err)
	}
}

// answers is a transport that always has an answer.
type answers func() *http.Response

func (a answers) RoundTrip(*http.Request) (*http.Response, error) { return a(), nil }

// FuzzRead checks that what is shown of any answer is the answer.
func FuzzRead(f *testing.F) {
	f.Add("data: {\"choices\":[{\"delta\":{\"content\":\"x\"}}]}\n\ndata: [DONE]\n", "text/event-stream")
	f.Add(`{"choices":[{"message":{"content":"x"}}]}`, "application/json")
	f.Fuzz(func(t *testing.T, s, contentType string) {
		shown := ""
		c := Pooled("some-model", answers(func() *http.Response {
			return &http.Response{StatusCode: http.StatusOK, Header: http.Header{"Content-Type": {contentType}}, Body: io.NopCloser(strings.NewReader(s))}
		}))
		text, err := c.Chat(t.Context(), Request{}, func(p string) { shown += p })
		if err == nil && text != shown {
			t.Errorf("read %q, shown %q", text, shown)
		}
	})
}
