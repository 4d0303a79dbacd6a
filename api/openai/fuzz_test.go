package openai

import (
	"errors"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"

	"kuai/api/wire"
	"kuai/fault"
)

// refusal checks that an error is one for the client, and not ours.
func refusal(t *testing.T, err error) {
	t.Helper()
	if f, ok := errors.AsType[*fault.Error](err); err != nil && (!ok || f.Code == fault.Internal || f.Message == "") {
		t.Errorf("not an error for a client: %v", err)
	}
}

func FuzzChatRequest(f *testing.F) {
	for _, s := range []string{
		`{"model":"m","messages":[{"role":"user","content":"hi"}],"stream":true,"stream_options":{"include_usage":true}}`,
		`{"messages":[{"role":"developer","content":[{"type":"text","text":"a"}]},{"role":"tool","tool_call_id":"c","content":null}],"stop":["a","b"],"logit_bias":{"5":-100}}`,
		`{"messages":[{"role":"user_system","content":"a","name":"b"},{"role":"sample_message_ai","content":"c"},{"role":"group","content":"d"}]}`,
		`{"tools":[{"type":"function","function":{"name":"f","parameters":{"type":"object"}}}],"tool_choice":{"type":"function","function":{"name":"f"}}}`,
		`{"messages":[{"role":"assistant","tool_calls":[{"id":"1","function":{"name":"f","arguments":"{"}}]}],"tool_choice":"required"}`,
		`{"response_format":{"type":"json_schema","json_schema":{"schema":{"type":"object"}}},"temperature":1e99,"stop":""}`,
		`{"messages":[{"role":"user","content":[{"type":"image_url"}]}]`, ``, `[]`, `null`, `{"messages":{}}`, `{"stop":5}`,
	} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		var q ChatRequest
		err := wire.Unmarshal(data, &q)
		if err != nil {
			refusal(t, err)
			return
		}
		ask, err := q.Talk()
		refusal(t, err)
		if err != nil {
			return
		}
		for _, m := range ask.Messages {
			if !slices.Contains([]string{"system", "user", "assistant", "tool", "memory"}, m.Role) {
				t.Errorf("role %q reached the template", m.Role)
			}
		}
	})
}

func FuzzVideoRequest(f *testing.F) {
	for _, s := range []string{
		`{"prompt":"a fox","seconds":"2","size":"256x256","seed":5}`, `{"prompt":5}`, `{"seed":"-1","steps":1e9}`, `{"input_reference":{"image_url":"x"}}`, `prompt=a+fox&seconds=4`, `%zz`,
	} {
		f.Add(s, false)
		f.Add(s, true)
	}
	f.Fuzz(func(t *testing.T, body string, form bool) {
		r := httptest.NewRequest(http.MethodPost, "/v1/videos", strings.NewReader(body))
		r.Header.Set("Content-Type", "application/json")
		if form {
			r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
		}
		_, err := decodeVideo(httptest.NewRecorder(), r)
		refusal(t, err)
	})
}

func FuzzImageRequest(f *testing.F) {
	for _, s := range []string{`{"prompt":"x","n":"2","size":"32x32"}`, `{"size":"x"}`, `{"n":-1}`, `{"n":{}}`, `{"seed":1.5}`} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		var q imageRequest
		err := wire.Unmarshal(data, &q)
		if err == nil {
			var n int
			if _, n, _, err = q.order(); err == nil && (n < 1 || n > maxPictures) {
				t.Errorf("%d pictures", n)
			}
		}
		refusal(t, err)
	})
}

// TestKinds checks that each code has a row, with a status that says failure.
func TestKinds(t *testing.T) {
	t.Parallel()
	for _, code := range fault.Codes {
		if k, ok := kinds[code]; !ok || k.status < 400 || k.kind == "" || k.code == "" {
			t.Errorf("%s: %+v", code, k)
		}
	}
}
