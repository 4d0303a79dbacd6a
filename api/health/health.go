// Package health tells whoever watches a server, such as Kubernetes or a load
// balancer, whether it lives and whether it should be given work. Neither needs
// a key, and neither tells more than names of what is checked.
package health

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"os"
	"sync/atomic"
	"time"

	"github.com/go-chi/chi/v5"

	"kuai/api/wire"
)

// checkTimeout is how long all checks together may take: below the second after
// which Kubernetes gives a probe up by default.
const checkTimeout = 900 * time.Millisecond

// errSlow is a check that did not answer in time.
var errSlow = errors.New("no answer in time")

// Check is something that a server needs to do its work.
type Check struct {
	Name string
	Run  func(context.Context) error
}

// Board knows whether a server is ready. Goroutines may share it; its checks
// stay as they are. The zero value is ready.
type Board struct {
	Checks   []Check
	draining atomic.Bool
}

// Drain says that the server is about to end: it should be given nothing more.
func (b *Board) Drain() { b.draining.Store(true) }

// Register adds the routes: GET /healthz, which answers while the process does,
// and GET /readyz, which is 503 unless all checks hold.
func Register(m chi.Router, b *Board) {
	m.Get("/healthz", func(w http.ResponseWriter, _ *http.Request) {
		wire.JSON(w, http.StatusOK, map[string]string{"status": "ok"})
	})
	m.Get("/readyz", b.ready)
}

func (b *Board) ready(w http.ResponseWriter, r *http.Request) {
	ctx, stop := context.WithTimeout(r.Context(), checkTimeout)
	defer stop()
	status, told := http.StatusOK, "ok"
	checks := map[string]string{}
	if b.draining.Load() {
		status, told = http.StatusServiceUnavailable, "draining"
	}
	for _, c := range b.Checks {
		checks[c.Name] = "ok"
		if err := within(ctx, c.Run); err != nil {
			slog.WarnContext(ctx, "not ready", "check", c.Name, "error", err)
			checks[c.Name] = "failed"
			status, told = http.StatusServiceUnavailable, "unavailable"
		}
	}
	w.Header().Set("Cache-Control", "no-store")
	wire.JSON(w, status, map[string]any{"status": told, "checks": checks})
}

// within runs a check that may not look at its context, such as one of a disk
// that hangs.
func within(ctx context.Context, run func(context.Context) error) error {
	done := make(chan error, 1)
	go func() { done <- run(ctx) }()
	select {
	case err := <-done:
		return err
	case <-ctx.Done():
		return errSlow
	}
}

// Writable checks that a file can be written in a directory, which there need
// not be before.
func Writable(name, dir string) Check {
	return Check{Name: name, Run: func(context.Context) error {
		if err := os.MkdirAll(dir, 0o700); err != nil {
			return fmt.Errorf("health: %w", err)
		}
		f, err := os.CreateTemp(dir, ".ready-*")
		if err != nil {
			return fmt.Errorf("health: %w", err)
		}
		_, err = f.WriteString("ready\n")
		if err := errors.Join(err, f.Close(), os.Remove(f.Name())); err != nil {
			return fmt.Errorf("health: %w", err)
		}
		return nil
	}}
}
