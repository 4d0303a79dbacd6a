package train

import (
	"bufio"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"time"
)

// LogFile holds one JSON object a line: step, loss and what else was measured.
const LogFile = "log.jsonl"

// logger writes the log and shows the progress.
type logger struct {
	file  *os.File
	out   *json.Encoder
	view  io.Writer
	begin time.Time
	first int
}

// Line is one line of the log.
type Line struct {
	Step    int                `json:"step"`
	Loss    float64            `json:"loss"`
	Smooth  float64            `json:"smooth"`
	Rate    float64            `json:"rate"`
	Norm    float64            `json:"grad_norm"`
	PerSec  float64            `json:"steps_per_second"`
	Waited  float64            `json:"waited"` // share of the time spent waiting for data
	Metrics map[string]float64 `json:"metrics,omitempty"`
}

// openLog opens the log for a training that goes on at the given step: lines
// of later steps, which a killed run left behind, are dropped.
func openLog(dir string, step int, view io.Writer) (*logger, error) {
	path := filepath.Join(dir, LogFile)
	lines, err := ReadLog(path)
	if err != nil && !os.IsNotExist(err) {
		return nil, err
	}
	f, err := os.Create(path)
	if err != nil {
		return nil, fmt.Errorf("train: %w", err)
	}
	l := &logger{file: f, out: json.NewEncoder(f), view: view, begin: time.Now(), first: step}
	for _, line := range lines {
		if line.Step <= step {
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
	if err := l.file.Close(); err != nil && l.view != nil {
		_, _ = fmt.Fprintf(l.view, "warning: the log: %v\n", err)
	}
}

// line logs a step.
func (l *logger) line(step, steps int, loss, smooth, rate, norm float64, waited time.Duration, metrics []Metric) {
	perSec := float64(step-l.first) / l.elapsed().Seconds()
	line := Line{
		Step: step, Loss: loss, Smooth: smooth, Rate: rate, Norm: norm,
		PerSec: perSec, Waited: waited.Seconds() / l.elapsed().Seconds(), Metrics: map[string]float64{},
	}
	var shown strings.Builder
	for _, m := range metrics {
		line.Metrics[m.Name] = m.Value
		fmt.Fprintf(&shown, "  %s %.4g", m.Name, m.Value)
	}
	if err := l.out.Encode(line); err != nil && l.view != nil {
		_, _ = fmt.Fprintf(l.view, "warning: the log: %v\n", err)
	}
	if l.view != nil {
		left := time.Duration(float64(steps-step) / perSec * float64(time.Second)).Round(time.Second)
		_, _ = fmt.Fprintf(l.view, "step %d/%d  loss %.4f (%.4f)%s  norm %.2f  %.2f steps/s  waited %.1f%%  left %v\n",
			step, steps, loss, smooth, shown.String(), norm, perSec, 100*line.Waited, left)
	}
}
