package api

import (
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"kuai/character/converse"
	"kuai/character/shelf"
	"kuai/models"
	"kuai/text"
)

// village serves the characters with the built-in model.
func village(t *testing.T) *httptest.Server {
	t.Helper()
	dir, err := models.Unpack(models.Companion(), "companion", t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	m, err := text.Open(dir, text.Options{})
	if err != nil {
		t.Fatal(err)
	}
	h := &converse.House{Dir: t.TempDir(), Model: m, Shelf: shelf.Shelf{Dir: t.TempDir()}}
	s := httptest.NewServer(Handler(roomsOf(t, nil, h)))
	t.Cleanup(func() {
		s.Close()
		if err := h.Close(); err != nil {
			t.Error(err)
		}
		_ = m.Close()
	})
	return s
}

// TestCharacters talks to a character over HTTP, looks at what it remembers,
// corrects it, and lets it forget.
func TestCharacters(t *testing.T) {
	t.Parallel()
	s := village(t)
	url := s.URL + "/api/v1/characters"
	get := func(path string, want int, into any) {
		t.Helper()
		status, _, body := call(t, "GET", url+path, "", nil)
		if status != want {
			t.Fatalf("%s: status %d: %s", path, status, body)
		}
		if into != nil {
			if err := json.Unmarshal([]byte(body), into); err != nil {
				t.Fatalf("%s: %v", path, err)
			}
		}
	}
	say := func(body string, want int) string {
		t.Helper()
		status, _, got := call(t, "POST", url+"/lin/messages", "application/json", strings.NewReader(body))
		if status != want {
			t.Fatalf("%s: status %d: %s", body, status, got)
		}
		return got
	}
	var list struct{ Characters []struct{ ID, Name string } }
	get("", 200, &list)
	if len(list.Characters) < 6 {
		t.Errorf("characters: %v", list)
	}
	var told struct {
		Greeting string
		Messages []struct{ Speaker, Text string }
	}
	get("/lin/messages?user=ada", 200, &told)
	if told.Greeting == "" || len(told.Messages) != 0 {
		t.Errorf("before anything was said: %+v", told)
	}
	var reply struct {
		Reply    string
		Recalled []struct {
			Turn uint64
			Text string
		}
	}
	if err := json.Unmarshal([]byte(say(`{"user":"ada","text":"I live in Oslo."}`, 200)), &reply); err != nil || reply.Reply == "" {
		t.Errorf("%+v, %v", reply, err)
	}
	stream := say(`{"user":"ada","text":"Where do I live?","stream":true}`, 200)
	if !strings.Contains(stream, `data: {"delta":`) || !strings.Contains(stream, "event: done\n") || !strings.Contains(stream, "Oslo") {
		t.Errorf("stream: %s", stream)
	}
	say(`{"user":"ada","again":true}`, 200)
	for body, want := range map[string]int{
		`{"user":"ada","text":" "}`: 400, `{"user":"Ada?","text":"hi"}`: 400, `{"language":"xx","text":"hi"}`: 400,
		`{"txt":"hi"}`: 400, `[`: 400, `{"user":"nobody","again":true}`: 400,
	} {
		say(body, want)
	}
	get("/nobody/messages", 404, nil)
	get("/lin/messages?last=0", 400, nil)
	get("/lin/messages?user=ada", 200, &told)
	if told.Greeting = ""; len(told.Messages) != 4 || told.Messages[2].Text != "Where do I live?" {
		t.Errorf("%+v", told)
	}
	var known struct {
		Facts []struct {
			ID     uint64
			Object string
			Turn   uint64
		}
	}
	get("/lin/memory?user=ada", 200, &known)
	if len(known.Facts) == 0 || known.Facts[0].Object != "Oslo" || known.Facts[0].Turn != 1 {
		t.Fatalf("%+v", known)
	}
	for _, tt := range []struct {
		method, path, body string
		want               int
	}{
		{"PATCH", "/lin/memory/1?user=ada", `{"object":"Bergen"}`, 200},
		{"PATCH", "/lin/memory/1?user=ada", `{}`, 400},
		{"PATCH", "/lin/memory/1?user=ada", `{"object":" "}`, 400},
		{"PATCH", "/lin/memory/x?user=ada", `{"object":"Bergen"}`, 400},
		{"DELETE", "/lin/memory/999?user=ada", "", 404},
		{"DELETE", "/lin/memory", "", 400},
		{"DELETE", "/lin/memory?user=ada", "", 204},
	} {
		if status, _, body := call(t, tt.method, url+tt.path, "application/json", strings.NewReader(tt.body)); status != tt.want {
			t.Errorf("%s %s: status %d, want %d: %s", tt.method, tt.path, status, tt.want, body)
		}
		if tt.want == http.StatusOK {
			get("/lin/memory?user=ada", 200, &known)
			if got := known.Facts[len(known.Facts)-1].Object; got != "Bergen" {
				t.Errorf("after the correction: %q", got)
			}
		}
	}
	get("/lin/messages?user=ada", 200, &told)
	if told.Greeting == "" {
		t.Error("not a stranger after everything was forgotten")
	}
}

// TestCards brings a card in, gives it away in every form, and takes it back.
func TestCards(t *testing.T) {
	t.Parallel()
	s := village(t)
	url := s.URL + "/api/v1/characters"
	const mira = `{"spec":"chara_card_v2","spec_version":"2.0","data":{"name":"Mira","description":"A <script>lighthouse</script> keeper.","first_mes":"Ahoy."}}`
	send := func(method, path, body string, want int) string {
		t.Helper()
		status, _, got := call(t, method, url+path, "application/octet-stream", strings.NewReader(body))
		if status != want {
			t.Fatalf("%s %s: status %d, want %d: %s", method, path, status, want, got)
		}
		return got
	}
	if got := send("POST", "", mira, 201); !strings.Contains(got, `"id":"mira"`) {
		t.Errorf("imported: %s", got)
	}
	send("POST", "", mira, 409)
	send("POST", "?replace=true", mira, 201)
	send("POST", "", "not a card", 400)
	for form, kind := range map[string]string{"v2": "application/json", "v3": "application/json", "png": "image/png", "charx": "application/zip"} {
		status, h, data := call(t, "GET", url+"/mira/card?download=1&format="+form, "", nil)
		if status != 200 || h.Get("Content-Type") != kind || !strings.Contains(h.Get("Content-Disposition"), "mira.") {
			t.Errorf("%s: %d %v", form, status, h)
		}
		if got := send("POST", "?replace=true", data, 201); !strings.Contains(got, "Mira") {
			t.Errorf("%s came back as %s", form, got)
		}
	}
	send("GET", "/mira/card?format=exe", "", 400)
	send("GET", "/nobody/card", "", 404)
	send("GET", "/lin/portrait", "", 404)
	send("GET", "/mira/portrait", "", 200)
	send("DELETE", "/lin", "", 403)
	send("DELETE", "/mira", "", 204)
	send("DELETE", "/mira", "", 404)
}

func TestOptions(t *testing.T) {
	t.Parallel()
	s := village(t)
	status, _, body := call(t, "GET", s.URL+"/api/v1/videos/options", "", nil)
	if status != 200 || !strings.Contains(body, `"size":64`) || !strings.Contains(body, `"words":[]`) {
		t.Errorf("%d %s", status, body)
	}
}
