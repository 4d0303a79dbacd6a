package api

import (
	"context"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"
)

// TestDrain stops a server while requests run: what computes may end, what
// only looks ends at once, and what would go on for ever is cancelled.
func TestDrain(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		method   string
		patience time.Duration
		want     string
	}{
		"a stream of events": {http.MethodGet, time.Minute, "cancelled"},
		"work that ends":     {http.MethodPost, time.Minute, "done"},
		"work that does not": {http.MethodPost, time.Millisecond, "cancelled"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			l, err := (&net.ListenConfig{}).Listen(t.Context(), "tcp", "127.0.0.1:0")
			if err != nil {
				t.Fatal(err)
			}
			ctx, stop := context.WithCancel(t.Context())
			begun, ended := make(chan struct{}), make(chan error, 1)
			go func() {
				ended <- drained(ctx, l, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
					close(begun)
					told := "cancelled"
					if c.want == "done" {
						<-ctx.Done()
						told = "done"
						if r.Context().Err() != nil {
							told = "cancelled too early"
						}
					} else {
						<-r.Context().Done()
					}
					_, _ = w.Write([]byte(told))
				}), c.patience)
			}()
			go func() { <-begun; stop() }()
			_, _, body := call(t, c.method, "http://"+l.Addr().String()+"/", "", strings.NewReader(""))
			if body != c.want {
				t.Errorf("got %q, want %q", body, c.want)
			}
			if err := <-ended; err != nil {
				t.Error(err)
			}
		})
	}
}

// TestHealth asks without a key.
func TestHealth(t *testing.T) {
	t.Parallel()
	s := server(t)
	for _, path := range []string{"/healthz", "/readyz"} {
		if status, _, body := call(t, "GET", s.URL+path, "", nil); status != http.StatusOK || !strings.Contains(body, `"status":"ok"`) {
			t.Errorf("%s: %d %s", path, status, body)
		}
	}
}
