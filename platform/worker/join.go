package worker

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"time"

	"github.com/cenkalti/backoff/v5"

	"kuai/fault"
	"kuai/platform/job"
)

// Pauses between attempts to join: a server that starts takes seconds.
const (
	firstPause = time.Second
	lastPause  = 30 * time.Second
)

// JoinSoon is Join with patience: while the server cannot be reached, or is not
// ready, it tells waits and tries again after longer and longer pauses, until
// ctx is done. What no waiting mends, such as a token that is not good, ends it
// at once.
func JoinSoon(ctx context.Context, o Options, w job.Worker, waits func(err error, wait time.Duration)) (*Client, error) {
	pauses := backoff.NewExponentialBackOff()
	pauses.InitialInterval, pauses.MaxInterval = firstPause, lastPause
	return joinSoon(ctx, o, w, waits, pauses)
}

func joinSoon(ctx context.Context, o Options, w job.Worker, waits backoff.Notify, pauses backoff.BackOff) (*Client, error) {
	c, err := backoff.Retry(ctx, func() (*Client, error) {
		c, err := Join(ctx, o, w)
		if err != nil && forGood(err) {
			return nil, backoff.Permanent(err)
		}
		return c, err
	}, backoff.WithBackOff(pauses), backoff.WithNotify(waits), backoff.WithMaxElapsedTime(0))
	if err != nil && ctx.Err() != nil {
		return nil, fmt.Errorf("worker: %w", context.Cause(ctx))
	}
	return c, err
}

// forGood says whether a refusal stays one.
func forGood(err error) bool {
	if f, ok := errors.AsType[*fault.Error](err); ok {
		return f.Code != fault.Overloaded && f.Code != fault.Internal
	}
	var cert *tls.CertificateVerificationError
	return errors.Is(err, errRedirect) || errors.Is(err, errNoServer) || errors.As(err, &cert)
}
