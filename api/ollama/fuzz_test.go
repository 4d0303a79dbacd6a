package ollama

import (
	"errors"
	"testing"

	"kuai/api/wire"
	"kuai/fault"
)

func FuzzRequest(f *testing.F) {
	for _, s := range []string{
		`{"model":"m","messages":[{"role":"user","content":"hi"}],"stream":false,"options":{"num_predict":5,"stop":["a"],"seed":1}}`,
		`{"model":"m","prompt":"x","raw":true,"format":"json","think":true}`, `{"model":"m","prompt":"x","format":{"type":"object"},"think":"high","system":"s"}`,
		`{"model":"m","messages":[{"role":"assistant","tool_calls":[{"function":{"name":"f","arguments":{"a":1}}}]},{"role":"tool","tool_name":"f","content":"x"}]}`,
		`{"model":"m","suffix":"x","images":["AAAA"],"context":[1,2]}`, `{"options":{"repeat_last_n":-1,"repeat_penalty":1.1,"mirostat":2}}`, ``, `[]`, `{"options":5}`, `{"format":5,"model":"m"}`,
	} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		var q request
		err := wire.Unmarshal(data, &q)
		if err == nil {
			_, bad := q.chat()
			_, worse := q.generate()
			for _, err := range []error{bad, worse} {
				refusal(t, err)
			}
			return
		}
		refusal(t, err)
	})
}

func refusal(t *testing.T, err error) {
	t.Helper()
	if f, ok := errors.AsType[*fault.Error](err); err != nil && (!ok || f.Code == fault.Internal || f.Message == "") {
		t.Errorf("not an error for a client: %v", err)
	}
}

// TestStatuses checks that each code has one that says failure.
func TestStatuses(t *testing.T) {
	t.Parallel()
	for _, code := range fault.Codes {
		if statuses[code] < 400 {
			t.Errorf("%s: %d", code, statuses[code])
		}
	}
}
