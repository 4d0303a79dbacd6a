package provider

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"kuai/fault"
	"kuai/platform/job"
	"kuai/video"
)

// engine is a server whose health tests set.
type engine struct {
	*httptest.Server
	status atomic.Int64
	asked  atomic.Int64
}

func newEngine(t *testing.T, name string) *engine {
	t.Helper()
	e := &engine{}
	e.status.Store(http.StatusOK)
	e.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/v1/models" {
			w.WriteHeader(int(e.status.Load()))
			return
		}
		e.asked.Add(1)
		body, err := io.ReadAll(r.Body)
		if err != nil || !strings.Contains(string(body), "hello") || r.Header.Get("Authorization") != "Bearer key" {
			t.Errorf("%s got %q, %v, %v", name, body, r.Header, err)
		}
		w.Header().Set("Content-Type", "text/event-stream")
		w.WriteHeader(int(e.status.Load()))
		_, _ = io.WriteString(w, "data: {\"choices\":[{\"delta\":{\"content\":\""+name+"\"}}]}\n\ndata: [DONE]\n\n")
	}))
	t.Cleanup(e.Close)
	return e
}

// TestPool sends chats to two servers while they fail and recover.
func TestPool(t *testing.T) {
	t.Parallel()
	a, b := newEngine(t, "a"), newEngine(t, "b")
	now := time.Unix(1_800_000_000, 0)
	p, err := NewPool([]string{a.URL + "/", b.URL}, Options{Health: "/v1/models", Key: "key", Now: func() time.Time { return now }})
	if err != nil {
		t.Fatal(err)
	}
	client := &http.Client{Transport: p}
	ask := func() (int, string) {
		t.Helper()
		res, err := client.Post("http://pool/v1/chat/completions", "application/json", strings.NewReader(`{"hello":1}`))
		if errors.Is(err, ErrNone) {
			return 0, ""
		}
		if err != nil {
			t.Fatal(err)
		}
		data, err := io.ReadAll(res.Body)
		if err = errors.Join(err, res.Body.Close()); err != nil {
			t.Fatal(err)
		}
		return res.StatusCode, string(data)
	}
	expect := func(what string, status int, text string, healthy int) {
		t.Helper()
		gotStatus, got := ask()
		if gotStatus != status || !strings.Contains(got, text) || p.Healthy() != healthy {
			t.Errorf("%s: %d %q with %d healthy, want %d %q with %d", what, gotStatus, got, p.Healthy(), status, text, healthy)
		}
	}
	expect("both are well", 200, `"a"`, 2)
	a.status.Store(http.StatusServiceUnavailable)
	expect("one is overloaded", 200, `"b"`, 1)
	if n := a.asked.Load(); n != 2 {
		t.Errorf("the overloaded one was asked %d times", n)
	}
	expect("it is passed over", 200, `"b"`, 1)
	if n := a.asked.Load(); n != 2 {
		t.Errorf("the overloaded one was asked %d times in its penalty", n)
	}
	b.status.Store(http.StatusTooManyRequests)
	expect("both are overloaded", 503, "", 0)
	b.Close()
	now = now.Add(time.Hour)
	expect("one is overloaded, one gone", 503, "", 0)
	a.status.Store(http.StatusOK)
	p.Check(t.Context())
	expect("one is well again", 200, `"a"`, 1)
	for _, s := range p.servers {
		if s.busy != 0 {
			t.Errorf("%s is busy with %d", s.Base, s.busy)
		}
	}
	a.Close()
	expect("none is there", 0, "", 0)
	for _, bad := range [][]string{nil, {"x"}, {"ftp://x"}, {"http://u:p@x"}, {"http://x?y"}, make([]string, maxServers+1)} {
		if _, err := NewPool(bad, Options{}); err == nil {
			t.Errorf("%q was taken", bad)
		}
	}
}

// comfyUI is a small ComfyUI: it takes a workflow, needs two looks at its
// history, and saves a clip.
type comfyUI struct {
	t      *testing.T
	mu     sync.Mutex
	looks  int
	prompt map[string]any
	calls  []string
	fail   string
}

func (c *comfyUI) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.calls = append(c.calls, r.Method+" "+r.URL.Path)
	switch r.URL.Path {
	case "/prompt":
		var in struct{ Prompt map[string]any }
		if err := json.NewDecoder(r.Body).Decode(&in); err != nil {
			c.t.Error(err)
		}
		c.prompt = in.Prompt
		if c.fail == "refused" {
			w.WriteHeader(http.StatusBadRequest)
			return
		}
		_, _ = io.WriteString(w, `{"prompt_id":"p1","number":1,"node_errors":{}}`)
	case "/history/p1":
		switch c.looks++; {
		case c.fail == "error":
			_, _ = io.WriteString(w, `{"p1":{"outputs":{},"status":{"status_str":"error","completed":false}}}`)
		case c.fail == "never" || c.looks < 2:
			_, _ = io.WriteString(w, `{}`)
		default:
			_, _ = io.WriteString(w, `{"p1":{"outputs":{"9":{"images":[{"filename":"preview.png","subfolder":"","type":"temp"}],"animated":[true]},
				"10":{"gifs":[{"filename":"../clip.mp4","subfolder":"video","type":"output"}]}},"status":{"status_str":"success","completed":true}}}`)
		}
	case "/view":
		if r.URL.Query().Get("subfolder") != "video" {
			c.t.Errorf("view %v", r.URL.Query())
		}
		_, _ = io.WriteString(w, "mp4 bytes")
	case "/queue", "/interrupt":
	default:
		c.t.Errorf("%s %s", r.Method, r.URL)
	}
}

// report is where a run tells of itself.
type report struct {
	dir   string
	stage chan string
}

func (r report) Progress(p job.Progress) {
	select {
	case r.stage <- p.Stage:
	default:
	}
}
func (report) Preview(job.Preview) {}
func (r report) Dir() string       { return r.dir }

const workflow = `{"3":{"class_type":"KSampler","inputs":{"seed":"${seed}","steps":"${steps}","cfg":"${guidance}","model":["4",0]}},
	"6":{"class_type":"CLIPTextEncode","inputs":{"text":"best quality, ${prompt}"}},"7":{"inputs":{"length":"${frames}","width":"${size}"}}}`

var order = job.Job{ID: "job_1", Body: json.RawMessage(`{"request":{"Prompt":"a \"fox\" ${seed}","Seed":18446744073709551615,"Frames":33,"Size":512}}`)}

func comfy(t *testing.T, fail string) (*comfyUI, *Comfy) {
	t.Helper()
	ui := &comfyUI{t: t, fail: fail}
	s := httptest.NewServer(ui)
	t.Cleanup(s.Close)
	c, err := NewComfy([]string{s.URL}, []byte(workflow), "")
	if err != nil {
		t.Fatal(err)
	}
	c.poll = time.Millisecond
	return ui, c
}

func TestComfy(t *testing.T) {
	t.Parallel()
	ui, c := comfy(t, "")
	made, err := c.Run(t.Context(), order, report{dir: t.TempDir()})
	if err != nil {
		t.Fatal(err)
	}
	want := map[string]any{
		"3": map[string]any{"class_type": "KSampler", "inputs": map[string]any{"seed": 18446744073709551615.0, "steps": 24.0, "cfg": 3.0, "model": []any{"4", 0.0}}},
		"6": map[string]any{"class_type": "CLIPTextEncode", "inputs": map[string]any{"text": `best quality, a "fox" ${seed}`}},
		"7": map[string]any{"inputs": map[string]any{"length": 33.0, "width": 512.0}},
	}
	ignoreGuidance(want, ui.prompt)
	if diff := cmp.Diff(want, ui.prompt); diff != "" {
		t.Errorf("the workflow (-want +got):\n%s", diff)
	}
	if len(made.Files) != 1 || made.Files[0].Name != "clip0.mp4" || made.Files[0].Type != "video/mp4" {
		t.Fatalf("%+v", made.Files)
	}
	if data, err := os.ReadFile(made.Files[0].Path); err != nil || string(data) != "mp4 bytes" {
		t.Errorf("%q, %v", data, err)
	}
}

// ignoreGuidance takes the model's own default for what it is, if it is a
// number.
func ignoreGuidance(want, got map[string]any) {
	in := func(m map[string]any) map[string]any {
		node, _ := m["3"].(map[string]any)
		inputs, _ := node["inputs"].(map[string]any)
		return inputs
	}
	if n, ok := in(got)["cfg"].(float64); ok && n >= 1 {
		in(want)["cfg"] = n
	}
}

func TestComfyFails(t *testing.T) {
	t.Parallel()
	_, c := comfy(t, "refused")
	if _, err := c.Run(t.Context(), order, report{dir: t.TempDir()}); fault.From(err).Code != fault.Invalid || c.Pool().Healthy() != 1 {
		t.Errorf("a refused workflow: %v", err)
	}
	_, c = comfy(t, "error")
	if _, err := c.Run(t.Context(), order, report{dir: t.TempDir()}); err == nil || fault.From(err).Code != fault.Internal || c.Pool().Healthy() != 0 {
		t.Errorf("a failed workflow: %v", err)
	}
	ui, c := comfy(t, "never")
	ctx, cancel := context.WithCancelCause(t.Context())
	stop := errors.New("stop")
	r := report{dir: t.TempDir(), stage: make(chan string)}
	go func() {
		for stage := range r.stage {
			if stage == "sample" {
				cancel(stop)
				return
			}
		}
	}()
	if _, err := c.Run(ctx, order, r); !errors.Is(err, stop) {
		t.Errorf("a cancelled job: %v", err)
	}
	ui.mu.Lock()
	if calls := strings.Join(ui.calls, " "); !strings.Contains(calls, "POST /queue") || !strings.Contains(calls, "POST /interrupt") {
		t.Errorf("the prompt was not stopped: %s", calls)
	}
	ui.mu.Unlock()
	for _, bad := range []string{"", "[", "[]", "{}", `{"nodes":[],"links":[]}`, strings.Repeat(" ", maxWorkflow+1)} {
		if _, err := NewComfy([]string{"http://x"}, []byte(bad), ""); err == nil {
			t.Errorf("%.20q was taken", bad)
		}
	}
}

func FuzzComfy(f *testing.F) {
	f.Add(workflow, `{"videos":[{"filename":"a"}]}`)
	f.Add(`{"1":`+strings.Repeat("[", 100)+strings.Repeat("]", 100)+"}", "{}")
	f.Fuzz(func(_ *testing.T, w, outputs string) {
		var h history
		if json.Unmarshal([]byte(`{"outputs":{"1":`+outputs+`}}`), &h) == nil {
			_ = filesOf(h)
		}
		if c, err := NewComfy([]string{"http://x"}, []byte(w), ""); err == nil {
			_, _ = c.prompt(videoRequest)
		}
	})
}

var videoRequest = video.Request{Prompt: "a fox", Seed: 1}
