package ledger

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"time"

	"kuai/fault"
	"kuai/platform/db"
	"kuai/platform/price"
)

const (
	// maxBatch is how many operations share a transaction. Beyond some
	// hundreds the disk's part in each is nothing.
	maxBatch = 512
	// maxQueue bounds who waits: the database is far behind then.
	maxQueue = 16384
	// patience with a database that is away, for what must not be lost.
	patience = 2 * time.Minute
	// hung is a transaction whose database does not answer.
	hung = 15 * time.Second
	// Pauses between attempts while it is away.
	firstPause, lastPause = 50 * time.Millisecond, 2 * time.Second
)

// ErrClosed says that the batcher was closed.
var ErrClosed = errors.New("ledger: closed")

// Batcher puts the operations of many callers into one transaction, so that
// they share its wait for the disk: while one transaction is being written the
// next ones gather, and nobody waits for company. Each caller gets the outcome
// of its own operation, after it is safe on the disk.
//
// It is for requests that have no rows of their own to write, such as chats.
type Batcher struct {
	try  func(context.Context, []*operation) error // a transaction
	wake chan struct{}                             // holds one
	done chan struct{}                             // closed when the worker has ended

	mu     sync.Mutex
	queue  []*waiter
	closed bool
}

// waiter is an operation of somebody.
type waiter struct {
	*operation
	ctx   context.Context //nolint:containedctx // of the caller, who waits while it stands here
	until time.Time       // how long a database may be away; zero: not at all
	ready chan struct{}   // closed when the outcome is there
	gone  atomic.Bool     // the caller has left
	lost  error           // the transaction failed
}

// NewBatcher starts a batcher, which works until Close.
func (l *Ledger) NewBatcher(ctx context.Context) *Batcher {
	return newBatcher(ctx, l.transact)
}

func newBatcher(ctx context.Context, try func(context.Context, []*operation) error) *Batcher {
	b := &Batcher{try: try, wake: make(chan struct{}, 1), done: make(chan struct{})}
	go b.work(context.WithoutCancel(ctx))
	return b
}

// transact does operations in a transaction of their own.
func (l *Ledger) transact(ctx context.Context, all []*operation) error {
	if l.db.Dialect() == db.Postgres { // SQLite cannot hang, and watching a context costs it a goroutine for each statement
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeout(ctx, hung)
		defer cancel()
	}
	return l.db.Tx(ctx, func(tx *db.Tx) error { return l.operate(ctx, tx, all) })
}

// Close finishes what is queued, and ends.
func (b *Batcher) Close() {
	b.mu.Lock()
	b.closed = true
	b.mu.Unlock()
	b.signal()
	<-b.done
}

// Reserve is Ledger.Reserve. If the caller leaves while it is on its way, what
// was reserved is released. A database that is away is fault.Overloaded.
func (b *Batcher) Reserve(ctx context.Context, q Request) (Reservation, error) {
	o, err := newReserve(q)
	if err != nil {
		return Reservation{}, err
	}
	w := &waiter{operation: o, ctx: ctx, ready: make(chan struct{})}
	if err := b.put(w); err != nil {
		return Reservation{}, err
	}
	select {
	case <-w.ready:
	case <-ctx.Done():
		if w.gone.CompareAndSwap(false, true) {
			return Reservation{}, fault.Wrap(context.Cause(ctx), fault.Cancelled, "the request was cancelled")
		}
		<-w.ready
	}
	return w.outcome()
}

// Settle is Ledger.Settle. It goes on when ctx is done, and waits for a
// database that is away: what was produced is paid.
func (b *Batcher) Settle(ctx context.Context, id string, used price.Usage) (Reservation, error) {
	return b.finish(ctx, &operation{action: settle, id: id, usage: used})
}

// Release is Ledger.Release. It goes on when ctx is done, as Settle does.
func (b *Batcher) Release(ctx context.Context, id, reason string) (Reservation, error) {
	o, err := newRelease(id, reason)
	if err != nil {
		return Reservation{}, err
	}
	return b.finish(ctx, o)
}

func (b *Batcher) finish(ctx context.Context, o *operation) (Reservation, error) {
	w := &waiter{operation: o, ctx: context.WithoutCancel(ctx), until: time.Now().Add(patience), ready: make(chan struct{})}
	if err := b.put(w); err != nil {
		return Reservation{}, err
	}
	<-w.ready
	return w.outcome()
}

func (w *waiter) outcome() (Reservation, error) {
	if w.lost != nil {
		return Reservation{}, w.lost
	}
	return w.result, w.err
}

func (b *Batcher) put(w *waiter) error {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.closed {
		return ErrClosed
	}
	if len(b.queue) >= maxQueue && w.until.IsZero() {
		e := fault.New(fault.Overloaded, "too many requests wait for the database")
		e.RetryAfter = time.Second
		return e
	}
	b.queue = append(b.queue, w)
	b.signal()
	return nil
}

func (b *Batcher) signal() {
	select {
	case b.wake <- struct{}{}:
	default: // it knows
	}
}

// take returns the next batch; ok is false when there is nothing left to do for
// good.
func (b *Batcher) take() (batch []*waiter, ok bool) {
	b.mu.Lock()
	defer b.mu.Unlock()
	n := min(len(b.queue), maxBatch)
	batch = b.queue[:n:n]
	b.queue = b.queue[n:]
	if len(b.queue) == 0 {
		b.queue = nil // the array goes with the batch
	}
	return batch, n > 0 || !b.closed
}

func (b *Batcher) work(ctx context.Context) {
	defer close(b.done)
	pause := time.Duration(0)
	for {
		batch, ok := b.take()
		if !ok {
			return
		}
		if len(batch) == 0 {
			<-b.wake
			continue
		}
		away := b.do(ctx, batch)
		if len(away) == 0 {
			pause = 0
			continue
		}
		b.mu.Lock()
		b.queue = append(away, b.queue...)
		b.mu.Unlock()
		pause = min(max(2*pause, firstPause), lastPause)
		time.Sleep(pause) // the database is away; nobody else could do anything
	}
}

// do does a batch, and returns what should be tried again.
func (b *Batcher) do(ctx context.Context, batch []*waiter) (again []*waiter) {
	batch = stayed(batch)
	if len(batch) == 0 {
		return nil
	}
	err := b.transact(ctx, batch)
	switch {
	case err == nil:
		b.deliver(batch)
	case db.Unavailable(err) || errors.Is(err, context.DeadlineExceeded):
		now := time.Now()
		for _, w := range batch {
			if now.Before(w.until) {
				again = append(again, w)
				continue
			}
			e := fault.Wrap(err, fault.Overloaded, "the database is not available")
			e.RetryAfter = time.Second
			w.fail(e)
		}
	case len(batch) > 1: // one of them may be why: the others must not suffer
		for _, w := range batch {
			again = append(again, b.do(ctx, []*waiter{w})...)
		}
	default:
		batch[0].fail(err)
	}
	return again
}

// stayed drops reservations that nobody waits for any more.
func stayed(batch []*waiter) []*waiter {
	var all []*waiter
	for _, w := range batch {
		if w.ctx.Err() != nil && w.gone.Load() {
			close(w.ready)
			continue
		}
		all = append(all, w)
	}
	return all
}

func (b *Batcher) transact(ctx context.Context, batch []*waiter) (err error) {
	defer func() {
		if v := recover(); v != nil { // a bug of ours must not stop everybody's money
			err = fmt.Errorf("ledger: bug: %v", v)
		}
	}()
	all := make([]*operation, len(batch))
	for i, w := range batch {
		all[i] = w.operation
	}
	return b.try(ctx, all)
}

// deliver tells the callers. What was reserved for one who has left goes back.
func (b *Batcher) deliver(batch []*waiter) {
	for _, w := range batch {
		if w.action == reserve && w.err == nil && !w.result.Repeated && !w.gone.CompareAndSwap(false, true) {
			back := &waiter{operation: &operation{action: release, id: w.id, reason: "the client left"}, ctx: context.WithoutCancel(w.ctx), until: time.Now().Add(patience), ready: make(chan struct{})}
			b.mu.Lock()
			b.queue = append(b.queue, back) // also while closing; the worker, which this is, looks again
			b.mu.Unlock()
		}
		close(w.ready)
	}
}

func (w *waiter) fail(err error) {
	w.lost = err
	close(w.ready)
}
