// Package kernels measures the compute rooms as shares of what the machine can
// do at that moment: products, convolutions and attention in shares of the
// multiply-add rate of registers alone, element-wise work and products with few
// rows in shares of the rates at which memory is copied and read.
//
// Shares are what can be compared. Absolute rates change by a factor of two
// while neighbours come and go, so a kernel and its limit are run in turns, a
// few milliseconds each, and the best turn of each counts. One worker's time is
// that of its processor; with more, only turns count in which the process had
// as many processors as workers all the time. Every result is checked before it
// is timed, in a few places.
package kernels

import (
	"context"
	"errors"
	"fmt"
	"runtime"
	"time"

	"kuai/internal/report"
	"kuai/kernel/peak"
	"kuai/mem"
	"kuai/par"
)

// Config says how to measure.
type Config struct {
	Quick   bool              // under 40 seconds in all, else some two minutes
	Threads []int             // worker counts; nil for 1 and 2
	View    func(name string) // told what is measured next; may be nil
}

const (
	quickTime = 350 * time.Millisecond
	fullTime  = 1500 * time.Millisecond
	turnTime  = 5 * time.Millisecond
	minTurns  = 3

	busyFactor = 2    // how much longer to wait for turns that count
	allOf      = 0.95 // share of its processors that the process must have had
)

// room is one kernel at one size.
type room struct {
	name  string
	limit limit
	work  float64 // operations or bytes of a run
	bar   float64 // share that it should reach; 0 for none
	// open makes the operands and returns the kernel, which check compares
	// with plain sums.
	open func(p *par.Pool, a *mem.Arena) (run func(), check func() error)
}

// Run measures every room with every worker count. It returns early only when
// ctx ends or when a kernel is wrong.
func Run(ctx context.Context, cfg Config) (*report.Report, error) {
	if cfg.Threads == nil {
		cfg.Threads = []int{1, 2}
	}
	r := &report.Report{Machine: report.Machine(), Notes: map[string]any{
		"method": "best turn of the kernel over the best turn of its limit, turns alternating",
	}}
	arena := mem.NewArena(arenaBytes)
	defer arena.Close()
	for _, threads := range cfg.Threads {
		m := &meter{cfg: cfg, arena: arena, pool: par.New(threads), best: map[limit]float64{}}
		err := m.all(ctx, r, threads)
		m.pool.Close()
		if err != nil {
			return nil, err
		}
		for l, rate := range m.best {
			r.Notes[fmt.Sprintf("limit_%s_%dt", l, threads)] = fmt.Sprintf("%.1f %s", rate/1e9, l.unit())
		}
	}
	return r, nil
}

// meter measures with one pool.
type meter struct {
	cfg   Config
	arena *mem.Arena
	pool  *par.Pool
	best  map[limit]float64 // a second
}

// all measures every room.
func (m *meter) all(ctx context.Context, r *report.Report, threads int) error {
	defer m.pool.Hot()()
	for _, k := range rooms() {
		if err := ctx.Err(); err != nil {
			return context.Cause(ctx)
		}
		name := fmt.Sprintf("%s_%dt", k.name, threads)
		if m.cfg.View != nil {
			m.cfg.View(name)
		}
		unit := "of " + k.limit.String() + " rate"
		if why := k.limit.missing(threads); why != "" {
			r.Missing(name, unit, why)
			continue
		}
		share, err := m.share(k)
		switch {
		case errors.Is(err, errBusy):
			r.Missing(name, unit, err.Error())
		case err != nil:
			return fmt.Errorf("kernels: %s: %w", name, err)
		case k.bar > 0:
			r.AtLeast(name, share, k.bar, unit)
		default:
			r.Add(name, share, unit)
		}
	}
	return nil
}

// errBusy says that others took too much of the processors for a figure.
var errBusy = errors.New("the machine is too busy with other work")

// share measures one room.
func (m *meter) share(k room) (float64, error) {
	mark := m.arena.Mark()
	defer m.arena.Release(mark)
	run, check := k.open(m.pool, m.arena)
	limit := k.limit.open(m.pool, m.arena)
	run()
	if err := check(); err != nil {
		return 0, err
	}
	kernel := func() float64 { run(); return k.work }
	total := quickTime
	if !m.cfg.Quick {
		total = fullTime
	}
	var of, best turns
	start := time.Now()
	for d := time.Duration(0); d < total || !of.enough() || !best.enough(); d = time.Since(start) {
		if d > busyFactor*total {
			return 0, errBusy
		}
		of.add(m.turn(limit))
		best.add(m.turn(kernel))
	}
	m.best[k.limit] = max(m.best[k.limit], of.best)
	return best.best / of.best, nil
}

// turns are the rates of turns that count.
type turns struct {
	n    int
	best float64
}

func (t *turns) enough() bool { return t.n >= minTurns }

func (t *turns) add(rate float64) {
	if rate > 0 {
		t.n++
		t.best = max(t.best, rate)
	}
}

// turn runs f for a while and returns its work a second, or 0 where the turn
// does not count.
func (m *meter) turn(f func() float64) float64 {
	work, used, start := 0.0, processorTime(m.pool), time.Now()
	for time.Since(start) < turnTime {
		work += f()
	}
	spent, workers := time.Since(start), m.pool.Workers()
	if used >= 0 {
		used = processorTime(m.pool) - used
		if workers == 1 {
			spent = used
		} else if float64(used) < allOf*float64(spent)*float64(workers) {
			return 0
		}
	}
	return work / spent.Seconds()
}

// limit is what the rate of a kernel is compared with.
type limit uint8

const (
	f32Limit limit = iota
	bf16Limit
	int8Limit
	copyLimit
	readLimit
)

// String returns the name that units and notes bear.
func (l limit) String() string { return [...]string{"f32", "bf16", "int8", "copy", "read"}[l] }

func (l limit) unit() string {
	if l == copyLimit || l == readLimit {
		return "GB/s"
	}
	return "GFLOP/s"
}

// missing says why the limit cannot be measured here, or nothing.
func (l limit) missing(threads int) string {
	switch {
	case threads > runtime.NumCPU():
		return fmt.Sprintf("%d processors here", runtime.NumCPU())
	case l == f32Limit && !peak.Has(peak.F32):
		return "the kernels are plain Go here and have no peak of registers"
	case l == bf16Limit && !peak.Has(peak.BF16):
		return "no bf16 instructions in use here"
	case l == int8Limit && !peak.Has(peak.Int8):
		return "no dot products of bytes in use here"
	}
	return ""
}

// open returns a function that drives the machine to the limit for a while and
// returns the work done.
func (l limit) open(p *par.Pool, a *mem.Arena) func() float64 {
	switch l {
	case f32Limit:
		return func() float64 { return peak.Spin(p, peak.F32) }
	case bf16Limit:
		return func() float64 { return peak.Spin(p, peak.BF16) }
	case int8Limit:
		return func() float64 { return peak.Spin(p, peak.Int8) }
	case readLimit:
		x := mem.Make[float32](a, memoryValues)
		clear(x)
		return func() float64 { return peak.Read(p, x) }
	default:
		x, y := mem.Make[float32](a, memoryValues), mem.Make[float32](a, memoryValues)
		clear(x) // a page that was never written is not memory yet
		part := func(task, _ int) { copy(y[task*vecTask:][:vecTask], x[task*vecTask:]) }
		return func() float64 {
			p.Do(memoryValues/vecTask, part)
			return memoryValues * 4 * 3 // as elementwise counts
		}
	}
}
