// Package provider uses engines that others run: a Pool of servers that speak
// the same, with health checks and fail-over, and Comfy, which makes clips on
// ComfyUI. A Pool is an http.RoundTripper, so that a client of one server
// (serve/upstream) becomes one of many.
package provider

import (
	"bytes"
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"sync"
	"time"
)

const (
	checkEvery   = 10 * time.Second
	checkTime    = 5 * time.Second
	firstPenalty = time.Second // after a failure; doubled by each further one
	lastPenalty  = time.Minute
	maxServers   = 64
	maxReplay    = 64 << 20 // bytes of a request that can be sent again
	maxDrain     = 64 << 10 // bytes of an answer that nobody wants
)

// ErrNone says that no server could be reached.
var ErrNone = errors.New("provider: no server answers")

// Server is one of a pool.
type Server struct {
	Base *url.URL

	busy     int       // requests
	failures int       // in a row
	until    time.Time // of the penalty; zero: none
}

// Options of a pool.
type Options struct {
	Health string            // path that a healthy server answers with success, such as /v1/models
	Base   http.RoundTripper // nil is a copy of net/http's
	Key    string            // sent as a bearer's token; "" is none
	Now    func() time.Time  // nil is time.Now
}

// Pool is servers that are as good as each other. Goroutines may share it.
type Pool struct {
	o       Options
	mu      sync.Mutex
	servers []*Server
}

// NewPool returns the pool of some addresses, such as http://gpu1:8000.
func NewPool(addresses []string, o Options) (*Pool, error) {
	if len(addresses) == 0 || len(addresses) > maxServers {
		return nil, fmt.Errorf("provider: %d addresses, want 1 to %d", len(addresses), maxServers)
	}
	if o.Now == nil {
		o.Now = time.Now
	}
	if o.Base == nil {
		o.Base = http.DefaultTransport.(*http.Transport).Clone() //nolint:forcetypeassert // it is one
	}
	p := &Pool{o: o}
	for i, a := range addresses {
		u, err := url.Parse(strings.TrimSuffix(a, "/"))
		if err != nil || u.Scheme != "http" && u.Scheme != "https" || u.Host == "" || u.User != nil || u.RawQuery != "" || u.Fragment != "" {
			return nil, fmt.Errorf("provider: address %d is not one like http://gpu1:8000", i+1)
		}
		p.servers = append(p.servers, &Server{Base: u})
	}
	return p, nil
}

// take chooses a server that was not tried: the least busy of those without a
// penalty, else the one whose penalty ends first.
func (p *Pool) take(tried []*Server) *Server {
	p.mu.Lock()
	defer p.mu.Unlock()
	now := p.o.Now()
	var best *Server
	for _, s := range p.servers {
		if !slices.Contains(tried, s) && (best == nil || better(s, best, now)) {
			best = s
		}
	}
	if best != nil {
		best.busy++
	}
	return best
}

func better(a, b *Server, now time.Time) bool {
	aWell, bWell := !now.Before(a.until), !now.Before(b.until)
	switch {
	case aWell != bWell:
		return aWell
	case !aWell:
		return a.until.Before(b.until)
	}
	return a.busy < b.busy
}

// give ends the use of a server.
func (p *Pool) give(s *Server) {
	p.mu.Lock()
	defer p.mu.Unlock()
	s.busy--
}

// judge notes whether a server answered.
func (p *Pool) judge(s *Server, well bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if well {
		if s.failures > 0 {
			slog.Info("a server answers again", "server", s.Base.Host)
		}
		s.failures, s.until = 0, time.Time{}
		return
	}
	if s.failures == 0 {
		slog.Warn("a server does not answer; others are used", "server", s.Base.Host)
	}
	penalty := min(firstPenalty<<min(s.failures, 10), lastPenalty)
	s.failures++
	s.until = p.o.Now().Add(penalty)
}

// Healthy counts the servers without a penalty.
func (p *Pool) Healthy() (n int) {
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, s := range p.servers {
		if !p.o.Now().Before(s.until) {
			n++
		}
	}
	return n
}

// Run checks the servers' health until ctx is done.
func (p *Pool) Run(ctx context.Context) {
	t := time.NewTicker(checkEvery)
	defer t.Stop()
	for {
		p.Check(ctx)
		select {
		case <-ctx.Done():
			return
		case <-t.C:
		}
	}
}

// Check asks all servers once whether they are well.
func (p *Pool) Check(ctx context.Context) {
	var wg sync.WaitGroup
	for _, s := range p.servers {
		wg.Go(func() {
			ctx, cancel := context.WithTimeout(ctx, checkTime)
			defer cancel()
			r, err := http.NewRequestWithContext(ctx, http.MethodGet, s.Base.String()+p.o.Health, http.NoBody)
			if err != nil {
				return
			}
			p.judge(s, p.well(r))
		})
	}
	wg.Wait()
}

// well asks whether a server is.
func (p *Pool) well(r *http.Request) bool {
	res, err := p.send(r)
	if err != nil {
		return false
	}
	defer res.Body.Close()                                         //nolint:errcheck // was only read
	_, _ = io.Copy(io.Discard, io.LimitReader(res.Body, maxDrain)) // so that the connection can be used again
	return res.StatusCode < http.StatusMultipleChoices
}

func (p *Pool) send(r *http.Request) (*http.Response, error) {
	if p.o.Key != "" {
		r.Header.Set("Authorization", "Bearer "+p.o.Key)
	}
	return p.o.Base.RoundTrip(r)
}

// drain reads what is left of an answer, so that its connection can be used
// again.
func drain(body io.ReadCloser) {
	_, _ = io.Copy(io.Discard, io.LimitReader(body, maxDrain)) // nobody wants it
	_ = body.Close()
}

// elsewhere says whether another server might do better than an answer of this
// status.
func elsewhere(status int) bool {
	switch status {
	case http.StatusTooManyRequests, http.StatusBadGateway, http.StatusServiceUnavailable, http.StatusGatewayTimeout:
		return true
	}
	return false
}

// RoundTrip sends a request to the pool: its scheme and host are replaced, and
// the server's own path comes before its path. A server that cannot be reached,
// or says that it is overloaded, is passed over for the next one; once a server
// has begun to answer, the answer is its. When all are overloaded the last
// one's answer is returned, and when none can be reached the error is ErrNone.
func (p *Pool) RoundTrip(r *http.Request) (*http.Response, error) {
	body, err := replay(r)
	if err != nil {
		return nil, err
	}
	var tried []*Server
	var last *http.Response
	for {
		s := p.take(tried)
		if s == nil {
			break
		}
		tried = append(tried, s)
		res, failed := p.at(s, r, body)
		err = cmp.Or(failed, err)
		if failed != nil {
			p.give(s)
			if r.Context().Err() != nil {
				break
			}
			continue
		}
		if last != nil {
			drain(last.Body)
		}
		res.Body = &counted{
			ReadCloser: res.Body, end: sync.OnceFunc(func() { p.give(s) }),
			broke: func() {
				if r.Context().Err() == nil { // else it is not the server's fault
					p.judge(s, false)
				}
			},
		}
		if last = res; !elsewhere(res.StatusCode) {
			return res, nil
		}
	}
	if last != nil {
		return last, nil
	}
	return nil, fmt.Errorf("%w: %w", ErrNone, err)
}

// at sends a request to one server.
func (p *Pool) at(s *Server, r *http.Request, body []byte) (*http.Response, error) {
	c := r.Clone(r.Context())
	c.URL.Scheme, c.URL.Host, c.Host = s.Base.Scheme, s.Base.Host, s.Base.Host
	c.URL.Path, c.URL.RawPath = s.Base.Path+r.URL.Path, ""
	c.Body, c.GetBody = http.NoBody, nil
	if len(body) > 0 {
		c.Body = io.NopCloser(bytes.NewReader(body))
	}
	c.ContentLength = int64(len(body))
	res, err := p.send(c)
	if r.Context().Err() == nil { // else it is not the server's fault
		p.judge(s, err == nil && !elsewhere(res.StatusCode))
	}
	return res, err
}

// replay reads a request's body, so that it can be sent again.
func replay(r *http.Request) ([]byte, error) {
	if r.Body == nil {
		return nil, nil
	}
	body, err := io.ReadAll(io.LimitReader(r.Body, maxReplay+1))
	if err = errors.Join(err, r.Body.Close()); err != nil {
		return nil, fmt.Errorf("provider: %w", err)
	}
	if len(body) > maxReplay {
		return nil, fmt.Errorf("provider: a request has at most %d bytes", maxReplay)
	}
	return body, nil
}

// counted is an answer whose server is busy until it is closed, and fails when
// it breaks off.
type counted struct {
	io.ReadCloser
	end, broke func()
}

// Read notes where the answer breaks off.
func (c *counted) Read(p []byte) (int, error) {
	n, err := c.ReadCloser.Read(p)
	if err != nil && !errors.Is(err, io.EOF) {
		c.broke()
	}
	return n, err
}

// Close ends the use of the server.
func (c *counted) Close() error {
	defer c.end()
	return c.ReadCloser.Close()
}
