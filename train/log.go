package train

import (
	"bufio"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"time"

	"kuai/par"
)

// LogFile holds one JSON object a line: step, loss and what else was measured.
const LogFile = "log.jsonl"

// Work is what a step does: how many items it learns from, and the arithmetic
// of its forward and backward passes.
type Work struct {
	Items float64
	Unit  string  // of the items, such as "frames"
	FLOPs float64 // two for each multiply-add
}

// Worker is a Task that knows the work of its batches, so that the log can
// tell how fast items pass and how much of the machine's peak is used.
type Worker[B any] interface {
	Work(b B) Work
}

// logger writes the log and shows the progress.
type logger struct {
	file   *os.File
	out    *json.Encoder
	view   *view
	begin  time.Time
	waited time.Duration

	pace  pace
	limit limit
}

// Line is one line of the log. Speeds are those since the line before.
type Line struct {
	Step    int                `json:"step"`
	Loss    float64            `json:"loss"`
	Smooth  float64            `json:"smooth"`
	Rate    float64            `json:"rate"`
	Norm    float64            `json:"grad_norm"`
	PerSec  float64            `json:"steps_per_second"`
	Items   float64            `json:"items_per_second,omitempty"`
	Unit    string             `json:"items,omitempty"`         // what the items are
	OfPeak  float64            `json:"share_of_peak,omitempty"` // of the arithmetic measured in the same minute
	Waited  float64            `json:"waited"`                  // share of the run's time spent waiting for data
	Metrics map[string]float64 `json:"metrics,omitempty"`
}

// openLog opens the log for a training that goes on at the given step: lines
// of later steps, which a killed run left behind, are dropped.
func openLog(cfg Config, step int) (*logger, error) {
	path := filepath.Join(cfg.Dir, LogFile)
	lines, err := ReadLog(path)
	if err != nil && !os.IsNotExist(err) {
		return nil, err
	}
	f, err := os.Create(path)
	if err != nil {
		return nil, fmt.Errorf("train: %w", err)
	}
	now := time.Now()
	l := &logger{
		file: f, out: json.NewEncoder(f), begin: now, pace: pace{last: now},
		view:  newView(cfg.View, filepath.Base(cfg.Dir), cfg.Steps),
		limit: limit{pool: cfg.Pool, bf16: cfg.BF16},
	}
	for _, line := range lines {
		if line.Step <= step {
			l.view.remember(line)
			if err := l.out.Encode(line); err != nil {
				return nil, fmt.Errorf("train: %w", err)
			}
		}
	}
	return l, nil
}

// ReadLog reads a log; a last line that is cut off is left out.
func ReadLog(path string) ([]Line, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer f.Close() //nolint:errcheck // only read
	var lines []Line
	s := bufio.NewScanner(f)
	for s.Scan() {
		var l Line
		if json.Unmarshal(s.Bytes(), &l) == nil {
			lines = append(lines, l)
		}
	}
	return lines, s.Err()
}

func (l *logger) elapsed() time.Duration { return time.Since(l.begin) }

func (l *logger) close() {
	if err := l.file.Close(); err != nil {
		l.view.warn("the log: %v", err)
	}
}

// line completes a line with the speeds, writes it and shows it.
func (l *logger) line(line Line, metrics []Metric) {
	line.Metrics = map[string]float64{}
	for _, m := range metrics {
		line.Metrics[m.Name] = m.Value
	}
	steps, work, seconds := l.pace.take()
	line.PerSec = steps / seconds
	line.Waited = l.waited.Seconds() / l.elapsed().Seconds()
	if work.Unit != "" {
		line.Items, line.Unit = work.Items/seconds, work.Unit
	}
	if work.FLOPs > 0 {
		if most := l.limit.now(); most > 0 {
			line.OfPeak = work.FLOPs / seconds / most
		}
	}
	if err := l.out.Encode(line); err != nil {
		l.view.warn("the log: %v", err)
	}
	l.view.show(line, metrics)
}

// pace adds up the work since the last line.
type pace struct {
	last  time.Time
	steps float64
	sum   Work
}

func (p *pace) add(w Work) {
	p.steps++
	p.sum = Work{p.sum.Items + w.Items, w.Unit, p.sum.FLOPs + w.FLOPs}
}

// take returns what was added and how long it took, and begins anew.
func (p *pace) take() (steps float64, sum Work, seconds float64) {
	now := time.Now()
	steps, sum, seconds = p.steps, p.sum, now.Sub(p.last).Seconds()
	*p = pace{last: now}
	return steps, sum, max(seconds, 1e-9)
}

// limit is the arithmetic peak of a pool, measured again every minute because
// neighbours move it. What a busy moment shows is no limit: it falls slowly.
type limit struct {
	pool  *par.Pool
	bf16  bool
	taken time.Time
	value float64 // operations a second; 0 where the CPU has no such instruction
}

func (l *limit) now() float64 {
	if l.taken.IsZero() || time.Since(l.taken) > time.Minute {
		l.value, l.taken = max(spin(l.pool, l.bf16), 0.9*l.value), time.Now()
	}
	return l.value
}
