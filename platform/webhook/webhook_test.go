package webhook

import (
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"kuai/fault"
	"kuai/platform/db"
	"kuai/platform/db/dbtest"
	"kuai/platform/event"
	"kuai/platform/fetch"
	"kuai/platform/job"
)

// receiver is a customer's server. Before it is asked it decides what to say.
type receiver struct {
	*httptest.Server
	mu     sync.Mutex
	status int
	got    []string
	heads  []http.Header
}

func newReceiver(t *testing.T) *receiver {
	t.Helper()
	r := &receiver{status: http.StatusOK}
	r.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, req *http.Request) {
		body, err := io.ReadAll(req.Body)
		if err != nil {
			t.Error(err)
		}
		r.mu.Lock()
		defer r.mu.Unlock()
		r.got = append(r.got, string(body))
		r.heads = append(r.heads, req.Header)
		w.WriteHeader(r.status)
	}))
	t.Cleanup(r.Close)
	return r
}

func (r *receiver) client() *fetch.Client {
	return fetch.New(fetch.Options{Exempt: []netip.AddrPort{netip.MustParseAddrPort(r.Listener.Addr().String())}})
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// place registers an endpoint as Register does, at an address of this machine.
func place(t *testing.T, s *Service, d *db.DB, address string, events string) Endpoint {
	t.Helper()
	e, err := s.Register(t.Context(), "o", "https://example.com/hook", nil)
	must(t, err)
	must(t, d.Tx(t.Context(), func(tx *db.Tx) error {
		_, err := tx.ExecContext(t.Context(), "UPDATE webhook_endpoints SET url = ?, events = ? WHERE id = ?", address, events, e.ID)
		return err
	}))
	return e
}

// TestDeliver follows what endpoints are told of a job, through failures.
func TestDeliver(t *testing.T) {
	t.Parallel()
	dbtest.Run(t, func(t *testing.T, d *db.DB) {
		t.Helper()
		now := time.Unix(1_800_000_000, 0)
		clock := func() time.Time { return now }
		r := newReceiver(t)
		s := New(Options{DB: d, Client: r.client(), Now: clock, Jitter: func() float64 { return 0.5 }})
		e := place(t, s, d, r.URL, "[]")
		place(t, s, d, r.URL+"/other", `["job.failed"]`)
		bus := event.Memory()
		t.Cleanup(func() { _ = bus.Close() })
		q := job.New(job.Options{DB: d, Bus: bus, Now: clock, Hooks: []job.Hook{s.Hook(func(j job.Job) (string, []byte) {
			body, err := json.Marshal(MiniMaxOf("1", j, "2", 3, 4, 0))
			must(t, err)
			return r.URL + "/callback", body
		})}})
		ctx := t.Context()
		j, _, err := q.Submit(ctx, job.Request{Org: "o", Kind: "video", Model: "m"}, nil)
		must(t, err)
		c, ok, err := q.Claim(ctx, job.Worker{ID: "w"})
		if err != nil || !ok {
			t.Fatal(ok, err)
		}
		must(t, q.Finish(ctx, c.Lease(), job.Result{}))

		r.status = http.StatusInternalServerError
		if n, err := s.Deliver(ctx); n != 2 || err != nil { // the first call-back and the endpoint's event
			t.Fatalf("%d deliveries, %v", n, err)
		}
		if n, err := s.Deliver(ctx); n != 0 || err != nil {
			t.Errorf("%d deliveries at once after a failure, %v", n, err)
		}
		now = now.Add(pauses[0])
		r.mu.Lock()
		r.status, r.got, r.heads = http.StatusOK, nil, nil
		r.mu.Unlock()
		for {
			n, err := s.Deliver(ctx)
			must(t, err)
			if n == 0 {
				break
			}
		}
		statuses := []string{}
		for i, body := range r.got {
			var m MiniMax
			must(t, json.Unmarshal([]byte(body), &m))
			if m.TaskID == "1" {
				statuses = append(statuses, m.Status)
				continue
			}
			if err := Verify(r.heads[i], e.Secret, now, []byte(body)); err != nil {
				t.Errorf("%s: %v", body, err)
			}
			if !strings.Contains(body, `"type":"job.done"`) || !strings.Contains(body, j.ID) {
				t.Errorf("the event is %s", body)
			}
		}
		if diff := cmp.Diff([]string{"processing", "processing", "success"}, statuses); diff != "" {
			t.Errorf("call-backs (-want +got):\n%s", diff)
		}
		log, err := s.Deliveries(ctx, "o", "")
		must(t, err)
		for _, l := range log {
			if l.State != Delivered || l.Status != http.StatusOK {
				t.Errorf("%+v", l)
			}
		}
		if len(log) != 4 {
			t.Errorf("%d deliveries in the log, want 4", len(log))
		}
		now = now.Add(logLife + time.Hour)
		must(t, s.Sweep(ctx))
		if log, err := s.Deliveries(ctx, "o", ""); err != nil || len(log) != 0 {
			t.Errorf("%d deliveries after a month, %v", len(log), err)
		}
	})
}

// TestDisable lets an endpoint fail until it is told no more.
func TestDisable(t *testing.T) {
	t.Parallel()
	d := dbtest.Open(t, dbtest.SQLite(t))
	now := time.Unix(1_800_000_000, 0)
	r := newReceiver(t)
	r.status = http.StatusBadGateway
	s := New(Options{DB: d, Client: r.client(), Now: func() time.Time { return now }})
	e := place(t, s, d, r.URL, "[]")
	publish := func() {
		must(t, d.Tx(t.Context(), func(tx *db.Tx) error {
			return s.Publish(t.Context(), tx, "o", db.NewID("job"), "job.done", []byte("{}"))
		}))
	}
	state := func() Endpoint {
		all, err := s.Endpoints(t.Context(), "o")
		must(t, err)
		return all[0]
	}
	publish()
	for range 3 * len(pauses) {
		_, err := s.Deliver(t.Context())
		must(t, err)
		now = now.Add(48 * time.Hour)
	}
	log, err := s.Deliveries(t.Context(), "o", "")
	must(t, err)
	if log[0].State != Failed || log[0].Attempts != len(pauses)+1 || state().Failures != len(pauses)+1 {
		t.Errorf("%+v, %+v", log[0], state())
	}
	for range maxFailures {
		publish()
	}
	for range 10 {
		_, err := s.Deliver(t.Context())
		must(t, err)
	}
	if state().Disabled.IsZero() {
		t.Errorf("still enabled: %+v", state())
	}
	must(t, s.Enable(t.Context(), "o", e.ID))
	r.mu.Lock()
	r.status = http.StatusGone
	r.mu.Unlock()
	publish()
	now = now.Add(48 * time.Hour)
	_, err = s.Deliver(t.Context())
	must(t, err)
	if state().Disabled.IsZero() {
		t.Error("still enabled, although it is gone")
	}
	must(t, s.Remove(t.Context(), "o", e.ID))
	if err := s.Remove(t.Context(), "o", e.ID); fault.From(err).Code != fault.NotFound {
		t.Errorf("removed twice: %v", err)
	}
}

func TestRegisterRefuses(t *testing.T) {
	t.Parallel()
	s := New(Options{DB: dbtest.Open(t, dbtest.SQLite(t)), Client: fetch.New(fetch.Options{})})
	for _, u := range []string{"", "http://127.0.0.1/", "ftp://x/", "http://[fd00:ec2::254]/"} {
		if _, err := s.Register(t.Context(), "o", u, nil); fault.From(err).Code != fault.Invalid {
			t.Errorf("%q: %v", u, err)
		}
	}
	if _, err := s.Register(t.Context(), "o", "https://x", make([]string, maxEvents+1)); fault.From(err).Code != fault.Invalid {
		t.Errorf("many events: %v", err)
	}
	for range maxEndpoints {
		_, err := s.Register(t.Context(), "o", "https://x", nil)
		must(t, err)
	}
	if _, err := s.Register(t.Context(), "o", "https://x", nil); fault.From(err).Code != fault.Conflict {
		t.Errorf("many endpoints: %v", err)
	}
}

// TestVerify uses the example of the Standard Webhooks specification's
// libraries.
func TestVerify(t *testing.T) {
	t.Parallel()
	const secret = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"
	body := []byte(`{"test": 2432232314}`)
	at := time.Unix(1614265330, 0)
	h := http.Header{}
	must(t, Sign(h, secret, "msg_p5jXN8AQM9LWM0D4loKWxJek", at, body))
	if got, want := h.Get("Webhook-Signature"), "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE="; got != want {
		t.Errorf("signature %s, want %s", got, want)
	}
	must(t, Verify(h, secret, at.Add(4*time.Minute), body))
	rotated := h.Clone()
	rotated.Set("Webhook-Signature", "v1,AAAA "+h.Get("Webhook-Signature"))
	must(t, Verify(rotated, secret, at, body))
	for name, err := range map[string]error{
		"old":        Verify(h, secret, at.Add(6*time.Minute), body),
		"other body": Verify(h, secret, at, []byte("{}")),
		"other key":  Verify(h, NewSecret(), at, body),
		"no key":     Verify(h, "whsec_", at, body),
		"no headers": Verify(http.Header{}, secret, at, body),
	} {
		if err == nil {
			t.Errorf("%s: taken", name)
		}
	}
}

func TestChallenge(t *testing.T) {
	t.Parallel()
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		switch r.URL.Path {
		case "/echo":
			_, _ = io.Copy(w, r.Body)
		case "/other":
			_, _ = io.WriteString(w, `{"challenge":"x"}`)
		case "/text":
			_, _ = io.WriteString(w, "hello")
		case "/status":
			w.WriteHeader(http.StatusAccepted)
			_, _ = io.Copy(w, r.Body)
		}
	}))
	defer srv.Close()
	port := netip.MustParseAddrPort(srv.Listener.Addr().String())
	// fetch.Check refuses addresses of this machine at once, so they go by name.
	base := "http://localhost:" + strings.Split(srv.URL, ":")[2]
	c := fetch.New(fetch.Options{Exempt: []netip.AddrPort{port}})
	if err := Challenge(t.Context(), c, base+"/echo"); err != nil {
		t.Error(err)
	}
	for _, u := range []string{base + "/other", base + "/text", base + "/status", srv.URL + "/echo", "nonsense"} {
		err := Challenge(t.Context(), c, u)
		if f := fault.From(err); f.Code != fault.Invalid || f.Param != "callback_url" {
			t.Errorf("%s: %v", u, err)
		}
	}
}

func TestMiniMaxOf(t *testing.T) {
	t.Parallel()
	failed := job.Job{Standing: job.Standing{State: job.Failed}, Error: fault.New(fault.Moderated, "no")}
	for _, tt := range []struct {
		j    job.Job
		code int
		want string
	}{
		{job.Job{Standing: job.Standing{State: job.Running}}, 0, `{"task_id":"7","status":"processing","base_resp":{"status_code":0,"status_msg":"success"}}`},
		{job.Job{Standing: job.Standing{State: job.Done}}, 0, `{"task_id":"7","status":"success","file_id":"9","video_width":64,"video_height":48,"base_resp":{"status_code":0,"status_msg":"success"}}`},
		{failed, 1026, `{"task_id":"7","status":"failed","base_resp":{"status_code":1026,"status_msg":"no"}}`},
		{job.Job{Standing: job.Standing{State: job.Expired}}, 0, `{"task_id":"7","status":"failed","base_resp":{"status_code":1024,"status_msg":"expired"}}`},
	} {
		got, err := json.Marshal(MiniMaxOf("7", tt.j, "9", 64, 48, tt.code))
		if err != nil || string(got) != tt.want {
			t.Errorf("%s: %s, want %s", tt.j.State, got, tt.want)
		}
	}
}

func FuzzVerify(f *testing.F) {
	f.Add("msg_1", "1614265330", "v1,AAAA", []byte("{}"))
	f.Add("", "", " ", []byte(nil))
	secret := NewSecret()
	f.Fuzz(func(t *testing.T, id, at, sig string, body []byte) {
		h := http.Header{}
		h.Set("Webhook-Id", id)
		h.Set("Webhook-Timestamp", at)
		h.Set("Webhook-Signature", sig)
		if Verify(h, secret, time.Unix(1614265330, 0), body) == nil {
			t.Errorf("%q %q %q was taken", id, at, sig)
		}
	})
}
