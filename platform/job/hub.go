package job

import (
	"context"
	"encoding/json"
	"errors"
	"slices"
	"strings"
	"sync"
	"time"
	"unicode/utf8"

	"kuai/platform/db"
	"kuai/platform/event"
)

// lookEvery is how long a lost message delays those who watch.
const lookEvery = 2 * time.Second

// hub watches for everyone in this process: a message is heard once, and a look
// asks the database once, however many streams wait for jobs. It works while
// somebody watches.
type hub struct {
	q     *Queue
	every time.Duration // between two looks at all jobs

	life sync.Mutex // held while rounds begin and end
	now  *round     // nil while nobody watches

	mu     sync.Mutex
	topics map[string]*topic // by job
}

// round is the time from the first watcher to the last.
type round struct {
	kick chan struct{}
	end  func() // waits
}

// topic is a job that somebody watches.
type topic struct {
	watchers map[*watcher]struct{}
	fresh    bool // has to be read: somebody has come, or its state has changed
	queued   bool // when it was read
	mark     mark // then
}

// mark changes when a job does.
type mark struct {
	version  int64
	progress string
}

func markOf(j Job) mark {
	data, _ := json.Marshal(j.Progress) // as it is stored
	return mark{j.Version, string(data)}
}

// join adds a watcher, who is told of the job as it is, and of its changes.
func (h *hub) join(ctx context.Context, w *watcher) error {
	if len(w.id) > maxName || !utf8.ValidString(w.id) || strings.ContainsRune(w.id, 0) {
		return errNotFound(clip(w.id, maxName)) // it would spoil the question for the others
	}
	h.life.Lock()
	defer h.life.Unlock()
	if h.now == nil {
		if err := h.begin(ctx); err != nil {
			return err
		}
	}
	h.mu.Lock()
	t, ok := h.topics[w.id]
	if !ok {
		t = &topic{watchers: map[*watcher]struct{}{}}
		h.topics[w.id] = t
	}
	t.watchers[w], t.fresh = struct{}{}, true
	h.mu.Unlock()
	poke(h.now.kick)
	return nil
}

// leave takes a watcher out.
func (h *hub) leave(w *watcher) {
	h.life.Lock()
	defer h.life.Unlock()
	h.mu.Lock()
	t := h.topics[w.id]
	if delete(t.watchers, w); len(t.watchers) == 0 {
		delete(h.topics, w.id)
	}
	last := len(h.topics) == 0
	h.mu.Unlock()
	if last {
		h.now.end()
		h.now = nil
	}
}

// poke wakes whoever waits for a channel with room for one.
func poke(c chan struct{}) {
	select {
	case c <- struct{}{}:
	default:
	}
}

// begin begins a round.
func (h *hub) begin(ctx context.Context) error {
	kick := make(chan struct{}, 1)
	deaf, err := h.q.bus.Subscribe("job.*.*", func(m event.Message) { h.hear(m, kick) })
	if err != nil {
		return wrap(err)
	}
	ctx, stop := context.WithCancel(context.WithoutCancel(ctx))
	var work sync.WaitGroup
	work.Go(func() { h.looks(ctx, kick) })
	h.now = &round{kick, func() { deaf(); stop(); work.Wait() }}
	return nil
}

// hear hands a message to those who watch its job; a change of state is read
// from the database.
func (h *hub) hear(m event.Message, kick chan struct{}) {
	id, what, _ := strings.Cut(strings.TrimPrefix(m.Subject, "job."), ".")
	h.mu.Lock()
	defer h.mu.Unlock()
	t := h.topics[id]
	switch {
	case t == nil || what == "stop":
		return
	case what == "state":
		t.fresh = true
		poke(kick)
		return
	}
	var told telling
	if json.Unmarshal(m.Data, &told) != nil {
		return
	}
	for w := range t.watchers {
		select {
		case w.inbox <- told:
		default: // progress can be lost
		}
	}
}

// looks reads what a message or a newcomer points at, and now and then at all.
func (h *hub) looks(ctx context.Context, kick <-chan struct{}) {
	tick := time.NewTicker(h.every)
	defer tick.Stop()
	for {
		all := false
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
			all = true
		case <-kick:
		}
		h.look(ctx, all)
	}
}

// sightings are what a look found.
type sightings struct {
	read   []string // jobs that were read; those that are not among the following are not there
	jobs   map[string]Job
	broken map[string]error
	events map[string][]Update
	places map[string]outlook // of those that wait
}

// look reads the jobs that are fresh, or of all of them those that have changed,
// and tells everyone.
func (h *hub) look(ctx context.Context, all bool) {
	fresh, rest, waiting := h.agenda(all)
	if len(fresh)+len(rest) == 0 {
		return
	}
	var s sightings
	err := h.q.db.Read(ctx, func(tx *db.Tx) (err error) {
		s = sightings{read: fresh}
		moved, err := h.moved(ctx, tx, rest)
		if err != nil {
			return err
		}
		s.read = append(slices.Clip(s.read), moved...)
		if err = s.load(ctx, tx); err != nil || !waiting {
			return err
		}
		s.places, err = h.q.outlooks(ctx, tx)
		return err
	})
	switch {
	case ctx.Err() != nil: // the last one has left
	case err != nil:
		h.fail(append(fresh, rest...), err)
	default:
		h.tell(s)
	}
}

// agenda is what a look has to read, what it has to compare, and whether one of
// those wants to know of its place in the queue.
func (h *hub) agenda(all bool) (fresh, rest []string, waiting bool) {
	h.mu.Lock()
	defer h.mu.Unlock()
	for id, t := range h.topics {
		switch {
		case t.fresh:
			t.fresh = false
			fresh = append(fresh, id)
		case all:
			rest = append(rest, id)
			waiting = waiting || t.queued && t.placed()
		}
	}
	return fresh, rest, waiting
}

// placed says whether somebody wants to know of the job's place in the queue.
func (t *topic) placed() bool {
	for w := range t.watchers {
		if w.places {
			return true
		}
	}
	return false
}

// moved are those jobs that are not as they were.
func (h *hub) moved(ctx context.Context, tx *db.Tx, ids []string) (out []string, err error) {
	marks := map[string]mark{}
	err = together(ctx, tx, ids, "SELECT id, version, progress FROM jobs WHERE id IN ", func(r db.Scanner) error {
		var id string
		var m mark
		err := r.Scan(&id, &m.version, &m.progress)
		marks[id] = m
		return wrap(err)
	})
	h.mu.Lock()
	defer h.mu.Unlock()
	for _, id := range ids {
		if t := h.topics[id]; t != nil && t.mark != marks[id] {
			out = append(out, id)
		}
	}
	return out, err
}

// load reads jobs and the changes of their states.
func (s *sightings) load(ctx context.Context, tx *db.Tx) error {
	s.jobs, s.broken, s.events = map[string]Job{}, map[string]error{}, map[string][]Update{}
	err := together(ctx, tx, s.read, selectJob+" WHERE id IN ", func(r db.Scanner) error {
		j, err := scan(r)
		switch {
		case err == nil:
			s.jobs[j.ID] = j
		case j.ID != "": // the others can be read
			s.broken[j.ID] = wrap(err)
		default:
			return wrap(err)
		}
		return nil
	})
	if err != nil {
		return err
	}
	return together(ctx, tx, s.read, "SELECT job, version, state, attempt, at FROM job_events WHERE job IN ", func(r db.Scanner) error {
		var id string
		var u Update
		var at int64
		err := r.Scan(&id, &u.ID, &u.State, &u.Attempt, &at)
		u.At = db.Time(at)
		s.events[id] = append(s.events[id], u)
		return wrap(err)
	})
}

// maxTogether bounds the jobs of one statement.
const maxTogether = 1024

// together runs a query over any number of jobs. It asks for powers of two of
// them, so that there are few statements to keep prepared.
func together(ctx context.Context, tx *db.Tx, ids []string, query string, row func(db.Scanner) error) error {
	for len(ids) > 0 {
		some := ids[:min(len(ids), maxTogether)]
		ids = ids[len(some):]
		n := 1
		for n < len(some) {
			n *= 2
		}
		args := make([]any, n)
		for i := range args {
			args[i] = some[min(i, len(some)-1)]
		}
		if err := each(ctx, tx, row, query+"(?"+strings.Repeat(", ?", n-1)+")", args); err != nil {
			return err
		}
	}
	return nil
}

// each calls a function with every row of a query.
func each(ctx context.Context, tx *db.Tx, row func(db.Scanner) error, query string, args []any) (err error) {
	rows, err := tx.QueryContext(ctx, query, args...)
	if err != nil {
		return wrap(err)
	}
	defer func() { err = errors.Join(err, rows.Close()) }()
	for rows.Next() {
		if err := row(rows); err != nil {
			return err
		}
	}
	return wrap(rows.Err())
}

// tell tells everyone what was found.
func (h *hub) tell(s sightings) {
	h.mu.Lock()
	defer h.mu.Unlock()
	for _, id := range s.read {
		t := h.topics[id]
		if t == nil {
			continue // everyone has left
		}
		j, ok := s.jobs[id]
		if !ok {
			err := s.broken[id]
			if err == nil {
				err = errNotFound(id)
			}
			t.fail(err)
			continue
		}
		t.mark, t.queued = markOf(j), j.State == Queued
		found := &Sight{Job: j, queue: h.q}
		for w := range t.watchers {
			w.see(found, s.events[id])
		}
	}
	for id, o := range s.places {
		if t := h.topics[id]; t != nil {
			for w := range t.watchers {
				w.move(o)
			}
		}
	}
}

// fail tells the watchers of jobs why they cannot be told more.
func (h *hub) fail(ids []string, err error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	for _, id := range ids {
		if t := h.topics[id]; t != nil {
			t.fail(err)
		}
	}
}

func (t *topic) fail(err error) {
	for w := range t.watchers {
		w.err = err
		poke(w.wake)
	}
}
