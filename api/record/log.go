package record

import (
	"context"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"slices"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/trace"

	"kuai/api/wire"
)

// NewLog returns a log of lines as "text" or "json", from a level on: "debug",
// "info", "warn" or "error". Lines that belong to a request bear its id and its
// trace's.
func NewLog(w io.Writer, format, level string) (*slog.Logger, error) {
	var from slog.Level
	if err := from.UnmarshalText([]byte(level)); err != nil || !slices.Contains([]string{"debug", "info", "warn", "error"}, level) {
		return nil, fmt.Errorf("record: a log's level is %q, want debug, info, warn or error", level)
	}
	o := &slog.HandlerOptions{Level: from}
	switch format {
	case "json":
		return slog.New(named{slog.NewJSONHandler(w, o)}), nil
	case "text":
		return slog.New(named{slog.NewTextHandler(w, o)}), nil
	}
	return nil, fmt.Errorf("record: a log's format is %q, want text or json", format)
}

// named adds the ids of a line's request.
type named struct{ slog.Handler }

// Handle writes a line.
func (h named) Handle(ctx context.Context, r slog.Record) error {
	if id := wire.ID(ctx); id != "" {
		r.AddAttrs(slog.String("request", id))
	}
	if s := trace.SpanContextFromContext(ctx); s.HasTraceID() {
		r.AddAttrs(slog.String("trace", s.TraceID().String()))
	}
	return h.Handler.Handle(ctx, r)
}

// WithAttrs and WithGroup keep the ids.
func (h named) WithAttrs(a []slog.Attr) slog.Handler { return named{h.Handler.WithAttrs(a)} }

// WithGroup does for groups what WithAttrs does.
func (h named) WithGroup(name string) slog.Handler { return named{h.Handler.WithGroup(name)} }

func attr(name, value string) attribute.KeyValue { return attribute.String(name, value) }

// method is a request's method, or the name that conventions have for one that
// somebody made up.
func method(m string) string {
	switch m {
	case http.MethodGet, http.MethodHead, http.MethodPost, http.MethodPut, http.MethodPatch, http.MethodDelete, http.MethodOptions, http.MethodTrace, http.MethodConnect:
		return m
	}
	return "_OTHER"
}
