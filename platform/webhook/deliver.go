package webhook

import (
	"bytes"
	"context"
	"errors"
	"io"
	"log/slog"
	"net/http"
	"strings"
	"sync"
	"time"

	"kuai/platform/db"
)

const (
	pollEvery  = 2 * time.Second
	atOnce     = 16              // deliveries on their way
	claimTime  = 2 * time.Minute // after which another may try: more than a request takes
	maxAnswer  = 64 << 10        // bytes of an answer that are read, so that the connection ends well
	maxMessage = 500             // bytes of an error
	sweepEvery = time.Hour
	logLife    = 30 * 24 * time.Hour // of what was told: as long as customers ask
)

// pauses between attempts; after the last one the delivery has failed.
var pauses = []time.Duration{
	5 * time.Second, 30 * time.Second, 2 * time.Minute, 10 * time.Minute, time.Hour, 6 * time.Hour, 24 * time.Hour,
}

// pause is how long to wait after the nth attempt failed; ok is false when it
// was the last.
func pause(attempts int, jitter float64) (d time.Duration, ok bool) {
	if attempts > len(pauses) {
		return 0, false
	}
	return time.Duration(float64(pauses[max(attempts, 1)-1]) * (0.75 + jitter/2)), true
}

// Sweep removes from the log what ended long ago.
func (s *Service) Sweep(ctx context.Context) error {
	return s.db.Tx(ctx, func(tx *db.Tx) error {
		old := db.Micros(s.now().Add(-logLife))
		if _, err := tx.ExecContext(ctx, "DELETE FROM webhook_attempts WHERE at < ?", old); err != nil {
			return wrap(err)
		}
		_, err := tx.ExecContext(ctx, "DELETE FROM webhook_deliveries WHERE ended > 0 AND ended < ?", old)
		return wrap(err)
	})
}

// Run delivers until ctx is done, and sweeps the log now and then.
func (s *Service) Run(ctx context.Context) {
	t := time.NewTicker(pollEvery)
	defer t.Stop()
	var swept time.Time
	for {
		if time.Since(swept) > sweepEvery {
			swept = time.Now()
			if err := s.Sweep(ctx); err != nil && ctx.Err() == nil {
				slog.Warn("the log of call-backs cannot be swept", "error", err)
			}
		}
		for {
			n, err := s.Deliver(ctx)
			if err != nil && ctx.Err() == nil {
				slog.Warn("call-backs cannot be delivered; trying again", "error", err)
			}
			if n == 0 || err != nil {
				break
			}
		}
		select {
		case <-ctx.Done():
			return
		case <-t.C:
		case <-s.wake:
		}
	}
}

// Deliver tells what is due now, and returns how much it was. Of one job and
// address an event waits for those before it.
func (s *Service) Deliver(ctx context.Context) (int, error) {
	var due []Delivery
	err := s.db.Tx(ctx, func(tx *db.Tx) (err error) {
		now := s.now()
		due, err = collect(ctx, tx, scanDelivery, selectDelivery+` WHERE state = ? AND next_at <= ? AND NOT EXISTS (
			SELECT 1 FROM webhook_deliveries e WHERE e.job = webhook_deliveries.job AND e.url = webhook_deliveries.url AND e.state = ? AND e.id < webhook_deliveries.id
		) ORDER BY next_at, id LIMIT ?`+tx.ForUpdate(), string(Waiting), db.Micros(now), string(Waiting), atOnce)
		if err != nil {
			return err
		}
		for _, d := range due {
			if _, err := tx.ExecContext(ctx, "UPDATE webhook_deliveries SET next_at = ? WHERE id = ?", db.Micros(now.Add(claimTime)), d.ID); err != nil {
				return wrap(err)
			}
		}
		return nil
	})
	if err != nil {
		return 0, err
	}
	errs := make([]error, len(due))
	var wg sync.WaitGroup
	for i, d := range due {
		wg.Go(func() { errs[i] = s.one(ctx, d) })
	}
	wg.Wait()
	return len(due), errors.Join(errs...)
}

// one makes an attempt and records it.
func (s *Service) one(ctx context.Context, d Delivery) error {
	var e Endpoint
	ok := true
	if d.Endpoint != "" {
		if err := s.db.Read(ctx, func(tx *db.Tx) (err error) {
			e, ok, err = endpoint(ctx, tx, d.Endpoint)
			return err
		}); err != nil {
			return err
		}
	}
	began := s.now()
	status, err := 0, errGone
	if ok && e.Disabled.IsZero() {
		status, err = s.post(ctx, d, e.Secret)
		if err != nil && ctx.Err() != nil {
			return nil //nolint:nilerr // shutting down; the claim runs out
		}
	}
	return s.record(context.WithoutCancel(ctx), d, began, status, err)
}

// errGone says that an endpoint wants to hear no more.
var errGone = errors.New("the endpoint is disabled or removed")

// post sends a delivery.
func (s *Service) post(ctx context.Context, d Delivery, secret string) (status int, err error) {
	r, err := http.NewRequestWithContext(ctx, http.MethodPost, d.URL, bytes.NewReader(d.Body))
	if err != nil {
		return 0, wrap(err)
	}
	r.Header.Set("Content-Type", "application/json")
	r.Header.Set("User-Agent", "kuai")
	if secret != "" {
		if err := Sign(r.Header, secret, d.ID, s.now(), d.Body); err != nil {
			return 0, err
		}
	}
	res, err := s.client.Do(r)
	if err != nil {
		return 0, err
	}
	_, _ = io.Copy(io.Discard, io.LimitReader(res.Body, maxAnswer)) // its words do not matter
	_ = res.Body.Close()
	switch {
	case res.StatusCode == http.StatusGone:
		return res.StatusCode, errGone
	case res.StatusCode < 200 || res.StatusCode > 299:
		return res.StatusCode, errors.New("the endpoint did not answer with success")
	}
	return res.StatusCode, nil
}

// record notes how an attempt went, when the next one is, and how the endpoint
// does.
func (s *Service) record(ctx context.Context, d Delivery, began time.Time, status int, failed error) error {
	now := s.now()
	d.Attempts++
	d.State, d.Status, d.Error, d.Ended = Delivered, status, "", now
	if failed != nil {
		text := strings.ToValidUTF8(strings.ReplaceAll(failed.Error(), "\x00", ""), "")
		d.State, d.Error = Failed, text[:min(len(text), maxMessage)]
		if p, again := pause(d.Attempts, s.jitter()); again && !errors.Is(failed, errGone) {
			d.State, d.Next, d.Ended = Waiting, now.Add(p), time.Time{}
		}
	}
	return s.db.Tx(ctx, func(tx *db.Tx) error {
		if _, err := tx.ExecContext(ctx, "UPDATE webhook_deliveries SET state = ?, attempts = ?, next_at = ?, status = ?, error = ?, ended = ? WHERE id = ?",
			string(d.State), d.Attempts, db.Micros(d.Next), d.Status, d.Error, db.Micros(d.Ended), d.ID); err != nil {
			return wrap(err)
		}
		if _, err := tx.ExecContext(ctx, "INSERT INTO webhook_attempts (delivery, attempt, at, micros, status, error) VALUES (?, ?, ?, ?, ?, ?) ON CONFLICT DO NOTHING",
			d.ID, d.Attempts, db.Micros(began), now.Sub(began).Microseconds(), status, d.Error); err != nil {
			return wrap(err)
		}
		if d.Endpoint == "" {
			return nil
		}
		return s.judge(ctx, tx, d, failed, now)
	})
}

// judge counts an endpoint's failures in a row, and disables it after many or
// when it says that it is gone.
func (s *Service) judge(ctx context.Context, tx *db.Tx, d Delivery, failed error, now time.Time) error {
	var err error
	switch {
	case failed == nil:
		_, err = tx.ExecContext(ctx, "UPDATE webhook_endpoints SET failures = 0 WHERE id = ?", d.Endpoint)
	case errors.Is(failed, errGone):
		_, err = tx.ExecContext(ctx, "UPDATE webhook_endpoints SET disabled = ? WHERE id = ? AND disabled = 0", db.Micros(now), d.Endpoint)
	default:
		_, err = tx.ExecContext(ctx, `UPDATE webhook_endpoints SET failures = failures + 1,
			disabled = CASE WHEN failures + 1 >= ? AND disabled = 0 THEN ? ELSE disabled END WHERE id = ?`, maxFailures, db.Micros(now), d.Endpoint)
	}
	return wrap(err)
}
