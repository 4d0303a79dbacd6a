package job

import (
	"cmp"
	"context"
	"iter"
	"slices"
	"sync"
	"time"
)

// maxUnread bounds the messages that wait for one slow watcher. States are read
// from the database and never lost; progress is.
const maxUnread = 64

// Update is what a watcher is told: a change of state, or with ID 0 what lies
// between two: progress or a preview.
type Update struct {
	ID       int64 // grows within a job; a watcher resumes after the last one it saw
	State    State
	Attempt  int
	At       time.Time // of a change of state
	Sight    *Sight    // with it
	Progress *Progress
	Preview  *Preview

	place *outlook
}

// Sight is a job as one look at the database found it, the same for all who
// watch the job.
type Sight struct {
	Job Job

	queue *Queue
	once  sync.Once
	out   outlook
	err   error
}

// Estimate is what Queue.Estimate says; the first who wants it asks for all.
func (s *Sight) Estimate(ctx context.Context) (Estimate, error) {
	o, err := s.outlook(ctx)
	if err != nil {
		return Estimate{}, err
	}
	return o.estimate(s.Job, s.queue.now()), nil
}

func (s *Sight) outlook(ctx context.Context) (outlook, error) {
	s.once.Do(func() { s.out, s.err = s.queue.outlook(context.WithoutCancel(ctx), s.Job) })
	return s.out, s.err
}

// Watch tells what becomes of a job from after an update on (0: from the
// beginning), until it has ended and all is told. The error, if any, comes
// last.
func (q *Queue) Watch(ctx context.Context, id string, after int64) iter.Seq2[Update, error] {
	return func(yield func(Update, error) bool) {
		w := newWatcher(id, after)
		if err := w.watch(ctx, &q.hub, func(u Update) bool { return yield(u, nil) }); err != nil {
			yield(Update{}, err)
		}
	}
}

// Seen is a job as one who follows it sees it.
type Seen struct {
	Job      Job
	Estimate Estimate
	Preview  *Preview // a new one
}

// Follow tells how a job is, at once and whenever that has changed, its place in
// the queue included, until it has ended. The error, if any, comes last.
func (q *Queue) Follow(ctx context.Context, id string) iter.Seq2[Seen, error] {
	return func(yield func(Seen, error) bool) {
		w := newWatcher(id, 0)
		w.places = true
		var now struct { // what was shown
			version  int64
			progress Progress
			outlook  outlook
		}
		var sight *Sight
		var failed error
		err := w.watch(ctx, &q.hub, func(u Update) bool {
			next := now
			switch {
			case u.Sight != nil:
				sight = u.Sight
				if next.outlook, failed = sight.outlook(ctx); failed != nil {
					return false
				}
				next.version, next.progress = sight.Job.Version, sight.Job.Progress
			case u.Progress != nil:
				next.progress = *u.Progress
			case u.place != nil:
				next.outlook = *u.place
			}
			if sight == nil || next == now && u.Preview == nil {
				return true
			}
			now = next
			j := sight.Job
			j.Progress = now.progress
			return yield(Seen{j, now.outlook.estimate(j, q.now()), u.Preview}, nil)
		})
		if err = cmp.Or(failed, err); err != nil {
			yield(Seen{}, err)
		}
	}
}

// watcher is one who watches a job.
type watcher struct {
	id     string
	places bool // wants to know of its place in the queue

	wake  chan struct{} // there is a letter
	inbox chan telling

	// The hub's, under its lock.
	letter letter
	after  int64 // the last change of state that it was sent
	err    error

	attempt  int
	progress Progress
	early    []telling // of an attempt that it was not told of
}

// letter is what the database says.
type letter struct {
	sight *Sight
	news  []Update
	place *outlook
}

func newWatcher(id string, after int64) *watcher {
	return &watcher{id: id, after: after, wake: make(chan struct{}, 1), inbox: make(chan telling, maxUnread)}
}

// see is called by the hub: the job was read, and these are the changes of its
// state, in any order.
func (w *watcher) see(s *Sight, events []Update) {
	w.letter.sight = s
	for _, u := range events {
		if u.ID > w.after {
			u.Sight = s
			w.letter.news = append(w.letter.news, u)
		}
	}
	slices.SortFunc(w.letter.news, func(a, b Update) int { return cmp.Compare(a.ID, b.ID) })
	if n := len(w.letter.news); n > 0 {
		w.after = w.letter.news[n-1].ID
	}
	poke(w.wake)
}

// move is called by the hub: the job has this place in the queue.
func (w *watcher) move(o outlook) {
	if w.places {
		w.letter.place = &o
		poke(w.wake)
	}
}

// watch tells updates until the job has ended or nobody wants more.
func (w *watcher) watch(ctx context.Context, h *hub, tell func(Update) bool) error {
	if err := h.join(ctx, w); err != nil {
		return err
	}
	defer h.leave(w)
	for {
		select {
		case <-ctx.Done():
			return context.Cause(ctx)
		case m := <-w.inbox:
			if !w.hear(m, tell) {
				return nil
			}
		case <-w.wake:
			h.mu.Lock()
			l, err := w.letter, w.err
			w.letter = letter{}
			h.mu.Unlock()
			if err != nil || !w.read(l, tell) {
				return err
			}
		}
	}
}

// read tells what a letter says, after what was heard before it; false is the
// end.
func (w *watcher) read(l letter, tell func(Update) bool) bool {
	for len(w.inbox) > 0 {
		if !w.hear(<-w.inbox, tell) {
			return false
		}
	}
	for _, u := range l.news {
		w.begin(u.Attempt)
		if !tell(u) {
			return false
		}
	}
	if l.sight != nil {
		j := l.sight.Job
		w.begin(j.Attempt)
		if j.State.Held() && j.Progress.Fraction > w.progress.Fraction && !w.tellProgress(j.Progress, tell) || j.State.Final() {
			return false
		}
	}
	early := w.early
	w.early = nil
	for _, m := range early {
		if !w.hear(m, tell) {
			return false
		}
	}
	return l.place == nil || tell(Update{State: Queued, place: l.place})
}

// begin notes an attempt that is told of.
func (w *watcher) begin(attempt int) {
	if attempt > w.attempt {
		w.attempt, w.progress = attempt, Progress{}
	}
}

// hear tells what a message says, unless it is of a stale attempt. One of an
// attempt that was not told of waits until it is.
func (w *watcher) hear(m telling, tell func(Update) bool) bool {
	switch {
	case m.Attempt < w.attempt:
		return true
	case m.Attempt > w.attempt:
		if len(w.early) < maxUnread {
			w.early = append(w.early, m)
		}
		return true
	case m.Preview != nil && !tell(Update{Attempt: m.Attempt, State: Running, Preview: m.Preview}):
		return false
	}
	return m.Progress == nil || w.tellProgress(*m.Progress, tell)
}

func (w *watcher) tellProgress(p Progress, tell func(Update) bool) bool {
	w.progress = p
	return tell(Update{Attempt: w.attempt, State: Running, Progress: &p})
}
