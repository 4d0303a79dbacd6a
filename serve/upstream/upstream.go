// Package upstream asks language models of other servers, through OpenAI's
// chat completions: vLLM, SGLang, llama.cpp, Ollama and the large platforms
// have them. What comes back is bounded and checked; the key is sent to that
// server alone and stands in no error.
package upstream

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"
	"time"

	"go.opentelemetry.io/otel/propagation"
)

// Limits of what another server may answer.
const (
	maxReply   = 1 << 20 // bytes of text
	maxStream  = 16 << 20
	maxLine    = 1 << 20 // of an event
	maxError   = 64 << 10
	maxMessage = 300 // bytes of its words in an error

	headerTimeout = 2 * time.Minute // until it begins to answer: a model may have to load
)

// ErrAddress says that an address is not one of a server and a model.
var ErrAddress = errors.New("want https://host/v1#model")

// Client asks one model of one server. It may be used by several goroutines.
type Client struct {
	Model string
	Slots int // chats at once that its servers are sent; 0: whoever asks decides

	chat string // address
	key  string
	http *http.Client
}

// Message is a turn; its role is system, user or assistant.
type Message struct {
	Role    string `json:"role"`
	Content string `json:"content"`
}

// Request is what a model is asked.
type Request struct {
	Messages    []Message
	MaxTokens   int // 0: the server's
	Temperature float64
	TopP        float64
	Stop        []string
}

// StatusError is an answer that is none.
type StatusError struct {
	Status  int
	Message string // of the server, shortened
}

func (e *StatusError) Error() string {
	return fmt.Sprintf("upstream: the server answered %d: %s", e.Status, e.Message)
}

// Is says whether a model's name is an address.
func Is(name string) bool {
	return strings.HasPrefix(name, "https://") || strings.HasPrefix(name, "http://")
}

// New returns the client of an address such as https://host/v1#model. The key
// may be "". It wraps ErrAddress.
func New(address, key string) (*Client, error) {
	u, err := url.Parse(address)
	if err != nil || u.Host == "" || u.Fragment == "" || !Is(address) || u.RawQuery != "" {
		return nil, fmt.Errorf("upstream: %w", ErrAddress) // not the address itself: it may hold a password
	}
	model := u.Fragment
	u.Fragment, u.RawFragment = "", ""
	transport := http.DefaultTransport.(*http.Transport).Clone() //nolint:forcetypeassert // it is one
	transport.ResponseHeaderTimeout = headerTimeout
	return &Client{
		Model: model, chat: u.JoinPath("chat/completions").String(), key: key,
		http: &http.Client{Transport: transport, CheckRedirect: func(*http.Request, []*http.Request) error {
			return http.ErrUseLastResponse // the key goes nowhere else
		}},
	}, nil
}

// Pooled returns the client of a model of several servers. The transport, such
// as a provider.Pool, chooses among them and knows their addresses and keys.
func Pooled(model string, servers http.RoundTripper) *Client {
	return &Client{Model: model, chat: "http://upstream/chat/completions", http: &http.Client{
		Transport: servers, CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}}
}

// Chat asks and returns the whole answer; show, which may be nil, sees it as it
// comes. It wraps a *StatusError where the server refuses.
func (c *Client) Chat(ctx context.Context, r Request, show func(piece string)) (string, error) {
	body := map[string]any{"messages": r.Messages, "temperature": r.Temperature}
	if r.MaxTokens > 0 {
		body["max_tokens"] = r.MaxTokens
	}
	if r.TopP > 0 {
		body["top_p"] = r.TopP
	}
	if len(r.Stop) > 0 {
		body["stop"] = r.Stop
	}
	a, err := c.Open(ctx, body)
	if err != nil {
		return "", err
	}
	defer a.Close()
	var b strings.Builder
	for {
		d, err := a.Next()
		if errors.Is(err, io.EOF) {
			return b.String(), nil
		}
		if err != nil {
			return "", err
		}
		if b.Len()+len(d.Content) > maxReply {
			return "", fmt.Errorf("upstream: an answer of more than %d bytes", maxReply)
		}
		b.WriteString(d.Content)
		if show != nil && d.Content != "" {
			show(d.Content)
		}
	}
}

// post sends a request for a chat; the answer's status is 200, its body still to be
// read and closed.
func (c *Client) post(ctx context.Context, data []byte) (*http.Response, error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, c.chat, bytes.NewReader(data))
	if err != nil {
		return nil, fmt.Errorf("upstream: %w", err)
	}
	req.Header.Set("Content-Type", "application/json")
	req.Header.Set("Accept", "text/event-stream")
	propagation.TraceContext{}.Inject(ctx, propagation.HeaderCarrier(req.Header)) // its spans join ours
	if c.key != "" {
		req.Header.Set("Authorization", "Bearer "+c.key)
	}
	res, err := c.http.Do(req)
	if err != nil {
		return nil, fmt.Errorf("upstream: %w", cause(ctx, err))
	}
	if res.StatusCode != http.StatusOK {
		defer res.Body.Close() //nolint:errcheck // was only read
		return nil, refused(res)
	}
	return res, nil
}

// cause is why ctx ended, where it has, and else the error, without an address.
func cause(ctx context.Context, err error) error {
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	if u, ok := errors.AsType[*url.Error](err); ok {
		return u.Err
	}
	return err
}

// refused reads what a server says that does not answer.
func refused(res *http.Response) error {
	data, _ := io.ReadAll(io.LimitReader(res.Body, maxError)) // as much as there is
	var e struct {
		Error json.RawMessage `json:"error"`
	}
	message := ""
	if json.Unmarshal(data, &e) == nil {
		message = messageOf(e.Error)
	}
	if message == "" {
		message = http.StatusText(res.StatusCode)
	}
	return &StatusError{res.StatusCode, message}
}

// messageOf is the words of an error, which is a text or has a message.
func messageOf(raw json.RawMessage) string {
	var s string
	if json.Unmarshal(raw, &s) != nil {
		var o struct {
			Message string `json:"message"`
		}
		if json.Unmarshal(raw, &o) == nil {
			s = o.Message
		}
	}
	s = strings.Join(strings.Fields(strings.ToValidUTF8(s, "")), " ")
	if len(s) > maxMessage {
		s = strings.ToValidUTF8(s[:maxMessage], "") + "…"
	}
	return s
}
