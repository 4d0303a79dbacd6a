package load

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"
)

const (
	maxConnections = 2048
	maxAnswer      = 1 << 20
	openTime       = 2 * time.Minute // until all streams are open
)

// client asks the server over connections that stay open.
type client struct {
	http        *http.Client
	url, secret string
}

func newClient(h *house) *client {
	t := &http.Transport{MaxIdleConns: maxConnections, MaxIdleConnsPerHost: maxConnections}
	return &client{http: &http.Client{Transport: t}, url: h.url, secret: h.secret}
}

func (c *client) send(ctx context.Context, method, path, body string) (*http.Response, error) {
	r, err := http.NewRequestWithContext(ctx, method, c.url+path, strings.NewReader(body))
	if err != nil {
		return nil, err
	}
	r.Header.Set("Authorization", "Bearer "+c.secret)
	r.Header.Set("Content-Type", "application/json")
	return c.http.Do(r)
}

// call asks and reads all of the answer, which must be a good one.
func (c *client) call(ctx context.Context, method, path, body string) ([]byte, error) {
	res, err := c.send(ctx, method, path, body)
	if err != nil {
		return nil, fmt.Errorf("load: %w", err)
	}
	data, err := io.ReadAll(io.LimitReader(res.Body, maxAnswer))
	if err = errors.Join(err, res.Body.Close()); err != nil {
		return nil, fmt.Errorf("load: %w", err)
	}
	if res.StatusCode != http.StatusOK {
		return nil, fmt.Errorf("load: %s %s: %s: %.200s", method, path, res.Status, data)
	}
	return data, nil
}

// submit orders a clip.
func (c *client) submit(ctx context.Context, words string) (string, error) {
	data, err := c.call(ctx, http.MethodPost, "/v1/videos", `{"prompt":"`+words+`","frames":1,"seed":7}`)
	if err != nil {
		return "", err
	}
	var v struct {
		ID string `json:"id"`
	}
	if err := json.Unmarshal(data, &v); err != nil {
		return "", fmt.Errorf("load: %w", err)
	}
	return v.ID, nil
}

// figures are what a measurement saw.
type figures struct {
	rate     float64 // good answers a second
	p50, p99 time.Duration
	answers  int
	failed   int64
	first    error // of the failures
}

// askAgain is how long a client waits before it asks for its clip again.
const askAgain = 20 * time.Millisecond

// clip orders a clip, waits for it and fetches it.
func (c *client) clip(ctx context.Context) error {
	id, err := c.submit(ctx, "a fox")
	if err != nil {
		return err
	}
	for {
		data, err := c.call(ctx, http.MethodGet, "/v1/videos/"+id, "")
		if err != nil {
			return err
		}
		var v struct {
			Status string `json:"status"`
		}
		if err := json.Unmarshal(data, &v); err != nil {
			return fmt.Errorf("load: %w", err)
		}
		switch v.Status {
		case "completed":
			data, err := c.call(ctx, http.MethodGet, "/v1/videos/"+id+"/content", "")
			if err == nil && len(data) == 0 {
				err = fmt.Errorf("load: the file of %s is empty", id)
			}
			return err
		case "failed":
			return fmt.Errorf("load: %s failed: %s", id, data)
		}
		select {
		case <-time.After(askAgain):
		case <-ctx.Done():
			return context.Cause(ctx)
		}
	}
}

// measure keeps so many connections busy for a time.
func measure(ctx context.Context, connections int, long time.Duration, ask func(ctx context.Context) error) figures {
	var mu sync.Mutex
	var f figures
	var all []time.Duration
	var work sync.WaitGroup
	began := time.Now()
	for range connections {
		work.Go(func() {
			var mine []time.Duration
			for first := true; ctx.Err() == nil && (first || time.Since(began) < long); first = false { // once, however late it was begun
				at := time.Now()
				if err := ask(ctx); err != nil {
					mu.Lock()
					f.failed++
					if f.first == nil {
						f.first = err
					}
					mu.Unlock()
					continue
				}
				mine = append(mine, time.Since(at))
			}
			mu.Lock()
			all = append(all, mine...)
			mu.Unlock()
		})
	}
	work.Wait()
	f.rate, f.answers = float64(len(all))/time.Since(began).Seconds(), len(all)
	if len(all) > 0 {
		slices.Sort(all)
		f.p50, f.p99 = all[len(all)/2], all[len(all)*99/100]
	}
	return f
}

// streams are event streams that are held open.
type streams struct {
	open, told atomic.Int64 // now; that were sent an event
	work       sync.WaitGroup
	stop       context.CancelFunc
}

// hold opens streams of a job's events and returns once each was told one.
func (c *client) hold(ctx context.Context, n int, job string) (*streams, error) {
	ctx, stop := context.WithCancel(ctx)
	s := &streams{stop: stop}
	opened := make(chan error, 2*n) // each says twice at most: told, and ended
	for range n {
		s.work.Go(func() { opened <- c.follow(ctx, s, job, opened) })
	}
	late := time.NewTimer(openTime)
	defer late.Stop()
	for s.told.Load() < int64(n) {
		var err error
		select {
		case err = <-opened:
		case <-late.C:
			err = fmt.Errorf("load: only %d of %d event streams opened in %v", s.told.Load(), n, openTime)
		}
		if err != nil {
			s.close()
			return nil, err
		}
	}
	return s, nil
}

// follow reads a stream until it ends.
func (c *client) follow(ctx context.Context, s *streams, job string, opened chan<- error) error {
	res, err := c.send(ctx, http.MethodGet, "/api/v1/jobs/"+job+"/events", "")
	if err != nil {
		return fmt.Errorf("load: %w", err)
	}
	defer res.Body.Close() //nolint:errcheck // was only read
	if res.StatusCode != http.StatusOK {
		return fmt.Errorf("load: a stream of events: %s", res.Status)
	}
	s.open.Add(1)
	defer s.open.Add(-1)
	lines := bufio.NewScanner(res.Body)
	for first := true; lines.Scan(); {
		if first && strings.HasPrefix(lines.Text(), "data:") {
			first = false
			s.told.Add(1)
			opened <- nil
		}
	}
	return nil
}

// close leaves all streams.
func (s *streams) close() {
	s.stop()
	s.work.Wait()
}
