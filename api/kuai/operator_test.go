package kuai

import (
	"context"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/go-chi/chi/v5"

	"kuai/api/gate"
	"kuai/fault"
	"kuai/platform/audit"
	"kuai/platform/db"
	"kuai/platform/db/dbtest"
	"kuai/platform/event"
	"kuai/platform/job"
	"kuai/registry"
	"kuai/serve/chat"
	"kuai/serve/fleet"
)

// porter lets in whom the key names, whatever the scope.
type porter struct{}

func (porter) Admit(_ context.Context, r *http.Request, _ gate.Work) (gate.Ticket, error) {
	key := gate.ReadKey(r.Header)
	if key == "" {
		return nil, fault.New(fault.Unauthenticated, "who are you?")
	}
	return ticket{who: gate.Principal{Org: key, Project: "p_" + key, User: "u_" + key, Key: "key_" + key, Admin: key == "admin"}}, nil
}

// serveRoutes serves routes before a database.
func serveRoutes(t *testing.T, add func(m chi.Router, o Operators)) (*bank, *db.DB) {
	t.Helper()
	d := dbtest.Open(t, dbtest.SQLite(t))
	m := chi.NewRouter()
	add(m, Operators{DB: d, Gate: porter{}})
	s := httptest.NewServer(m)
	t.Cleanup(s.Close)
	return &bank{t: t, url: s.URL + "/api/v1"}, d
}

// TestOperators walks what operators alone see and change.
func TestOperators(t *testing.T) {
	t.Parallel()
	bus := event.Memory()
	t.Cleanup(func() { _ = bus.Close() })
	var jobs *job.Queue
	b, d := serveRoutes(t, func(m chi.Router, o Operators) {
		jobs = job.New(job.Options{DB: o.DB, Bus: bus})
		f := fleet.New(t.Context(), fleet.Options{Group: &chat.Group{}, Registry: registry.Registry{Dir: t.TempDir()}})
		t.Cleanup(f.Close)
		RegisterWorkers(m, jobs, o)
		RegisterModels(m, f, o)
	})
	if err := jobs.Register(t.Context(), job.Worker{ID: "worker_1", Name: "rack-1", Slots: 2}); err != nil {
		t.Fatal(err)
	}
	for _, tt := range []struct {
		who, method, path, body string
		status                  int
		want                    string
	}{
		{"", "GET", "/models", "", 401, ""},
		{"acme", "GET", "/models", "", 403, "runs the installation"},
		{"acme", "POST", "/models/pull", `{"name":"org/model"}`, 403, ""},
		{"acme", "GET", "/workers", "", 403, ""},
		{"acme", "POST", "/workers/tokens", `{"name":"x"}`, 403, ""},
		{"acme", "POST", "/workers/worker_1/drain", "", 403, ""},
		{"admin", "GET", "/models", "", 200, `"data":[]`},
		{"admin", "POST", "/models/load", `{"name":"none"}`, 404, "no model none"},
		{"admin", "POST", "/models/unload", `{"name":"none"}`, 404, ""},
		{"admin", "POST", "/models/cancel", `{"name":"none"}`, 404, ""},
		{"admin", "POST", "/models/pull", `{"name":"none"}`, 400, "organisation/repository"},
		{"admin", "POST", "/models/load", `{}`, 400, `"name"`},
		{"admin", "GET", "/workers", "", 200, `"name":"rack-1","slots":2,"state":"alive"`},
		{"admin", "POST", "/workers/worker_1/drain", "", 204, ""},
		{"admin", "GET", "/workers", "", 200, `"state":"draining"`},
		{"admin", "POST", "/workers/none/drain", "", 404, ""},
		{"admin", "POST", "/workers/tokens", `{"name":""}`, 400, "name"},
		{"admin", "POST", "/workers/tokens", `{"name":"rack-2"}`, 200, "kuai-worker-"},
		{"admin", "GET", "/workers/tokens", "", 200, `"name":"rack-2"`},
		{"admin", "DELETE", "/workers/tokens/rack-2", "", 204, ""},
		{"admin", "DELETE", "/workers/tokens/rack-2", "", 404, ""},
		{"admin", "GET", "/workers/tokens", "", 200, `"revoked_at":`},
	} {
		b.has(tt.who, tt.method, tt.path, tt.body, tt.status, tt.want)
	}
	records, err := audit.List(t.Context(), d, "*", 0, 100)
	if err != nil || len(records) < 4 {
		t.Errorf("%d records, %v", len(records), err)
	}
	for _, r := range records {
		if strings.Contains(string(r.Detail)+r.Object, "kuai-worker-") {
			t.Errorf("the audit log holds a secret: %+v", r)
		}
	}

	// A worker that drains gets nothing, until it may again.
	j, _, err := jobs.Submit(t.Context(), job.Request{Org: "o", Kind: "video", Model: "m"}, nil)
	if err != nil {
		t.Fatal(err)
	}
	w := job.Worker{ID: "worker_1", Name: "rack-1", Slots: 2}
	if _, ok, err := jobs.Claim(t.Context(), w); ok || err != nil {
		t.Errorf("it drains and gets a job: %v, %v", ok, err)
	}
	b.has("admin", "POST", "/workers/worker_1/resume", "", 204, "")
	if got, ok, err := jobs.Claim(t.Context(), w); !ok || err != nil || got.ID != j.ID {
		t.Errorf("it may and gets none: %v, %v", ok, err)
	}
	b.has("admin", "GET", "/workers", "", 200, `"jobs":[{"id":"`+j.ID+`"`)
}

// request is one of somebody.
func request(t *testing.T, who string) *http.Request {
	t.Helper()
	r := httptest.NewRequestWithContext(t.Context(), http.MethodPost, "/", nil)
	r.Header.Set("Authorization", "Bearer "+who)
	return r
}
