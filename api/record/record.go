// Package record tells of each request once it has been answered: one line of
// the log, one span of a trace, and whoever else watches. A request's trace is
// the one that its traceparent names, else a new one, whether traces are
// exported or not, so that log lines find each other.
package record

import (
	"context"
	"crypto/rand"
	"log/slog"
	"net/http"
	"time"

	"github.com/go-chi/chi/v5"
	"github.com/go-chi/chi/v5/middleware"
	"go.opentelemetry.io/otel/codes"
	"go.opentelemetry.io/otel/propagation"
	semconv "go.opentelemetry.io/otel/semconv/v1.41.0"
	"go.opentelemetry.io/otel/trace"
	"go.opentelemetry.io/otel/trace/noop"

	"kuai/api/gate"
	"kuai/api/wire"
)

// Request is one that has been answered. Its names are our own, but for Path.
type Request struct {
	Method  string
	Route   string // as it was registered, such as "GET /v1/videos/{id}"; "none" where it was not
	Path    string // what the client asked for
	Dialect string // "none" where there is none
	Status  int
	Bytes   int // of the answer
	Took    time.Duration

	Caller gate.Principal // empty where nobody asked who it is
	Model  string
	Used   gate.Usage
}

// Watcher is told of each request.
type Watcher func(ctx context.Context, r Request)

// Recorder is the middleware around a router. Its zero value makes traces for
// the log alone and watches nothing.
type Recorder struct {
	Tracer   trace.Tracer // nil: no spans
	Watchers []Watcher
}

// open is a request that is being answered.
type open struct{ route, dialect string }

type opened struct{}

// Wrap records the requests of a handler.
func (c Recorder) Wrap(next http.Handler) http.Handler {
	if c.Tracer == nil {
		c.Tracer = noop.NewTracerProvider().Tracer("")
	}
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		start, now := time.Now(), &open{"none", "none"}
		ctx, span := c.start(r)
		ctx, notes := gate.WithNotes(context.WithValue(ctx, opened{}, now))
		own, whole := middleware.NewWrapResponseWriter(w, r.ProtoMajor), false
		defer func() {
			done := Request{
				Method: r.Method, Route: now.route, Path: r.URL.Path, Dialect: now.dialect,
				Status: status(own.Status(), whole), Bytes: own.BytesWritten(), Took: time.Since(start),
			}
			done.Caller, done.Model, done.Used = notes.Read()
			end(ctx, span, done)
			for _, watch := range c.Watchers {
				watch(ctx, done)
			}
		}()
		next.ServeHTTP(own, r.WithContext(ctx))
		whole = true
	})
}

// status is what the client was told; 0 is nothing.
func status(written int, whole bool) int {
	switch {
	case written != 0:
		return written
	case !whole: // a bug, which an outer handler answers
		return http.StatusInternalServerError
	}
	return http.StatusOK
}

// Quiet says whether a path is one that watchers of servers ask all the time.
func Quiet(path string) bool { return path == "/healthz" || path == "/readyz" || path == "/metrics" }

// start begins a request's span, or its trace for the log alone.
func (c Recorder) start(r *http.Request) (context.Context, trace.Span) {
	ctx := propagation.TraceContext{}.Extract(r.Context(), propagation.HeaderCarrier(r.Header))
	span := trace.SpanFromContext(ctx)
	if !Quiet(r.URL.Path) {
		ctx, span = c.Tracer.Start(ctx, r.Method, trace.WithSpanKind(trace.SpanKindServer))
	}
	if !span.SpanContext().IsValid() {
		var id trace.TraceID
		var own trace.SpanID
		_, _ = rand.Read(id[:]) // never fails
		_, _ = rand.Read(own[:])
		ctx = trace.ContextWithSpanContext(ctx, trace.NewSpanContext(trace.SpanContextConfig{TraceID: id, SpanID: own}))
	}
	return ctx, span
}

// end ends a request's span.
func end(ctx context.Context, span trace.Span, r Request) {
	if !span.IsRecording() {
		return
	}
	span.SetName(r.Route)
	span.SetAttributes(
		semconv.HTTPRequestMethodKey.String(method(r.Method)), semconv.HTTPRoute(r.Route), semconv.HTTPResponseStatusCode(r.Status),
		semconv.HTTPResponseBodySize(r.Bytes), attr("kuai.request.id", wire.ID(ctx)), attr("kuai.dialect", r.Dialect),
	)
	if r.Caller.Org != "" {
		span.SetAttributes(attr("kuai.org", r.Caller.Org), attr("kuai.project", r.Caller.Project), attr("kuai.key.id", r.Caller.Key))
	}
	if r.Status >= http.StatusInternalServerError {
		span.SetStatus(codes.Error, http.StatusText(r.Status))
	}
	span.End()
}

// Routed is the middleware inside a router that finds a request's route.
func Routed(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		defer func() {
			if now, ok := r.Context().Value(opened{}).(*open); ok {
				now.route = route(r)
			}
		}()
		next.ServeHTTP(w, r)
	})
}

// route is a request's endpoint as it was registered; what was not is one.
func route(r *http.Request) string {
	c := chi.RouteContext(r.Context())
	if c == nil || c.RoutePattern() == "" {
		return "none"
	}
	return wire.Route(r)
}

// Dialect is the middleware that names the dialect of routes.
func Dialect(name string) func(http.Handler) http.Handler {
	return func(next http.Handler) http.Handler {
		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			if now, ok := r.Context().Value(opened{}).(*open); ok {
				now.dialect = name
			}
			next.ServeHTTP(w, r)
		})
	}
}

// maxPath bounds what the log has of what a client asked for.
const maxPath = 200

// Line is the Watcher that writes a line of the log. Keys are named by their
// ids; secrets, queries and what was said are in no line.
func Line(log *slog.Logger) Watcher {
	return func(ctx context.Context, r Request) {
		level := slog.LevelInfo
		switch {
		case r.Status >= http.StatusInternalServerError:
			level = slog.LevelWarn // the error itself was told before
		case Quiet(r.Path):
			level = slog.LevelDebug
		}
		if !log.Enabled(ctx, level) {
			return
		}
		line := []slog.Attr{
			slog.String("route", r.Route), slog.Int("status", r.Status),
			slog.Float64("ms", float64(r.Took.Microseconds())/1e3), slog.Int("bytes", r.Bytes), slog.String("dialect", r.Dialect),
		}
		if r.Route == "none" {
			line = append(line, slog.String("method", method(r.Method)), slog.String("path", r.Path[:min(len(r.Path), maxPath)]))
		}
		for _, f := range []struct{ name, value string }{
			{"key", r.Caller.Key}, {"org", r.Caller.Org}, {"project", r.Caller.Project}, {"model", r.Model},
		} {
			if f.value != "" {
				line = append(line, slog.String(f.name, f.value))
			}
		}
		for _, d := range []gate.Dimension{
			gate.InputTokens, gate.CachedInputTokens, gate.OutputTokens, gate.EmbeddingTokens, gate.Images, gate.VideoMilliseconds, gate.AudioCharacters,
		} {
			if n := r.Used[d]; n != 0 {
				line = append(line, slog.Int64(string(d), n))
			}
		}
		log.LogAttrs(ctx, level, "request", line...)
	}
}
