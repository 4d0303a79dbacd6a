package api

import (
	"bytes"
	"errors"
	"io"
	"mime/multipart"
	"net/http"
	"slices"
	"strings"
	"testing"

	"github.com/go-chi/chi/v5"

	"kuai/platform/account"
)

// The tests of this file go through OWASP's API Security Top 10 of 2023 on the
// whole platform; those of api/accounts do it for accounts.

// refused says whether an answer is an error of its dialect: by its status, or
// in MiniMax's v1 by a code.
func refused(status int, body string) bool {
	return status >= 400 || strings.Contains(body, `"base_resp":{"status_code":`) && !strings.Contains(body, `"base_resp":{"status_code":0,`)
}

// belongings are things of ada's.
type belongings struct{ video, file, number, output, hook, persona, group string }

func (w *town) belongings(t *testing.T) belongings {
	t.Helper()
	var b belongings
	b.video = w.clip(t, "ada")
	var form bytes.Buffer
	f := multipart.NewWriter(&form)
	ok(t, f.WriteField("purpose", "user_data"))
	part, err := f.CreateFormFile("file", "diary.txt")
	ok(t, err)
	_, err = part.Write([]byte("I was in Oslo"))
	ok(t, err)
	ok(t, f.Close())
	b.file = w.get(t, w.ask(t, "ada", "POST", "/v1/files", &form, "Content-Type", f.FormDataContentType()), "id")
	b.number = strings.TrimPrefix(b.file, "file-")
	j, err := w.made.Queue.Get(t.Context(), "", b.video)
	ok(t, err)
	b.output = j.Result.Outputs[0].File
	b.hook = w.get(t, w.ask(t, "ada", "POST", "/api/v1/webhooks", `{"url":"https://example.com/hook","events":["job.done"]}`), "id")
	w.get(t, w.ask(t, "ada", "POST", "/api/v1/characters/lin/messages", `{"text":"My diary is in Oslo."}`), "reply")
	b.persona = w.get(t, w.ask(t, "ada", "POST", "/api/v1/personas", `{"name":"Diary","description":"keeps one"}`), "id")
	b.group = w.get(t, w.ask(t, "ada", "POST", "/api/v1/groups", `{"name":"Diary","members":["lin","mei"]}`), "id")
	return b
}

// TestOthersThings is API1, objects of others: what ada's key made is not there
// for the keys of another organisation, nor for those of another project of her
// own, in any dialect, and it stays what it was.
func TestOthersThings(t *testing.T) {
	t.Parallel()
	w := newTown(t)
	b := w.belongings(t)
	for _, who := range []string{"eve", "bob"} {
		for _, tt := range [][3]string{
			{"GET", "/v1/videos/" + b.video},
			{"GET", "/v1/videos/" + b.video + "/content"},
			{"POST", "/v1/videos/" + b.video + "/remix", `{"prompt":"a cat"}`},
			{"DELETE", "/v1/videos/" + b.video},
			{"GET", "/v1/query/video_generation?task_id=" + b.video},
			{"GET", "/v2/query/video_generation/" + b.video},
			{"GET", "/v1/files/retrieve?file_id=" + b.video},
			{"GET", "/v1/files/retrieve_content?file_id=" + b.video},
			{"POST", "/v1/files/delete", `{"file_id":"` + b.video + `"}`},
			{"GET", "/api/v1/videos/" + b.video + "/events"},
			{"GET", "/api/v1/videos/" + b.video + "/preview"},
			{"POST", "/api/v1/videos/" + b.video + "/share"},
			{"POST", "/api/v1/videos/" + b.video + "/cancel"},
			{"GET", "/v1/files/" + b.file},
			{"GET", "/v1/files/" + b.file + "/content"},
			{"DELETE", "/v1/files/" + b.file},
			{"GET", "/v1/files/retrieve?file_id=" + b.number},
			{"GET", "/v1/files/retrieve_content?file_id=" + b.number},
			{"POST", "/v1/files/delete", `{"file_id":` + b.number + `}`},
			{"GET", "/v1/files/" + b.output},
			{"GET", "/api/v1/files/" + b.output + "/content"},
			{"GET", "/api/v1/files/" + b.output + "/link"},
			{"DELETE", "/api/v1/files/" + b.output},
			{"GET", "/api/v1/jobs/" + b.video},
			{"GET", "/api/v1/jobs/" + b.video + "/events"},
			{"GET", "/api/v1/jobs/" + b.video + "/preview"},
			{"POST", "/api/v1/jobs/" + b.video + "/cancel"},
			{"POST", "/api/v1/jobs/" + b.video + "/revive"},
			{"DELETE", "/api/v1/jobs/" + b.video},
			{"GET", "/api/v1/personas/" + b.persona},
			{"PATCH", "/api/v1/personas/" + b.persona, `{"name":"x"}`},
			{"DELETE", "/api/v1/personas/" + b.persona},
			{"GET", "/api/v1/groups/" + b.group},
			{"GET", "/api/v1/groups/" + b.group + "/messages"},
			{"POST", "/api/v1/groups/" + b.group + "/messages", `{"text":"hi"}`},
			{"PATCH", "/api/v1/groups/" + b.group, `{"name":"x"}`},
			{"DELETE", "/api/v1/groups/" + b.group},
		} {
			a := w.ask(t, who, tt[0], tt[1], tt[2])
			if !refused(a.Code, a.Body.String()) || a.Code >= 500 || strings.Contains(a.Body.String(), "Oslo") || strings.Contains(a.Body.String(), "fox") {
				t.Errorf("%s: %s %s: %d %.200s", who, tt[0], tt[1], a.Code, a.Body)
			}
		}
		for _, path := range []string{
			"/v1/videos", "/v2/query/video_generation", "/v1/files", "/v1/files/list", "/api/v1/jobs", "/api/v1/files", "/api/v1/personas", "/api/v1/groups",
			"/api/v1/characters/lin/messages", "/api/v1/characters/lin/memory", "/api/v1/webhooks/deliveries", "/api/v1/shares",
		} {
			a := w.ask(t, who, "GET", path, nil)
			for _, its := range []string{b.video, b.file, b.number, b.output, "Diary", "Oslo"} {
				if a.Code != http.StatusOK || strings.Contains(a.Body.String(), its) {
					t.Errorf("%s: GET %s: %d shows %s: %.300s", who, path, a.Code, its, a.Body)
				}
			}
		}
	}
	w.othersBooks(t, b)
	w.stillThere(t, b)
}

// othersBooks asks for what belongs to the organisation: bob's as well.
func (w *town) othersBooks(t *testing.T, b belongings) {
	t.Helper()
	for _, tt := range [][2]string{
		{"GET", "/api/v1/balance?organisation=" + w.orgs["acme"]},
		{"GET", "/api/v1/usage?organisation=" + w.orgs["acme"]},
		{"GET", "/api/v1/usage/export?organisation=" + w.orgs["acme"]},
		{"GET", "/api/v1/changes?organisation=" + w.orgs["acme"]},
		{"POST", "/api/v1/webhooks/" + b.hook + "/enable"},
		{"DELETE", "/api/v1/webhooks/" + b.hook},
	} {
		if a := w.ask(t, "eve", tt[0], tt[1], nil); a.Code != http.StatusForbidden && a.Code != http.StatusNotFound {
			t.Errorf("eve: %s %s: %d %.200s", tt[0], tt[1], a.Code, a.Body)
		}
	}
	for _, path := range []string{"/api/v1/webhooks", "/api/v1/changes", "/api/v1/usage/export?format=json"} {
		if a := w.ask(t, "eve", "GET", path, nil); strings.Contains(a.Body.String(), b.hook) || strings.Contains(a.Body.String(), w.orgs["acme"]) {
			t.Errorf("eve: GET %s: %.300s", path, a.Body)
		}
	}
}

// stillThere looks at ada's things with her own key.
func (w *town) stillThere(t *testing.T, b belongings) {
	t.Helper()
	for _, path := range []string{
		"/v1/videos/" + b.video, "/v1/files/" + b.file, "/v1/files/retrieve?file_id=" + b.number, "/api/v1/files/" + b.output + "/content", "/api/v1/jobs/" + b.video,
		"/api/v1/personas/" + b.persona, "/api/v1/groups/" + b.group, "/v1/files/retrieve_content?file_id=" + b.number,
	} {
		if a := w.ask(t, "ada", "GET", path, nil); refused(a.Code, a.Body.String()) {
			t.Errorf("ada: GET %s: %d %s", path, a.Code, a.Body)
		}
	}
	if a := w.ask(t, "ada", "GET", "/api/v1/webhooks", nil); !strings.Contains(a.Body.String(), b.hook) {
		t.Errorf("the webhook is gone: %s", a.Body)
	}
	if a := w.ask(t, "ada", "GET", "/api/v1/characters/lin/messages", nil); !strings.Contains(a.Body.String(), "Oslo") {
		t.Errorf("the conversation is gone: %s", a.Body)
	}
}

// openRoutes are those that need no key: what says nothing of anybody, what is
// asked before one has a key, and addresses that are signed.
var openRoutes = []string{
	"GET /healthz", "GET /readyz", "GET /v1/openapi.yaml", "GET /api/v1/openapi-kuai.yaml", "GET /api/version",
	"GET /api/v1/openapi.json", "GET /api/v1/openapi.yaml", "GET /api/v1/openapi-3.0.json", "GET /api/v1/openapi-3.0.yaml",
	"POST /api/v1/login", "POST /api/v1/invitations/accept",
}

// route is a method and a path without parameters left in it.
type route struct{ method, pattern, path string }

// walk lists the routes of the API; each parameter is "x".
func (w *town) walk(tb testing.TB) (all []route) {
	tb.Helper()
	ok(tb, chi.Walk(w.routes, func(method, pattern string, _ http.Handler, _ ...func(http.Handler) http.Handler) error {
		path := pattern
		for strings.Contains(path, "{") {
			from, to := strings.Index(path, "{"), strings.Index(path, "}")
			path = path[:from] + "x" + path[to+1:]
		}
		if strings.HasSuffix(path, "/*") {
			if pattern != "/v1/models/*" && pattern != "/anthropic/v1/models/*" {
				return nil // the studio's pages, and what there is not
			}
			path = strings.TrimSuffix(path, "*") + "tiny"
		}
		all = append(all, route{method, pattern, path})
		return nil
	}))
	if len(all) < 150 {
		tb.Fatalf("only %d routes", len(all))
	}
	return all
}

// TestNoKey is API2, authentication: without a key, and with one that was never
// made, every route there is refuses, in its own dialect's words; a route that
// is added is refused too, unless the list above has it.
func TestNoKey(t *testing.T) {
	t.Parallel()
	w := newTown(t)
	w.keys["mallory"] = "sk-kuai-neverMade"
	open := slices.Clone(openRoutes)
	for _, r := range w.walk(t) {
		if i := slices.Index(open, r.method+" "+r.pattern); i >= 0 {
			open = slices.Delete(open, i, i+1)
			continue
		}
		for _, who := range []string{"nobody", "mallory"} {
			a := w.ask(t, who, r.method, r.path, `{"model":"tiny","messages":[{"role":"user","content":"hi"}],"max_tokens":5,"prompt":"a fox","content":[{"type":"text","text":"a fox"}]}`)
			body := a.Body.String()
			signed := strings.HasPrefix(r.path, "/v1/download/") || strings.HasPrefix(r.path, "/blobs/")
			switch {
			case signed && a.Code == http.StatusForbidden:
			case a.Code == http.StatusOK && strings.Contains(body, `"base_resp":{"status_code":1004,`):
			case a.Code == http.StatusUnauthorized && (r.method == http.MethodHead || strings.Contains(body, `"error"`)):
			default:
				t.Errorf("%s: %s %s: %d %.200s", who, r.method, r.path, a.Code, body)
			}
		}
	}
	if len(open) > 0 {
		t.Errorf("open, but not there: %v", open)
	}
}

// TestOwnFields is API3, properties: what a client says of owner, price, state
// or numbers of its own changes nothing.
func TestOwnFields(t *testing.T) {
	t.Parallel()
	w := newTown(t)
	id := w.get(t, w.ask(t, "ada", "POST", "/v1/videos", `{"prompt":"a fox","id":"video_mine","org":"x","project":"x","owner":"x","status":"completed","priority":100,"reservation":"","meta":{"reservation":""},"cost":0}`), "id")
	j, err := w.made.Queue.Get(t.Context(), "", id)
	ok(t, err)
	if id == "video_mine" || j.Org != w.orgs["ada"] || j.Project == "x" || j.Priority != 0 || !strings.Contains(string(j.Meta), `"reservation":"r`) {
		t.Errorf("got %+v, %s", j, j.Meta)
	}
	for _, tt := range [][4]string{
		{"ada", "POST", "/api/v1/webhooks", `{"url":"https://example.com/","secret":"whsec_mine","organisation":"x"}`},
	} {
		if a := w.ask(t, tt[0], tt[1], tt[2], tt[3]); strings.Contains(a.Body.String(), "whsec_mine") {
			t.Errorf("%v: %d %s", tt, a.Code, a.Body)
		}
	}
	for path, body := range map[string]string{ // where money is given, what is not known is refused
		"/api/v1/topups":          `{"organisation":"` + w.orgs["ada"] + `","amount":"1.00","reason":"r","account":"cash","actor":"somebody"}`,
		"/api/v1/vouchers":        `{"amount":"1.00","currency":"USD","used":0}`,
		"/api/v1/vouchers/redeem": `{"code":"x","organisation":"y"}`,
	} {
		if a := w.ask(t, "oscar", "POST", path, body); a.Code != http.StatusBadRequest {
			t.Errorf("%s: %d %s", path, a.Code, a.Body)
		}
	}
}

// endless is a body that never ends; it counts what is taken of it.
type endless struct {
	begin []byte
	taken int64
}

const tooMuch = 1 << 30

var filling = bytes.Repeat([]byte{'x'}, 1<<20)

var errTooMuch = errors.New("nobody stopped reading")

func (e *endless) Read(p []byte) (int, error) {
	n := copy(p, e.begin)
	e.begin = e.begin[n:]
	if n == 0 {
		n = copy(p, filling)
	}
	if e.taken += int64(n); e.taken > tooMuch {
		return 0, errTooMuch
	}
	return n, nil
}

// mostRead is how much of a body a route may read: 16 MiB where messages come,
// 20 for characters' cards with their pictures, 512 for files of workers.
func mostRead(r route) int64 {
	switch {
	case strings.HasSuffix(r.pattern, "/files/{name}"):
		return 0 // the test has no job whose worker it is: nothing is read
	case r.pattern == "/api/v1/characters":
		return 20 << 20
	}
	return 16 << 20
}

// TestEndlessBodies is API4, resources: no route reads a body for ever, with
// any key, and none keeps what it has read of one that is too long.
func TestEndlessBodies(t *testing.T) {
	t.Parallel()
	w := newTown(t)
	const slack = 64 << 10 // that readers ask for ahead
	for _, r := range w.walk(t) {
		if r.method == http.MethodGet || r.method == http.MethodHead {
			continue
		}
		for kind, begin := range map[string]string{
			"application/json":                  `{"prompt":"`,
			"multipart/form-data; boundary=b":   "--b\r\nContent-Disposition: form-data; name=\"prompt\"\r\n\r\n",
			"application/x-www-form-urlencoded": "prompt=",
		} {
			if kind != "application/json" && !slices.Contains([]string{"/v1/videos", "/v1/videos/{id}/remix", "/v1/files", "/v1/files/upload"}, r.pattern) {
				continue // it reads no forms
			}
			body := &endless{begin: []byte(begin)}
			a := w.ask(t, "oscar", r.method, r.path, io.Reader(body), "Content-Type", kind)
			if body.taken > mostRead(r)+slack {
				t.Errorf("%s %s, %s: %d bytes read, %d %.100s", r.method, r.path, kind, body.taken, a.Code, a.Body)
			}
			if a.Code >= 500 && a.Code != http.StatusServiceUnavailable {
				t.Errorf("%s %s, %s: %d %.200s", r.method, r.path, kind, a.Code, a.Body)
			}
		}
	}
}

// operatorRoutes are those of who runs the installation, beside those of
// accounts, which api/accounts tests for every role.
var operatorRoutes = []string{
	"GET /metrics", "POST /api/v1/prices", "POST /api/v1/topups", "POST /api/v1/adjustments", "PUT /api/v1/terms",
	"GET /api/v1/vouchers", "POST /api/v1/vouchers", "DELETE /api/v1/vouchers/{id}", "GET /api/v1/ledger/audit",
	"GET /api/v1/workers", "POST /api/v1/workers/{worker}/drain", "POST /api/v1/workers/{worker}/resume",
	"GET /api/v1/workers/tokens", "POST /api/v1/workers/tokens", "DELETE /api/v1/workers/tokens/{name}",
	"POST /api/v1/characters", "DELETE /api/v1/characters/{id}", "POST /api/v1/jobs/{id}/revive",
}

// TestOthersFunctions is API5, functions: a customer's key that may do all that
// customers do is refused where operators work.
func TestOthersFunctions(t *testing.T) {
	t.Parallel()
	w := newTown(t)
	want := slices.Clone(operatorRoutes)
	for _, r := range w.walk(t) {
		i := slices.Index(want, r.method+" "+r.pattern)
		if i < 0 {
			continue
		}
		want = slices.Delete(want, i, i+1)
		if a := w.ask(t, "eve", r.method, r.path, `{}`); a.Code != http.StatusForbidden {
			t.Errorf("%s %s: %d %s", r.method, r.path, a.Code, a.Body)
		}
	}
	if len(want) > 0 {
		t.Errorf("not there: %v", want)
	}
}

// TestInsideAddresses is API7, requests that the server is made to send: no
// address of ours, or of the machine's neighbours, is called.
func TestInsideAddresses(t *testing.T) {
	t.Parallel()
	w := newTown(t)
	for _, address := range []string{
		"http://127.0.0.1:8080/", "http://localhost/", "https://169.254.169.254/latest/meta-data", "http://[::1]/", "http://10.1.2.3/", "http://[fd00::1]/",
		"http://0x7f.1/", "file:///etc/passwd", "gopher://example.com/", "https://user:pass@example.com/", "x",
	} {
		for path, body := range map[string]string{
			"/v1/video_generation": `{"prompt":"a fox","callback_url":"` + address + `"}`,
			"/v2/video_generation": `{"content":[{"type":"text","text":"a fox"}],"callback_url":"` + address + `"}`,
			"/api/v1/webhooks":     `{"url":"` + address + `"}`,
		} {
			a := w.ask(t, "ada", "POST", path, body)
			if path == "/api/v1/webhooks" && (strings.Contains(address, "localhost") || strings.Contains(address, "0x7f")) {
				continue // a name: package fetch looks where it leads when it is called, each time
			}
			if !refused(a.Code, a.Body.String()) || a.Code >= 500 || !strings.Contains(a.Body.String(), "url") {
				t.Errorf("%s with %s: %d %s", path, address, a.Code, a.Body)
			}
		}
	}
	if a := w.ask(t, "ada", "GET", "/api/v1/jobs", nil); !strings.Contains(a.Body.String(), `"data":[]`) {
		t.Errorf("something was made: %s", a.Body)
	}
}

// TestOtherSites is API8, configuration: pages of other sites change nothing
// through a visitor's browser and read nothing, and no method is answered that
// is not meant.
func TestOtherSites(t *testing.T) {
	t.Parallel()
	w := newTown(t)
	for _, path := range []string{"/v1/videos", "/api/v1/webhooks", "/api/v1/login", "/v1/chat/completions"} {
		a := w.ask(t, "ada", "POST", path, `{"prompt":"a fox","url":"https://example.com/"}`, "Sec-Fetch-Site", "cross-site", "Origin", "https://evil.example")
		if a.Code != http.StatusForbidden || a.Header().Get("Access-Control-Allow-Origin") != "" {
			t.Errorf("%s: %d %s", path, a.Code, a.Body)
		}
	}
	for _, method := range []string{"TRACE", "CONNECT", "OPTIONS", "PURGE"} {
		if a := w.ask(t, "ada", method, "/v1/videos", nil); a.Code < 400 || a.Header().Get("Access-Control-Allow-Origin") != "" {
			t.Errorf("%s: %d %s", method, a.Code, a.Body)
		}
	}
}

// TestAllowed checks that a key sees and uses the models that it may, in every
// list, and goes before others only if an operator has allowed that.
func TestAllowed(t *testing.T) {
	t.Parallel()
	w := newTown(t)
	p, err := w.Accounts.CreateProject(t.Context(), account.Operator, w.orgs["acme"], "three")
	ok(t, err)
	for who, n := range map[string]account.NewKey{"words": {Models: []string{"tiny"}}, "clips": {Models: []string{"kuai-video"}}, "hasty": {Scopes: []string{account.ScopeUrgent}}} {
		n.Project, n.Name = p.ID, who
		_, w.keys[who], err = w.Accounts.CreateKey(t.Context(), account.Operator, w.orgs["acme"], n)
		ok(t, err)
	}
	for _, tt := range []struct {
		who, method, path, body string
		status                  int
		has, lacks              string
	}{
		{"ada", "GET", "/v1/models", "", 200, "kuai-video", "nothing"},
		{"words", "GET", "/v1/models", "", 200, "tiny", "kuai-video"},
		{"words", "GET", "/v1/models/kuai-video", "", 404, "model_not_found", "owned_by"},
		{"words", "GET", "/v1/models/tiny", "", 200, "tiny", "nothing"},
		{"clips", "GET", "/v1/models", "", 200, "kuai-video", "tiny"},
		{"clips", "GET", "/anthropic/v1/models/tiny", "", 404, "model_not_found", "owned_by"},
		{"clips", "GET", "/api/tags", "", 200, `"models":[]`, "tiny"},
		{"clips", "GET", "/api/ps", "", 200, `"models":[]`, "tiny"},
		{"clips", "POST", "/api/show", `{"model":"tiny"}`, 404, "no model", "template"},
		{"clips", "POST", "/api/generate", `{"model":"tiny"}`, 403, "may not use", "load"},
		{"clips", "POST", "/v1/messages/count_tokens", `{"model":"tiny","messages":[{"role":"user","content":"hi"}]}`, 403, "may not use", "input_tokens"},
		{"clips", "POST", "/v1/chat/completions", `{"model":"tiny","messages":[{"role":"user","content":"hi"}]}`, 403, "may not use", "choices"},
		{"words", "POST", "/v1/videos", `{"prompt":"a fox"}`, 403, "may not use", "queued"},
		{"words", "POST", "/v1/chat/completions", `{"model":"tiny","max_tokens":3,"service_tier":"priority","messages":[{"role":"user","content":"hi"}]}`, 200, "choices", "error"},
		{"words", "POST", "/v1/chat/completions", `{"model":"tiny","max_tokens":3,"service_tier":"flex","messages":[{"role":"user","content":"hi"}]}`, 200, "choices", "error"},
		{"words", "POST", "/v1/chat/completions", `{"model":"tiny","service_tier":"gold","messages":[{"role":"user","content":"hi"}]}`, 400, "service_tier", "choices"},
	} {
		a := w.ask(t, tt.who, tt.method, tt.path, tt.body)
		if body := a.Body.String(); a.Code != tt.status || !strings.Contains(body, tt.has) || strings.Contains(body, tt.lacks) {
			t.Errorf("%s: %s %s: %d %s", tt.who, tt.method, tt.path, a.Code, body)
		}
	}
	for _, tt := range []struct {
		who, says        string
		status, priority int
	}{{"ada", "urgent", 403, 0}, {"ada", "soon", 400, 0}, {"ada", "batch", 200, -50}, {"hasty", "urgent", 200, 50}, {"hasty", "normal", 200, 0}} {
		a := w.ask(t, tt.who, "POST", "/v1/videos", `{"prompt":"a fox"}`, "Kuai-Priority", tt.says)
		if a.Code != tt.status {
			t.Errorf("%s says %s: %d %s", tt.who, tt.says, a.Code, a.Body)
			continue
		}
		if a.Code == http.StatusOK {
			if j, err := w.made.Queue.Get(t.Context(), "", w.get(t, a, "id")); err != nil || j.Priority != tt.priority {
				t.Errorf("%s says %s: priority %d, %v", tt.who, tt.says, j.Priority, err)
			}
		}
	}
	admin := account.Caller{Principal: account.Principal{User: "u", Accounts: account.Write, Roles: map[string]account.Role{w.orgs["acme"]: account.RoleAdmin}}}
	if _, _, err := w.Accounts.CreateKey(t.Context(), admin, w.orgs["acme"], account.NewKey{Project: p.ID, Name: "x", Scopes: []string{account.ScopeUrgent}}); err == nil {
		t.Error("a customer made itself urgent")
	}
}
