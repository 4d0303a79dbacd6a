// Package telemetry sends the spans of traces to a collector, by OTLP over HTTP.
// Who makes spans takes a trace.Tracer, or goes on with the one in its context.
package telemetry

import (
	"context"
	"errors"
	"fmt"
	"net/url"
	"os"
	"time"

	"go.opentelemetry.io/otel/exporters/otlp/otlptrace/otlptracehttp"
	"go.opentelemetry.io/otel/sdk/resource"
	sdk "go.opentelemetry.io/otel/sdk/trace"
	semconv "go.opentelemetry.io/otel/semconv/v1.41.0"
	"go.opentelemetry.io/otel/trace"
)

// Scope is the name of Kuai's instruments.
const Scope = "kuai"

// closeTimeout is how long the last spans may take at the end.
const closeTimeout = 5 * time.Second

// Exporter sends spans until Close.
type Exporter struct {
	trace.Tracer
	provider *sdk.TracerProvider
}

// Check says whether an endpoint could be one: "" is none.
func Check(endpoint string) error {
	if endpoint == "" {
		return nil
	}
	u, err := url.Parse(endpoint)
	if err != nil || u.Host == "" || u.Scheme != "http" && u.Scheme != "https" {
		return errors.New("telemetry: want the address of a collector, such as http://127.0.0.1:4318") // not what was given: it may hold a password
	}
	return nil
}

// Open sends spans to a collector, whose paths are OTLP's below the endpoint.
// service and version say who sends. The variables of OpenTelemetry for headers,
// time-outs, sampling and resources hold; the last ones go before service.
func Open(ctx context.Context, endpoint, service, version string) (*Exporter, error) {
	if err := Check(endpoint); err != nil {
		return nil, err
	}
	u, err := url.Parse(endpoint)
	if err != nil {
		return nil, fmt.Errorf("telemetry: %w", err)
	}
	out, err := otlptracehttp.New(ctx, otlptracehttp.WithEndpointURL(u.JoinPath("v1/traces").String()))
	if err != nil {
		return nil, fmt.Errorf("telemetry: %w", err)
	}
	host, err := os.Hostname()
	if err != nil {
		host = ""
	}
	about, err := resource.New(ctx,
		resource.WithTelemetrySDK(), resource.WithAttributes(semconv.ServiceName(service), semconv.ServiceVersion(version), semconv.HostName(host)), resource.WithFromEnv())
	if err != nil {
		return nil, errors.Join(fmt.Errorf("telemetry: %w", err), out.Shutdown(ctx))
	}
	p := sdk.NewTracerProvider(sdk.WithBatcher(out), sdk.WithResource(about))
	return &Exporter{p.Tracer(Scope), p}, nil
}

// Close sends what waits, if the collector takes it soon.
func (e *Exporter) Close(ctx context.Context) error {
	ctx, stop := context.WithTimeout(context.WithoutCancel(ctx), closeTimeout)
	defer stop()
	if err := e.provider.Shutdown(ctx); err != nil {
		return fmt.Errorf("telemetry: %w", err)
	}
	return nil
}
