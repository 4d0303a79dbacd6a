package metric

import (
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/go-chi/chi/v5"

	"kuai/api/gate"
	"kuai/api/record"
	"kuai/fault"
	"kuai/platform/db"
	"kuai/platform/job"
)

func failed(w http.ResponseWriter, _ *http.Request, err error) {
	w.WriteHeader(http.StatusForbidden)
	_, _ = w.Write([]byte(fault.From(err).Message))
}

func get(h http.Handler, method, path string) (int, string) {
	w := httptest.NewRecorder()
	h.ServeHTTP(w, httptest.NewRequest(method, path, nil))
	return w.Code, w.Body.String()
}

// TestMeter counts requests, use and jobs, and names no id.
func TestMeter(t *testing.T) {
	t.Parallel()
	d, err := db.Open(t.Context(), filepath.Join(t.TempDir(), "kuai.db"))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = d.Close() })
	m := New()
	m.Database = d
	r := chi.NewRouter()
	r.Use(record.Recorder{Watchers: []record.Watcher{m.Saw}}.Wrap, record.Routed)
	m.Register(r, failed)
	r.Group(func(r chi.Router) {
		r.Use(record.Dialect("openai"))
		r.Get("/v1/videos/{id}", func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusNotFound) })
	})
	r.Get("/fine", func(http.ResponseWriter, *http.Request) {})
	for _, path := range []string{"/v1/videos/secret-1", "/v1/videos/secret-2", "/fine", "/secret-3"} {
		get(r, http.MethodGet, path)
	}
	get(r, "SECRET-4", "/fine")
	m.Used(gate.Work{Dialect: "openai"}, gate.Usage{gate.InputTokens: 7, gate.OutputTokens: 3})
	err = d.Tx(t.Context(), func(tx *db.Tx) error {
		now := time.Now()
		return m.Job(t.Context(), tx, job.Job{Kind: "video", Standing: job.Standing{State: job.Done}, Created: now.Add(-3 * time.Second), Ended: now}, nil)
	})
	if err != nil {
		t.Fatal(err)
	}
	status, page := get(r, http.MethodGet, "/metrics")
	if status != http.StatusOK {
		t.Fatalf("%d %s", status, page)
	}
	for _, want := range []string{
		`kuai_requests_total{dialect="openai",route="GET /v1/videos/{id}",status="404"} 2`,
		`kuai_requests_total{dialect="none",route="GET /fine",status="200"} 1`,
		`kuai_request_seconds_count{dialect="openai",route="GET /v1/videos/{id}"} 2`,
		`kuai_used_total{dialect="openai",dimension="input_tokens"} 7`,
		`kuai_jobs{state="queued"} 0`,
		`kuai_jobs_ended_total{kind="video",state="done"} 1`,
		`kuai_job_seconds_bucket{kind="video",state="done",le="4"} 1`,
		"kuai_reservations_open 0", "go_goroutines ",
	} {
		if !strings.Contains(page, want) {
			t.Errorf("there is no %s", want)
		}
	}
	if strings.Contains(strings.ToLower(page), "secret") {
		t.Errorf("what clients chose is in %s", page)
	}
}

func TestMay(t *testing.T) {
	t.Parallel()
	m := New()
	m.May = func(*http.Request) error { return fault.New(fault.Forbidden, "not you") }
	r := chi.NewRouter()
	m.Register(r, failed)
	if status, body := get(r, http.MethodGet, "/metrics"); status != http.StatusForbidden || body != "not you" {
		t.Errorf("%d %s", status, body)
	}
}
