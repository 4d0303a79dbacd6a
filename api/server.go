// Package api is Kuai over HTTP: the dialects, each a package below, and the
// studio's pages.
package api

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"time"

	"kuai/api/kuai"
	"kuai/api/openai"
	"kuai/character/converse"
	"kuai/serve"
	"kuai/studio"
)

const (
	headerTimeout = 10 * time.Second
	drainTimeout  = 10 * time.Second
	idleTimeout   = 2 * time.Minute
	maxHeader     = 64 << 10
)

// Handler returns all routes over a queue, language models and characters; the
// last two may be nil. Pages of other origins cannot change anything through a visitor's
// browser.
func Handler(q *serve.Queue, chats openai.Chats, house *converse.House) http.Handler {
	mux := http.NewServeMux()
	openai.Register(mux, q)
	if chats != nil {
		openai.RegisterChat(mux, chats)
	}
	kuai.Register(mux, q)
	if house != nil {
		kuai.RegisterCharacters(mux, house)
	}
	mux.Handle("/", studio.Handler())
	return recovered(http.NewCrossOriginProtection().Handler(mux))
}

// recovered turns a bug in a handler into an error for its caller alone.
func recovered(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		defer func() {
			if v := recover(); v != nil {
				if err, ok := v.(error); ok && errors.Is(err, http.ErrAbortHandler) {
					panic(v) //nolint:forbidigo // net/http's own way to drop a connection
				}
				slog.Error("a request failed by a bug", "path", r.URL.Path, "bug", v)
				openai.Error(w, http.StatusInternalServerError, "server_error", "internal", "internal error; the server's log has it")
			}
		}()
		next.ServeHTTP(w, r)
	})
}

// Serve answers on a listener until ctx is done, then lets running requests
// end for some seconds.
func Serve(ctx context.Context, l net.Listener, h http.Handler) error {
	base, cancel := context.WithCancel(context.WithoutCancel(ctx))
	defer cancel()
	s := &http.Server{
		Handler: h, ReadHeaderTimeout: headerTimeout, IdleTimeout: idleTimeout, MaxHeaderBytes: maxHeader,
		BaseContext: func(net.Listener) context.Context { return base },
	}
	failed := make(chan error, 1)
	go func() { failed <- s.Serve(l) }()
	select {
	case err := <-failed:
		return fmt.Errorf("api: %w", err)
	case <-ctx.Done():
	}
	cancel() // ends event streams
	drain, stop := context.WithTimeout(context.WithoutCancel(ctx), drainTimeout)
	defer stop()
	if err := s.Shutdown(drain); err != nil {
		return fmt.Errorf("api: %w", err)
	}
	return nil
}
