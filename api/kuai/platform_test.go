package kuai_test

import (
	"context"
	"crypto/x509"
	"encoding/json"
	"encoding/pem"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/go-chi/chi/v5"

	"kuai/api/gate"
	"kuai/api/kuai"
	"kuai/fault"
	"kuai/platform/blob"
	"kuai/platform/db"
	"kuai/platform/db/dbtest"
	"kuai/platform/event"
	"kuai/platform/fetch"
	"kuai/platform/file"
	"kuai/platform/job"
	"kuai/platform/webhook"
	"kuai/platform/worker"
)

// TestMain is a worker instead where the environment says so.
func TestMain(m *testing.M) {
	if url := os.Getenv("KUAI_TEST_JOIN"); url != "" {
		if err := beWorker(url); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		os.Exit(0)
	}
	os.Exit(m.Run())
}

// beWorker joins a server; one called stuck never gets beyond a third.
func beWorker(url string) error {
	roots := x509.NewCertPool()
	roots.AppendCertsFromPEM([]byte(os.Getenv("KUAI_TEST_ROOTS")))
	name := os.Getenv("KUAI_TEST_NAME")
	r := &job.Runner{Worker: job.Worker{Name: name, Slots: 1}, Dir: os.TempDir(), Runs: map[string]job.Run{"video": func(ctx context.Context, j job.Job, r job.Report) (job.Made, error) {
		r.Progress(job.Progress{Fraction: 0.3, Stage: name})
		r.Preview(job.Preview{Type: "image/png", Data: []byte("png")})
		if name == "stuck" {
			<-ctx.Done()
			return job.Made{}, ctx.Err()
		}
		path := filepath.Join(r.Dir(), "clip.webm")
		if err := os.WriteFile(path, []byte("made by "+name+" of "+string(j.Body)), 0o600); err != nil {
			return job.Made{}, err
		}
		return job.Made{Data: json.RawMessage(`{"by":"` + name + `"}`), Files: []job.File{{Name: "clip.webm", Type: "video/webm", Path: path}}}, nil
	}}}
	ctx := context.Background()
	c, err := worker.Join(ctx, worker.Options{URL: url, Token: os.Getenv("KUAI_TEST_TOKEN"), Roots: roots}, r.Worker)
	if err != nil {
		return err
	}
	r.Desk = c
	return r.Run(ctx)
}

// house is a platform behind TLS.
type house struct {
	*httptest.Server
	routes chi.Router
	jobs   *job.Queue
	files  *file.Store
	token  string
	mu     sync.Mutex
	money  map[string]int
}

// newHouse opens one; a lease is long unless a test waits for its end, so that a
// busy machine loses none.
func newHouse(t *testing.T, d *db.DB, lease time.Duration) *house {
	t.Helper()
	h := &house{money: map[string]int{}}
	signer := &blob.Signer{Base: kuai.BlobPath, Keys: []blob.Key{{ID: "k", Secret: []byte("s")}}}
	blobs, err := blob.NewDir(t.TempDir(), signer)
	must(t, err)
	bus := event.Memory()
	h.files = file.New(file.Options{DB: d, Blobs: blobs, Signer: signer})
	h.jobs = job.New(job.Options{DB: d, Bus: bus, Keep: h.files, Lease: lease, Hooks: []job.Hook{func(_ context.Context, tx *db.Tx, j job.Job, do []job.Action) error {
		for _, a := range do {
			if a == job.Settle || a == job.Refund {
				tx.OnCommit(func() { h.mu.Lock(); defer h.mu.Unlock(); h.money[j.ID]++ })
			}
		}
		return nil
	}}})
	m := chi.NewRouter()
	h.routes = m
	kuai.RegisterPlatform(m, kuai.Platform{Jobs: h.jobs, Files: h.files, Gate: gate.Open{}, Hooks: webhook.New(webhook.Options{DB: d, Client: fetch.New(fetch.Options{})})})
	h.Server = httptest.NewTLSServer(gate.WithKey(m))
	h.token, err = h.jobs.NewToken(t.Context(), "test")
	must(t, err)
	ctx, cancel := context.WithCancel(t.Context())
	var wg sync.WaitGroup
	wg.Go(func() { job.NewSweeper(h.jobs, 0, nil).Run(ctx) })
	t.Cleanup(func() { h.CloseClientConnections(); h.Close(); cancel(); wg.Wait(); _ = bus.Close() })
	return h
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func (h *house) submit(t *testing.T) job.Job {
	t.Helper()
	j, _, err := h.jobs.Submit(t.Context(), job.Request{Org: "local", Project: "local", Kind: "video", Model: "m", Body: json.RawMessage(`{"prompt":"a fox"}`)}, nil)
	must(t, err)
	return j
}

func (h *house) roots() *x509.CertPool {
	p := x509.NewCertPool()
	p.AddCert(h.Certificate())
	return p
}

// spawn starts a worker as a process of its own.
func (h *house) spawn(t *testing.T, name string) *exec.Cmd {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), os.Args[0])
	cmd.Env = append(os.Environ(), "KUAI_TEST_JOIN="+h.URL, "KUAI_TEST_TOKEN="+h.token, "KUAI_TEST_NAME="+name,
		"KUAI_TEST_ROOTS="+string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: h.Certificate().Raw})))
	cmd.Stderr = os.Stderr
	must(t, cmd.Start())
	t.Cleanup(func() { _ = cmd.Process.Kill(); _ = cmd.Wait() })
	return cmd
}

// TestKilledWorker kills a worker process in the middle of a job: another
// process finishes it, once, and what the dead one might still send is refused.
func TestKilledWorker(t *testing.T) {
	t.Parallel()
	h := newHouse(t, dbtest.Open(t, dbtest.SQLite(t)), time.Second)
	stuck := h.spawn(t, "stuck")
	first := h.submit(t)
	var ids []string
	for u, err := range h.jobs.Watch(t.Context(), first.ID, 0) {
		must(t, err)
		if u.Progress == nil {
			continue
		}
		ids = append(ids, first.ID, h.submit(t).ID, h.submit(t).ID)
		must(t, stuck.Process.Kill()) // SIGKILL
		h.spawn(t, "steady")
		break
	}
	for _, id := range ids {
		for _, err := range h.jobs.Watch(t.Context(), id, 0) {
			must(t, err)
		}
		j, err := h.jobs.Get(t.Context(), "", id)
		must(t, err)
		if j.State != job.Done || string(j.Result.Data) != `{"by":"steady"}` || len(j.Result.Outputs) != 1 {
			t.Errorf("%s, attempt %d: %s, %+v", j.State, j.Attempt, j.Result.Data, j.Error)
		}
		if id == first.ID && j.Attempt < 2 { // more where the machine holds up the second for a lease
			t.Errorf("the killed one's job took %d attempts", j.Attempt)
		}
		h.mu.Lock()
		if h.money[id] != 1 {
			t.Errorf("money moved %d times", h.money[id])
		}
		h.mu.Unlock()
	}
	ghost, err := worker.Join(t.Context(), worker.Options{URL: h.URL, Token: h.token, Roots: h.roots()}, job.Worker{Name: "ghost"})
	must(t, err)
	l := job.Lease{Job: first.ID, Attempt: 1}
	if _, err := ghost.Store(t.Context(), l, "clip.webm", "video/webm", "", strings.NewReader("late")); !errors.Is(err, job.ErrLost) {
		t.Errorf("a stale upload: %v", err)
	}
	if err := ghost.Finish(t.Context(), l, job.Result{}); !errors.Is(err, job.ErrLost) {
		t.Errorf("a stale finish: %v", err)
	}
}

// TestRemoteDesk takes a job through every word of the protocol.
func TestRemoteDesk(t *testing.T) {
	t.Parallel()
	h := newHouse(t, dbtest.Open(t, dbtest.SQLite(t)), time.Minute)
	ctx := t.Context()
	w := job.Worker{Name: "w", Slots: 1, Kinds: []string{"video"}}
	for _, o := range []worker.Options{{URL: h.URL, Token: "wrong", Roots: h.roots()}, {URL: "x", Token: "t"}, {URL: h.URL}} {
		if _, err := worker.Join(ctx, o, w); err == nil {
			t.Errorf("%+v could join", o)
		}
	}
	c, err := worker.Join(ctx, worker.Options{URL: h.URL, Token: h.token, Roots: h.roots()}, w)
	must(t, err)
	if c.LeaseTime() != time.Minute {
		t.Errorf("lease %v", c.LeaseTime())
	}
	if _, ok, err := c.Next(ctx, w, 10*time.Millisecond); ok || err != nil {
		t.Errorf("no job: %v, %v", ok, err)
	}
	j := h.submit(t)
	got, ok, err := c.Next(ctx, w, time.Minute)
	if err != nil || !ok || got.ID != j.ID || string(got.Body) != string(j.Body) {
		t.Fatalf("%+v, %v, %v", got, ok, err)
	}
	l := got.Lease()
	must(t, c.Progress(ctx, l, job.Progress{Fraction: 0.1}))
	must(t, c.Heartbeat(ctx, l, job.Progress{Fraction: 0.2}))
	must(t, c.Preview(ctx, l, job.Preview{Type: "image/png", Data: []byte("p")}))
	must(t, c.Finalise(ctx, l))
	if _, err := c.Store(ctx, l, "a/b", "", "", strings.NewReader("x")); fault.From(err).Code != fault.Invalid {
		t.Errorf("a name with a slash: %v", err)
	}
	if _, err := c.Store(ctx, l, "a", "", strings.Repeat("0", 64), strings.NewReader("x")); fault.From(err).Code != fault.Invalid {
		t.Errorf("a wrong checksum: %v", err)
	}
	out, err := c.Store(ctx, l, "名.txt", "text/plain", "", strings.NewReader("hello"))
	if err != nil || out.Bytes != 5 || out.Name != "名.txt" {
		t.Fatalf("%+v, %v", out, err)
	}
	must(t, c.Finish(ctx, l, job.Result{Usage: map[string]int64{"images": 1}}))
	must(t, c.Finish(ctx, l, job.Result{})) // its answer was lost

	j = h.submit(t)
	got, _, err = c.Next(ctx, w, time.Minute)
	must(t, err)
	must(t, c.Return(ctx, got.Lease()))
	got, _, err = c.Next(ctx, w, time.Minute)
	must(t, err)
	stopped := make(chan error, 1)
	go func() { stopped <- c.Stopped(ctx, got.Lease()) }()
	began := time.Now()
	_, err = h.jobs.Cancel(ctx, "", j.ID)
	must(t, err)
	if err := <-stopped; !errors.Is(err, job.ErrLost) {
		t.Errorf("stopped: %v", err)
	}
	t.Logf("a cancellation reached the worker in %v", time.Since(began))
	if err := c.Fail(ctx, got.Lease(), job.Failure{}); !errors.Is(err, job.ErrLost) {
		t.Errorf("fail after a cancellation: %v", err)
	}
}

// call sends a request and returns status, headers and body.
func (h *house) call(t *testing.T, method, path, header, body string) (int, http.Header, string) {
	t.Helper()
	r, err := http.NewRequestWithContext(t.Context(), method, h.URL+path, strings.NewReader(body))
	must(t, err)
	if k, v, ok := strings.Cut(header, ": "); ok {
		r.Header.Set(k, v)
	}
	res, err := h.Client().Do(r)
	must(t, err)
	defer func() { _ = res.Body.Close() }()
	data, err := io.ReadAll(res.Body)
	must(t, err)
	return res.StatusCode, res.Header, string(data)
}

// TestJobRoutes looks at jobs and files over HTTP.
func TestJobRoutes(t *testing.T) {
	t.Parallel()
	h := newHouse(t, dbtest.Open(t, dbtest.SQLite(t)), time.Minute)
	ctx := t.Context()
	j, waiting := h.submit(t), h.submit(t)
	c, _, err := h.jobs.Claim(ctx, job.Worker{ID: "w"})
	must(t, err)
	must(t, h.jobs.Preview(ctx, c.Lease(), job.Preview{Type: "image/png", Data: []byte("png")}))
	if status, head, body := h.call(t, "GET", "/api/v1/jobs/"+j.ID+"/preview", "", ""); status != 200 || body != "png" || head.Get("Content-Type") != "image/png" {
		t.Errorf("preview: %d %s", status, body)
	}
	_, err = h.jobs.Store(ctx, c.Lease(), "clip.webm", "video/webm", "", strings.NewReader("0123456789"))
	must(t, err)
	must(t, h.jobs.Finish(ctx, c.Lease(), job.Result{Data: json.RawMessage(`{"frames":33}`)}))
	done, err := h.jobs.Get(ctx, "", j.ID)
	must(t, err)
	id := done.Result.Outputs[0].File
	_, _, link := h.call(t, "GET", "/api/v1/files/"+id+"/link", "", "")
	var signed struct{ URL string }
	must(t, json.Unmarshal([]byte(link), &signed))

	for _, tt := range []struct {
		method, path, header, body string
		status                     int
		want                       string // is in the answer
	}{
		{"GET", "/api/v1/jobs", "", "", 200, `"has_more":false`},
		{"GET", "/api/v1/jobs?state=done&limit=1", "", "", 200, j.ID},
		{"GET", "/api/v1/jobs?limit=x", "", "", 400, `"limit"`},
		{"GET", "/api/v1/jobs?limit=1000", "", "", 400, `"limit"`},
		{"GET", "/api/v1/jobs/" + j.ID, "", "", 200, `"result":{"frames":33}`},
		{"GET", "/api/v1/jobs/" + waiting.ID, "", "", 200, `"position":1`},
		{"GET", "/api/v1/jobs/job_none", "", "", 404, "not_found"},
		{"GET", "/api/v1/jobs/" + j.ID + "/preview", "", "", 404, "no preview"},
		{"GET", "/api/v1/jobs/" + j.ID + "/events", "", "", 200, "id: 3\nevent: job\ndata: {"},
		{"GET", "/api/v1/jobs/" + j.ID + "/events", "Last-Event-ID: 2", "", 200, "id: 3\nevent: job"},
		{"POST", "/api/v1/jobs/" + waiting.ID + "/cancel", "", "", 200, `"state":"cancelled"`},
		{"POST", "/api/v1/jobs/" + j.ID + "/revive", "", "", 409, "no dead letter"},
		{"GET", "/api/v1/files?purpose=output", "", "", 200, id},
		{"GET", "/api/v1/files?job=" + waiting.ID, "", "", 200, `"data":[]`},
		{"GET", "/api/v1/files/" + id + "/content", "Range: bytes=2-4", "", 206, "234"},
		{"HEAD", "/api/v1/files/" + id + "/content", "", "", 200, ""},
		{"GET", "/api/v1/files/abc/content", "", "", 404, "not_found"},
		{"GET", signed.URL, "", "", 200, "0123456789"},
		{"GET", signed.URL + "x", "", "", 403, "signature"},
		{"DELETE", "/api/v1/jobs/" + j.ID, "", "", 200, `"deleted":true`},
		{"GET", "/api/v1/files/" + id + "/content", "", "", 404, "not_found"},
		{"DELETE", "/api/v1/jobs/" + j.ID, "", "", 404, "not_found"},
		{"POST", "/api/v1/workers", "", "{}", 401, "token"},
		{"POST", "/api/v1/workers", "Authorization: Bearer " + h.token, "[", 400, "JSON"},
		{"POST", "/api/v1/webhooks", "", `{"url":"http://10.0.0.1/"}`, 400, "address"},
		{"POST", "/api/v1/webhooks", "", `{"url":"https://example.com/","events":["job.done"]}`, 200, "whsec_"},
		{"GET", "/api/v1/webhooks", "", "", 200, `"events":["job.done"]`},
		{"GET", "/api/v1/webhooks/deliveries", "", "", 200, `"data":[]`},
		{"DELETE", "/api/v1/webhooks/none", "", "", 404, "not_found"},
	} {
		status, _, body := h.call(t, tt.method, tt.path, tt.header, tt.body)
		if status != tt.status || !strings.Contains(body, tt.want) {
			t.Errorf("%s %s: %d %s, want %d with %s", tt.method, tt.path, status, body, tt.status, tt.want)
		}
		if tt.header == "Last-Event-ID: 2" && strings.Contains(body, "id: 2\n") {
			t.Errorf("resumed too early: %s", body)
		}
	}
}
