// Package train runs trainings: it feeds batches to a model's loss, updates
// the weights, and keeps checkpoints from which a training that was stopped or
// killed goes on to the last bit as if it had not been.
//
// A training is a pure function of its task, its configuration and the number
// of workers. Batches depend on the step alone, so that one number resumes the
// data.
package train

import (
	"context"
	"errors"
	"fmt"
	"io"
	"math"
	"os"
	"time"

	"kuai/grad"
	"kuai/kernel/gemm"
	"kuai/mem"
	"kuai/nn"
	"kuai/optim"
	"kuai/par"
)

const (
	arenaBytes      = 16 << 30 // address space, taken as it is used
	defaultCadence  = 5 * time.Minute
	defaultLogEvery = 10
	// maxSkipped is how many steps on end may be left out for gradients that
	// are not finite: one is bad luck of rounding, ten are a dead model.
	maxSkipped = 10
)

// Metric is a number of a step beside its loss.
type Metric struct {
	Name  string
	Value float64
}

// Task is what is trained. B is its batch.
type Task[B any] interface {
	// Module returns the model, whose parameters nn.Params lists.
	Module() any
	// Batch makes the batch of a step: a pure function of the step. It runs
	// ahead, beside the step before.
	Batch(step int) (B, error)
	// Loss records the computation of the loss.
	Loss(t *grad.Tape, step int, b B) (*grad.Var, []Metric, error)
}

// Config says how to train. The zero value of a field stands for what its
// comment says.
type Config struct {
	Dir     string // for checkpoints and the log; made if missing
	Steps   int
	Rate    float64 // peak learning rate
	Warmup  int     // steps
	Decay   int     // last steps, over which the rate falls to 0
	Weight  float32 // weight decay
	Clip    float32 // of the gradient's norm; 0 does not clip
	EMA     float32 // decay of the averaged weights; 0 keeps none
	Muon    bool    // for matrices, beside AdamW
	Except  []string
	BF16    bool
	Every   time.Duration // between checkpoints; 5 minutes
	LogStep int           // steps between lines of the log; 10
	// Init, unless empty, is a weight file that a new training begins from;
	// parameters that it lacks, or has in another shape, stay fresh.
	Init string
	// Pool computes; nil is one worker.
	Pool *par.Pool
	// View shows the progress; nil shows nothing.
	View io.Writer
}

// Result tells how a training ended.
type Result struct {
	Steps   int
	Loss    float64       // smoothed
	Trained time.Duration // over all runs
	Waited  float64       // share of the time spent waiting for data, in this run
}

// ErrDiverged says that the loss is not a number. The last checkpoint is good.
var ErrDiverged = errors.New("train: the loss is not a finite number; lower the learning rate and start again from the last checkpoint")

// trainer is a run in progress.
type trainer[B any] struct {
	cfg    Config
	task   Task[B]
	params []nn.Named
	opt    optimizer
	ema    *optim.EMA
	rate   optim.Schedule
	tape   *grad.Tape
	log    *logger

	step    int
	smooth  float64 // loss
	skipped int     // steps on end that were left out
	trained time.Duration
}

// optimizer is AdamW or Muon.
type optimizer interface {
	Update(pool *par.Pool, rate, scale float32)
	State() []optim.Slot
}

// Run trains until Steps are done or ctx is. In a directory that holds a
// checkpoint it goes on from there. When ctx ends it finishes the step, writes
// a checkpoint and returns the cause of ctx. It fails with ErrDiverged, with
// what a batch or a file says, or with a checkpoint that does not fit.
func Run[B any](ctx context.Context, cfg Config, task Task[B]) (Result, error) {
	if cfg.Every == 0 {
		cfg.Every = defaultCadence
	}
	if cfg.LogStep == 0 {
		cfg.LogStep = defaultLogEvery
	}
	if err := os.MkdirAll(cfg.Dir, 0o755); err != nil {
		return Result{}, fmt.Errorf("train: %w", err)
	}
	arena := mem.NewArena(arenaBytes)
	defer arena.Close()
	t := &trainer[B]{cfg: cfg, task: task, params: nn.Params(task.Module())}
	t.prepare(arena)
	if err := t.resume(); err != nil {
		return Result{}, err
	}
	log, err := openLog(cfg, t.step)
	if err != nil {
		return Result{}, err
	}
	t.log = log
	defer log.close()
	err = t.run(ctx)
	res := Result{Steps: t.step, Loss: t.smooth, Trained: t.trained}
	if t.trained > 0 {
		res.Waited = log.waited.Seconds() / log.elapsed().Seconds()
	}
	return res, err
}

// prepare makes the optimiser, the averages and the tape.
func (t *trainer[B]) prepare(arena *mem.Arena) {
	typ := gemm.F32
	if t.cfg.BF16 {
		typ = gemm.BF16
	}
	t.tape = grad.New(t.cfg.Pool, arena, typ)
	adam := optim.AdamConfig{Decay: t.cfg.Weight}
	if t.cfg.Muon {
		t.opt = optim.NewMuon(t.params, optim.MuonConfig{Decay: t.cfg.Weight, Type: typ, Adam: adam, Except: t.cfg.Except})
	} else {
		t.opt = optim.NewAdamW(t.params, adam)
	}
	t.rate = optim.WSD(t.cfg.Rate, t.cfg.Warmup, t.cfg.Steps, t.cfg.Decay, optim.Linear)
}

// run is the loop.
func (t *trainer[B]) run(ctx context.Context) error {
	if t.step >= t.cfg.Steps {
		return nil
	}
	ahead, stop := produce(ctx, t.task.Batch, t.step, t.cfg.Steps)
	defer stop()
	saved := time.Now()
	for t.step < t.cfg.Steps {
		begin := time.Now()
		next := <-ahead
		t.log.waited += time.Since(begin)
		if next.err != nil {
			if ctx.Err() != nil {
				break
			}
			return errors.Join(next.err, t.save())
		}
		if err := t.one(next.batch); err != nil {
			return err
		}
		t.trained += time.Since(begin)
		if time.Since(saved) >= t.cfg.Every {
			if err := t.save(); err != nil {
				return err
			}
			saved = time.Now()
		}
		if ctx.Err() != nil {
			break
		}
	}
	if err := t.save(); err != nil {
		return err
	}
	if t.step < t.cfg.Steps {
		return context.Cause(ctx)
	}
	return nil
}

// one takes a step.
func (t *trainer[B]) one(batch B) error {
	defer t.cfg.Pool.Hot()()
	defer t.tape.Reset()
	loss, metrics, err := t.task.Loss(t.tape, t.step, batch)
	if err != nil {
		return err
	}
	value := float64(loss.X[0])
	if math.IsNaN(value) || math.IsInf(value, 0) {
		return fmt.Errorf("%w (step %d)", ErrDiverged, t.step)
	}
	t.tape.Backward(loss)
	limit := t.cfg.Clip
	if limit == 0 {
		limit = float32(math.Inf(1))
	}
	norm, scale := optim.ClipNorm(t.cfg.Pool, t.params, limit)
	if err := t.skip(scale == 0); err != nil {
		return err
	}
	if scale == 0 {
		norm = 0 // JSON has no number for it
		metrics = append(metrics, Metric{Name: "skipped", Value: float64(t.skipped)})
	}
	rate := t.rate(t.step)
	t.opt.Update(t.cfg.Pool, rate, scale)
	if t.ema != nil {
		t.ema.Update(t.cfg.Pool)
	}
	t.step++
	var work Work
	if w, ok := t.task.(Worker[B]); ok {
		work = w.Work(batch)
	}
	t.log.pace.add(work)
	t.smooth += (value - t.smooth) / float64(min(t.step, 100))
	if t.step%t.cfg.LogStep == 0 || t.step == t.cfg.Steps {
		t.log.line(Line{Step: t.step, Loss: value, Smooth: t.smooth, Rate: float64(rate), Norm: float64(norm)}, metrics)
	}
	return nil
}

// skip counts steps on end whose gradients were not finite, which the
// optimiser leaves out.
func (t *trainer[B]) skip(out bool) error {
	if !out {
		t.skipped = 0
		return nil
	}
	if t.skipped++; t.skipped >= maxSkipped {
		return fmt.Errorf("%w (the gradients of %d steps up to %d are not finite)", ErrDiverged, maxSkipped, t.step)
	}
	return nil
}

// batch is one on its way from the producer.
type batch[B any] struct {
	batch B
	err   error
}

// produce makes batches ahead of their steps until stop is called.
func produce[B any](ctx context.Context, next func(step int) (B, error), from, to int) (<-chan batch[B], func()) {
	ctx, cancel := context.WithCancel(ctx)
	out := make(chan batch[B], 1)
	done := make(chan struct{})
	go func() {
		defer close(done)
		for step := from; step < to; step++ {
			b, err := next(step)
			select {
			case out <- batch[B]{b, err}:
			case <-ctx.Done():
				return
			}
			if err != nil {
				return
			}
		}
	}()
	return out, func() {
		cancel()
		<-done
	}
}
