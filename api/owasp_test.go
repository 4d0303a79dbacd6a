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
			"/api/v1/characters/lin/messages", "/api/v1/characters/lin/memory", "/api/v1/webhooks/deliveries",
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

// open are the routes that need no key: what says nothing of anybody, what is
// asked before one has a key, and addresses that are signed.
var openRoutes = []string{
	"GET /healthz", "GET /readyz", "GET /v1/openapi.yaml", "GET /api/version",
	"GET /api/v1/openapi.json", "GET /api/v1/openapi.yaml", "GET /api/v1/openapi-3.0.json", "GET /api/v1/openapi-3.0.yaml",
	"POST /api/v1/login", "POST /api/v1/invitations/accept",
}

// route is a method and a path without parameters left in it.
type route struct{ method, pattern, path string }

// walk lists the routes of the API; each parameter is "x".
func (w *town) walk(t testing.TB) (all []route) {
	t.Helper()
	ok(t, chi.Walk(w.routes, func(method, pattern string, _ http.Handler, _ ...func(http.Handler) http.Handler) error {
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
		t.Fatalf("only %d routes", len(all))
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
