// Package metric counts what a server does, for Prometheus: requests, tokens,
// jobs, reservations and the process itself. Its labels are names of our own,
// never an id, a key, or anything else that a client chooses, so that their
// number is bounded and nobody is named.
package metric

import (
	"context"
	"fmt"
	"net/http"
	"strconv"
	"time"

	"github.com/go-chi/chi/v5"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
	"github.com/prometheus/client_golang/prometheus/promauto"
	"github.com/prometheus/client_golang/prometheus/promhttp"

	"kuai/api/gate"
	"kuai/api/record"
	"kuai/fault"
	"kuai/platform/db"
	"kuai/platform/job"
)

const (
	lookTimeout = 5 * time.Second // for the database to count what is open
	maxScrapes  = 2               // at once
)

// Meter counts. Goroutines may share it.
type Meter struct {
	// Database is where jobs and reservations are counted; nil: nowhere.
	Database *db.DB
	// May says whether a request may read the metrics: nil is yes. Its errors
	// are of package fault.
	May func(r *http.Request) error

	registry     *prometheus.Registry
	requests     *prometheus.CounterVec
	latency      *prometheus.HistogramVec
	used         *prometheus.CounterVec
	jobs         *prometheus.GaugeVec
	ended        *prometheus.CounterVec
	jobSeconds   *prometheus.HistogramVec
	reservations prometheus.Gauge
}

// New returns a meter that has counted nothing.
func New() *Meter {
	r := prometheus.NewRegistry()
	r.MustRegister(collectors.NewGoCollector(), collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}))
	f := promauto.With(r)
	seconds := []float64{.001, .005, .025, .1, .25, .5, 1, 2.5, 5, 10, 30, 60, 300} // an id looked up .. a long answer streamed
	m := &Meter{
		registry:     r,
		requests:     f.NewCounterVec(prometheus.CounterOpts{Name: "kuai_requests_total", Help: "Requests that were answered."}, []string{"dialect", "route", "status"}),
		latency:      f.NewHistogramVec(prometheus.HistogramOpts{Name: "kuai_request_seconds", Help: "Time to the end of an answer.", Buckets: seconds}, []string{"dialect", "route"}),
		used:         f.NewCounterVec(prometheus.CounterOpts{Name: "kuai_used_total", Help: "What requests have used, in the dimensions that are charged, such as input_tokens."}, []string{"dialect", "dimension"}),
		jobs:         f.NewGaugeVec(prometheus.GaugeOpts{Name: "kuai_jobs", Help: "Jobs that have not ended, by state; queued is the queue's length."}, []string{"state"}),
		ended:        f.NewCounterVec(prometheus.CounterOpts{Name: "kuai_jobs_ended_total", Help: "Jobs that ended at this server, by their last state."}, []string{"kind", "state"}),
		jobSeconds:   f.NewHistogramVec(prometheus.HistogramOpts{Name: "kuai_job_seconds", Help: "Time from a job's submission to its end.", Buckets: prometheus.ExponentialBuckets(.5, 2, 16)}, []string{"kind", "state"}),
		reservations: f.NewGauge(prometheus.GaugeOpts{Name: "kuai_reservations_open", Help: "Reservations of money that have not ended."}),
	}
	f.NewCounterFunc(prometheus.CounterOpts{Name: "kuai_database_statements_total", Help: "Statements that this server has sent to its database."}, func() float64 {
		if m.Database == nil {
			return 0
		}
		return float64(m.Database.Statements())
	})
	return m
}

// Register adds GET /metrics.
func (m *Meter) Register(r chi.Router, failed func(http.ResponseWriter, *http.Request, error)) {
	page := promhttp.HandlerFor(m.registry, promhttp.HandlerOpts{MaxRequestsInFlight: maxScrapes})
	r.Get("/metrics", func(w http.ResponseWriter, r *http.Request) {
		if m.May != nil {
			if err := m.May(r); err != nil {
				failed(w, r, err)
				return
			}
		}
		if err := m.look(r.Context()); err != nil {
			failed(w, r, fault.Wrap(err, fault.Overloaded, "the database does not answer"))
			return
		}
		page.ServeHTTP(w, r)
	})
}

// look counts what is open in the database.
func (m *Meter) look(ctx context.Context) error {
	if m.Database == nil {
		return nil
	}
	ctx, stop := context.WithTimeout(ctx, lookTimeout)
	defer stop()
	err := m.Database.Read(ctx, func(tx *db.Tx) error {
		for _, s := range []job.State{job.Queued, job.Running, job.Finalising} {
			var n int64
			if err := tx.QueryRowContext(ctx, "SELECT COUNT(*) FROM jobs WHERE state = ?", string(s)).Scan(&n); err != nil {
				return err
			}
			m.jobs.WithLabelValues(string(s)).Set(float64(n))
		}
		var open int64
		if err := tx.QueryRowContext(ctx, "SELECT COUNT(*) FROM ledger_reservations WHERE state = 'open'").Scan(&open); err != nil {
			return err
		}
		m.reservations.Set(float64(open))
		return nil
	})
	if err != nil {
		return fmt.Errorf("metric: %w", err)
	}
	return nil
}

// Saw counts a request. It is a record.Watcher.
func (m *Meter) Saw(_ context.Context, r record.Request) {
	m.requests.WithLabelValues(r.Dialect, r.Route, strconv.Itoa(r.Status)).Inc()
	m.latency.WithLabelValues(r.Dialect, r.Route).Observe(r.Took.Seconds())
}

// Used counts what a request has used.
func (m *Meter) Used(w gate.Work, used gate.Usage) {
	for dimension, n := range used {
		m.used.WithLabelValues(w.Dialect, string(dimension)).Add(float64(max(n, 0)))
	}
}

// Job is the hook that counts jobs as they end.
func (m *Meter) Job(_ context.Context, tx *db.Tx, j job.Job, _ []job.Action) error {
	if j.State.Final() {
		tx.OnCommit(func() {
			m.ended.WithLabelValues(j.Kind, string(j.State)).Inc()
			m.jobSeconds.WithLabelValues(j.Kind, string(j.State)).Observe(max(0, j.Ended.Sub(j.Created).Seconds()))
		})
	}
	return nil
}
