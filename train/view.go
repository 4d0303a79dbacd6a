package train

import (
	"fmt"
	"io"
	"math"
	"os"
	"strings"
	"time"

	"golang.org/x/term"

	"kuai/kernel/peak"
	"kuai/par"
)

const (
	curvePoints = 60 // of the loss curve in the terminal
	barCells    = 24 // of the progress bar
)

// view shows a training: a panel that is drawn in place on a terminal, a line
// a step elsewhere. A view without a writer shows nothing.
type view struct {
	w        io.Writer
	name     string
	steps    int
	terminal bool
	drawn    int // lines of the panel on the screen
	curve    []float64
	slow     float64 // seconds a step, smoothed
}

func newView(w io.Writer, name string, steps int) *view {
	v := &view{w: w, name: name, steps: steps}
	if f, ok := w.(*os.File); ok {
		v.terminal = term.IsTerminal(int(f.Fd()))
	}
	return v
}

// remember adds a line to the curve without showing it. The curve keeps the
// whole training: when it is full, every second point goes.
func (v *view) remember(l Line) {
	if l.Smooth > 0 {
		v.curve = append(v.curve, l.Smooth)
	}
	if len(v.curve) < 64*curvePoints {
		return
	}
	for i := range len(v.curve) / 2 {
		v.curve[i] = v.curve[2*i+1]
	}
	v.curve = v.curve[:len(v.curve)/2]
}

func (v *view) warn(format string, args ...any) {
	if v.w != nil {
		_, _ = fmt.Fprintf(v.w, "warning: "+format+"\n", args...)
		v.drawn = 0
	}
}

// left is how long the rest will take.
func (v *view) left(l Line) time.Duration {
	now := 1 / l.PerSec
	if v.slow == 0 {
		v.slow = now
	}
	v.slow += 0.1 * (now - v.slow)
	return time.Duration(float64(v.steps-l.Step) * v.slow * float64(time.Second)).Round(time.Second)
}

// show shows a line of the log.
func (v *view) show(l Line, metrics []Metric) {
	if v.w == nil {
		return
	}
	v.remember(l)
	left := v.left(l)
	var shown strings.Builder
	for _, m := range metrics {
		fmt.Fprintf(&shown, "  %s %.4g", m.Name, m.Value)
	}
	speed := fmt.Sprintf("%.2f steps/s", l.PerSec)
	if l.Unit != "" {
		speed += fmt.Sprintf("  %.0f %s/s", l.Items, l.Unit)
	}
	if l.OfPeak > 0 {
		speed += fmt.Sprintf("  %.0f%% of peak", 100*l.OfPeak)
	}
	if !v.terminal {
		_, _ = fmt.Fprintf(v.w, "step %d/%d  loss %.4f (%.4f)%s  norm %.2f  %s  waited %.1f%%  left %v\n",
			l.Step, v.steps, l.Loss, l.Smooth, shown.String(), l.Norm, speed, 100*l.Waited, left)
		return
	}
	done := float64(l.Step) / float64(v.steps)
	cells := int(done * barCells)
	panel := []string{
		fmt.Sprintf("%s  step %d of %d  %s%s %.1f%%  left %v", v.name, l.Step, v.steps,
			strings.Repeat("█", cells), strings.Repeat("░", barCells-cells), 100*done, left),
		fmt.Sprintf("loss %.4f  smoothed %.4f%s", l.Loss, l.Smooth, shown.String()),
		sparkline(v.curve),
		fmt.Sprintf("%s  waited %.1f%%  gradient %.2f  rate %.2g", speed, 100*l.Waited, l.Norm, l.Rate),
	}
	v.draw(panel)
}

// draw replaces the panel on the screen. Lines are cut at the screen's side: a
// wrapped one could not be overwritten.
func (v *view) draw(panel []string) {
	width := 80
	if f, ok := v.w.(*os.File); ok {
		if w, _, err := term.GetSize(int(f.Fd())); err == nil && w > 0 {
			width = w
		}
	}
	var b strings.Builder
	if v.drawn > 0 {
		fmt.Fprintf(&b, "\033[%dA", v.drawn)
	}
	for _, line := range panel {
		if r := []rune(line); len(r) >= width {
			line = string(r[:width-1])
		}
		b.WriteString("\r\033[K" + line + "\n")
	}
	v.drawn = len(panel)
	_, _ = io.WriteString(v.w, b.String())
}

// sparkline draws values as a row of blocks, on a scale of logarithms.
func sparkline(values []float64) string {
	const blocks = "▁▂▃▄▅▆▇█"
	levels := []rune(blocks)
	n := min(curvePoints, len(values))
	if n == 0 {
		return ""
	}
	means := make([]float64, n)
	low, high := math.Inf(1), math.Inf(-1)
	for i := range means {
		from, to := i*len(values)/n, (i+1)*len(values)/n
		for _, x := range values[from:to] {
			means[i] += math.Log(x) / float64(to-from)
		}
		low, high = min(low, means[i]), max(high, means[i])
	}
	out := make([]rune, n)
	for i, m := range means {
		at := 0.0
		if high > low {
			at = (m - low) / (high - low)
		}
		out[i] = levels[min(int(at*float64(len(levels))), len(levels)-1)]
	}
	return string(out)
}

// spin measures the arithmetic peak of a pool for an instant: operations a
// second.
func spin(pool *par.Pool, bf16 bool) float64 {
	kind := peak.F32
	if bf16 && peak.Has(peak.BF16) {
		kind = peak.BF16
	}
	if !peak.Has(kind) {
		return 0
	}
	const long = 20 * time.Millisecond
	begin, done := time.Now(), 0.0
	for time.Since(begin) < long {
		done += peak.Spin(pool, kind)
	}
	return done / time.Since(begin).Seconds()
}
