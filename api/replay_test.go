package api

import (
	"bytes"
	"context"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"mime"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/getkin/kin-openapi/openapi3"
	"github.com/getkin/kin-openapi/openapi3filter"
	"github.com/getkin/kin-openapi/routers"
	"github.com/getkin/kin-openapi/routers/gorillamux"
	"github.com/google/go-cmp/cmp"

	"kuai/api/gate/gatetest"
	"kuai/api/openapi"
	"kuai/media"
	"kuai/models"
	"kuai/par"
	"kuai/serve/chat"
	"kuai/text"
	"kuai/video"
)

// exchange is a recorded request of an official client, and what Kuai answered
// with its real models: tools/conformance/record.mjs writes them.
type exchange struct {
	Method, Path string
	Headers      map[string]string
	Key, Auth    string
	Body         string
	Base64       string
	Status       int
	Type         string
	Reply        string
}

// sticker makes clips of the built-in model's shape at once.
type sticker struct{ grey }

func (sticker) Size() int { return 64 }

func (sticker) Generate(_ context.Context, req video.Request, _ func(video.Progress)) (*video.Result, error) {
	frame := bytes.Repeat([]byte{200, 90, 10}, 64*64)
	n := max(req.Frames, 1)
	return &video.Result{Clip: &media.Clip{Width: 64, Height: 64, FPS: 12, Frames: slices.Repeat([][]byte{frame}, n)}, Seed: req.Seed, Steps: 1}, nil
}

// replayServer serves the built-in language model, and stickers for clips.
func replayServer(t *testing.T) *httptest.Server {
	t.Helper()
	dir, err := models.Unpack(models.Companion(), "companion", t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	pool := par.New(2)
	l, err := chat.Open(t.Context(), dir, text.Options{Pool: pool}, chat.Options{})
	if err != nil {
		t.Fatal(err)
	}
	g := &chat.Group{}
	g.Add("companion", l)
	rooms := roomsOf(t, g, nil)
	rooms.Gate, rooms.Videos = gatetest.Gate{}, clipsOf(t, sticker{})
	s := httptest.NewServer(Handler(rooms))
	t.Cleanup(func() {
		s.Close()
		if err := g.Close(); err != nil {
			t.Error(err)
		}
		pool.Close()
	})
	return s
}

// TestReplay sends what the official clients sent, and compares the replies'
// status, type and shape with those that the clients took, and both with the
// OpenAPI document.
func TestReplay(t *testing.T) {
	t.Parallel()
	files, err := filepath.Glob("testdata/replay/*.json")
	if err != nil || len(files) == 0 {
		t.Fatalf("no recordings: %v", err)
	}
	s := replayServer(t)
	check := document(t, s.URL) //nolint:bodyclose // what it returns reads no body of its own
	for _, name := range files {
		t.Run(strings.TrimSuffix(filepath.Base(name), ".json"), func(t *testing.T) {
			t.Parallel()
			data, err := os.ReadFile(name)
			if err != nil {
				t.Fatal(err)
			}
			var all []exchange
			if err := json.Unmarshal(data, &all); err != nil {
				t.Fatal(err)
			}
			p := &player{url: s.URL, check: check, ids: map[string]string{}}
			for i, e := range all {
				p.play(t, fmt.Sprintf("%d %s %s", i, e.Method, e.Path), e)
			}
		})
	}
}

// player replays one client's requests in their order.
type player struct {
	url   string
	check func(t *testing.T, name string, req *http.Request, sent []byte, res *http.Response, got []byte)
	ids   map[string]string // of the recording, to those of this run
}

// now replaces the recording's ids.
func (p *player) now(s string) string {
	for _, old := range slices.Sorted(maps.Keys(p.ids)) {
		s = strings.ReplaceAll(s, old, p.ids[old])
	}
	return s
}

func (p *player) request(t *testing.T, e exchange) (*http.Request, []byte) {
	t.Helper()
	body := []byte(p.now(e.Body))
	if e.Base64 != "" {
		var err error
		if body, err = base64.StdEncoding.DecodeString(e.Base64); err != nil {
			t.Fatal(err)
		}
	}
	req, err := http.NewRequestWithContext(t.Context(), e.Method, p.url+p.now(e.Path), bytes.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	for k, v := range e.Headers {
		req.Header.Set(k, v)
	}
	key := e.Key
	if key == "" {
		key = "sk-replay"
	}
	switch e.Auth {
	case "bearer":
		req.Header.Set("Authorization", "Bearer "+key)
	case "x-api-key":
		req.Header.Set("X-Api-Key", key)
	}
	return req, body
}

// wait lets the clips be made whose end the recording asks for.
func (p *player) wait(t *testing.T, path string) {
	t.Helper()
	for _, id := range p.ids {
		if strings.HasPrefix(id, "job_") && strings.Contains(path, id) {
			call(t, "GET", p.url+"/api/v1/videos/"+id+"/events", "", nil)
		}
	}
}

func (p *player) play(t *testing.T, name string, e exchange) {
	t.Helper()
	if e.Method == http.MethodGet || strings.Contains(e.Path, "/remix") {
		p.wait(t, p.now(e.Path))
	}
	req, sent := p.request(t, e)
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatalf("%s: %v", name, err)
	}
	defer res.Body.Close() //nolint:errcheck // only read
	got, err := io.ReadAll(res.Body)
	if err != nil {
		t.Fatalf("%s: %v", name, err)
	}
	if res.StatusCode != e.Status || kindOf(res.Header.Get("Content-Type")) != kindOf(e.Type) {
		t.Errorf("%s: %d %s, recorded %d %s: %.300s", name, res.StatusCode, res.Header.Get("Content-Type"), e.Status, e.Type, got)
		return
	}
	p.check(t, name, req, sent, res, got)
	if e.Reply == "" {
		return
	}
	was, is := events(t, e.Reply), events(t, string(got))
	for i := range min(len(was), len(is)) {
		p.learn(was[i].value, is[i].value, "")
	}
	if diff := cmp.Diff(shapes(was), shapes(is)); diff != "" {
		t.Errorf("%s: another shape than recorded:\n%s\n%.500s", name, diff, got)
	}
}

func kindOf(contentType string) string {
	kind, _, _ := mime.ParseMediaType(contentType)
	return kind
}

// learn finds out which id of this run stands where the recording had its own.
func (p *player) learn(was, is any, key string) {
	switch w := was.(type) {
	case map[string]any:
		if i, ok := is.(map[string]any); ok {
			for k := range w {
				p.learn(w[k], i[k], k)
			}
		}
	case []any:
		if i, ok := is.([]any); ok {
			for n := range min(len(w), len(i)) {
				p.learn(w[n], i[n], key)
			}
		}
	default:
		old, id := fmt.Sprint(was), fmt.Sprint(is)
		if slices.Contains([]string{"id", "task_id", "file_id"}, key) && len(old) > 6 && old != id && is != nil {
			p.ids[old] = id
		}
	}
}

// event is a piece of a reply: all of it, or one of a stream.
type event struct {
	name  string
	value any
}

// events takes a reply apart.
func events(t *testing.T, s string) []event {
	t.Helper()
	var all []event
	name := ""
	for line := range strings.Lines(s) {
		line = strings.TrimRight(line, "\n")
		switch {
		case line == "", strings.HasPrefix(line, ":"):
			continue
		case strings.HasPrefix(line, "event: "):
			name = strings.TrimPrefix(line, "event: ")
			continue
		}
		line = strings.TrimPrefix(line, "data: ")
		d := json.NewDecoder(strings.NewReader(line))
		d.UseNumber()
		var v any
		if err := d.Decode(&v); err != nil {
			v = line // [DONE], or what a file holds
		}
		all = append(all, event{name, v})
		name = ""
	}
	return all
}

// shapes are the shapes of events, those that follow each other alike only
// once.
func shapes(all []event) []string {
	var out []string
	for _, e := range all {
		s := strings.TrimSpace(e.name + " " + shape(e.value))
		if len(out) == 0 || out[len(out)-1] != s {
			out = append(out, s)
		}
	}
	return out
}

// varies are fields whose presence is a matter of time or of the words.
var varies = []string{"logprobs", "finish_reason", "completed_at", "cached_tokens", "stop_sequence"}

// shape writes the keys and types of a value.
func shape(v any) string {
	switch v := v.(type) {
	case map[string]any:
		var parts []string
		for _, k := range slices.Sorted(maps.Keys(v)) {
			if strings.HasPrefix(k, "kuai_") || slices.Contains(varies, k) {
				continue
			}
			parts = append(parts, k+":"+shape(v[k]))
		}
		return "{" + strings.Join(parts, " ") + "}"
	case []any:
		if len(v) == 0 {
			return "[]"
		}
		return "[" + shape(v[0]) + "]"
	case json.Number:
		return "number"
	case string:
		if v == "[DONE]" {
			return v
		}
		return "string"
	case bool:
		return "bool"
	}
	return "null"
}

// decoders are registered once: the library keeps them for the process.
var decoders = sync.OnceFunc(func() {
	for _, kind := range []string{"text/event-stream", "application/x-ndjson", "video/webm", "video/mp4", "image/webp", "image/png"} {
		openapi3filter.RegisterBodyDecoder(kind, openapi3filter.FileBodyDecoder)
	}
})

// document returns what checks an exchange by the OpenAPI document.
func document(t *testing.T, url string) func(*testing.T, string, *http.Request, []byte, *http.Response, []byte) {
	t.Helper()
	decoders()
	doc, err := openapi3.NewLoader().LoadFromData(openapi.Dialects)
	if err != nil {
		t.Fatal(err)
	}
	doc.Servers = openapi3.Servers{{URL: url}}
	if err := doc.Validate(t.Context()); err != nil {
		t.Fatal(err)
	}
	router, err := gorillamux.NewRouter(doc)
	if err != nil {
		t.Fatal(err)
	}
	return func(t *testing.T, name string, req *http.Request, sent []byte, res *http.Response, got []byte) {
		t.Helper()
		if err := checkExchange(t, router, req, sent, res, got); err != nil {
			t.Errorf("%s: against the document: %v", name, err)
		}
	}
}

func checkExchange(t *testing.T, router routers.Router, req *http.Request, sent []byte, res *http.Response, got []byte) error {
	t.Helper()
	route, params, err := router.FindRoute(req)
	if err != nil {
		return err
	}
	again := req.Clone(t.Context())
	again.Body = io.NopCloser(bytes.NewReader(sent))
	in := &openapi3filter.RequestValidationInput{
		Request: again, PathParams: params, Route: route,
		Options: &openapi3filter.Options{AuthenticationFunc: openapi3filter.NoopAuthenticationFunc, ExcludeRequestBody: kindOf(req.Header.Get("Content-Type")) == "multipart/form-data", IncludeResponseStatus: true},
	}
	if res.StatusCode < 300 && !strings.Contains(string(got), `"trace_id"`) { // what is refused may have been wrong
		if err := openapi3filter.ValidateRequest(t.Context(), in); err != nil {
			return err
		}
	}
	return openapi3filter.ValidateResponse(t.Context(), &openapi3filter.ResponseValidationInput{
		RequestValidationInput: in, Status: res.StatusCode, Header: res.Header, Body: io.NopCloser(bytes.NewReader(got)), Options: in.Options,
	})
}
