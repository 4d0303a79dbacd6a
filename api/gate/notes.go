package gate

import (
	"context"
	"maps"
	"sync"
)

// Notes are what becomes known of a request while it is answered: for its line
// in the log. Goroutines may share them; those of nobody, which are nil, take
// everything and keep nothing.
type Notes struct {
	mu    sync.Mutex
	who   Principal
	model string
	used  Usage
}

type noted struct{}

// WithNotes returns a context with notes for a gate to write into.
func WithNotes(ctx context.Context) (context.Context, *Notes) {
	n := &Notes{}
	return context.WithValue(ctx, noted{}, n), n
}

// NotesOf are those of a context, nil if it has none.
func NotesOf(ctx context.Context) *Notes {
	n, _ := ctx.Value(noted{}).(*Notes)
	return n
}

// Caller notes who asks, and for which model.
func (n *Notes) Caller(p Principal, model string) {
	if n == nil {
		return
	}
	n.mu.Lock()
	defer n.mu.Unlock()
	n.who, n.model = p, model
}

// Used notes what a request has used.
func (n *Notes) Used(u Usage) {
	if n == nil {
		return
	}
	n.mu.Lock()
	defer n.mu.Unlock()
	if n.used == nil {
		n.used = Usage{}
	}
	for d, k := range u {
		n.used[d] += k
	}
}

// Read returns what was noted.
func (n *Notes) Read() (who Principal, model string, used Usage) {
	n.mu.Lock()
	defer n.mu.Unlock()
	return n.who, n.model, maps.Clone(n.used)
}
