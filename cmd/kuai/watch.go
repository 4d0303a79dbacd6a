package main

import (
	"context"
	"errors"
	"log/slog"
	"os"
	"strings"

	"github.com/spf13/pflag"
	"go.opentelemetry.io/otel/trace"

	"kuai/api/record"
	"kuai/platform/config"
	"kuai/platform/telemetry"
)

// watchOptions are how a server and a worker tell what they do.
type watchOptions struct {
	format, level string // of the log
	endpoint      string // of traces
}

func (o *watchOptions) flags(f *pflag.FlagSet) {
	f.StringVar(&o.format, "log-format", "text", "the log's lines: text or json")
	f.StringVar(&o.level, "log-level", "info", "the log from: debug, info, warn or error")
	f.StringVar(&o.endpoint, "otlp-endpoint", "", "collector of OpenTelemetry traces, such as http://127.0.0.1:4318 (default: none; environment: OTEL_EXPORTER_OTLP_ENDPOINT)")
	config.Also(f, "otlp-endpoint", "OTEL_EXPORTER_OTLP_ENDPOINT")
}

// check says what of it cannot be.
func (o *watchOptions) check(p *problems) {
	if _, err := record.NewLog(os.Stderr, o.format, "info"); err != nil {
		p.add("log-format", err)
	}
	if _, err := record.NewLog(os.Stderr, "text", o.level); err != nil {
		p.add("log-level", err)
	}
	p.add("otlp-endpoint", telemetry.Check(o.endpoint))
}

// open makes the process's log and, unless there is no collector, sends spans.
// The tracer is nil without. done sends what waits.
func (o *watchOptions) open(ctx context.Context, service string) (log *slog.Logger, spans trace.Tracer, done func(), err error) {
	if log, err = record.NewLog(os.Stderr, o.format, o.level); err != nil {
		return nil, nil, nil, usage(err)
	}
	slog.SetDefault(log)
	if o.endpoint == "" || strings.EqualFold(os.Getenv("OTEL_SDK_DISABLED"), "true") {
		return log, nil, func() {}, nil
	}
	e, err := telemetry.Open(ctx, o.endpoint, service, version)
	if err != nil {
		return nil, nil, nil, err
	}
	return log, e, func() {
		if err := e.Close(ctx); err != nil && !errors.Is(err, context.Canceled) {
			log.Warn("the last spans were not sent", "error", err)
		}
	}, nil
}
