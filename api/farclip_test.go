package api

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"image"
	"image/jpeg"
	"image/png"
	"io"
	"mime/multipart"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"

	"kuai/api/gate"
	"kuai/platform/provider"
	"kuai/platform/provider/comfytest"
)

// farServer is our server in front of a ComfyUI.
func farServer(t *testing.T, name, workflow string) (url string, ui *comfytest.Server, b *book) {
	t.Helper()
	ui, b = comfytest.New(t), newBook()
	c, err := provider.NewComfy(name, []string{ui.URL}, []byte(workflow), "")
	ok(t, err)
	rooms := roomsOf(t, nil, nil)
	rooms.Gate, rooms.Videos = b, clipsOf(t, grey{}, c)
	s := httptest.NewServer(Handler(rooms))
	t.Cleanup(s.Close)
	return s.URL, ui, b
}

// TestComfyModel makes clips on a ComfyUI by name, and where no model is named,
// in OpenAI's and both of MiniMax's dialects, and delivers its file as it is.
func TestComfyModel(t *testing.T) {
	t.Parallel()
	url, ui, b := farServer(t, "wan", comfytest.Workflow)
	ask := func(method, path, body string, want int, words ...string) map[string]any {
		t.Helper()
		status, _, got := call(t, method, url+path, "application/json", strings.NewReader(body))
		if status != want {
			t.Fatalf("%s %s %s: %d %s, want %d", method, path, body, status, got, want)
		}
		for _, w := range words {
			if !strings.Contains(got, w) {
				t.Errorf("%s %s %s: want %s in %s", method, path, body, w, got)
			}
		}
		var v map[string]any
		_ = json.Unmarshal([]byte(got), &v) // events are none
		return v
	}
	var paid []ending
	var reading sync.WaitGroup
	reading.Go(func() {
		for e := range b.ended {
			if e.work.Model != "" { // not a look
				paid = append(paid, e)
			}
		}
	})
	ask("GET", "/v1/models", "", 200, `"id":"wan"`, `"id":"kuai-video"`)
	ask("GET", "/v1/models/wan", "", 200)
	ask("GET", "/api/v1/videos/options", "", 200, `"models":["wan","kuai-video"]`, `{"model":"wan","width":832,"height":480,"frames":81,"fps":16,"stride":4,"takes":["seed","steps","guidance","frames"]}`)
	ask("POST", "/v1/videos", `{"prompt":"a fox","model":"flux"}`, 400, "wan, kuai-video")
	ask("POST", "/v1/videos", `{"prompt":" ","model":"wan"}`, 400, `"param":"prompt"`)
	ask("POST", "/v1/videos", `{"prompt":"a fox","model":"wan","seconds":"9"}`, 400, `"param":"seconds"`)
	ask("POST", "/v1/videos", `{"prompt":"a fox","model":"wan","size":"64x64"}`, 400, "832x480")

	id, _ := ask("POST", "/v1/videos", `{"prompt":"a fox","model":"wan","seconds":"2","size":"832x480"}`, 200, `"model":"wan"`)["id"].(string)
	ask("GET", "/api/v1/videos/"+id+"/events", "", 200, `"status":"completed"`, `"size":"832x480"`, `"seconds":"2.06"`)
	if got := ui.Nodes()["7"].(map[string]any)["inputs"].(map[string]any)["length"]; got != 33.0 {
		t.Errorf("two seconds are %v frames", got)
	}
	content := "/v1/videos/" + id + "/content"
	status, h, data := call(t, "GET", url+content, "", nil)
	if status != 200 || h.Get("Content-Type") != "video/mp4" || data != comfytest.Clip {
		t.Errorf("content: %d %v %q", status, h, data)
	}
	r, err := http.NewRequestWithContext(t.Context(), http.MethodGet, url+content, http.NoBody)
	ok(t, err)
	r.Header.Set("Range", "bytes=4-7")
	res, err := http.DefaultClient.Do(r)
	ok(t, err)
	part, err := io.ReadAll(res.Body)
	_ = res.Body.Close() // was only read
	if err != nil || res.StatusCode != http.StatusPartialContent || string(part) != comfytest.Clip[4:8] {
		t.Errorf("a range: %d %q %v", res.StatusCode, part, err)
	}
	ask("GET", content+"?format=mp4", "", 200)
	ask("GET", content+"?format=gif", "", 400, "not there in this form")
	ask("GET", content+"?variant=thumbnail", "", 400, "not there in this form")
	ask("GET", "/v1/videos", "", 200, id)

	task, _ := ask("POST", "/v1/video_generation", `{"prompt":"a fox","model":"video-01"}`, 200)["task_id"].(string)
	ask("GET", "/api/v1/videos/"+task+"/events", "", 200, `"model":"wan"`)
	ask("GET", "/v1/query/video_generation?task_id="+task, "", 200, `"Success"`, `"video_width":832`)
	file, _ := ask("GET", "/v1/files/retrieve?file_id="+task, "", 200)["file"].(map[string]any)
	address, _ := file["download_url"].(string)
	if status, _, data := call(t, "GET", address, "", nil); status != 200 || data != comfytest.Clip || file["bytes"] != float64(len(data)) {
		t.Errorf("%v: %d %q", file, status, data)
	}
	ask("POST", "/v2/video_generation", `{"model":"wan","ratio":"1:1","content":[{"type":"text","text":"a fox"}]}`, 400, "16:9")
	task, _ = ask("POST", "/v2/video_generation", `{"model":"wan","ratio":"16:9","content":[{"type":"text","text":"a fox"}]}`, 200)["task_id"].(string)
	ask("GET", "/api/v1/videos/"+task+"/events", "", 200, `"status":"completed"`)
	ask("GET", "/v2/query/video_generation/"+task, "", 200, `"ratio":"16:9"`, `"succeeded"`)

	id, _ = ask("POST", "/v1/videos", `{"prompt":"a fox","model":"kuai-video"}`, 200, `"model":"kuai-video"`)["id"].(string)
	ask("GET", "/api/v1/videos/"+id+"/events", "", 200, `"size":"64x64"`)
	ask("GET", "/v1/videos/"+id+"/content?format=gif", "", 200)

	wait, _ := ask("POST", "/v1/videos", `{"prompt":"wait for me"}`, 200, `"model":"wan"`)["id"].(string)
	<-ui.Began()
	ask("DELETE", "/v1/videos/"+wait, "", 200)
	<-ui.Interrupted()
	ask("GET", "/v1/videos/"+wait, "", 404)

	close(b.ended)
	reading.Wait()
	const millis = 33 * 1000 / 16 // of the clip of two seconds
	if len(paid) != 6 || paid[0].released == "" || paid[1].used[gate.VideoMilliseconds] != millis || paid[1].work.Estimate[gate.VideoMilliseconds] != millis || paid[5].released != "cancelled" {
		t.Errorf("paid %+v", paid)
	}
}

// TestComfyPictures makes clips that begin with a picture, in all dialects and in
// every way that they can give one.
func TestComfyPictures(t *testing.T) {
	t.Parallel()
	url, ui, b := farServer(t, "wan-i2v", comfytest.ImageWorkflow)
	b.ended = make(chan ending, 100) // nobody looks
	var buf bytes.Buffer
	ok(t, png.Encode(&buf, image.NewGray(image.Rect(0, 0, 40, 30))))
	data := "data:image/png;base64," + base64.StdEncoding.EncodeToString(buf.Bytes())
	post := func(path, kind, body string) (int, string) {
		status, _, got := call(t, "POST", url+path, kind, strings.NewReader(body))
		return status, got
	}
	form := func(fields map[string]string, file []byte) (kind, body string) {
		var out strings.Builder
		w := multipart.NewWriter(&out)
		for k, v := range fields {
			ok(t, w.WriteField(k, v))
		}
		if file != nil {
			f, err := w.CreateFormFile(map[bool]string{true: "file", false: "input_reference"}[fields["purpose"] != ""], "a.png")
			ok(t, err)
			_, err = f.Write(file)
			ok(t, err)
		}
		ok(t, w.Close())
		return w.FormDataContentType(), out.String()
	}
	kind, body := form(map[string]string{"purpose": "vision"}, buf.Bytes())
	_, got := post("/v1/files", kind, body)
	var uploaded struct{ ID string }
	ok(t, json.Unmarshal([]byte(got), &uploaded))

	type request struct{ path, kind, body string }
	json1 := func(path, body string) request { return request{path, "application/json", body} }
	fields := func(more map[string]string, file []byte) request {
		more["prompt"] = "a fox"
		kind, body := form(more, file)
		return request{"/v1/videos", kind, body}
	}
	for name, r := range map[string]request{
		"openai, address":     json1("/v1/videos", `{"prompt":"a fox","input_reference":{"image_url":"`+data+`"}}`),
		"openai, file":        json1("/v1/videos", `{"prompt":"a fox","input_reference":{"file_id":"`+uploaded.ID+`"}}`),
		"openai, form":        fields(map[string]string{"model": "wan-i2v"}, buf.Bytes()),
		"openai, form's name": fields(map[string]string{"input_reference[image_url]": data}, nil),
		"minimax":             json1("/v1/video_generation", `{"prompt":"a fox","model":"I2V-01","first_frame_image":"`+data+`"}`),
		"minimax v2":          json1("/v2/video_generation", `{"model":"MiniMax-H3","content":[{"type":"image_url","role":"first_frame","image_url":{"url":"`+data+`"}},{"type":"text","text":"a fox"}]}`),
	} {
		status, got := post(r.path, r.kind, r.body)
		var made struct {
			ID   string
			Task string `json:"task_id"`
		}
		if status != 200 || json.Unmarshal([]byte(got), &made) != nil {
			t.Errorf("%s: %d %s", name, status, got)
			continue
		}
		id := made.ID + made.Task
		if status, _, got := call(t, "GET", url+"/api/v1/videos/"+id+"/events", "", nil); status != 200 || !strings.Contains(got, `"completed"`) {
			t.Errorf("%s: %d %s", name, status, got)
		}
		if img, err := jpeg.Decode(bytes.NewReader(ui.Image())); err != nil || img.Bounds().Dx() != 40 {
			t.Errorf("%s: the server loads %d bytes, %v", name, len(ui.Image()), err)
		}
		if r.path == "/v2/video_generation" {
			if _, _, got := call(t, "GET", url+"/v2/query/video_generation/"+id, "", nil); !strings.Contains(got, "image_to_video") {
				t.Errorf("%s: %s", name, got)
			}
		}
		if name == "openai, form" {
			if status, got := post("/v1/videos/"+id+"/remix", "application/json", `{"prompt":"a crab"}`); status != 400 || !strings.Contains(got, "input_reference") {
				t.Errorf("a remix without a picture: %d %s", status, got)
			}
		}
	}
	for name, tt := range map[string]struct {
		request
		says string
	}{
		"none":              {json1("/v1/videos", `{"prompt":"a fox"}`), `"param":"input_reference"`},
		"no picture":        {json1("/v1/videos", `{"prompt":"a fox","input_reference":{"image_url":"data:,hello"}}`), "JPEG, PNG"},
		"not in base64":     {json1("/v1/videos", `{"prompt":"a fox","input_reference":{"image_url":"data:image/png;base64,*"}}`), "base64"},
		"somewhere":         {json1("/v1/videos", `{"prompt":"a fox","input_reference":{"image_url":"https://example.com/a.png"}}`), "fetches no pictures"},
		"no such file":      {json1("/v1/videos", `{"prompt":"a fox","input_reference":{"file_id":"file-12345"}}`), "no file"},
		"twice":             {json1("/v1/videos", `{"prompt":"a fox","input_reference":{"image_url":"`+data+`","file_id":"x"}}`), "twice"},
		"the built-in one":  {json1("/v1/videos", `{"prompt":"a fox","model":"kuai-video","input_reference":{"image_url":"`+data+`"}}`), "words alone"},
		"minimax none":      {json1("/v1/video_generation", `{"prompt":"a fox"}`), "first_frame_image"},
		"minimax last":      {json1("/v1/video_generation", `{"prompt":"a fox","last_frame_image":"`+data+`"}`), "last_frame_image"},
		"minimax v2 none":   {json1("/v2/video_generation", `{"content":[{"type":"text","text":"a fox"}]}`), "begin with a picture"},
		"minimax v2 two":    {json1("/v2/video_generation", `{"content":[{"type":"image_url","image_url":{"url":"`+data+`"}},{"type":"image_url","image_url":{"url":"x"}},{"type":"text","text":"a fox"}]}`), "one picture"},
		"minimax v2 others": {json1("/v2/video_generation", `{"content":[{"type":"video_url"},{"type":"text","text":"a fox"}]}`), "no other video"},
	} {
		if status, got := post(tt.path, tt.kind, tt.body); status == 200 && !strings.Contains(tt.path, "/v1/video_generation") || !strings.Contains(got, tt.says) {
			t.Errorf("%s: %d %s, want %s", name, status, got, tt.says)
		}
	}
}

// TestFixedLength checks that a clip of another length than a workflow's only
// one is refused, and that options tell what a workflow takes.
func TestFixedLength(t *testing.T) {
	t.Parallel()
	url, _, _ := farServer(t, "still", strings.ReplaceAll(comfytest.Workflow, `"${frames}"`, "81"))
	for _, c := range []struct {
		method, path, body string
		status             int
		want               string
	}{
		{"GET", "/api/v1/videos/options", "", 200, `"takes":["seed","steps","guidance"]`},
		{"POST", "/v1/videos", `{"prompt":"a fox","model":"still","seconds":"2"}`, 400, "have always 5.06"},
		{"POST", "/v1/videos", `{"prompt":"a fox","model":"still","seconds":"5.06"}`, 200, `"model":"still"`},
	} {
		status, _, got := call(t, c.method, url+c.path, "application/json", strings.NewReader(c.body))
		if status != c.status || !strings.Contains(got, c.want) {
			t.Errorf("%s %s: %d %s, want %d and %s", c.path, c.body, status, got, c.status, c.want)
		}
	}
}
