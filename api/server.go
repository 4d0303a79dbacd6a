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

	"github.com/go-chi/chi/v5"
	"go.opentelemetry.io/otel/trace"

	"kuai/api/accounts"
	"kuai/api/anthropic"
	"kuai/api/clip"
	"kuai/api/file"
	"kuai/api/folk"
	"kuai/api/gate"
	"kuai/api/health"
	"kuai/api/kuai"
	"kuai/api/metric"
	"kuai/api/minimax"
	"kuai/api/ollama"
	"kuai/api/openai"
	"kuai/api/openapi"
	"kuai/api/record"
	"kuai/api/talk"
	"kuai/api/wire"
	"kuai/character/converse"
	"kuai/fault"
	"kuai/platform"
	"kuai/platform/account"
	"kuai/platform/db"
	"kuai/platform/share"
	"kuai/platform/webhook"
	"kuai/serve/fleet"
	"kuai/studio"
)

const (
	headerTimeout = 10 * time.Second
	drainTimeout  = 10 * time.Second // for requests to end of themselves
	cancelTimeout = 2 * time.Second  // and after they were cancelled
	idleTimeout   = 2 * time.Minute
	maxHeader     = 64 << 10
)

// Rooms are what the API stands in front of.
type Rooms struct {
	Videos clip.Videos
	Files  file.Store
	Links  *file.Links
	Chats  talk.Models     // nil: no language models
	House  *converse.House // nil: no characters
	Gate   gate.Gate       // nil: everyone may do everything, on loopback

	Platform *platform.Platform // nil: no accounts
	Jobs     *platform.Jobs     // nil: no durable jobs
	Login    accounts.Rooms     // how people log in; the rest of it comes from the fields here
	Keyless  *account.Principal // who manages accounts without a key, on loopback; nil: nobody

	Fleet *fleet.Fleet // nil: its models stay as they are

	Health *health.Board // nil: always ready
	Meter  *metric.Meter // nil: nothing is counted
	Tracer trace.Tracer  // nil: no spans
	Log    *slog.Logger  // of requests; nil: none
}

// Handler returns all routes. Pages of other origins cannot change anything
// through a visitor's browser.
func Handler(rooms Rooms) http.Handler {
	recorder := record.Recorder{Tracer: rooms.Tracer}
	if rooms.Log != nil {
		recorder.Watchers = append(recorder.Watchers, record.Line(rooms.Log))
	}
	if rooms.Meter != nil {
		recorder.Watchers = append(recorder.Watchers, rooms.Meter.Saw)
	}
	return wire.WithID(recorder.Wrap(recovered(gate.WithKey(http.NewCrossOriginProtection().Handler(routes(rooms))))))
}

// routes are all of them, without what is done before each.
func routes(rooms Rooms) chi.Router {
	if rooms.Gate == nil {
		rooms.Gate = gate.Open{}
	}
	talks := &talk.Room{Models: rooms.Chats, Gate: rooms.Gate}
	clips := &clip.Room{Videos: rooms.Videos, Gate: rooms.Gate}
	if rooms.Health == nil {
		rooms.Health = &health.Board{}
	}
	m := chi.NewRouter()
	m.Use(record.Routed)
	if rooms.Meter != nil {
		rooms.Meter.Register(m, openai.Failed)
	}
	health.Register(m, rooms.Health)
	openai.Register(m.With(record.Dialect("openai")), openai.Rooms{Room: talks, MiniMax: openai.Additions{Fields: minimax.ChatFields}, Clips: clips, Files: rooms.Files, Links: rooms.Links, Gate: rooms.Gate})
	anthropic.Register(m.With(record.Dialect("anthropic")), talks, rooms.Gate)
	minimax.Register(m.With(record.Dialect("minimax")), minimax.Rooms{Talks: talks, Clips: clips, Files: rooms.Files, Links: rooms.Links, Gate: rooms.Gate})
	ollama.Register(m.With(record.Dialect("ollama")), talks, rooms.Gate)
	kuai.Register(m.With(record.Dialect("kuai")), clips, rooms.Gate)
	if rooms.House != nil {
		g := rooms.Gate
		if rooms.Platform != nil {
			g = kuai.Visits(g, rooms.Platform.DB)
		}
		folk.Register(m.With(record.Dialect("kuai")), rooms.House, talks, g)
	}
	if p := rooms.Platform; p != nil {
		login := rooms.Login
		login.Accounts, login.Limits, login.DB, login.Keyless = p.Accounts, p.Limits, p.DB, rooms.Keyless
		accounts.Register(m.With(record.Dialect("kuai")), login)
		kuai.RegisterMoney(m.With(record.Dialect("kuai")), p.Ledger, rooms.Gate)
		kuai.RegisterShares(m.With(record.Dialect("kuai")), clips, rooms.Links, p.DB, rooms.Gate)
		operators(m.With(record.Dialect("kuai")), rooms)
	}
	m.Get("/v1/openapi.yaml", openapi.Serve(openapi.Dialects))
	m.Get("/api/v1/openapi-kuai.yaml", openapi.Serve(openapi.Kuai))
	if j := rooms.Jobs; j != nil {
		clips.Challenge = func(ctx context.Context, address string) error { return webhook.Challenge(ctx, j.Fetch, address) }
		clips.Fetch = j.Fetch.Get
		kuai.RegisterPlatform(m.With(record.Dialect("kuai")), kuai.Platform{Jobs: j.Queue, Files: j.Files, Hooks: j.Hooks, Gate: rooms.Gate})
	}
	m.Get(file.LinkPath+"{kind}/{id}/{name}", download(rooms, clips))
	m.HandleFunc("/anthropic/*", anthropic.Unknown)
	m.HandleFunc("/v2/*", minimax.Unknown2)
	for _, root := range []string{"/v1/*", "/api/*"} {
		m.HandleFunc(root, openai.Unknown)
	}
	m.MethodNotAllowed(openai.Unknown)
	m.Handle("/*", studio.Handler())
	return m
}

// operators adds what those who run the installation see and change.
func operators(m chi.Router, rooms Rooms) {
	o := kuai.Operators{DB: rooms.Platform.DB, Gate: rooms.Gate}
	kuai.RegisterAnalytics(m, o)
	kuai.RegisterSponsor(m, o)
	if rooms.Fleet != nil {
		kuai.RegisterModels(m, rooms.Fleet, o)
	}
	if rooms.Jobs != nil {
		kuai.RegisterWorkers(m, rooms.Jobs.Queue, o)
	}
}

// download fetches what a signed address leads to.
func download(rooms Rooms, clips *clip.Room) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		kind, id := chi.URLParam(r, "kind"), chi.URLParam(r, "id")
		owner, err := rooms.Links.Check(kind, id, r.URL.Query(), time.Now())
		if err == nil && kind == kuai.ShareKind && rooms.Platform != nil {
			kind = "video"
			owner, id, err = shared(r.Context(), rooms.Platform.DB, id)
			w.Header().Set("Cache-Control", "private, no-cache") // it can be taken back
		}
		if err == nil {
			switch kind {
			case "video":
				var want clip.Rendition
				if want, err = clip.ParseRendition(r); err == nil {
					err = clips.Serve(w, r, owner, id, want)
				}
			case "file":
				var n int64
				if n, err = file.ParseID(id); err == nil {
					err = openai.SendFile(w, r, rooms.Files, owner, n)
				}
			default:
				err = fault.New(fault.NotFound, "there is no such thing")
			}
		}
		if err != nil {
			openai.Failed(w, r, err)
		}
	}
}

// shared is the clip that a share leads to, and whose it is.
func shared(ctx context.Context, d *db.DB, id string) (owner, thing string, err error) {
	err = d.Read(ctx, func(tx *db.Tx) error {
		s, err := share.Get(ctx, tx, time.Now(), id)
		owner, thing = s.Project, s.Thing
		return err
	})
	return owner, thing, err
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
				openai.Failed(w, r, fmt.Errorf("api: a bug: %v", v))
			}
		}()
		next.ServeHTTP(w, r)
	})
}

// Serve answers on a listener until ctx is done, then lets running requests
// end for some seconds and cancels what is left. Requests that only look, such
// as streams of events, end at once.
func Serve(ctx context.Context, l net.Listener, h http.Handler) error {
	return drained(ctx, l, h, drainTimeout)
}

func drained(ctx context.Context, l net.Listener, h http.Handler, patience time.Duration) error {
	base, cancel := context.WithCancel(context.WithoutCancel(ctx))
	defer cancel()
	s := &http.Server{
		Handler: watching(ctx, h), ReadHeaderTimeout: headerTimeout, IdleTimeout: idleTimeout, MaxHeaderBytes: maxHeader,
		BaseContext: func(net.Listener) context.Context { return base },
	}
	failed := make(chan error, 1)
	go func() { failed <- s.Serve(l) }()
	select {
	case err := <-failed:
		return fmt.Errorf("api: %w", err)
	case <-ctx.Done():
	}
	after := context.WithoutCancel(ctx)
	drain, stop := context.WithTimeout(after, patience)
	defer stop()
	if s.Shutdown(drain) == nil {
		return nil
	}
	cancel()
	last, stop := context.WithTimeout(after, cancelTimeout)
	defer stop()
	if err := s.Shutdown(last); err != nil {
		return fmt.Errorf("api: requests that would not end: %w", errors.Join(err, s.Close()))
	}
	return nil
}

// watching ends GET requests with ctx: they compute nothing, so that nothing is
// lost, and a stream of events would go on for as long as its job.
func watching(ctx context.Context, next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Method == http.MethodGet {
			own, cancel := context.WithCancel(r.Context())
			defer cancel()
			defer context.AfterFunc(ctx, cancel)()
			r = r.WithContext(own)
		}
		next.ServeHTTP(w, r)
	})
}
