package worker

import (
	"bytes"
	"cmp"
	"context"
	"crypto/sha256"
	"crypto/tls"
	"crypto/x509"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"

	"kuai/fault"
	"kuai/platform/job"
)

const (
	answerTime = 15 * time.Second // of a small question, beside what the server may wait
	dialTime   = 10 * time.Second
	maxAnswer  = 4 << 20
	maxToken   = 512
	minLease   = 100 * time.Millisecond
	maxLease   = time.Hour
)

// Options say where a server is.
type Options struct {
	URL   string // such as https://kuai.example
	Token string
	Roots *x509.CertPool // that sign its certificate; nil: the system's
}

// Client is a desk afar. Goroutines may share it.
type Client struct {
	http  *http.Client
	base  string
	token string
	id    string
	lease time.Duration
}

var _ job.Desk = (*Client)(nil)

// Join introduces a worker to a server. It fails with fault.Unauthenticated for
// a token that is not good.
func Join(ctx context.Context, o Options, w job.Worker) (*Client, error) {
	u, err := url.Parse(o.URL)
	if err != nil || u.Scheme != "http" && u.Scheme != "https" || u.Host == "" || u.User != nil {
		return nil, fault.Param("join", "%q is no address of a server, such as https://kuai.example", o.URL)
	}
	if o.Token == "" || len(o.Token) > maxToken || strings.ContainsAny(o.Token, "\r\n") {
		return nil, fault.Param("token", "a worker joins with a token, which kuai worker token makes")
	}
	transport := &http.Transport{
		Proxy: http.ProxyFromEnvironment, ForceAttemptHTTP2: true, TLSHandshakeTimeout: dialTime, IdleConnTimeout: 2 * MaxWait,
		MaxIdleConnsPerHost: 4 * max(1, w.Slots), TLSClientConfig: &tls.Config{MinVersion: tls.VersionTLS12, RootCAs: o.Roots},
	}
	c := &Client{http: &http.Client{Transport: transport, CheckRedirect: stay}, base: strings.TrimSuffix(u.String(), "/"), token: o.Token}
	var hi Welcome
	if err := c.post(ctx, "/api/v1/workers", Hello{w.Name, w.Slots, w.Kinds}, &hi); err != nil {
		return nil, err
	}
	c.id, c.lease = hi.ID, min(max(time.Duration(hi.LeaseMS)*time.Millisecond, minLease), maxLease)
	if c.id == "" {
		return nil, fmt.Errorf("worker: %s: %w", c.base, errNoServer)
	}
	return c, nil
}

// What is no use to try again.
var (
	errNoServer = errors.New("it is no server of Kuai")
	errRedirect = errors.New("worker: the server redirects; join its real address")
)

// stay follows no redirect: the token is for this server alone.
func stay(*http.Request, []*http.Request) error { return errRedirect }

// ID is what the server calls this worker.
func (c *Client) ID() string { return c.id }

// LeaseTime is how long this worker may be silent.
func (c *Client) LeaseTime() time.Duration { return c.lease }

// path is that of a question about a job.
func (c *Client) path(l job.Lease, what string) string {
	return "/api/v1/workers/" + url.PathEscape(c.id) + "/jobs/" + url.PathEscape(l.Job) + "/" + what
}

// post sends v and decodes the answer into out, which may be nil.
func (c *Client) post(ctx context.Context, path string, v, out any) error {
	return c.ask(ctx, path, v, out, answerTime)
}

func (c *Client) ask(ctx context.Context, path string, v, out any, wait time.Duration) error {
	data, err := json.Marshal(v)
	if err != nil {
		return fmt.Errorf("worker: %w", err)
	}
	ctx, cancel := context.WithTimeout(ctx, wait)
	defer cancel()
	r, err := http.NewRequestWithContext(ctx, http.MethodPost, c.base+path, bytes.NewReader(data))
	if err != nil {
		return fmt.Errorf("worker: %w", err)
	}
	r.Header.Set("Content-Type", "application/json")
	return c.do(r, out)
}

// errNothing is an answer without content.
var errNothing = errors.New("worker: nothing")

// do sends a request and reads its answer.
func (c *Client) do(r *http.Request, out any) (err error) {
	r.Header.Set("Authorization", "Bearer "+c.token)
	res, err := c.http.Do(r)
	if err != nil {
		return fmt.Errorf("worker: %w", err)
	}
	defer func() { err = errors.Join(err, res.Body.Close()) }()
	data, err := io.ReadAll(io.LimitReader(res.Body, maxAnswer))
	if err != nil {
		return fmt.Errorf("worker: %w", err)
	}
	switch res.StatusCode {
	case http.StatusNoContent:
		if out != nil {
			return errNothing
		}
		return nil
	case http.StatusOK:
		if out == nil {
			return nil
		}
		if err := json.Unmarshal(data, out); err != nil {
			return fmt.Errorf("worker: the server's answer: %w", err)
		}
		return nil
	}
	return refusal(res.StatusCode, data)
}

// refusal is the error that a server's answer means.
func refusal(status int, data []byte) error {
	var f Refusal
	_ = json.Unmarshal(data, &f) // without one the status tells enough
	if status == http.StatusConflict && f.Error.Code == CodeLost {
		return &job.LostError{State: f.Error.State, Attempt: f.Error.Attempt}
	}
	message := cmp.Or(f.Error.Message, http.StatusText(status))
	code := fault.Internal
	switch status {
	case http.StatusBadRequest:
		code = fault.Invalid
	case http.StatusUnauthorized:
		code = fault.Unauthenticated
	case http.StatusForbidden:
		code = fault.Forbidden
	case http.StatusNotFound:
		code = fault.NotFound
	case http.StatusConflict:
		code = fault.Conflict
	case http.StatusRequestEntityTooLarge:
		code = fault.TooLarge
	case http.StatusTooManyRequests, http.StatusServiceUnavailable:
		code = fault.Overloaded
	}
	return fault.New(code, "the server: %s", message)
}

// Next asks for work.
func (c *Client) Next(ctx context.Context, w job.Worker, wait time.Duration) (j job.Job, ok bool, err error) {
	wait = min(wait, MaxWait)
	var t Task
	err = c.ask(ctx, "/api/v1/workers/"+url.PathEscape(c.id)+"/claim", Ask{w.Name, w.Slots, w.Kinds, w.Models, wait.Milliseconds()}, &t, wait+answerTime)
	if errors.Is(err, errNothing) {
		return j, false, nil
	}
	if err != nil {
		return j, false, err
	}
	return job.Job{ID: t.Job, Kind: t.Kind, Model: t.Model, Body: t.Body, Meta: t.Trace, Standing: job.Standing{State: job.Running, Attempt: t.Attempt}}, true, nil
}

// Heartbeat renews the lease.
func (c *Client) Heartbeat(ctx context.Context, l job.Lease, p job.Progress) error {
	return c.post(ctx, c.path(l, "heartbeat"), Beat{l.Attempt, p, true}, nil)
}

// Progress tells those who watch.
func (c *Client) Progress(ctx context.Context, l job.Lease, p job.Progress) error {
	return c.post(ctx, c.path(l, "heartbeat"), Beat{l.Attempt, p, false}, nil)
}

// Preview shows a picture.
func (c *Client) Preview(ctx context.Context, l job.Lease, p job.Preview) error {
	return c.post(ctx, c.path(l, "preview"), Picture{l.Attempt, p}, nil)
}

// Finalise says that the job is made.
func (c *Client) Finalise(ctx context.Context, l job.Lease) error {
	return c.post(ctx, c.path(l, "finalise"), Word{Attempt: l.Attempt}, nil)
}

// Store sends a file, with its checksum where r can be read twice.
func (c *Client) Store(ctx context.Context, l job.Lease, name, kind, checksum string, r io.Reader) (out job.Output, err error) {
	if s, ok := r.(io.ReadSeeker); ok && checksum == "" {
		sum := sha256.New()
		if _, err := io.Copy(sum, s); err != nil {
			return out, fmt.Errorf("worker: %w", err)
		}
		if _, err := s.Seek(0, io.SeekStart); err != nil {
			return out, fmt.Errorf("worker: %w", err)
		}
		checksum = hex.EncodeToString(sum.Sum(nil))
	}
	path := c.path(l, "files/"+url.PathEscape(name)) + "?attempt=" + strconv.Itoa(l.Attempt)
	req, err := http.NewRequestWithContext(ctx, http.MethodPut, c.base+path, io.NopCloser(r))
	if err != nil {
		return out, fmt.Errorf("worker: %w", err)
	}
	req.Header.Set("Content-Type", kind)
	if checksum != "" {
		req.Header.Set(ChecksumHeader, checksum)
	}
	return out, c.do(req, &out)
}

// Finish ends the job.
func (c *Client) Finish(ctx context.Context, l job.Lease, r job.Result) error {
	return c.post(ctx, c.path(l, "finish"), Word{Attempt: l.Attempt, Data: r.Data, Usage: r.Usage}, nil)
}

// Fail ends the attempt.
func (c *Client) Fail(ctx context.Context, l job.Lease, f job.Failure) error {
	return c.post(ctx, c.path(l, "fail"), Word{Attempt: l.Attempt, Failure: &f}, nil)
}

// Return hands the job back.
func (c *Client) Return(ctx context.Context, l job.Lease) error {
	return c.post(ctx, c.path(l, "return"), Word{Attempt: l.Attempt}, nil)
}

// Stopped asks again and again whether the job is still wanted; the server
// answers at once when it is not.
func (c *Client) Stopped(ctx context.Context, l job.Lease) error {
	for {
		err := c.still(ctx, l)
		if ctx.Err() != nil {
			return context.Cause(ctx)
		}
		if errors.Is(err, job.ErrLost) || err != nil && fault.From(err).Code == fault.NotFound {
			return err
		}
		if err == nil {
			continue
		}
		select { // the heartbeats find out whether the server is away for long
		case <-ctx.Done():
			return context.Cause(ctx)
		case <-time.After(time.Second):
		}
	}
}

func (c *Client) still(ctx context.Context, l job.Lease) error {
	ctx, cancel := context.WithTimeout(ctx, MaxWait+answerTime)
	defer cancel()
	r, err := http.NewRequestWithContext(ctx, http.MethodGet, c.base+c.path(l, "stopped")+"?attempt="+strconv.Itoa(l.Attempt), http.NoBody)
	if err != nil {
		return fmt.Errorf("worker: %w", err)
	}
	return c.do(r, nil)
}
