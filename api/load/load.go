// Package load measures the platform under load: the server's own handler over
// loopback with accounts, limits and the ledger on, before models that cost
// nothing, so that what is measured is the platform alone. The clients run in
// the same process and share its cores.
package load

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"net/http"
	"os"
	"runtime/debug"
	"strconv"
	"strings"
	"sync/atomic"
	"time"

	"kuai/internal/report"
)

const (
	held      = 1000 // streams, issue 4's bar
	quickTime = 4 * time.Second
	fullTime  = 15 * time.Second
	warmTime  = time.Second / 2
	queried   = 32 // jobs that are asked for in turn
	connected = 16
	crowd     = 256
	prompt16  = `{"model":"null","max_tokens":16,"temperature":0,"messages":[{"role":"user","content":"Say the alphabet, please."}]}`
	// What people read comes as a stream of about so many tokens.
	prompt200 = `{"model":"null","max_tokens":200,"temperature":0,"stream":true,"messages":[{"role":"user","content":"Say the alphabet, please."}]}`
)

// Config says how long to measure.
type Config struct {
	Quick bool
	Each  time.Duration     // of a measurement; 0 is 15 s, or 4 s in a hurry
	View  func(what string) // sees what is being measured; may be nil

	streams, crowd int // fewer, in a test
}

func (c Config) view(what string) {
	if c.View != nil {
		c.View(what)
	}
}

// run is a measurement under way.
type run struct {
	cfg    Config
	house  *house
	client *client
	report *report.Report
	failed int64
	first  error
}

// Run measures chats, orders of clips and questions for them, while a thousand
// event streams are open.
func Run(ctx context.Context, cfg Config) (rep *report.Report, err error) {
	if cfg.Each <= 0 {
		cfg.Each = fullTime
		if cfg.Quick {
			cfg.Each = quickTime
		}
	}
	cfg.streams, cfg.crowd = cmp.Or(cfg.streams, held), cmp.Or(cfg.crowd, crowd)
	dir, err := os.MkdirTemp("", "kuai-load-")
	if err != nil {
		return nil, fmt.Errorf("load: %w", err)
	}
	defer func() { err = errors.Join(err, os.RemoveAll(dir)) }()
	h, err := open(ctx, dir)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, h.close()) }()
	r := &run{cfg: cfg, house: h, client: newClient(h), report: &report.Report{
		Machine: report.Machine(), Model: "null models; SQLite; clients in the same process", Notes: map[string]any{"seconds_each": cfg.Each.Seconds()},
	}}
	if load, err := os.ReadFile("/proc/loadavg"); err == nil {
		r.report.Notes["load_average_before"] = strings.TrimSpace(string(load))
	}
	defer close(h.paint.let) // before the house closes: it waits for jobs at work
	defer r.client.http.CloseIdleConnections()
	return r.report, r.all(ctx)
}

func (r *run) all(ctx context.Context) error {
	r.cfg.view("the streams")
	measure(ctx, connected, warmTime, r.chat)
	r.memory("memory, before")
	job, err := r.client.submit(ctx, holdPrompt)
	if err != nil {
		return err
	}
	s, err := r.client.hold(ctx, r.cfg.streams, job)
	if err != nil {
		return err
	}
	defer s.close()
	r.memory("memory, with open streams")
	if err := r.measures(ctx); err != nil {
		return err
	}
	r.report.AtLeast("event streams, open all the while", float64(s.open.Load()), float64(r.cfg.streams), "streams")
	different, err := r.house.audit(ctx)
	if err != nil {
		return err
	}
	r.report.AtMost("differences that the audit finds", float64(different), 0, "")
	r.report.AtMost("requests that failed", float64(r.failed), 0, "")
	if r.first != nil {
		r.report.Notes["first_failure"] = r.first.Error()
	}
	return context.Cause(ctx)
}

// measures takes the rates, the ones that leave work behind last.
func (r *run) measures(ctx context.Context) error {
	r.take(ctx, "chat of 16 tokens, 16 connections", connected, r.chat)
	r.take(ctx, "chat of 16 tokens, 256 connections", r.cfg.crowd, r.chat)
	r.take(ctx, "chat of 200 tokens, streamed, 256 connections", r.cfg.crowd, func(ctx context.Context) error {
		_, err := r.client.call(ctx, http.MethodPost, "/v1/chat/completions", prompt200)
		return err
	})
	var ids []string
	for range queried {
		id, err := r.client.submit(ctx, "a fox")
		if err != nil {
			return err
		}
		ids = append(ids, id)
	}
	var turn atomic.Int64
	r.take(ctx, "query of a job, 16 connections", connected, func(ctx context.Context) error {
		_, err := r.client.call(ctx, http.MethodGet, "/v1/videos/"+ids[turn.Add(1)%queried], "")
		return err
	})
	r.take(ctx, "a clip from its order to its file, 16 connections", connected, r.client.clip)
	r.cfg.Each = min(r.cfg.Each, fullTime) // faster than they are made: what waits must not be all that is measured
	r.take(ctx, "submission of a job, 16 connections", connected, func(ctx context.Context) error {
		_, err := r.client.submit(ctx, "a fox")
		return err
	})
	return nil
}

func (r *run) chat(ctx context.Context) error {
	_, err := r.client.call(ctx, http.MethodPost, "/v1/chat/completions", prompt16)
	return err
}

// take measures one kind of request.
func (r *run) take(ctx context.Context, name string, connections int, ask func(context.Context) error) {
	r.cfg.view(name)
	before, err := processor()
	f := measure(ctx, connections, r.cfg.Each, ask)
	r.failed += f.failed
	if r.first == nil {
		r.first = f.first
	}
	if f.answers == 0 {
		r.report.Missing(name, "requests/s", "nothing was answered")
		return
	}
	r.report.Add(name, f.rate, "requests/s")
	r.report.Add(name+", p50", float64(f.p50)/float64(time.Millisecond), "ms")
	r.report.Add(name+", p99", float64(f.p99)/float64(time.Millisecond), "ms")
	after, again := processor()
	if err = errors.Join(err, again); err != nil {
		r.report.Missing(name+", processor", "µs each", err.Error())
		return
	}
	each := (after - before) / time.Duration(int64(f.answers)+f.failed)
	r.report.Add(name+", processor", float64(each)/float64(time.Microsecond), "µs each, clients and models included")
	r.memory("memory, after " + name)
}

// processor is how much of processors this process has used: unlike rates, that
// holds on a busy machine too.
func processor() (time.Duration, error) {
	stat, err := os.ReadFile("/proc/self/stat")
	if err != nil {
		return 0, fmt.Errorf("load: %w", err)
	}
	_, rest, _ := strings.Cut(string(stat), ") ") // the name may hold anything else
	fields := strings.Fields(rest)
	const user, system, perSecond = 11, 12, 100 // Linux counts hundredths for all programs
	if len(fields) <= system {
		return 0, errors.New("load: the system does not say what it has used")
	}
	ticks := int64(0)
	for _, i := range []int{user, system} {
		n, err := strconv.ParseInt(fields[i], 10, 64)
		if err != nil {
			return 0, fmt.Errorf("load: %w", err)
		}
		ticks += n
	}
	return time.Duration(ticks) * time.Second / perSecond, nil
}

// memory reports what the process holds once its garbage is given back.
func (r *run) memory(name string) {
	debug.FreeOSMemory()
	mib, err := resident()
	if err != nil {
		r.report.Missing(name, "MiB", err.Error())
		return
	}
	r.report.Add(name, mib, "MiB resident")
}

// resident is what the system says, in MiB.
func resident() (float64, error) {
	data, err := os.ReadFile("/proc/self/status")
	if err != nil {
		return 0, fmt.Errorf("load: %w", err)
	}
	for line := range strings.Lines(string(data)) {
		if rest, ok := strings.CutPrefix(line, "VmRSS:"); ok {
			kb, err := strconv.ParseFloat(strings.TrimSpace(strings.TrimSuffix(strings.TrimSpace(rest), "kB")), 64)
			return kb / 1024, err
		}
	}
	return 0, errors.New("load: the system does not say what is resident")
}
