package clip

import (
	"context"
	"log/slog"
	"sync"

	"kuai/api/gate"
	"kuai/media"
	"kuai/serve"
)

// Queue is Videos over a serve.Queue: one machine, without durable jobs.
type Queue struct {
	queue   *serve.Queue
	watch   sync.WaitGroup
	settled sync.Map // id -> chan struct{}, closed when the job's ticket has ended
}

// NewQueue returns one. Close it after the queue itself.
func NewQueue(q *serve.Queue) *Queue { return &Queue{queue: q} }

// Close waits until the tickets of all jobs have ended.
func (q *Queue) Close() { q.watch.Wait() }

// Shape says which clips the model makes.
func (q *Queue) Shape() (serve.Shaped, bool) { return q.queue.Shape() }

// Submit queues an order.
func (q *Queue) Submit(ctx context.Context, t gate.Ticket, o Order) (serve.Job, error) {
	tags := map[string]string{tagOwner: t.Principal().Owner()}
	if o.Remix != "" {
		tags[tagRemix] = o.Remix
	}
	if o.Still {
		tags[tagKind] = still
		o.Frames = 1
	}
	j, err := q.queue.SubmitTagged(o.Request, tags)
	if err != nil {
		return j, err
	}
	ctx = context.WithoutCancel(ctx)
	done := make(chan struct{})
	q.settled.Store(j.ID, done)
	q.watch.Go(func() {
		defer func() { close(done); q.settled.Delete(j.ID) }()
		q.settle(ctx, t, j)
	})
	return j, nil
}

// settle waits for a job's end and ends its ticket.
func (q *Queue) settle(ctx context.Context, t gate.Ticket, j serve.Job) {
	for !j.Status.Final() {
		now, changed, err := q.queue.Get(j.ID)
		if err != nil { // deleted
			j.Status = serve.Cancelled
			break
		}
		if j = now; j.Status.Final() {
			break
		}
		select {
		case <-changed:
		case <-q.queue.Done():
			now, _, err := q.queue.Get(j.ID)
			if err == nil && now.Status.Final() {
				j = now
			} else {
				j.Status = serve.Cancelled // it never began
			}
		}
	}
	ctx, stop := context.WithTimeout(ctx, settleTimeout)
	defer stop()
	var err error
	if used, made := Used(j); made {
		err = t.Settle(ctx, used)
	} else {
		err = t.Release(ctx, string(j.Status))
	}
	if err != nil {
		slog.ErrorContext(ctx, "a job could not be settled", "id", j.ID, "error", err)
	}
}

// owned says whether a job is the owner's. Clips from before there were owners
// are the local one's.
func owned(j serve.Job, owner string) bool {
	of := j.Tags[tagOwner]
	if of == "" {
		of = gate.Local.Owner()
	}
	return of == owner
}

// Get returns a job of the owner.
func (q *Queue) Get(_ context.Context, owner, id string) (serve.Job, <-chan struct{}, error) {
	j, changed, err := q.queue.Get(id)
	if err == nil && !owned(j, owner) {
		return serve.Job{}, nil, serve.ErrNotFound
	}
	return j, changed, err
}

// List returns the owner's clips.
func (q *Queue) List(_ context.Context, owner string) ([]serve.Job, error) {
	var out []serve.Job
	for _, j := range q.queue.List() {
		if owned(j, owner) && j.Tags[tagKind] != still {
			out = append(out, j)
		}
	}
	return out, nil
}

// Cancel stops a job.
func (q *Queue) Cancel(ctx context.Context, owner, id string) (serve.Job, error) {
	if _, _, err := q.Get(ctx, owner, id); err != nil {
		return serve.Job{}, err
	}
	return q.queue.Cancel(id)
}

// Delete removes a job and what it made. What has been made is paid for first.
func (q *Queue) Delete(ctx context.Context, owner, id string) error {
	j, _, err := q.Get(ctx, owner, id)
	if err != nil {
		return err
	}
	if done, ok := q.settled.Load(id); ok && j.Status.Final() {
		select {
		case <-done.(chan struct{}):
		case <-ctx.Done():
			return context.Cause(ctx)
		}
	}
	return q.queue.Delete(id)
}

// Clip returns what a job made.
func (q *Queue) Clip(ctx context.Context, owner, id string) (serve.Job, *media.Clip, error) {
	if _, _, err := q.Get(ctx, owner, id); err != nil {
		return serve.Job{}, nil, err
	}
	return q.queue.Clip(id)
}
