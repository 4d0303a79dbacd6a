package api

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"io"
	"mime/multipart"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"

	"github.com/google/go-cmp/cmp"

	"kuai/api/clip"
	uploads "kuai/api/file"
	"kuai/api/talk"
	"kuai/api/wire"
	"kuai/character/converse"
	"kuai/media"
	"kuai/platform/blob"
	"kuai/platform/db/dbtest"
	bus "kuai/platform/event"
	"kuai/platform/file"
	"kuai/platform/job"
	"kuai/platform/provider"
	"kuai/serve"
	"kuai/video"
)

// grey makes grey clips.
type grey struct{}

func (grey) Check(req video.Request) error {
	if req.Steps > 100 {
		return &video.LimitError{Field: "steps", Got: req.Steps, Want: "at most 100"}
	}
	return video.CheckPrompt(req.Prompt)
}

func (grey) Size() int   { return 16 }
func (grey) Frames() int { return 25 }
func (grey) FPS() int    { return 12 }

func (grey) Generate(_ context.Context, req video.Request, progress func(video.Progress)) (*video.Result, error) {
	progress(video.Progress{Stage: "decode", Step: 1, Steps: 1})
	frame := bytes.Repeat([]byte{90}, 16*16*3)
	return &video.Result{
		Clip: &media.Clip{Width: 16, Height: 16, FPS: 12, Frames: [][]byte{frame, frame, frame}},
		Seed: req.Seed, Steps: 1, Understood: []video.Slot{{Kind: "object", En: "fox", Zh: "狐狸", Confidence: 1}},
	}, nil
}

// painter is a model of clips.
type painter interface {
	serve.Generator
	serve.Shaped
}

// clipsOf makes clips with a model, and with those of other servers, as durable
// jobs, without accounts.
func clipsOf(t *testing.T, gen painter, far ...*provider.Comfy) *clip.Jobs {
	t.Helper()
	d := dbtest.Open(t, dbtest.SQLite(t))
	blobs, err := blob.NewDir(t.TempDir(), nil)
	ok(t, err)
	b := bus.Memory()
	files := file.New(file.Options{DB: d, Blobs: blobs})
	q := job.New(job.Options{DB: d, Bus: b, Keep: files})
	o := clip.JobsOptions{Queue: q, Files: files, Shape: gen, Check: gen.Check}
	runs := clip.Runs(gen)
	for _, c := range far {
		o.Forms, runs[c.Form().Kind()] = append(o.Forms, c.Form()), c.Run
	}
	clips := clip.NewJobs(t.Context(), o)
	ctx, stop := context.WithCancel(context.WithoutCancel(t.Context()))
	var work sync.WaitGroup
	work.Go(func() {
		r := &job.Runner{Desk: q, Worker: job.Worker{ID: "w"}, Runs: runs, Dir: t.TempDir(), Drain: -1}
		if err := r.Run(ctx); err != nil {
			t.Error(err)
		}
	})
	t.Cleanup(func() { clips.Close(); stop(); work.Wait(); _ = b.Close() })
	return clips
}

// roomsOf has grey clips, and files in a directory of the test's.
func roomsOf(t *testing.T, chats talk.Models, h *converse.House) Rooms {
	t.Helper()
	files, err := uploads.OpenDir(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	return Rooms{Videos: clipsOf(t, grey{}), Files: files, Links: uploads.NewLinks(), Chats: chats, House: h}
}

func server(t *testing.T) *httptest.Server {
	t.Helper()
	s := httptest.NewServer(Handler(roomsOf(t, nil, nil)))
	t.Cleanup(s.Close)
	return s
}

// call sends a request and returns the answer's status, header and body.
func call(t *testing.T, method, url, contentType string, body io.Reader) (int, http.Header, string) {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), method, url, body)
	if err != nil {
		t.Fatal(err)
	}
	if contentType != "" {
		req.Header.Set("Content-Type", contentType)
	}
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close() //nolint:errcheck // only read
	data, err := io.ReadAll(res.Body)
	if err != nil {
		t.Fatal(err)
	}
	return res.StatusCode, res.Header, string(data)
}

// create makes a clip from JSON and waits for it through its events.
func create(t *testing.T, s *httptest.Server) string {
	t.Helper()
	status, _, body := call(t, "POST", s.URL+"/v1/videos", "application/json", strings.NewReader(`{"prompt":"a fox","seed":5}`))
	var v struct{ ID, Status string }
	if err := json.Unmarshal([]byte(body), &v); err != nil || status != http.StatusOK || v.ID == "" {
		t.Fatalf("%d %s %v", status, body, err)
	}
	_, _, events := call(t, "GET", s.URL+"/api/v1/videos/"+v.ID+"/events", "", nil)
	last := ""
	for sc := bufio.NewScanner(strings.NewReader(events)); sc.Scan(); {
		if data, ok := strings.CutPrefix(sc.Text(), "data: "); ok {
			last = data
		}
	}
	if !strings.Contains(last, `"status":"completed"`) || !strings.Contains(last, `"progress":100`) || !strings.Contains(last, "狐狸") {
		t.Fatalf("last event %s", last)
	}
	return v.ID
}

func TestVideoLife(t *testing.T) {
	t.Parallel()
	s := server(t)
	id := create(t, s)
	for format, kind := range map[string]string{"": "video/webm", "?format=mp4": "video/mp4", "?format=gif": "image/gif", "?format=webp": "image/webp"} {
		status, h, body := call(t, "GET", s.URL+"/v1/videos/"+id+"/content"+format, "", nil)
		if status != http.StatusOK || h.Get("Content-Type") != kind || len(body) < 100 {
			t.Errorf("content%s: %d, %s, %d bytes", format, status, h.Get("Content-Type"), len(body))
		}
	}
	if _, _, body := call(t, "GET", s.URL+"/v1/videos", "", nil); !strings.Contains(body, id) {
		t.Errorf("the list lacks %s: %s", id, body)
	}
	if status, _, body := call(t, "DELETE", s.URL+"/v1/videos/"+id, "", nil); status != http.StatusOK || !strings.Contains(body, `"deleted":true`) {
		t.Errorf("delete: %d %s", status, body)
	}
	if status, _, _ := call(t, "GET", s.URL+"/v1/videos/"+id, "", nil); status != http.StatusNotFound {
		t.Errorf("after delete: %d, want 404", status)
	}
}

// TestForm sends what OpenAI's clients send: a multipart form.
func TestForm(t *testing.T) {
	t.Parallel()
	s := server(t)
	var body bytes.Buffer
	form := multipart.NewWriter(&body)
	for k, v := range map[string]string{"prompt": "a fox", "model": "sora-2", "seconds": "2"} {
		if err := form.WriteField(k, v); err != nil {
			t.Fatal(err)
		}
	}
	if err := form.Close(); err != nil {
		t.Fatal(err)
	}
	if status, _, answer := call(t, "POST", s.URL+"/v1/videos", form.FormDataContentType(), &body); status != http.StatusOK || !strings.Contains(answer, `"status":"queued"`) {
		t.Errorf("%d %s", status, answer)
	}
}

func TestRange(t *testing.T) {
	t.Parallel()
	s := server(t)
	req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, s.URL+"/v1/videos/"+create(t, s)+"/content", nil)
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("Range", "bytes=4-9")
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close() //nolint:errcheck // only read
	data, err := io.ReadAll(res.Body)
	if err != nil || res.StatusCode != http.StatusPartialContent || len(data) != 6 {
		t.Errorf("%d, %d bytes, %v", res.StatusCode, len(data), err)
	}
}

func TestBadRequests(t *testing.T) {
	t.Parallel()
	s := server(t)
	id := create(t, s)
	tests := []struct {
		name, method, path, body string
		status                   int
		want                     string
	}{
		{"empty prompt", "POST", "/v1/videos", `{"prompt":" "}`, 400, "prompt is empty"},
		{"long prompt", "POST", "/v1/videos", `{"prompt":"` + strings.Repeat("a ", 60) + `"}`, 400, "too long"},
		{"no JSON", "POST", "/v1/videos", `hello`, 400, "JSON"},
		{"huge body", "POST", "/v1/videos", `{"prompt":"` + strings.Repeat("a", wire.MaxChat) + `"}`, 413, "longer than"},
		{"steps out of range", "POST", "/v1/videos", `{"prompt":"a fox","steps":101}`, 400, "steps is 101"},
		{"seed", "POST", "/v1/videos", `{"prompt":"a fox","seed":"x"}`, 400, "seed"},
		{"unknown id", "GET", "/v1/videos/video_none", "", 404, "no video"},
		{"unknown address", "GET", "/v1/dances", "", 404, "no GET /v1/dances"},
		{"limit", "GET", "/v1/videos?limit=0", "", 400, "limit"},
		{"after", "GET", "/v1/videos?after=video_none", "", 400, "after"},
		{"variant", "GET", "/v1/videos/" + id + "/content?variant=spritesheet", "", 400, "variant"},
		{"unknown format", "GET", "/v1/videos/" + id + "/content?format=avi", "", 400, "avi"},
		{"scale", "GET", "/v1/videos/" + id + "/content?scale=99", "", 400, "scale"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			// Not over a connection: one whose body is refused is closed, and the client
			// may hear of that before it hears the answer.
			req := httptest.NewRequestWithContext(t.Context(), tt.method, s.URL+tt.path, strings.NewReader(tt.body))
			req.Header.Set("Content-Type", "application/json")
			rec := httptest.NewRecorder()
			s.Config.Handler.ServeHTTP(rec, req)
			var e struct {
				Error struct{ Message, Type string } `json:"error"`
			}
			if err := json.Unmarshal(rec.Body.Bytes(), &e); err != nil || rec.Code != tt.status || !strings.Contains(e.Error.Message, tt.want) {
				t.Errorf("%d %s, want %d ... %s", rec.Code, rec.Body, tt.status, tt.want)
			}
		})
	}
}

func TestPages(t *testing.T) {
	t.Parallel()
	s := server(t)
	for path, want := range map[string]string{"/": `id="app"`, "/app.js": "/v1/videos", "/style.css": "--accent"} {
		status, h, body := call(t, "GET", s.URL+path, "", nil)
		if status != http.StatusOK || !strings.Contains(body, want) || h.Get("Content-Security-Policy") == "" {
			t.Errorf("%s: %d, %d bytes", path, status, len(body))
		}
	}
}

// TestServeStops checks that a cancelled server ends, event streams included.
func TestServeStops(t *testing.T) {
	t.Parallel()
	l, err := (&net.ListenConfig{}).Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() { done <- Serve(ctx, l, Handler(roomsOf(t, nil, nil))) }()
	if status, _, _ := call(t, "GET", "http://"+l.Addr().String()+"/v1/videos", "", nil); status != http.StatusOK {
		t.Errorf("status %d", status)
	}
	cancel()
	if err := <-done; err != nil {
		t.Error(err)
	}
}

// TestPaging walks the list as OpenAI's clients do.
func TestPaging(t *testing.T) {
	t.Parallel()
	s := server(t)
	want := []string{create(t, s), create(t, s), create(t, s)}
	var got []string
	for after := ""; ; {
		_, _, body := call(t, "GET", s.URL+"/v1/videos?order=asc&limit=2&after="+after, "", nil)
		var list struct {
			Data    []struct{ ID string }
			HasMore bool   `json:"has_more"`
			LastID  string `json:"last_id"`
		}
		if err := json.Unmarshal([]byte(body), &list); err != nil {
			t.Fatal(err)
		}
		for _, v := range list.Data {
			got = append(got, v.ID)
		}
		if after = list.LastID; !list.HasMore {
			break
		}
	}
	if diff := cmp.Diff(got, want); diff != "" {
		t.Error(diff)
	}
}

// TestThumbnail checks that it is a still, far smaller than the clip.
func TestThumbnail(t *testing.T) {
	t.Parallel()
	s := server(t)
	url := s.URL + "/v1/videos/" + create(t, s) + "/content"
	_, _, clip := call(t, "GET", url+"?format=webp", "", nil)
	status, h, still := call(t, "GET", url+"?variant=thumbnail", "", nil)
	if status != http.StatusOK || h.Get("Content-Type") != "image/webp" || len(still) >= len(clip) {
		t.Errorf("%d %s, %d bytes, the clip has %d", status, h.Get("Content-Type"), len(still), len(clip))
	}
}

// TestOtherOrigins checks that a stranger's page cannot make clips through a
// visitor's browser.
func TestOtherOrigins(t *testing.T) {
	t.Parallel()
	s := server(t)
	req, err := http.NewRequestWithContext(t.Context(), http.MethodPost, s.URL+"/v1/videos", strings.NewReader(`{"prompt":"a fox"}`))
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("Origin", "https://elsewhere.example")
	req.Header.Set("Sec-Fetch-Site", "cross-site")
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close() //nolint:errcheck // only its status counts
	if res.StatusCode != http.StatusForbidden {
		t.Errorf("status %d, want 403", res.StatusCode)
	}
}

// TestVideoShape checks that seconds, size and model are honoured or refused.
func TestVideoShape(t *testing.T) {
	t.Parallel()
	s := server(t)
	for body, want := range map[string]string{
		`{"prompt":"a fox","seconds":"2","size":"64x64","model":"kuai-video"}`: `"status"`,
		`{"prompt":"a fox","seconds":4}`:                                       "at most 2.08",
		`{"prompt":"a fox","seconds":"x"}`:                                     `"param":"seconds"`,
		`{"prompt":"a fox","seconds":1,"frames":5}`:                            "both",
		`{"prompt":"a fox","size":"1280x720"}`:                                 "want 64x64",
		`{"prompt":"a fox","model":"gpt-9"}`:                                   `"param":"model"`,
	} {
		if _, _, got := call(t, "POST", s.URL+"/v1/videos", "application/json", strings.NewReader(body)); !strings.Contains(got, want) {
			t.Errorf("%s: %s", body, got)
		}
	}
}
