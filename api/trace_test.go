package api

import (
	"bufio"
	"bytes"
	"encoding/hex"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"

	collector "go.opentelemetry.io/proto/otlp/collector/trace/v1"
	common "go.opentelemetry.io/proto/otlp/common/v1"
	otlp "go.opentelemetry.io/proto/otlp/trace/v1"
	"google.golang.org/protobuf/proto"

	"kuai/api/record"
	"kuai/platform/telemetry"
)

// spans is a collector of OpenTelemetry's.
type spans struct {
	mu   sync.Mutex
	all  map[string]*otlp.Span // by name
	from string                // the service
}

func (s *spans) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	s.mu.Lock()
	defer s.mu.Unlock()
	var in collector.ExportTraceServiceRequest
	body, err := io.ReadAll(r.Body)
	if err == nil {
		err = proto.Unmarshal(body, &in)
	}
	if err != nil || r.URL.Path != "/v1/traces" {
		w.WriteHeader(http.StatusBadRequest)
		return
	}
	for _, rs := range in.GetResourceSpans() {
		s.from = attributes(rs.GetResource().GetAttributes())["service.name"]
		for _, ss := range rs.GetScopeSpans() {
			for _, one := range ss.GetSpans() {
				s.all[one.GetName()] = one
			}
		}
	}
	w.Header().Set("Content-Type", "application/x-protobuf")
}

func attributes(all []*common.KeyValue) map[string]string {
	out := map[string]string{}
	for _, kv := range all {
		switch v := kv.GetValue(); {
		case v.GetStringValue() != "":
			out[kv.GetKey()] = v.GetStringValue()
		default:
			text, _ := json.Marshal(v.GetIntValue())
			out[kv.GetKey()] = string(text)
		}
	}
	return out
}

// lines are a log's.
func lines(t *testing.T, log *bytes.Buffer) (all []map[string]any) {
	t.Helper()
	for s := bufio.NewScanner(log); s.Scan(); {
		var line map[string]any
		if err := json.Unmarshal(s.Bytes(), &line); err != nil {
			t.Fatalf("%s: %v", s.Text(), err)
		}
		all = append(all, line)
	}
	return all
}

// TestTrace asks a model within a trace, and finds the request and the model's
// part in a collector and in the log.
func TestTrace(t *testing.T) {
	t.Parallel()
	got := &spans{all: map[string]*otlp.Span{}}
	c := httptest.NewServer(got)
	t.Cleanup(c.Close)
	e, err := telemetry.Open(t.Context(), c.URL, "kuai", "test")
	if err != nil {
		t.Fatal(err)
	}
	var out bytes.Buffer
	log, err := record.NewLog(&out, "json", "info")
	if err != nil {
		t.Fatal(err)
	}
	s := talkingIn(t, func(r *Rooms) { r.Tracer, r.Log = e, log })

	const id, parent = "0af7651916cd43dd8448eb211c80319c", "b7ad6b7169203331"
	ask := func(path, body string) http.Header {
		r, err := http.NewRequestWithContext(t.Context(), http.MethodPost, s.URL+path, strings.NewReader(body))
		if err != nil {
			t.Fatal(err)
		}
		r.Header.Set("Traceparent", "00-"+id+"-"+parent+"-01")
		r.Header.Set("Authorization", "Bearer sk-very-secret")
		answer, err := http.DefaultClient.Do(r)
		if err != nil {
			t.Fatal(err)
		}
		_, err = io.Copy(io.Discard, answer.Body)
		if err := errors.Join(err, answer.Body.Close()); err != nil {
			t.Fatal(err)
		}
		return answer.Header
	}
	header := ask("/v1/chat/completions", `{"model":"tiny","messages":[{"role":"user","content":"my secret"}],"max_tokens":5,"temperature":0.5,"seed":1,"stream":true}`) // a model of random weights may else say less than five tokens
	ask("/v1/nothing?secret=1", "{}")
	health, err := http.Get(s.URL + "/healthz")
	if err != nil {
		t.Fatal(err)
	}
	_ = health.Body.Close()
	s.Close() // all requests are told of
	if err := e.Close(t.Context()); err != nil {
		t.Fatal(err)
	}

	server, model := got.all["POST /v1/chat/completions"], got.all["chat tiny"]
	if server == nil || model == nil || got.from != "kuai" {
		t.Fatalf("the collector has %v from %q", got.all, got.from)
	}
	if hex.EncodeToString(server.GetTraceId()) != id || hex.EncodeToString(server.GetParentSpanId()) != parent ||
		!bytes.Equal(model.GetTraceId(), server.GetTraceId()) || !bytes.Equal(model.GetParentSpanId(), server.GetSpanId()) {
		t.Errorf("not one trace: %v, %v", server, model)
	}
	request := header.Get("X-Request-Id")
	for _, want := range []struct {
		span        *otlp.Span
		name, value string
	}{
		{server, "http.request.method", "POST"},
		{server, "http.response.status_code", "200"},
		{server, "kuai.request.id", request},
		{server, "kuai.dialect", "openai"},
		{model, "gen_ai.operation.name", "chat"},
		{model, "gen_ai.provider.name", "kuai"},
		{model, "gen_ai.request.model", "tiny"},
		{model, "gen_ai.request.max_tokens", "5"},
		{model, "gen_ai.usage.output_tokens", "5"},
	} {
		if have := attributes(want.span.GetAttributes())[want.name]; have != want.value {
			t.Errorf("%s: %s is %q, want %q", want.span.GetName(), want.name, have, want.value)
		}
	}
	if strings.Contains(out.String(), "secret") {
		t.Errorf("a secret is in %s", &out)
	}
	all := lines(t, &out)
	if len(all) != 2 { // none of /healthz
		t.Fatalf("%d lines: %v", len(all), all)
	}
	for name, want := range map[string]any{
		"msg": "request", "level": "INFO", "route": "POST /v1/chat/completions", "status": 200.0, "dialect": "openai",
		"key": "local", "model": "tiny", "output_tokens": 5.0, "request": request, "trace": id,
	} {
		if all[0][name] != want {
			t.Errorf("%s is %v, want %v", name, all[0][name], want)
		}
	}
	if all[1]["status"] != 404.0 || all[1]["trace"] != id {
		t.Errorf("got %v", all[1])
	}
}
