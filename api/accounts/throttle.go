package accounts

import (
	"net/netip"
	"sync/atomic"
	"time"

	"kuai/fault"
	"kuai/platform/account"
	"kuai/platform/limit"
)

// Attempts a minute to log in or to use an invitation: few enough that
// guessing is hopeless, enough for a household behind one address.
const (
	triesPerName    = 10
	triesPerAddress = 60
	sweepEvery      = 1000 // attempts
)

// throttle slows down who guesses passwords, by account and by address.
type throttle struct {
	limiter *limit.Limiter
	tries   atomic.Int64
}

func newThrottle() *throttle {
	return &throttle{limiter: limit.New(map[limit.Level]map[limit.Kind]int64{
		limit.User: {limit.RequestsPerMinute: triesPerName},
		limit.Key:  {limit.RequestsPerMinute: triesPerAddress},
	})}
}

// try counts an attempt.
func (t *throttle) try(name string, ip netip.Addr, now time.Time) error {
	if t.tries.Add(1)%sweepEvery == 0 {
		t.limiter.Sweep(now)
	}
	g, e := t.limiter.Check(account.Principal{User: name, Key: ip.String()}, limit.Need{Requests: 1}, now)
	if e != nil {
		slow := fault.New(fault.RateLimited, "too many attempts; try again later")
		slow.RetryAfter = e.RetryAfter
		return slow
	}
	t.limiter.Release(g, now)
	return nil
}
