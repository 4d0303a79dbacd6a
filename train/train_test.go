package train

import (
	"bytes"
	"context"
	"errors"
	"math"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"kuai/grad"
	"kuai/nn"
)

// toy learns a fixed linear map from noise.
type toy struct {
	Net    *nn.Linear `name:"net"`
	target *nn.Linear
	broken int // the step whose loss is not a number; 0 for none
	steep  int // the first step whose gradients are not finite; 0 for none
	during func(step int)
}

func newToy() *toy {
	return &toy{
		Net:    nn.NewLinear(rand.New(rand.NewPCG(1, 1)), 8, 4, true),
		target: nn.NewLinear(rand.New(rand.NewPCG(2, 2)), 8, 4, true),
	}
}

func (k *toy) Module() any { return k }

func (k *toy) Batch(step int) ([]float32, error) {
	r := rand.New(rand.NewPCG(7, uint64(step)))
	x := make([]float32, 16*8)
	for i := range x {
		x[i] = float32(r.NormFloat64())
	}
	return x, nil
}

func (k *toy) Loss(t *grad.Tape, step int, x []float32) (*grad.Var, []Metric, error) {
	if k.during != nil {
		k.during(step)
	}
	in := t.Const(x, 16, 8)
	var want []float32
	t.NoGrad(func() { want = k.target.Forward(t, in).X })
	loss := nn.MSE(t, k.Net.Forward(t, in), want, nil)
	if k.broken > 0 && step == k.broken {
		loss.X[0] = float32(math.NaN())
	}
	if k.steep > 0 && step >= k.steep {
		t.Then(func() { t.Grad(loss)[0] = float32(math.Inf(1)) })
	}
	return loss, []Metric{{"loss again", float64(loss.X[0])}}, nil
}

func config(dir string) Config {
	return Config{
		Dir: dir, Steps: 40, Rate: 0.05, Warmup: 5, Decay: 10, Weight: 0.01, Clip: 1, EMA: 0.9,
		Muon: true, LogStep: 1, Every: time.Hour,
	}
}

// weights reads the files of the last checkpoint.
func weights(t *testing.T, dir string) map[string][]byte {
	t.Helper()
	all := Checkpoints(dir)
	if len(all) == 0 {
		t.Fatal("no checkpoint")
	}
	out := map[string][]byte{}
	for _, name := range []string{ModelFile, EMAFile, optimFile} {
		data, err := os.ReadFile(filepath.Join(all[0], name))
		if err != nil {
			t.Fatal(err)
		}
		out[name] = data
	}
	return out
}

func losses(t *testing.T, dir string) []float64 {
	t.Helper()
	lines, err := ReadLog(filepath.Join(dir, LogFile))
	if err != nil {
		t.Fatal(err)
	}
	var out []float64
	for _, l := range lines {
		out = append(out, l.Loss)
	}
	return out
}

// TestResume checks that a training that was stopped twice gives the weights
// and the loss curve of one that was not, to the last bit, with both
// optimisers.
func TestResume(t *testing.T) {
	t.Parallel()
	for _, muon := range []bool{true, false} {
		whole, parts := t.TempDir(), t.TempDir()
		cfg := config(whole)
		cfg.Muon = muon
		res, err := Run(t.Context(), cfg, newToy())
		if err != nil {
			t.Fatal(err)
		}
		if l := losses(t, whole); res.Steps != 40 || l[39] > l[0]/2 {
			t.Errorf("%d steps from loss %.3f to %.3f, want 40 that halve it", res.Steps, l[0], l[39])
		}
		cfg.Dir = parts
		for _, stopAt := range []int{13, 27, 1000} {
			ctx, cancel := context.WithCancelCause(t.Context())
			k := newToy()
			k.during = func(step int) {
				if step == stopAt {
					cancel(errors.New("enough for today"))
				}
			}
			_, err := Run(ctx, cfg, k)
			if (err != nil) != (stopAt < 40) || err != nil && err.Error() != "enough for today" {
				t.Fatalf("stopped at %d: %v", stopAt, err)
			}
			cancel(nil)
		}
		if diff := cmp.Diff(weights(t, whole), weights(t, parts)); diff != "" {
			t.Errorf("muon %v: the weights differ", muon)
		}
		if diff := cmp.Diff(losses(t, whole), losses(t, parts)); diff != "" {
			t.Errorf("muon %v: losses (-whole +parts):\n%s", muon, diff)
		}
	}
}

// TestDamagedCheckpoint checks that a cut file makes the training go on from
// the checkpoint before.
func TestDamagedCheckpoint(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	cfg := config(dir)
	for _, steps := range []int{10, 20} {
		cfg.Steps = steps
		if _, err := Run(t.Context(), cfg, newToy()); err != nil {
			t.Fatal(err)
		}
	}
	all := Checkpoints(dir)
	if len(all) != 2 {
		t.Fatalf("checkpoints %v, want two", all)
	}
	if err := os.Truncate(filepath.Join(all[0], ModelFile), 100); err != nil {
		t.Fatal(err)
	}
	var view bytes.Buffer
	cfg.Steps, cfg.View = 25, &view
	if _, err := Run(t.Context(), cfg, newToy()); err != nil {
		t.Fatal(err)
	}
	if !strings.Contains(view.String(), "going on from "+all[1]) {
		t.Errorf("said %q", view.String())
	}
	if n := len(losses(t, dir)); n != 25 {
		t.Errorf("%d lines in the log, want 25", n)
	}
}

func TestDiverged(t *testing.T) {
	t.Parallel()
	cfg := config(t.TempDir())
	cfg.Every = time.Nanosecond
	k := newToy()
	k.broken = 8
	if _, err := Run(t.Context(), cfg, k); !errors.Is(err, ErrDiverged) {
		t.Errorf("got %v, want ErrDiverged", err)
	}
	if all := Checkpoints(cfg.Dir); len(all) == 0 || filepath.Base(all[0]) != "step-8" {
		t.Errorf("checkpoints %v, want step-8 first", all)
	}
}

// TestSteep checks that gradients that are not finite leave the weights alone,
// are told of, and end a training where they do not stop.
func TestSteep(t *testing.T) {
	t.Parallel()
	cfg := config(t.TempDir())
	k := newToy()
	k.steep = 5
	var before []float32
	k.during = func(step int) {
		if step == k.steep {
			before = append([]float32(nil), k.Net.W.X...)
		}
	}
	if _, err := Run(t.Context(), cfg, k); !errors.Is(err, ErrDiverged) {
		t.Errorf("got %v, want ErrDiverged", err)
	}
	if diff := cmp.Diff(before, k.Net.W.X); diff != "" {
		t.Errorf("the weights moved:\n%s", diff)
	}
	lines, err := ReadLog(filepath.Join(cfg.Dir, LogFile))
	if err != nil || len(lines) != 5+maxSkipped-1 || lines[len(lines)-1].Metrics["skipped"] != maxSkipped-1 {
		t.Errorf("%d lines, %v", len(lines), err)
	}
}

// TestMissingFile checks that a checkpoint without one of its files is passed
// over.
func TestMissingFile(t *testing.T) {
	t.Parallel()
	cfg := config(t.TempDir())
	for _, cfg.Steps = range []int{10, 20} {
		if _, err := Run(t.Context(), cfg, newToy()); err != nil {
			t.Fatal(err)
		}
	}
	all := Checkpoints(cfg.Dir)
	if err := os.Remove(filepath.Join(all[0], optimFile)); err != nil {
		t.Fatal(err)
	}
	var view bytes.Buffer
	cfg.Steps, cfg.View = 21, &view
	if _, err := Run(t.Context(), cfg, newToy()); err != nil || !strings.Contains(view.String(), "going on from "+all[1]) {
		t.Errorf("%v; said %q", err, view.String())
	}
}

func TestInit(t *testing.T) {
	t.Parallel()
	first := config(t.TempDir())
	if _, err := Run(t.Context(), first, newToy()); err != nil {
		t.Fatal(err)
	}
	second := config(t.TempDir())
	second.Init, second.Steps = filepath.Join(Checkpoints(first.Dir)[0], ModelFile), 1
	if _, err := Run(t.Context(), second, newToy()); err != nil {
		t.Fatal(err)
	}
	before, after := losses(t, first.Dir), losses(t, second.Dir)
	if after[0] > before[0]/2 {
		t.Errorf("loss begins at %.3f, want far below the fresh %.3f", after[0], before[0])
	}
}

func TestPlot(t *testing.T) {
	t.Parallel()
	cfg := config(t.TempDir())
	if _, err := Run(t.Context(), cfg, newToy()); err != nil {
		t.Fatal(err)
	}
	for format, begin := range map[string]string{"svg": "<?xml", "png": "\x89PNG"} {
		var out bytes.Buffer
		if err := Plot(&out, format, filepath.Join(cfg.Dir, LogFile)); err != nil {
			t.Fatal(err)
		}
		if !strings.HasPrefix(out.String(), begin) {
			t.Errorf("%s begins with %.10q", format, out.String())
		}
	}
	if err := Plot(&bytes.Buffer{}, "svg", filepath.Join(t.TempDir(), "none")); err == nil {
		t.Error("a missing log gave no error")
	}
}

func (k *toy) Work(x []float32) Work {
	return Work{Items: float64(len(x) / 8), Unit: "rows", FLOPs: 1e6}
}

// TestView checks what the log and a view tell of the speed, and the curve of
// the terminal's panel.
func TestView(t *testing.T) {
	t.Parallel()
	cfg := config(t.TempDir())
	var shown bytes.Buffer
	cfg.View = &shown
	if _, err := Run(t.Context(), cfg, newToy()); err != nil {
		t.Fatal(err)
	}
	lines, err := ReadLog(filepath.Join(cfg.Dir, LogFile))
	if err != nil || len(lines) != cfg.Steps {
		t.Fatalf("%d lines, %v", len(lines), err)
	}
	for _, l := range lines {
		if l.Unit != "rows" || math.Abs(l.Items/l.PerSec-16) > 1e-9 || l.OfPeak < 0 {
			t.Fatalf("line %+v: want 16 rows a step", l)
		}
	}
	if !strings.Contains(shown.String(), "rows/s") {
		t.Errorf("the view does not tell the speed:\n%s", shown.String())
	}

	if got, want := sparkline([]float64{8, 4, 2, 1}), "█▆▃▁"; got != want {
		t.Errorf("curve %q, want %q", got, want)
	}
	if got := sparkline(nil); got != "" {
		t.Errorf("curve of nothing: %q", got)
	}
	v := newView(nil, "x", 10)
	for i := range 10_000 {
		v.remember(Line{Smooth: 1 + 1/float64(i+1)})
	}
	if len(v.curve) > 64*curvePoints || len([]rune(sparkline(v.curve))) != curvePoints {
		t.Errorf("a curve of %d points", len(v.curve))
	}
}
