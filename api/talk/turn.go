package talk

import (
	"context"
	"errors"
	"net/http"
	"sync"

	"kuai/api/gate"
	"kuai/platform/limit"
	"kuai/text/sample"
)

const (
	// together is how many answers of a model are written at once, as many as its
	// engine has places for: more would only wait there, first come, first served.
	// For servers elsewhere upstream.Client.Slots says it.
	together = 64
	// mostWait is how many requests wait for a model's places; one tenant has at most a
	// quarter of them.
	mostWait = 2048
)

// turns shares each model's places between tenants: while some wait, each has
// its share, however many requests it sends. Its zero value is ready.
type turns struct {
	mu     sync.Mutex
	models map[string]*limit.Queue
}

// of is the queue of a model, which has so many places when it is first asked for.
func (t *turns) of(model string, places int) *limit.Queue {
	t.mu.Lock()
	defer t.mu.Unlock()
	q, ok := t.models[model]
	if !ok {
		if t.models == nil {
			t.models = map[string]*limit.Queue{}
		}
		q = limit.NewQueue(places, mostWait)
		t.models[model] = q
	}
	return q
}

var classes = map[gate.Urgency]limit.Class{gate.Batch: limit.Batch, gate.Normal: limit.Normal, gate.Urgent: limit.Urgent}

// wait is until it is the caller's turn with a model; release gives the place
// back. Long work counts for more than short.
func wait(ctx context.Context, q *limit.Queue, p gate.Principal, u gate.Urgency, tokens int64) (release func(), err error) {
	return q.Acquire(ctx, limit.Turn{Tenant: p.Org, Class: classes[u], Cost: tokens})
}

// places is how many answers of a model are written at once.
func (rm *Room) places(model string) int {
	if c, _ := rm.upstream(model); c != nil && c.Slots > 0 {
		return c.Slots
	}
	return together
}

// Admit admits work with a model that goes on elsewhere than in Ask, and waits for
// its turn. The place goes back when the ticket ends.
func (rm *Room) Admit(r *http.Request, work gate.Work, s sample.Params) (gate.Ticket, error) {
	t, err := rm.admit(r, work, Request{Sampling: s}, "kuai")
	if err != nil {
		return nil, err
	}
	done, err := rm.turn(r, work.Model, t.Principal(), "", work.Estimate)
	if err != nil {
		return nil, errors.Join(err, release(r.Context(), t, noTurn))
	}
	return placed{t, done}, nil
}

// noTurn is why money goes back to whoever did not get a place.
const noTurn = "its turn never came"

// placed is a ticket with a place among those that a model answers.
type placed struct {
	gate.Ticket
	done func()
}

// Settle and Release give the place back.
func (p placed) Settle(ctx context.Context, used gate.Usage) error {
	p.done()
	return p.Ticket.Settle(ctx, used)
}

// Release does as Settle does.
func (p placed) Release(ctx context.Context, reason string) error {
	p.done()
	return p.Ticket.Release(ctx, reason)
}

// turn reads how urgent a request is, and waits for its turn.
func (rm *Room) turn(r *http.Request, model string, p gate.Principal, said gate.Urgency, w gate.Usage) (release func(), err error) {
	u, err := gate.ReadUrgency(r, p, said)
	if err != nil {
		return nil, err
	}
	return wait(r.Context(), rm.turns.of(model, rm.places(model)), p, u, w[gate.InputTokens]+w[gate.OutputTokens])
}
