package chat

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"runtime/debug"
	"slices"
	"sync"
	"time"

	"kuai/text/schema"
)

// Engine runs requests on a model. Its methods may be called by any goroutine.
type Engine struct {
	model Model
	tok   Tokenizer
	info  Info
	o     Options

	vocab func() *schema.Vocabulary
	wake  chan struct{}
	done  chan struct{} // the loop has ended
	stop  context.CancelCauseFunc

	mu      sync.Mutex
	waiting []*sequence
	closed  bool // nothing new is taken
	calls   []func()
	stats   Stats
	idle    chan struct{} // closed while nothing runs or waits, for Drain

	// Of the loop alone.
	running  []*sequence
	reserved int64
	kept     keeper
	pace     pace
	batch    []Slice
	logits   [][]float32
	left     []int
	take     []int
}

// New starts an engine. Close ends it.
func New(ctx context.Context, m Model, t Tokenizer, o Options) *Engine {
	e := &Engine{
		model: m, tok: t, info: m.Info(), o: o.withDefaults(),
		wake: make(chan struct{}, 1), done: make(chan struct{}), idle: make(chan struct{}, 1),
	}
	e.kept.budget = max(e.o.KeepBytes, 0)
	if e.o.MemoryBytes > 0 {
		e.kept.budget = min(e.kept.budget, e.o.MemoryBytes)
	}
	e.vocab = sync.OnceValue(func() *schema.Vocabulary {
		return schema.NewVocabulary(e.info.Vocab, t.Bytes, t.IsEnd)
	})
	e.kept.disk = newSpill(m, e.o.SpillDir, e.o.SpillBytes)
	ctx, e.stop = context.WithCancelCause(ctx)
	go e.loop(ctx)
	return e
}

// vocabulary is the tree of tokens, made when a request first asks for it.
func (e *Engine) vocabulary() *schema.Vocabulary { return e.vocab() }

// Submit queues a request. It fails with ErrFull, ErrClosed, ErrMemory,
// ErrEmpty, a TooLongError, or by what is wrong with the request. When ctx
// ends, the request does within a step.
func (e *Engine) Submit(ctx context.Context, r Request) (*Stream, error) {
	s, err := e.newSequence(ctx, r)
	if err != nil {
		return nil, err
	}
	e.mu.Lock()
	switch {
	case e.closed:
		err = ErrClosed
	case len(e.waiting) >= e.o.Waiting:
		err = ErrFull
	default:
		s.unhook = context.AfterFunc(ctx, e.poke)
		s.stream.cancel = e.poke
		e.waiting = append(e.waiting, s)
		e.stats.Requests++
	}
	e.mu.Unlock()
	if err != nil {
		return nil, err
	}
	e.poke()
	return s.stream, nil
}

// poke wakes the loop.
func (e *Engine) poke() {
	select {
	case e.wake <- struct{}{}:
	default:
	}
}

// Stats returns what the engine does and has done.
func (e *Engine) Stats() Stats {
	e.mu.Lock()
	defer e.mu.Unlock()
	s := e.stats
	s.Waiting = len(e.waiting)
	return s
}

// Drain takes no more requests, waits until those it has are done, and closes.
// When ctx ends first, the rest fails with ErrClosed.
func (e *Engine) Drain(ctx context.Context) {
	e.mu.Lock()
	e.closed = true
	e.mu.Unlock()
	e.poke()
	for {
		e.mu.Lock()
		busy := len(e.waiting) + e.stats.Running
		e.mu.Unlock()
		if busy == 0 || ctx.Err() != nil {
			break
		}
		select {
		case <-e.idle:
		case <-e.done:
		case <-ctx.Done():
		}
	}
	e.Close()
}

// Close ends all requests with ErrClosed, and the engine.
func (e *Engine) Close() {
	e.mu.Lock()
	e.closed = true
	e.mu.Unlock()
	e.stop(ErrClosed)
	<-e.done
}

// loop makes all steps until ctx is done.
func (e *Engine) loop(ctx context.Context) {
	defer close(e.done)
	for {
		e.drop()
		e.called()
		e.admit()
		e.publish()
		if ctx.Err() != nil {
			e.shut()
			return
		}
		if len(e.running) == 0 {
			select {
			case e.idle <- struct{}{}:
			default:
			}
			select {
			case <-e.wake:
			case <-ctx.Done():
			}
			continue
		}
		e.step(ctx)
	}
}

// shut ends everything.
func (e *Engine) shut() {
	e.mu.Lock()
	all := append(e.running, e.waiting...)
	e.running, e.waiting, e.closed = nil, nil, true
	e.mu.Unlock()
	for _, s := range all {
		e.finish(s, Result{Reason: Cancelled, Err: ErrClosed})
	}
	e.kept.close()
	e.publish()
}

// publish makes the loop's figures visible.
func (e *Engine) publish() {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.stats.Running, e.stats.Kept, e.stats.KeptBytes = len(e.running), len(e.kept.list), e.kept.bytes
}

// drop ends the requests that nobody wants any more.
func (e *Engine) drop() {
	e.mu.Lock()
	var gone []*sequence
	e.waiting = slices.DeleteFunc(e.waiting, func(s *sequence) bool {
		if s.left() == nil {
			return false
		}
		gone = append(gone, s)
		return true
	})
	e.mu.Unlock()
	for _, s := range gone {
		e.finish(s, Result{Reason: Cancelled, Err: s.left()})
	}
	e.remove(func(s *sequence) bool {
		err := s.left()
		if err != nil {
			e.finish(s, Result{Reason: Cancelled, Err: err})
		}
		return err != nil
	})
}

// remove takes sequences that have ended from the running ones.
func (e *Engine) remove(ended func(*sequence) bool) {
	e.running = slices.DeleteFunc(e.running, func(s *sequence) bool {
		if !ended(s) {
			return false
		}
		e.reserved -= s.reserved
		return true
	})
}

// admit lets requests in, first come, first served.
func (e *Engine) admit() {
	defer e.start()
	for len(e.running) < e.o.Running {
		e.mu.Lock()
		if len(e.waiting) == 0 {
			e.mu.Unlock()
			return
		}
		s := e.waiting[0]
		if most := e.o.MemoryBytes; most > 0 {
			room := most - e.reserved - s.reserved
			if room < 0 {
				e.mu.Unlock()
				return // until others are done
			}
			e.kept.shrink(max(room, e.kept.bytesOf(s.req.Conversation)))
		}
		e.waiting = e.waiting[1:]
		e.reserved += s.reserved
		e.running = append(e.running, s)
		e.stats.Running = len(e.running)
		e.mu.Unlock()
		e.follow(s)
	}
}

func (e *Engine) count(f func(*Stats)) {
	e.mu.Lock()
	defer e.mu.Unlock()
	f(&e.stats)
}

// step makes one pass: a token for every answer, and pieces of prompts.
func (e *Engine) step(ctx context.Context) {
	batch, owners, prompts, writing := e.gather()
	defer clear(batch) // holds no session longer than needed
	begin := time.Now()
	err := e.pass(ctx, batch)
	took := time.Since(begin)
	e.pace.saw(prompts, writing, took)
	if err != nil {
		e.fail(ctx, owners, err)
		return
	}
	e.count(func(t *Stats) { t.saw(prompts, writing, took) })
	drawn := make([]drawn, len(owners))
	e.o.Pool.Do(len(owners), func(i, _ int) {
		if batch[i].Logits != nil {
			drawn[i] = owners[i].draw(batch[i].Logits)
		}
	})
	ended := map[*sequence]bool{}
	written := int64(0)
	for i, s := range owners {
		s.next = s.next[len(batch[i].Tokens):]
		if batch[i].Logits == nil {
			continue
		}
		written++
		if e.chose(s, drawn[i]) {
			ended[s] = true
		}
	}
	e.count(func(t *Stats) { t.CompletionTokens += written })
	if len(ended) > 0 {
		e.remove(func(s *sequence) bool { return ended[s] })
	}
}

// gather makes the batch of a step: prompts is how many of its tokens are read,
// writing how many answers get their next token.
func (e *Engine) gather() (batch []Slice, owners []*sequence, prompts, writing int) {
	e.left = e.left[:0]
	for _, s := range e.running {
		n := len(s.next)
		if s.written > 0 {
			n = 0
			writing++
		}
		e.left = append(e.left, n)
	}
	e.take = plan(e.left, e.pace.room(e.o, writing > 0), e.take)
	batch = e.batch[:0]
	for i, s := range e.running {
		n := e.take[i]
		prompts += n
		if s.written > 0 {
			n = 1
		}
		if n == 0 {
			continue
		}
		sl := Slice{Session: s.session, Tokens: s.next[:n]}
		if n == len(s.next) {
			sl.Logits = e.room(len(batch))
		}
		batch = append(batch, sl)
		owners = append(owners, s)
	}
	e.batch = batch
	return batch, owners, prompts, writing
}

// room is the i-th buffer of logits.
func (e *Engine) room(i int) []float32 {
	for len(e.logits) <= i {
		e.logits = append(e.logits, make([]float32, e.info.Vocab))
	}
	return e.logits[i]
}

// bugError is a panic of a pass.
type bugError struct{ value any }

func (b *bugError) Error() string { return fmt.Sprintf("bug: %v", b.value) }

// pass runs the model; a panic is an error.
func (e *Engine) pass(ctx context.Context, batch []Slice) (err error) {
	defer func() {
		if v := recover(); v != nil {
			slog.Error("a step failed by a bug", "bug", v, "stack", string(debug.Stack()))
			err = &bugError{v}
		}
	}()
	return e.model.Step(ctx, batch)
}

// fail ends the sequences of a step that failed. Their sessions may be amid a
// pass and are emptied, so that nobody goes on from them.
func (e *Engine) fail(ctx context.Context, owners []*sequence, err error) {
	if ctx.Err() != nil {
		return // shutting down: the loop ends them
	}
	if _, ok := errors.AsType[*bugError](err); ok {
		err = ErrInternal
	}
	for _, s := range owners {
		if rewound := s.session.Rewind(0); rewound != nil {
			slog.Warn("a session cannot be emptied", "error", rewound)
		}
		e.finish(s, Result{Reason: Failed, Err: err})
	}
	e.remove(func(s *sequence) bool { return slices.Contains(owners, s) })
}
