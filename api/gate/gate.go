// Package gate stands between the dialects and accounts, limits and money. A
// dialect tells it what a request is about to do before any work begins, and
// what was really used when the work has ended; the gate says who asks, whether
// they may, and what their answer's header tells them of their limits.
//
//	Admit -> Ticket -> Settle with what was used, or Release
//
// A ticket ends exactly once: the first Settle or Release counts, further ones
// do nothing. Dialects know no more of accounts than stands here.
package gate

import (
	"context"
	"net/http"
	"slices"
)

// Dimension is something that is counted.
type Dimension string

// The dimensions of use.
const (
	InputTokens       Dimension = "input_tokens"
	CachedInputTokens Dimension = "cached_input_tokens" // of the input tokens
	OutputTokens      Dimension = "output_tokens"
	EmbeddingTokens   Dimension = "embedding_tokens"
	Images            Dimension = "images"
	VideoMilliseconds Dimension = "video_milliseconds"
	AudioCharacters   Dimension = "audio_characters"
	Requests          Dimension = "requests"
)

// Usage is how much of each dimension: an estimate before the work, the truth
// after it.
type Usage map[Dimension]int64

// Scopes of keys: what a request touches.
const (
	ScopeChat   = "chat"
	ScopeVideos = "videos"
	ScopeImages = "images"
	ScopeFiles  = "files"
	ScopeModels = "models"
	ScopeVoices = "voices"
	ScopeUsage  = "usage" // balances and what was used
)

// Work is what a request is about to do.
type Work struct {
	Dialect        string // "openai", "anthropic", "minimax", "ollama", "kuai"
	Endpoint       string // the route, such as "POST /v1/chat/completions"
	Model          string // "" where no model works
	Scope          string // one of those above
	Estimate       Usage  // the most that can be used; nil for what costs nothing
	IdempotencyKey string
	// Durable says that the key is a job's as well: asked again under it, the
	// request is admitted again, and gets the job that it got before.
	Durable bool
	// Within says that the work is part of a request that was admitted: no other
	// request is counted.
	Within bool
}

// Principal is the caller that a key stands for.
type Principal struct {
	Org, Project, User, Key string   // ids
	Scopes                  []string // that the key may touch; nil: all
	Models                  []string // that it may use; nil: all
	Admin, Urgent           bool     // runs the installation; may go before others
}

// May says whether the caller may use a model.
func (p Principal) May(model string) bool {
	return p.Models == nil || slices.Contains(p.Models, model)
}

// Owner is what things made by the caller belong to: the project.
func (p Principal) Owner() string { return p.Project }

// Gate admits requests. Its errors are *fault.Error: unauthenticated,
// forbidden, rate_limited, no_balance.
type Gate interface {
	Admit(ctx context.Context, r *http.Request, w Work) (Ticket, error)
}

// Ticket is an admitted request. It may be used by several goroutines.
type Ticket interface {
	Principal() Principal
	// Header tells the caller of limits, before the answer's status is written.
	Header(h http.Header)
	// Settle charges what was used and gives back the rest of the estimate.
	Settle(ctx context.Context, used Usage) error
	// Release gives back all of the estimate.
	Release(ctx context.Context, reason string) error
}

// Enter admits a request that uses nothing but itself, such as a look at a
// list, and says who asks.
func Enter(g Gate, h http.Header, r *http.Request, w Work) (Principal, error) {
	w.Estimate = Usage{Requests: 1}
	t, err := g.Admit(r.Context(), r, w)
	if err != nil {
		return Principal{}, err
	}
	t.Header(h)
	return t.Principal(), t.Settle(r.Context(), w.Estimate)
}

// Balance is what a caller has, in millionths of the currency.
type Balance struct{ Cash, Voucher, Credit, Owed, AlertBelow int64 }

// Bank is a Gate that keeps money.
type Bank interface {
	Balance(ctx context.Context, p Principal) (Balance, error)
}

// Knower is a Gate that knows who asks before it is told what they want.
type Knower interface {
	// Known refuses whoever Admit would not know; it counts and charges nothing.
	Known(r *http.Request) error
}

// First is the middleware that turns strangers away before anything of their
// request is read. failed tells them, in a dialect's words.
func First(g Gate, failed func(w http.ResponseWriter, r *http.Request, err error)) func(http.Handler) http.Handler {
	return func(next http.Handler) http.Handler {
		k, ok := g.(Knower)
		if !ok {
			return next
		}
		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			if err := k.Known(r); err != nil {
				failed(w, r, err)
				return
			}
			next.ServeHTTP(w, r)
		})
	}
}
