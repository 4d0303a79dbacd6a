// Package gatetest is a gate whose keys say what is to become of a request, so
// that clients can be shown every refusal without accounts.
package gatetest

import (
	"context"
	"net/http"
	"time"

	"kuai/api/gate"
	"kuai/fault"
)

// The keys that are refused; all others, and none, are admitted.
const (
	Bad  = "sk-bad"  // is not known
	Rate = "sk-rate" // asks too often
	Poor = "sk-poor" // has no money left
)

// Gate refuses those keys.
type Gate struct{ gate.Open }

// Admit looks at the key alone.
func (g Gate) Admit(ctx context.Context, r *http.Request, w gate.Work) (gate.Ticket, error) {
	switch gate.Key(ctx) {
	case Bad:
		return nil, fault.New(fault.Unauthenticated, "there is no such API key")
	case Rate:
		return nil, &fault.Error{Code: fault.RateLimited, Message: "too many requests for this key", RetryAfter: 2 * time.Second}
	case Poor:
		return nil, fault.New(fault.NoBalance, "the balance is used up")
	}
	return g.Open.Admit(ctx, r, w)
}
