package limit

import (
	"context"
	"sync"
	"time"

	"kuai/fault"
)

// Queue shares a bounded number of slots fairly between tenants. Goroutines
// may share it.
type Queue struct {
	mu      sync.Mutex
	free    int
	waiting *fair
	most    int // that wait
	each    int // of one tenant in one class
}

// NewQueue makes a queue of slots, before which so many may wait in all, and
// of each tenant a quarter of that in each class.
func NewQueue(slots, waiting int) *Queue {
	return &Queue{free: slots, waiting: newFair(), most: waiting, each: max(1, waiting/4)}
}

// Turn is on whose behalf and how urgently somebody waits.
type Turn struct {
	Tenant string
	Class  Class
	Weight int64 // the tenant's share beside others; 0 is 1
	Cost   int64 // of the work beside others'; 0 is 1
}

// fullWait is when to try again where too many wait.
const fullWait = 2 * time.Second

// Acquire waits for a slot until ctx is done, and returns what gives it back,
// which may be called more than once. The error is Overloaded where too many
// wait already, else Cancelled.
func (q *Queue) Acquire(ctx context.Context, t Turn) (release func(), err error) {
	w := &waiter{
		tenant: t.Tenant, class: t.Class, ready: make(chan struct{}),
		weight: min(max(t.Weight, 1), maxWeight), cost: min(max(t.Cost, 1), maxCost),
	}
	q.mu.Lock()
	if q.free == 0 && (q.waiting.waiting >= q.most || q.waiting.of(w.class, w.tenant) >= q.each) {
		q.mu.Unlock()
		e := fault.New(fault.Overloaded, "too many requests are waiting")
		e.RetryAfter = fullWait
		return nil, e
	}
	q.waiting.push(w)
	q.dispatch()
	q.mu.Unlock()
	var once sync.Once
	release = func() { once.Do(q.release) }
	select {
	case <-w.ready:
		return release, nil
	case <-ctx.Done():
	}
	q.mu.Lock()
	gone := q.waiting.remove(w)
	q.mu.Unlock()
	if !gone { // it had its turn in this moment
		release()
	}
	return nil, fault.Wrap(context.Cause(ctx), fault.Cancelled, "the request ended before its turn")
}

func (q *Queue) release() {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.free++
	q.dispatch()
}

// dispatch gives free slots to those whose turn it is.
func (q *Queue) dispatch() {
	for q.free > 0 {
		w := q.waiting.pop()
		if w == nil {
			return
		}
		q.free--
		close(w.ready)
	}
}

// Waiting is how many wait.
func (q *Queue) Waiting() int {
	q.mu.Lock()
	defer q.mu.Unlock()
	return q.waiting.waiting
}
