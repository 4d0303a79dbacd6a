package job

import (
	"context"
	"encoding/json"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/codes"
	"go.opentelemetry.io/otel/propagation"
	semconv "go.opentelemetry.io/otel/semconv/v1.41.0"
	"go.opentelemetry.io/otel/trace"
	"go.opentelemetry.io/otel/trace/noop"

	"kuai/fault"
)

// parent is what a job's meta has of the trace of whoever submitted it, under
// W3C's names.
type parent struct {
	Traceparent string `json:"traceparent"`
	Tracestate  string `json:"tracestate,omitempty"`
}

// TraceOf returns that part of a meta, nil if there is none: workers elsewhere
// get no more of it.
func TraceOf(meta json.RawMessage) json.RawMessage {
	var p parent
	if json.Unmarshal(meta, &p) != nil || p.Traceparent == "" {
		return nil // the submitter's own meta
	}
	out, err := json.Marshal(p)
	if err != nil {
		return nil // cannot be, of two strings
	}
	return out
}

// traced continues the trace of whoever submitted a job with a span of one
// attempt.
func (r *Runner) traced(ctx context.Context, j Job) (context.Context, trace.Span) {
	var from parent
	if json.Unmarshal(j.Meta, &from) == nil { // else the submitter's own meta
		ctx = propagation.TraceContext{}.Extract(ctx, propagation.MapCarrier{"traceparent": from.Traceparent, "tracestate": from.Tracestate})
	}
	t := r.Tracer
	if t == nil {
		t = noop.NewTracerProvider().Tracer("")
	}
	return t.Start(ctx, "generate_content "+j.Model, trace.WithSpanKind(trace.SpanKindConsumer), trace.WithAttributes(
		semconv.GenAIOperationNameGenerateContent, semconv.GenAIProviderNameKey.String("kuai"), semconv.GenAIRequestModel(j.Model),
		semconv.GenAIOutputTypeKey.String(j.Kind), attribute.String("kuai.job.id", j.ID), attribute.Int("kuai.job.attempt", j.Attempt),
		attribute.String("kuai.worker", r.Worker.Name),
	))
}

// ended ends an attempt's span.
func ended(span trace.Span, made Made, err error) {
	if err != nil {
		span.SetAttributes(semconv.ErrorTypeKey.String(string(fault.From(err).Code)))
		span.SetStatus(codes.Error, fault.From(err).Message)
	}
	for d, n := range made.Usage {
		span.SetAttributes(attribute.Int64("kuai.usage."+d, n))
	}
	span.End()
}
