package webhook

import (
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"time"

	"kuai/fault"
	"kuai/platform/db"
	"kuai/platform/fetch"
	"kuai/platform/job"
)

const (
	maxEndpoints = 20 // of an organisation
	maxEvents    = 32 // that one names
	maxName      = 255
	maxBody      = 256 << 10
	maxPage      = 100
	// maxFailures in a row disable an endpoint: days of silence.
	maxFailures = 50
)

// State is where a delivery stands.
type State string

// The states of a delivery.
const (
	Waiting   State = "waiting"
	Delivered State = "delivered"
	Failed    State = "failed"
)

// Endpoint is where an organisation wants to be told.
type Endpoint struct {
	ID       string
	Org      string
	URL      string
	Secret   string
	Events   []string // such as job.done; empty: all
	Failures int      // in a row
	Disabled time.Time
	Created  time.Time
}

// Delivery is something told, or to be told.
type Delivery struct {
	ID       string
	Org      string
	Endpoint string // "" for the call-back of a request
	URL      string
	Job      string
	Event    string
	Body     []byte
	State    State
	Attempts int
	Next     time.Time
	Status   int // of HTTP; 0: no answer
	Error    string
	Created  time.Time
	Ended    time.Time
}

// Options of a service. DB and Client are needed.
type Options struct {
	DB     *db.DB
	Client *fetch.Client
	Now    func() time.Time // nil is time.Now
	Jitter func() float64   // nil is chance
}

// Service keeps endpoints and deliveries. Goroutines and processes may share
// its database.
type Service struct {
	db     *db.DB
	client *fetch.Client
	now    func() time.Time
	jitter func() float64
	wake   chan struct{}
}

// New returns the service of a database.
func New(o Options) *Service {
	s := &Service{db: o.DB, client: o.Client, now: o.Now, jitter: o.Jitter, wake: make(chan struct{}, 1)}
	if s.now == nil {
		s.now = time.Now
	}
	if s.jitter == nil {
		s.jitter = rand.Float64
	}
	return s
}

// Register adds an endpoint of an organisation, with a new secret.
func (s *Service) Register(ctx context.Context, org, address string, events []string) (e Endpoint, err error) {
	if err := fetch.Check(address); err != nil {
		f := fault.From(err)
		f.Param = "url"
		return e, f
	}
	if len(events) > maxEvents || slices.ContainsFunc(events, func(e string) bool { return len(e) > maxName }) {
		return e, fault.Param("events", "an endpoint names at most %d events", maxEvents)
	}
	e = Endpoint{ID: db.NewID("whe"), Org: org, URL: address, Secret: NewSecret(), Events: events, Created: db.Time(db.Micros(s.now()))}
	list, err := json.Marshal(append([]string{}, events...))
	if err != nil {
		return e, wrap(err)
	}
	err = s.db.Tx(ctx, func(tx *db.Tx) error {
		var n int
		if err := tx.QueryRowContext(ctx, "SELECT COUNT(*) FROM webhook_endpoints WHERE org = ?", org).Scan(&n); err != nil {
			return wrap(err)
		}
		if n >= maxEndpoints {
			return fault.New(fault.Conflict, "an organisation has at most %d endpoints", maxEndpoints)
		}
		_, err := tx.ExecContext(ctx, "INSERT INTO webhook_endpoints (id, org, url, secret, events, failures, disabled, created) VALUES (?, ?, ?, ?, ?, 0, 0, ?)",
			e.ID, org, address, e.Secret, string(list), db.Micros(e.Created))
		return wrap(err)
	})
	return e, err
}

func wrap(err error) error {
	if err == nil {
		return nil
	}
	return fmt.Errorf("webhook: %w", err)
}

const selectEndpoint = "SELECT id, org, url, secret, events, failures, disabled, created FROM webhook_endpoints"

func scanEndpoint(row interface{ Scan(...any) error }) (e Endpoint, err error) {
	var events string
	var disabled, created int64
	if err = row.Scan(&e.ID, &e.Org, &e.URL, &e.Secret, &events, &e.Failures, &disabled, &created); err != nil {
		return e, err
	}
	e.Disabled, e.Created = db.Time(disabled), db.Time(created)
	return e, json.Unmarshal([]byte(events), &e.Events)
}

// collect scans all rows of a query.
func collect[T any](ctx context.Context, tx *db.Tx, scan func(interface{ Scan(...any) error }) (T, error), query string, args ...any) (out []T, err error) {
	rows, err := tx.QueryContext(ctx, query, args...)
	if err != nil {
		return nil, wrap(err)
	}
	defer func() { err = errors.Join(err, rows.Close()) }()
	for rows.Next() {
		v, err := scan(rows)
		if err != nil {
			return nil, wrap(err)
		}
		out = append(out, v)
	}
	return out, wrap(rows.Err())
}

// Endpoints lists those of an organisation.
func (s *Service) Endpoints(ctx context.Context, org string) (out []Endpoint, err error) {
	err = s.db.Read(ctx, func(tx *db.Tx) error {
		out, err = collect(ctx, tx, scanEndpoint, selectEndpoint+" WHERE org = ? ORDER BY id", org)
		return err
	})
	return out, err
}

// Enable lets an endpoint be told again after it was disabled.
func (s *Service) Enable(ctx context.Context, org, id string) error {
	return s.change(ctx, org, id, "UPDATE webhook_endpoints SET disabled = 0, failures = 0 WHERE org = ? AND id = ?")
}

// Remove ends an endpoint.
func (s *Service) Remove(ctx context.Context, org, id string) error {
	return s.change(ctx, org, id, "DELETE FROM webhook_endpoints WHERE org = ? AND id = ?")
}

func (s *Service) change(ctx context.Context, org, id, query string) error {
	return s.db.Tx(ctx, func(tx *db.Tx) error {
		res, err := tx.ExecContext(ctx, query, org, id)
		if err != nil {
			return wrap(err)
		}
		if n, err := res.RowsAffected(); err != nil || n == 1 {
			return wrap(err)
		}
		return fault.New(fault.NotFound, "there is no endpoint %s", id)
	})
}

// Send notes a call-back in the transaction in which it comes to be.
func (s *Service) Send(ctx context.Context, tx *db.Tx, d Delivery) error {
	if len(d.Body) > maxBody {
		return fault.New(fault.TooLarge, "a call-back has at most %d bytes", maxBody)
	}
	now := db.Micros(s.now())
	_, err := tx.ExecContext(ctx, `INSERT INTO webhook_deliveries (id, org, endpoint, url, job, event, body, state, attempts, next_at, status, error, created, ended)
		VALUES (?, ?, ?, ?, ?, ?, ?, ?, 0, ?, 0, '', ?, 0)`,
		db.NewID("msg"), d.Org, d.Endpoint, d.URL, d.Job, d.Event, string(d.Body), string(Waiting), now, now)
	tx.OnCommit(func() {
		select {
		case s.wake <- struct{}{}:
		default:
		}
	})
	return wrap(err)
}

// Publish notes an event for every endpoint of an organisation that wants it.
func (s *Service) Publish(ctx context.Context, tx *db.Tx, org, jobID, event string, body []byte) error {
	all, err := collect(ctx, tx, scanEndpoint, selectEndpoint+" WHERE org = ? AND disabled = 0 ORDER BY id", org)
	if err != nil {
		return err
	}
	for _, e := range all {
		if len(e.Events) > 0 && !slices.Contains(e.Events, event) {
			continue
		}
		if err := s.Send(ctx, tx, Delivery{Org: org, Endpoint: e.ID, URL: e.URL, Job: jobID, Event: event, Body: body}); err != nil {
			return err
		}
	}
	return nil
}

// Event is the body of an event about a job.
type Event struct {
	Type    string `json:"type"` // such as job.done
	Created int64  `json:"created_at"`
	Data    struct {
		ID    string       `json:"id"`
		Kind  string       `json:"kind"`
		Model string       `json:"model"`
		State job.State    `json:"state"`
		Files []job.Output `json:"files,omitempty"`
		Error *struct {
			Code    fault.Code `json:"code"`
			Message string     `json:"message"`
		} `json:"error,omitempty"`
	} `json:"data"`
}

// Hook is to be given to a queue: it tells the organisation's endpoints of the
// end of each job (job.done, job.failed, job.cancelled, job.expired), and the
// call-back of a request of each change; callback returns its address and body,
// "" for none, and may be nil.
func (s *Service) Hook(callback func(j job.Job) (url string, body []byte)) job.Hook {
	return func(ctx context.Context, tx *db.Tx, j job.Job, _ []job.Action) error {
		if callback != nil {
			if url, body := callback(j); url != "" {
				if err := s.Send(ctx, tx, Delivery{Org: j.Org, URL: url, Job: j.ID, Event: "job." + string(j.State), Body: body}); err != nil {
					return err
				}
			}
		}
		if !j.State.Final() {
			return nil
		}
		e := Event{Type: "job." + string(j.State), Created: s.now().Unix()}
		e.Data.ID, e.Data.Kind, e.Data.Model, e.Data.State, e.Data.Files = j.ID, j.Kind, j.Model, j.State, j.Result.Outputs
		if j.Error != nil {
			e.Data.Error = &struct {
				Code    fault.Code `json:"code"`
				Message string     `json:"message"`
			}{j.Error.Code, j.Error.Message}
		}
		body, err := json.Marshal(e)
		if err != nil {
			return wrap(err)
		}
		return s.Publish(ctx, tx, j.Org, j.ID, e.Type, body)
	}
}

const selectDelivery = "SELECT id, org, endpoint, url, job, event, body, state, attempts, next_at, status, error, created, ended FROM webhook_deliveries"

func scanDelivery(row interface{ Scan(...any) error }) (d Delivery, err error) {
	var next, created, ended int64
	err = row.Scan(&d.ID, &d.Org, &d.Endpoint, &d.URL, &d.Job, &d.Event, &d.Body, &d.State, &d.Attempts, &next, &d.Status, &d.Error, &created, &ended)
	d.Next, d.Created, d.Ended = db.Time(next), db.Time(created), db.Time(ended)
	return d, err
}

// Deliveries returns the log of an organisation, the newest first, from before
// one on.
func (s *Service) Deliveries(ctx context.Context, org, before string) (out []Delivery, err error) {
	query, args := selectDelivery+" WHERE org = ?", []any{org}
	if before != "" {
		query += " AND id < ?"
		args = append(args, strings.ReplaceAll(before, "\x00", ""))
	}
	err = s.db.Read(ctx, func(tx *db.Tx) error {
		out, err = collect(ctx, tx, scanDelivery, query+fmt.Sprintf(" ORDER BY id DESC LIMIT %d", maxPage), args...)
		return err
	})
	return out, err
}

// endpoint returns one; ok is false when it is no more.
func endpoint(ctx context.Context, tx *db.Tx, id string) (e Endpoint, ok bool, err error) {
	e, err = scanEndpoint(tx.QueryRowContext(ctx, selectEndpoint+" WHERE id = ?", id))
	if errors.Is(err, sql.ErrNoRows) {
		return e, false, nil
	}
	return e, err == nil, wrap(err)
}
