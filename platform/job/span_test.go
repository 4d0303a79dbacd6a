package job

import (
	"context"
	"encoding/json"
	"testing"
	"time"

	sdk "go.opentelemetry.io/otel/sdk/trace"
	"go.opentelemetry.io/otel/sdk/trace/tracetest"

	"kuai/fault"
	"kuai/platform/db/dbtest"
	"kuai/platform/event"
)

// TestSpans makes jobs within the trace of whoever submitted them.
func TestSpans(t *testing.T) {
	t.Parallel()
	seen := tracetest.NewSpanRecorder()
	bus := event.Memory()
	t.Cleanup(func() { _ = bus.Close() })
	b := newBench(t, dbtest.Open(t, dbtest.SQLite(t)), bus, Options{Now: time.Now})
	stop := start(t, &Runner{
		Desk: b, Worker: Worker{ID: "w", Name: "rack-1"}, Tracer: sdk.NewTracerProvider(sdk.WithSpanProcessor(seen)).Tracer("test"),
		Runs: map[string]Run{
			"good": func(context.Context, Job, Report) (Made, error) {
				return Made{Usage: map[string]int64{"images": 2}}, nil
			},
			"bad": func(context.Context, Job, Report) (Made, error) {
				return Made{}, fault.New(fault.Invalid, "it cannot be")
			},
		},
	})
	const id = "0af7651916cd43dd8448eb211c80319c"
	for _, kind := range []string{"good", "bad"} {
		j, _, err := b.Submit(t.Context(), Request{
			Org: "o", Kind: kind, Model: "m", Body: json.RawMessage("{}"), Meta: json.RawMessage(`{"traceparent":"00-` + id + `-b7ad6b7169203331-01"}`),
		}, nil)
		must(t, err)
		b.ended(t, j.ID)
	}
	stop()
	spans := seen.Ended()
	if len(spans) != 2 {
		t.Fatalf("%d spans", len(spans))
	}
	for i, want := range []map[string]string{
		{"gen_ai.request.model": "m", "kuai.worker": "rack-1", "kuai.usage.images": "2"},
		{"error.type": string(fault.Invalid)},
	} {
		have := map[string]string{}
		for _, a := range spans[i].Attributes() {
			have[string(a.Key)] = a.Value.String()
		}
		for k, v := range want {
			if have[k] != v {
				t.Errorf("%d: %s is %q, want %q", i, k, have[k], v)
			}
		}
		if spans[i].SpanContext().TraceID().String() != id || spans[i].Name() != "generate_content m" {
			t.Errorf("%d: %s in %s", i, spans[i].Name(), spans[i].SpanContext().TraceID())
		}
	}
}
