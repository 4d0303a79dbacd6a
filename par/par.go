// Package par runs the iterations of a loop on all cores with little delay.
//
// Waking a parked thread costs 30-90 µs, many times a small kernel, so workers
// spin for a while after each job. Tasks are handed out one by one, which
// keeps both cores busy when something else takes a share of one of them.
package par

import (
	"runtime"
	"runtime/debug"
	"sync"
	"sync/atomic"
)

const (
	// taskBits bounds the tasks of one job: a job's number and its task count
	// share one word, so that a late worker cannot claim from an old job.
	taskBits = 22
	taskMask = 1<<taskBits - 1

	spinShort = 2_000  // rounds of PAUSE before a worker parks: some 100 µs
	spinHot   = 40_000 // the same between Hot and its stop: some 2 ms
	spinWait  = 5_000  // rounds that Do waits for others' last tasks before it blocks
)

// Pool is a set of workers, the caller of Do among them. One Do runs at a
// time; a Do from within a task runs its tasks in place. A nil Pool runs
// everything in the caller.
type Pool struct {
	workers int

	mu sync.Mutex // one job at a time

	_     [64]byte
	state atomic.Uint64 // job number | tasks | next task
	_     [56]byte
	done  atomic.Int64
	_     [56]byte

	job     func(task, worker int)
	n       int
	number  uint64
	spin    atomic.Int64
	hot     atomic.Int64
	parked  atomic.Int32
	wake    chan struct{}
	waiting atomic.Bool
	finish  chan struct{}
	failed  atomic.Pointer[failure]
	closed  atomic.Bool
}

// failure is a task's panic on its way to the caller.
type failure struct{ value any }

// New returns a pool of the given number of workers, the caller included;
// 0 means as many as GOMAXPROCS.
func New(workers int) *Pool {
	if workers <= 0 {
		workers = runtime.GOMAXPROCS(0)
	}
	p := &Pool{
		workers: workers,
		wake:    make(chan struct{}, workers),
		finish:  make(chan struct{}, 1),
	}
	p.spin.Store(spinShort)
	for w := 1; w < workers; w++ {
		go p.run(w)
	}
	return p
}

// Workers returns how many goroutines share the tasks.
func (p *Pool) Workers() int {
	if p == nil {
		return 1
	}
	return p.workers
}

// Do calls f(task, worker) for each task in [0, n) and returns when all have
// run. Calls of one Do with the same worker never overlap; those of another, from
// within a task or in another goroutine, are worker 0 there too, so scratch by
// worker belongs to one Do. A panic in a task is raised again here once the
// others have ended. It allocates nothing.
func (p *Pool) Do(n int, f func(task, worker int)) {
	if p == nil || p.workers == 1 || n <= 1 || n > taskMask || !p.mu.TryLock() {
		for i := range n {
			f(i, 0)
		}
		return
	}
	defer p.mu.Unlock()
	p.job, p.n = f, n
	p.done.Store(0)
	p.number++
	p.state.Store(p.number<<(2*taskBits) | uint64(n)<<taskBits)
	p.wakeUp(n - 1)
	for i := p.claim(); i >= 0; i = p.claim() {
		p.call(i, 0)
	}
	p.wait()
	p.job = nil
	if f := p.failed.Swap(nil); f != nil {
		panic(f.value) //nolint:forbidigo // a task's own panic, handed to the caller
	}
}

// Hot keeps the workers spinning between jobs until stop is called, for the
// length of a training step or of a generated token.
func (p *Pool) Hot() (stop func()) {
	p.Heat()
	var once sync.Once
	return func() { once.Do(p.Cool) }
}

// Heat is Hot without a function to keep, for callers that may not allocate;
// every call wants its Cool.
func (p *Pool) Heat() {
	if p != nil && p.hot.Add(1) == 1 {
		p.spin.Store(spinHot)
	}
}

// Cool ends a Heat.
func (p *Pool) Cool() {
	if p != nil && p.hot.Add(-1) == 0 {
		p.spin.Store(spinShort)
	}
}

// Close ends the workers. The pool must be idle; a later Do runs in the caller
// alone.
func (p *Pool) Close() {
	if p == nil || p.closed.Swap(true) {
		return
	}
	p.mu.Lock() // never unlocked: every later Do runs in place
	for range p.workers - 1 {
		p.wake <- struct{}{}
	}
}

// claim takes the next task of the current job, or returns -1.
func (p *Pool) claim() int {
	for {
		v := p.state.Load()
		next, n := v&taskMask, v>>taskBits&taskMask
		if next >= n {
			return -1
		}
		if p.state.CompareAndSwap(v, v+1) {
			return int(next)
		}
	}
}

// call runs one task and counts it, also when it panics.
func (p *Pool) call(task, worker int) {
	n := int64(p.n) // read now: after the last count a new job may begin
	defer func() {
		if v := recover(); v != nil {
			p.failed.CompareAndSwap(nil, &failure{v})
		}
		if p.done.Add(1) == n && p.waiting.CompareAndSwap(true, false) {
			p.finish <- struct{}{}
		}
	}()
	p.job(task, worker)
}

// wait blocks until every task has run.
func (p *Pool) wait() {
	for spins := 0; p.done.Load() != int64(p.n); spins++ {
		if spins < spinWait {
			pause()
			continue
		}
		p.waiting.Store(true)
		if p.done.Load() == int64(p.n) && p.waiting.CompareAndSwap(true, false) {
			return
		}
		<-p.finish
		return
	}
}

// wakeUp unparks at most n workers.
func (p *Pool) wakeUp(n int) {
	for range n {
		k := p.parked.Load()
		for k > 0 && !p.parked.CompareAndSwap(k, k-1) {
			k = p.parked.Load()
		}
		if k == 0 {
			return
		}
		p.wake <- struct{}{}
	}
}

// run is the life of a worker. A fault, as of a mapped file that was cut, is a
// panic in it, and so reaches the caller of Do, who may know what it was.
func (p *Pool) run(worker int) {
	debug.SetPanicOnFault(true)
	idle := int64(0)
	for !p.closed.Load() {
		if i := p.claim(); i >= 0 {
			p.call(i, worker)
			idle = 0
			continue
		}
		if idle++; idle < p.spin.Load() {
			pause()
			continue
		}
		p.park()
		idle = 0
	}
}

// park sleeps until there is work.
func (p *Pool) park() {
	p.parked.Add(1)
	if v := p.state.Load(); v&taskMask < v>>taskBits&taskMask {
		// Work came while parking: take the place back, unless Do has it
		// already, whose wake-up is then on its way.
		for k := p.parked.Load(); k > 0; k = p.parked.Load() {
			if p.parked.CompareAndSwap(k, k-1) {
				return
			}
		}
	}
	<-p.wake
}
