package wire

import (
	"context"
	"crypto/rand"
	"errors"
	"log/slog"
	"maps"
	"net/http"
	"strconv"
	"time"

	"github.com/go-chi/chi/v5"

	"kuai/fault"
)

type identified struct{}

// WithID gives each request an id, told in the headers in which the vendors'
// clients look for it.
func WithID(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		id := "req_" + rand.Text()
		h := w.Header()
		h.Set("X-Request-Id", id) // OpenAI
		h.Set("Request-Id", id)   // Anthropic
		h.Set("Trace-Id", id)     // MiniMax
		next.ServeHTTP(w, r.WithContext(context.WithValue(r.Context(), identified{}, id)))
	})
}

// ID returns what WithID gave; "" is none.
func ID(ctx context.Context) string {
	id, _ := ctx.Value(identified{}).(string)
	return id
}

// Report is the error that a request's client is told. One of ours goes to the
// log with the request's id, and tells the client that alone.
func Report(r *http.Request, err error) *fault.Error {
	f := *fault.From(err)
	if errors.Is(err, context.Canceled) && r.Context().Err() != nil {
		f.Code, f.Message = fault.Cancelled, "the client has gone"
	}
	if f.ID == "" {
		f.ID = ID(r.Context())
	}
	if f.Code == fault.Internal {
		slog.ErrorContext(r.Context(), "a request failed", "id", f.ID, "path", r.URL.Path, "error", err)
		f.Message = "internal error; the server's log has it under " + f.ID
	}
	return &f
}

// Limits tells of the limits that refused a request.
func Limits(h http.Header, f *fault.Error) { maps.Copy(h, f.Limits) }

// RetryAfter tells when to come again, in the units that clients read, and of
// the limits that are in the way; least is for errors that do not know it.
func RetryAfter(h http.Header, f *fault.Error, least time.Duration) {
	Limits(h, f)
	wait := f.RetryAfter
	if wait <= 0 {
		wait = least
	}
	h.Set("Retry-After", strconv.FormatInt(int64((wait+time.Second-1)/time.Second), 10))
	h.Set("Retry-After-Ms", strconv.FormatInt(wait.Milliseconds(), 10)) // OpenAI's clients
}

// Base is the address at which the client reached the server: https if it came
// over TLS, here or at a proxy.
func Base(r *http.Request) string {
	scheme := "http"
	if r.TLS != nil || r.Header.Get("X-Forwarded-Proto") == "https" {
		scheme = "https"
	}
	return scheme + "://" + r.Host
}

// Route names a request's endpoint without the ids in it.
func Route(r *http.Request) string {
	path := r.URL.Path
	if c := chi.RouteContext(r.Context()); c != nil && c.RoutePattern() != "" {
		path = c.RoutePattern()
	}
	return r.Method + " " + path
}
