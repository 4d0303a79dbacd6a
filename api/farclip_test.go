package api

import (
	"encoding/json"
	"io"
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
func farServer(t *testing.T) (url string, ui *comfytest.Server, b *book) {
	t.Helper()
	ui, b = comfytest.New(t), newBook()
	c, err := provider.NewComfy("wan", []string{ui.URL}, []byte(comfytest.Workflow), "")
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
	url, ui, b := farServer(t)
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
	ask("GET", "/api/v1/videos/options", "", 200, `"models":["wan","kuai-video"]`)
	ask("POST", "/v1/videos", `{"prompt":"a fox","model":"flux"}`, 400, "wan, kuai-video")
	ask("POST", "/v1/videos", `{"prompt":" ","model":"wan"}`, 400, `"param":"prompt"`)
	ask("POST", "/v1/videos", `{"prompt":"a fox","model":"wan","seconds":"9"}`, 400, `"param":"seconds"`)
	ask("POST", "/v1/videos", `{"prompt":"a fox","model":"wan","size":"64x64"}`, 400, "832x480")

	id, _ := ask("POST", "/v1/videos", `{"prompt":"a fox","model":"wan","seconds":"2","size":"832x480"}`, 200, `"model":"wan"`)["id"].(string)
	ask("GET", "/api/v1/videos/"+id+"/events", "", 200, `"status":"completed"`, `"size":"832x480"`, `"seconds":"2.06"`, "event: preview")
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
