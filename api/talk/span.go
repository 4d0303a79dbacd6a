package talk

import (
	"context"
	"net/http"
	"sync"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/codes"
	semconv "go.opentelemetry.io/otel/semconv/v1.41.0"
	"go.opentelemetry.io/otel/trace"

	"kuai/api/gate"
)

// admit is the gate's Admit with a span of the trace, by the conventions for
// generative models, from the request's admission until it is settled.
func (rm *Room) admit(r *http.Request, w gate.Work, q Request, provider string) (gate.Ticket, error) {
	t, err := rm.Gate.Admit(r.Context(), r, w)
	if err != nil {
		return nil, err
	}
	in := trace.SpanFromContext(r.Context())
	if !in.IsRecording() {
		return t, nil
	}
	_, span := in.TracerProvider().Tracer("kuai").Start(r.Context(), "chat "+w.Model, trace.WithSpanKind(trace.SpanKindClient), trace.WithAttributes(
		semconv.GenAIOperationNameChat, semconv.GenAIProviderNameKey.String(provider),
		semconv.GenAIRequestModel(w.Model), semconv.GenAIResponseModel(w.Model),
		semconv.GenAIRequestMaxTokensKey.Int64(w.Estimate[gate.OutputTokens]), semconv.GenAIRequestTemperature(q.Sampling.Temperature),
	))
	if q.Sampling.TopP != 0 {
		span.SetAttributes(semconv.GenAIRequestTopP(q.Sampling.TopP))
	}
	if len(q.Stop) > 0 {
		span.SetAttributes(semconv.GenAIRequestStopSequences(q.Stop...))
	}
	return &spanned{Ticket: t, span: span}, nil
}

// spanned is a ticket whose end ends a span.
type spanned struct {
	gate.Ticket
	span trace.Span
	once sync.Once
}

// finished notes why an answer ended.
func finished(t gate.Ticket, why Reason) {
	if s, ok := t.(*spanned); ok && why != "" {
		s.span.SetAttributes(semconv.GenAIResponseFinishReasons(string(why)))
	}
}

// Settle ends the span with what was used.
func (s *spanned) Settle(ctx context.Context, used gate.Usage) error {
	s.once.Do(func() {
		s.span.SetAttributes(
			semconv.GenAIUsageInputTokensKey.Int64(used[gate.InputTokens]), semconv.GenAIUsageOutputTokensKey.Int64(used[gate.OutputTokens]),
			semconv.GenAIUsageCacheReadInputTokensKey.Int64(used[gate.CachedInputTokens]),
		)
		s.span.End()
	})
	return s.Ticket.Settle(ctx, used)
}

// Release ends it as failed.
func (s *spanned) Release(ctx context.Context, reason string) error {
	s.once.Do(func() {
		s.span.SetAttributes(attribute.String("error.type", "released"))
		s.span.SetStatus(codes.Error, reason)
		s.span.End()
	})
	return s.Ticket.Release(ctx, reason)
}
