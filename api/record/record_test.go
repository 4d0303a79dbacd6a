package record

import (
	"bytes"
	"context"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/go-chi/chi/v5"
	"go.opentelemetry.io/otel/trace"

	"kuai/api/wire"
)

// TestTraces takes the trace that a client names, or makes one.
func TestTraces(t *testing.T) {
	t.Parallel()
	const id = "0af7651916cd43dd8448eb211c80319c"
	for name, c := range map[string]struct {
		parent string
		taken  bool
	}{
		"none":       {"", false},
		"good":       {"00-" + id + "-b7ad6b7169203331-01", true},
		"later":      {"cc-" + id + "-b7ad6b7169203331-01-more", true},
		"half":       {"00-" + id, false},
		"zero":       {"00-00000000000000000000000000000000-b7ad6b7169203331-01", false},
		"long":       {"00-" + strings.Repeat("a", 10_000), false},
		"upper case": {"00-" + strings.ToUpper(id) + "-b7ad6b7169203331-01", false},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			var got trace.SpanContext
			h := Recorder{}.Wrap(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) { got = trace.SpanContextFromContext(r.Context()) }))
			r := httptest.NewRequest(http.MethodGet, "/", nil)
			r.Header.Set("Traceparent", c.parent)
			h.ServeHTTP(httptest.NewRecorder(), r)
			if !got.IsValid() || (got.TraceID().String() == id) != c.taken {
				t.Errorf("got %v", got.TraceID())
			}
		})
	}
}

// TestRequest tells of what was answered, of bugs too.
func TestRequest(t *testing.T) {
	t.Parallel()
	var told []Request
	m := chi.NewRouter()
	m.Use(Routed)
	m.With(Dialect("openai")).Get("/v1/videos/{id}", func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusTeapot) })
	m.Get("/bug", func(http.ResponseWriter, *http.Request) { panic(http.ErrAbortHandler) })
	m.Get("/nothing", func(http.ResponseWriter, *http.Request) {})
	h := Recorder{Watchers: []Watcher{func(_ context.Context, r Request) { told = append(told, r) }}}.Wrap(m)
	for _, path := range []string{"/v1/videos/7", "/bug", "/nothing", "/unknown"} {
		func() {
			defer func() { _ = recover() }()
			h.ServeHTTP(httptest.NewRecorder(), httptest.NewRequest(http.MethodGet, path, nil))
		}()
	}
	want := []struct {
		route, dialect string
		status         int
	}{{"GET /v1/videos/{id}", "openai", 418}, {"GET /bug", "none", 500}, {"GET /nothing", "none", 200}, {"none", "none", 404}}
	if len(told) != len(want) {
		t.Fatalf("%d, want %d", len(told), len(want))
	}
	for i, w := range want {
		if r := told[i]; r.Route != w.route || r.Dialect != w.dialect || r.Status != w.status {
			t.Errorf("got %+v, want %+v", r, w)
		}
	}
}

func TestLog(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		format, level string
		good          bool
	}{{"json", "info", true}, {"text", "error", true}, {"xml", "info", false}, {"json", "loud", false}, {"json", "INFO+1", false}} {
		if _, err := NewLog(&bytes.Buffer{}, c.format, c.level); (err == nil) != c.good {
			t.Errorf("%s from %s: %v", c.format, c.level, err)
		}
	}
	var out bytes.Buffer
	log, err := NewLog(&out, "text", "debug")
	if err != nil {
		t.Fatal(err)
	}
	h := wire.WithID(Recorder{Watchers: []Watcher{Line(log.With("node", 1).WithGroup("g"))}}.Wrap(http.NotFoundHandler()))
	w := httptest.NewRecorder()
	h.ServeHTTP(w, httptest.NewRequest("MADEUP", "/x%0Ay", nil))
	if line := out.String(); strings.Count(line, "\n") != 1 || !strings.Contains(line, w.Header().Get("X-Request-Id")) || !strings.Contains(line, "_OTHER") {
		t.Errorf("got %q", line)
	}
}
