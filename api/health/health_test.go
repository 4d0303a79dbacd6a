package health

import (
	"context"
	"errors"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/go-chi/chi/v5"
)

// TestReady asks boards of all kinds, in time that passes for a check that hangs
// and for nobody else.
func TestReady(t *testing.T) {
	t.Parallel()
	fine := func(context.Context) error { return nil }
	broken := func(context.Context) error { return errors.New("dial postgres: secret") }
	hangs := func(ctx context.Context) error {
		<-ctx.Done()
		time.Sleep(time.Minute) // it does not look at its context
		return nil
	}
	for name, c := range map[string]struct {
		checks []Check
		drain  bool
		status int
		body   string
	}{
		"nothing to check": {nil, false, http.StatusOK, `{"checks":{},"status":"ok"}`},
		"all hold":         {[]Check{{"database", fine}}, false, http.StatusOK, `{"checks":{"database":"ok"},"status":"ok"}`},
		"one fails":        {[]Check{{"database", broken}, {"disk", fine}}, false, http.StatusServiceUnavailable, `{"checks":{"database":"failed","disk":"ok"},"status":"unavailable"}`},
		"one hangs":        {[]Check{{"disk", hangs}}, false, http.StatusServiceUnavailable, `{"checks":{"disk":"failed"},"status":"unavailable"}`},
		"draining":         {[]Check{{"database", fine}}, true, http.StatusServiceUnavailable, `{"checks":{"database":"ok"},"status":"draining"}`},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				b := &Board{Checks: c.checks}
				if c.drain {
					b.Drain()
				}
				m := chi.NewRouter()
				Register(m, b)
				w := httptest.NewRecorder()
				m.ServeHTTP(w, httptest.NewRequest(http.MethodGet, "/readyz", nil))
				if got := strings.TrimSpace(w.Body.String()); w.Code != c.status || got != c.body {
					t.Errorf("got %d %s, want %d %s", w.Code, got, c.status, c.body)
				}
				w = httptest.NewRecorder()
				m.ServeHTTP(w, httptest.NewRequest(http.MethodGet, "/healthz", nil))
				if w.Code != http.StatusOK {
					t.Errorf("/healthz is %d", w.Code)
				}
				time.Sleep(2 * time.Minute) // what hung ends before the bubble
			})
		})
	}
}

func TestWritable(t *testing.T) {
	t.Parallel()
	dir := filepath.Join(t.TempDir(), "new")
	if err := Writable("disk", dir).Run(t.Context()); err != nil {
		t.Fatal(err)
	}
	if left, err := os.ReadDir(dir); err != nil || len(left) != 0 {
		t.Errorf("left %v, %v", left, err)
	}
	file := filepath.Join(dir, "file")
	if err := os.WriteFile(file, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if Writable("disk", filepath.Join(file, "below")).Run(t.Context()) == nil {
		t.Error("a file counts as a directory")
	}
}
