package api

import (
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"kuai/par"
	"kuai/serve/chat"
	"kuai/serve/chat/chattest"
	"kuai/text"
)

// talking serves a tiny model with random weights.
func talking(t *testing.T) *httptest.Server {
	t.Helper()
	return talkingIn(t, func(*Rooms) {})
}

// talkingIn is talking in rooms that were changed.
func talkingIn(t *testing.T, change func(*Rooms)) *httptest.Server {
	t.Helper()
	pool := par.New(1)
	l, err := chat.Open(t.Context(), chattest.Hybrid(t), text.Options{Pool: pool}, chat.Options{})
	if err != nil {
		t.Fatal(err)
	}
	g := &chat.Group{}
	if !g.Add("tiny", l) || g.Add("tiny", l) {
		t.Fatal("a name was given twice")
	}
	rooms := roomsOf(t, g, nil)
	change(&rooms)
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

type completion struct {
	Object, Model string
	Choices       []struct {
		Message, Delta struct{ Role, Content string }
		LogProbs       struct{ Content []struct{ Token string } }
		Finish         string `json:"finish_reason"`
	}
	Usage struct {
		Completion int `json:"completion_tokens"`
		Prompt     int `json:"prompt_tokens"`
	}
}

func TestChatCompletion(t *testing.T) {
	t.Parallel()
	s := talking(t)
	ask := func(stream string) string {
		return `{"model":"tiny","messages":[{"role":"developer","content":"Be brief."},{"role":"user","content":[{"type":"text","text":"Hello"}]}],
			"max_completion_tokens":12,"seed":7,"temperature":0.9,"logprobs":true,"top_logprobs":2,"stop":null,"user":"u"` + stream + `}`
	}
	status, _, body := call(t, "POST", s.URL+"/v1/chat/completions", "application/json", strings.NewReader(ask("")))
	var whole completion
	if err := json.Unmarshal([]byte(body), &whole); err != nil || status != http.StatusOK {
		t.Fatalf("%d %s: %v", status, body, err)
	}
	c := whole.Choices[0]
	if whole.Object != "chat.completion" || whole.Model != "tiny" || c.Message.Role != "assistant" || c.Finish != "length" ||
		whole.Usage.Completion != 12 || whole.Usage.Prompt == 0 || len(c.LogProbs.Content) != 12 {
		t.Errorf("got %s", body)
	}

	status, header, body := call(t, "POST", s.URL+"/v1/chat/completions", "application/json", strings.NewReader(ask(`,"stream":true,"stream_options":{"include_usage":true}`)))
	if status != http.StatusOK || !strings.HasPrefix(header.Get("Content-Type"), "text/event-stream") || !strings.HasSuffix(body, "data: [DONE]\n\n") {
		t.Fatalf("%d %v %q", status, header, body)
	}
	var text, finish string
	usage := 0
	for event := range strings.SplitSeq(strings.TrimSuffix(body, "data: [DONE]\n\n"), "\n\n") {
		if event == "" {
			continue
		}
		var piece completion
		if err := json.Unmarshal([]byte(strings.TrimPrefix(event, "data: ")), &piece); err != nil {
			t.Fatalf("%q: %v", event, err)
		}
		for _, c := range piece.Choices {
			text += c.Delta.Content
			finish += c.Finish
		}
		usage += piece.Usage.Completion
	}
	if strings.TrimSpace(text) != c.Message.Content || finish != "length" || usage != 12 {
		t.Errorf("streamed %q, finish %q, %d tokens; whole %q", text, finish, usage, c.Message.Content)
	}
}

func TestChatModels(t *testing.T) {
	t.Parallel()
	s := talking(t)
	if _, _, body := call(t, "GET", s.URL+"/v1/models", "", nil); !strings.Contains(body, `"id":"tiny"`) || !strings.Contains(body, `"id":"kuai-video"`) {
		t.Errorf("got %s", body)
	}
	if status, _, _ := call(t, "GET", s.URL+"/v1/models/tiny", "", nil); status != http.StatusOK {
		t.Errorf("status %d", status)
	}
	if status, _, body := call(t, "GET", s.URL+"/v1/models/gpt-9", "", nil); status != http.StatusNotFound || !strings.Contains(body, "model_not_found") {
		t.Errorf("%d %s", status, body)
	}
}

// TestChatRefuses checks that what cannot be is refused with the parameter's
// name, and that the server goes on.
func TestChatRefuses(t *testing.T) {
	t.Parallel()
	s := talking(t)
	const hello = `"messages":[{"role":"user","content":"hi"}]`
	for name, c := range map[string]struct {
		body   string
		status int
		want   string
	}{
		"no JSON":       {`{"messages":`, 400, "JSON"},
		"no messages":   {`{"model":"tiny"}`, 400, `"param":"messages"`},
		"unknown model": {`{"model":"x",` + hello + `}`, 404, "model_not_found"},
		"n":             {`{` + hello + `,"n":3}`, 400, `"param":"n"`},
		"role":          {`{"messages":[{"role":"king","content":"hi"}]}`, 400, "king"},
		"an image":      {`{"messages":[{"role":"user","content":[{"type":"image_url","image_url":{}}]}]}`, 400, "image_url"},
		"temperature":   {`{` + hello + `,"temperature":-1}`, 400, "temperature"},
		"max_tokens":    {`{` + hello + `,"max_tokens":0}`, 400, `"param":"max_tokens"`},
		"format":        {`{` + hello + `,"response_format":{"type":"xml"}}`, 400, "xml"},
		"schema":        {`{` + hello + `,"response_format":{"type":"json_schema","json_schema":{"schema":{"type":"soup"}}}}`, 400, "response_format"},
		"tool_choice":   {`{` + hello + `,"tools":[],"tool_choice":"required"}`, 400, `"param":"tool_choice"`},
		"audio":         {`{` + hello + `,"modalities":["text","audio"]}`, 400, `"param":"modalities"`},
		"functions":     {`{` + hello + `,"functions":[{"name":"f"}]}`, 400, `"param":"functions"`},
		"bias":          {`{` + hello + `,"logit_bias":{"x":1}}`, 400, `"param":"logit_bias"`},
		"too long":      {`{"messages":[{"role":"user","content":"` + strings.Repeat("a ", chattest.Context) + `"}]}`, 400, "context_length_exceeded"},
	} {
		status, _, body := call(t, "POST", s.URL+"/v1/chat/completions", "application/json", strings.NewReader(c.body))
		if status != c.status || !strings.Contains(body, c.want) {
			t.Errorf("%s: %d %s", name, status, body)
		}
	}
	if status, _, body := call(t, "POST", s.URL+"/v1/chat/completions", "application/json", strings.NewReader(`{`+hello+`,"max_tokens":2}`)); status != 200 {
		t.Errorf("after all that: %d %s", status, body)
	}
}
