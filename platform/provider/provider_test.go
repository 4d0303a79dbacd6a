package provider

import (
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"
	"time"
)

// engine is a server whose health tests set.
type engine struct {
	*httptest.Server
	status atomic.Int64
	asked  atomic.Int64
}

func newEngine(t *testing.T, name string) *engine {
	t.Helper()
	e := &engine{}
	e.status.Store(http.StatusOK)
	e.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/v1/models" {
			w.WriteHeader(int(e.status.Load()))
			return
		}
		e.asked.Add(1)
		body, err := io.ReadAll(r.Body)
		if err != nil || !strings.Contains(string(body), "hello") || r.Header.Get("Authorization") != "Bearer key" {
			t.Errorf("%s got %q, %v, %v", name, body, r.Header, err)
		}
		w.Header().Set("Content-Type", "text/event-stream")
		w.WriteHeader(int(e.status.Load()))
		_, _ = io.WriteString(w, "data: {\"choices\":[{\"delta\":{\"content\":\""+name+"\"}}]}\n\ndata: [DONE]\n\n")
	}))
	t.Cleanup(e.Close)
	return e
}

// TestPool sends chats to two servers while they fail and recover.
func TestPool(t *testing.T) {
	t.Parallel()
	a, b := newEngine(t, "a"), newEngine(t, "b")
	now := time.Unix(1_800_000_000, 0)
	p, err := NewPool([]string{a.URL + "/", b.URL}, Options{Health: "/v1/models", Key: "key", Now: func() time.Time { return now }})
	if err != nil {
		t.Fatal(err)
	}
	client := &http.Client{Transport: p}
	ask := func() (int, string) {
		t.Helper()
		res, err := client.Post("http://pool/v1/chat/completions", "application/json", strings.NewReader(`{"hello":1}`))
		if errors.Is(err, ErrNone) {
			return 0, ""
		}
		if err != nil {
			t.Fatal(err)
		}
		data, err := io.ReadAll(res.Body)
		if err = errors.Join(err, res.Body.Close()); err != nil {
			t.Fatal(err)
		}
		return res.StatusCode, string(data)
	}
	expect := func(what string, status int, text string, healthy int) {
		t.Helper()
		gotStatus, got := ask()
		if gotStatus != status || !strings.Contains(got, text) || p.Healthy() != healthy {
			t.Errorf("%s: %d %q with %d healthy, want %d %q with %d", what, gotStatus, got, p.Healthy(), status, text, healthy)
		}
	}
	expect("both are well", 200, `"a"`, 2)
	a.status.Store(http.StatusServiceUnavailable)
	expect("one is overloaded", 200, `"b"`, 1)
	if n := a.asked.Load(); n != 2 {
		t.Errorf("the overloaded one was asked %d times", n)
	}
	expect("it is passed over", 200, `"b"`, 1)
	if n := a.asked.Load(); n != 2 {
		t.Errorf("the overloaded one was asked %d times in its penalty", n)
	}
	b.status.Store(http.StatusTooManyRequests)
	expect("both are overloaded", 503, "", 0)
	b.Close()
	now = now.Add(time.Hour)
	expect("one is overloaded, one gone", 503, "", 0)
	a.status.Store(http.StatusOK)
	p.Check(t.Context())
	expect("one is well again", 200, `"a"`, 1)
	for _, s := range p.servers {
		if s.busy != 0 {
			t.Errorf("%s is busy with %d", s.Base, s.busy)
		}
	}
	a.Close()
	expect("none is there", 0, "", 0)
	for _, bad := range [][]string{nil, {"x"}, {"ftp://x"}, {"http://u:p@x"}, {"http://x?y"}, make([]string, maxServers+1)} {
		if _, err := NewPool(bad, Options{}); err == nil {
			t.Errorf("%q was taken", bad)
		}
	}
}
