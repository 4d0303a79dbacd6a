package upstream

import (
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
)

// TestOpen reads the forms that answers have.
func TestOpen(t *testing.T) {
	t.Parallel()
	for name, tt := range map[string]struct {
		kind, answer string
		want         string
		err          error
	}{
		"whole": {
			"application/json", `{"choices":[{"message":{"content":"Good day","tool_calls":[{"id":"a","function":{"name":"f"}},{"id":"b","function":{"name":"g"}}]},"finish_reason":"stop"}],"usage":{"prompt_tokens":3}}`,
			"Good day f0 g1", nil,
		},
		"without [DONE]":   {"text/event-stream", "data: {\"choices\":[{\"delta\":{\"content\":\"x\"}}]}\n\ndata: {\"choices\":[{\"delta\":{},\"finish_reason\":\"stop\"}]}\n\n", "x", nil},
		"broken off":       {"text/event-stream", "data: {\"choices\":[{\"delta\":{\"content\":\"x\"}}]}\n\n", "x", ErrBroken},
		"an error amid":    {"text/event-stream", "data: {\"choices\":[{\"delta\":{\"content\":\"x\"}}]}\n\ndata: {\"error\":\"out of memory\"}\n\n", "x", ErrBroken},
		"a call too many":  {"text/event-stream", "data: {\"choices\":[{\"delta\":{\"content\":\"x\"}}]}\n\ndata: {\"choices\":[{\"delta\":{\"tool_calls\":[{\"index\":128}]}}]}\n\n", "x", ErrBroken},
		"other reasoning":  {"text/event-stream", "data: {\"choices\":[{\"delta\":{\"reasoning\":\"hm \"}}]}\n\ndata: {\"choices\":[{\"delta\":{\"content\":\"x\"}}]}\n\ndata: [DONE]\n\n", "hm x", nil},
		"nothing":          {"text/event-stream", "", "", ErrBroken},
		"nothing but DONE": {"text/event-stream", "data: [DONE]\n\n", "", ErrBroken},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			far := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
				w.Header().Set("Content-Type", tt.kind)
				_, _ = io.WriteString(w, tt.answer)
			}))
			defer far.Close()
			c, err := New(far.URL+"#m", "")
			if err != nil {
				t.Fatal(err)
			}
			got, err := readAll(t, c)
			if got != tt.want || !errors.Is(err, tt.err) || (err == nil) != (tt.err == nil) {
				t.Errorf("%q, %v, want %q, %v", got, err, tt.want, tt.err)
			}
		})
	}
}

func readAll(t *testing.T, c *Client) (string, error) {
	t.Helper()
	s, err := c.Open(t.Context(), map[string]any{})
	if err != nil {
		return "", err
	}
	defer s.Close()
	var all []string
	for {
		d, err := s.Next()
		if errors.Is(err, io.EOF) {
			return strings.Join(all, " "), nil
		}
		if err != nil {
			return strings.Join(all, " "), err
		}
		if text := strings.TrimSpace(d.Reasoning + d.Content); text != "" {
			all = append(all, text)
		}
		for _, call := range d.Calls {
			all = append(all, call.Function.Name+string(rune('0'+call.Index)))
		}
	}
}

func FuzzDecode(f *testing.F) {
	f.Add([]byte(`{"choices":[{"delta":{"content":"x","tool_calls":[{"index":1}]}}],"usage":{"prompt_tokens":1}}`))
	f.Add([]byte(`{"error":{"message":"no"}}`))
	f.Fuzz(func(t *testing.T, data []byte) {
		d, err := decode(data)
		for _, c := range d.Calls {
			if err == nil && (c.Index < 0 || c.Index >= maxCalls) {
				t.Errorf("call %d", c.Index)
			}
		}
	})
}
