package api

import (
	"bytes"
	"encoding/json"
	"image/png"
	"mime/multipart"
	"net/http"
	"strings"
	"testing"
)

// upload sends a form with a file.
func upload(t *testing.T, url, purpose, content string) (int, string) {
	t.Helper()
	var body bytes.Buffer
	form := multipart.NewWriter(&body)
	if err := form.WriteField("purpose", purpose); err != nil {
		t.Fatal(err)
	}
	part, err := form.CreateFormFile("file", "notes.txt")
	if err != nil {
		t.Fatal(err)
	}
	if _, err := part.Write([]byte(content)); err != nil {
		t.Fatal(err)
	}
	if err := form.Close(); err != nil {
		t.Fatal(err)
	}
	status, _, answer := call(t, "POST", url, form.FormDataContentType(), &body)
	return status, answer
}

func TestFiles(t *testing.T) {
	t.Parallel()
	s := server(t)
	status, body := upload(t, s.URL+"/v1/files", "user_data", "<script>")
	var f struct {
		ID    string
		Bytes int
	}
	if err := json.Unmarshal([]byte(body), &f); err != nil || status != 200 || f.Bytes != 8 {
		t.Fatalf("%d %s %v", status, body, err)
	}
	if status, _, body := call(t, "GET", s.URL+"/v1/files/"+f.ID, "", nil); status != 200 || !strings.Contains(body, `"filename":"notes.txt"`) {
		t.Errorf("%d %s", status, body)
	}
	status, h, body := call(t, "GET", s.URL+"/v1/files/"+f.ID+"/content", "", nil)
	if status != 200 || body != "<script>" || h.Get("Content-Type") != "application/octet-stream" || !strings.HasPrefix(h.Get("Content-Disposition"), "attachment") {
		t.Errorf("%d %v %s", status, h, body)
	}
	if _, _, body := call(t, "GET", s.URL+"/v1/files?purpose=user_data", "", nil); !strings.Contains(body, f.ID) {
		t.Errorf("list: %s", body)
	}
	if _, _, body := call(t, "GET", s.URL+"/v1/files?purpose=other", "", nil); strings.Contains(body, f.ID) {
		t.Errorf("list of another purpose: %s", body)
	}
	if status, _, body := call(t, "DELETE", s.URL+"/v1/files/"+f.ID, "", nil); status != 200 || !strings.Contains(body, `"deleted":true`) {
		t.Errorf("%d %s", status, body)
	}
	if status, _, _ := call(t, "GET", s.URL+"/v1/files/"+f.ID+"/content", "", nil); status != 404 {
		t.Errorf("after delete: %d", status)
	}
	if status, body := upload(t, s.URL+"/v1/files", "", "x"); status != 400 || !strings.Contains(body, `"param":"purpose"`) {
		t.Errorf("no purpose: %d %s", status, body)
	}
}

func TestImages(t *testing.T) {
	t.Parallel()
	s := server(t)
	status, _, body := call(t, "POST", s.URL+"/v1/images/generations", "application/json", strings.NewReader(`{"prompt":"a fox","n":2,"size":"32x32","seed":5,"response_format":"b64_json"}`))
	var out struct {
		Data []struct {
			Base64 []byte `json:"b64_json"`
			URL    string
			Seed   int `json:"kuai_seed"`
		}
	}
	if err := json.Unmarshal([]byte(body), &out); err != nil || status != 200 || len(out.Data) != 2 || out.Data[1].Seed != 6 {
		t.Fatalf("%d %s %v", status, body, err)
	}
	img, err := png.Decode(bytes.NewReader(out.Data[0].Base64))
	if err != nil || img.Bounds().Dx() != 32 {
		t.Errorf("%v %v", img, err)
	}
	if _, _, body = call(t, "POST", s.URL+"/v1/images/generations", "application/json", strings.NewReader(`{"prompt":"a fox","response_format":"url"}`)); json.Unmarshal([]byte(body), &out) != nil {
		t.Fatal(body)
	}
	status, h, body := call(t, "GET", out.Data[0].URL, "", nil)
	if _, err := png.Decode(strings.NewReader(body)); err != nil || status != 200 || h.Get("Content-Type") != "image/png" {
		t.Errorf("%s: %d %v %v", out.Data[0].URL, status, h, err)
	}
	if status, _, _ := call(t, "GET", strings.Replace(out.Data[0].URL, "sign=", "sign=x", 1), "", nil); status != 403 {
		t.Errorf("a forged address: %d", status)
	}
	if _, _, body := call(t, "GET", s.URL+"/v1/videos", "", nil); !strings.Contains(body, `"data":[]`) {
		t.Errorf("pictures among the videos: %s", body)
	}
	for field, q := range map[string]string{
		"size": `"size":"33x32"`, "n": `"n":99`, "response_format": `"response_format":"bmp"`, "stream": `"stream":true`,
		"model": `"model":"other"`, "output_format": `"output_format":"jpeg"`,
	} {
		if status, _, body := call(t, "POST", s.URL+"/v1/images/generations", "application/json", strings.NewReader(`{"prompt":"a fox",`+q+`}`)); status != 400 || !strings.Contains(body, `"param":"`+field+`"`) {
			t.Errorf("%s: %d %s", field, status, body)
		}
	}
}

func TestRemix(t *testing.T) {
	t.Parallel()
	s := server(t)
	id := create(t, s)
	status, _, body := call(t, "POST", s.URL+"/v1/videos/"+id+"/remix", "application/json", strings.NewReader(`{"prompt":"a cat"}`))
	if status != 200 || !strings.Contains(body, `"remixed_from_video_id":"`+id+`"`) || !strings.Contains(body, `"kuai_seed":5`) || !strings.Contains(body, "a cat") {
		t.Errorf("%d %s", status, body)
	}
	if status, _, _ := call(t, "POST", s.URL+"/v1/videos/video_none/remix", "application/json", strings.NewReader(`{"prompt":"a cat"}`)); status != 404 {
		t.Errorf("of nothing: %d", status)
	}
}

// TestUnsupported checks that what no model can do is refused, clearly.
func TestUnsupported(t *testing.T) {
	t.Parallel()
	s := server(t)
	for _, path := range []string{"/v1/embeddings", "/v1/audio/speech", "/v1/audio/transcriptions", "/v1/images/edits", "/v1/videos/edits", "/v1/responses", "/v1/chat/completions"} {
		status, h, body := call(t, "POST", s.URL+path, "application/json", strings.NewReader(`{"messages":[{"role":"user","content":"x"}]}`))
		if status != http.StatusBadRequest || !strings.Contains(body, `"code":"unsupported"`) || h.Get("X-Request-Id") == "" {
			t.Errorf("%s: %d %s", path, status, body)
		}
	}
}
