package job

import (
	"context"
	"log/slog"
	"strings"
	"sync"
	"time"

	"kuai/platform/db"
	"kuai/platform/event"
)

const (
	// endsLooked bounds the jobs of a look that no message asks for.
	endsLooked = 4 * maxTogether
	// endsCalled bounds the functions that are at work at once.
	endsCalled = 16
)

// Ends calls functions when jobs have ended. To watch a job takes a goroutine
// and a box for messages; who waits for its end alone is an entry in a table
// here, for queues grow long.
type Ends struct {
	q     *Queue
	every time.Duration // between looks for which there was no message
	kick  chan struct{}
	quit  context.CancelFunc
	work  sync.WaitGroup
	room  chan struct{} // a place for each function at work

	mu      sync.Mutex
	waiting map[string]func(context.Context)
	turn    []string // who waits, and some who do no longer, in the order of looks
	fresh   []string // to be read: new here, or moved
}

// NewEnds returns one that works until Close.
func NewEnds(ctx context.Context, q *Queue) *Ends {
	e := &Ends{q: q, every: q.hub.every, kick: make(chan struct{}, 1), room: make(chan struct{}, endsCalled), waiting: map[string]func(context.Context){}}
	ctx, e.quit = context.WithCancel(ctx)
	deaf, err := q.bus.Subscribe("job.*.state", e.hear)
	if err != nil { // looks find the ends too, but later
		slog.WarnContext(ctx, "ends of jobs are not heard of", "error", err)
		deaf = func() {}
	}
	e.work.Go(func() {
		defer deaf()
		e.looks(ctx)
	})
	return e
}

// Close ends it, and waits for functions that are at work. Those whose jobs go
// on are never called.
func (e *Ends) Close() {
	e.quit()
	e.work.Wait()
}

// Wait has a function called when a job has ended, or is no longer there. Its
// context outlives Close, which waits for it.
func (e *Ends) Wait(id string, f func(context.Context)) {
	e.mu.Lock()
	e.waiting[id] = f
	e.turn, e.fresh = append(e.turn, id), append(e.fresh, id)
	e.mu.Unlock()
	poke(e.kick)
}

func (e *Ends) hear(m event.Message) {
	id, _, _ := strings.Cut(strings.TrimPrefix(m.Subject, "job."), ".")
	e.mu.Lock()
	_, ok := e.waiting[id]
	if ok {
		e.fresh = append(e.fresh, id)
	}
	e.mu.Unlock()
	if ok {
		poke(e.kick)
	}
}

func (e *Ends) looks(ctx context.Context) {
	tick := time.NewTicker(e.every)
	defer tick.Stop()
	for {
		most := 0
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
			most = endsLooked
		case <-e.kick:
		}
		ids := e.agenda(most)
		if err := e.look(ctx, ids); err != nil && ctx.Err() == nil {
			slog.WarnContext(ctx, "ends of jobs could not be read; soon again", "jobs", len(ids), "error", err)
			e.mu.Lock()
			e.fresh = append(e.fresh, ids...)
			e.mu.Unlock()
		}
	}
}

// agenda is whom to look at: those who are fresh, and so many of the others in
// turn.
func (e *Ends) agenda(most int) (ids []string) {
	e.mu.Lock()
	defer e.mu.Unlock()
	seen := make(map[string]bool, len(e.fresh))
	add := func(id string) {
		if e.waiting[id] != nil && !seen[id] {
			seen[id] = true
			ids = append(ids, id)
		}
	}
	for _, id := range e.fresh {
		add(id)
	}
	e.fresh = nil
	some := e.turn[:min(most, len(e.turn))]
	e.turn = e.turn[len(some):]
	for _, id := range some {
		if e.waiting[id] != nil {
			e.turn = append(e.turn, id)
			add(id)
		}
	}
	return ids
}

// look reads jobs, and calls the functions of those that have ended.
func (e *Ends) look(ctx context.Context, ids []string) error {
	if len(ids) == 0 {
		return nil
	}
	open := map[string]bool{}
	err := e.q.db.Read(ctx, func(tx *db.Tx) error {
		clear(open)
		return together(ctx, tx, ids, "SELECT id, state FROM jobs WHERE id IN ", func(r db.Scanner) error {
			var id string
			var s State
			err := r.Scan(&id, &s)
			open[id] = !s.Final()
			return wrap(err)
		})
	})
	if err != nil {
		return err
	}
	for _, id := range ids {
		if open[id] {
			continue
		}
		e.mu.Lock()
		f := e.waiting[id]
		delete(e.waiting, id)
		e.mu.Unlock()
		if f == nil {
			continue
		}
		select {
		case e.room <- struct{}{}:
		case <-ctx.Done():
			return nil
		}
		e.work.Go(func() {
			defer func() { <-e.room }()
			f(context.WithoutCancel(ctx))
		})
	}
	return nil
}
