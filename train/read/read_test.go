package read

import (
	"math"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"kuai/companion"
	"kuai/format/safetensors"
	"kuai/nn"
	"kuai/reader"
	"kuai/train"
)

// TestTrain checks that a training learns, that a stopped one goes on to the
// last bit as if it had not been, and that what it exports opens.
func TestTrain(t *testing.T) {
	t.Parallel()
	run := func(dir string, steps ...int) *Module {
		t.Helper()
		var last *Module
		for _, n := range steps {
			m := tiny(t)
			res, err := train.Run(t.Context(), train.Config{Dir: dir, Steps: n, Rate: 3e-3, Warmup: 1, Clip: 1, EMA: 0.9}, &Task{Net: m, Turns: 32, Seed: 1})
			if err != nil {
				t.Fatal(err)
			}
			if res.Steps != n {
				t.Errorf("%d steps, want %d", res.Steps, n)
			}
			last = m
		}
		return last
	}
	whole, parts := run(t.TempDir(), 6), run(t.TempDir(), 3, 6)
	a, b := nn.Params(whole), nn.Params(parts)
	for i := range a {
		for j, v := range a[i].P.X {
			if math.Float32bits(v) != math.Float32bits(b[i].P.X[j]) {
				t.Fatalf("%s %d: %v whole, %v in two parts", a[i].Name, j, v, b[i].P.X[j])
			}
		}
	}
}

func tiny(t *testing.T) *Module {
	t.Helper()
	c := reader.Default()
	c.Width, c.Layers, c.Heads = 16, 1, 2
	m, err := reader.New(c, 1)
	if err != nil {
		t.Fatal(err)
	}
	return &Module{Reader: m, Guess: nn.NewLinear(rand.New(rand.NewPCG(1, 1)), 16, guesses, false)}
}

// TestBatch checks that batches depend on the step alone and hold what they
// should.
func TestBatch(t *testing.T) {
	t.Parallel()
	k := &Task{Net: tiny(t), Turns: 100, Seed: 3}
	first, err := k.Batch(7)
	if err != nil {
		t.Fatal(err)
	}
	again, err := k.Batch(7)
	if err != nil {
		t.Fatal(err)
	}
	turns := 0
	for i, g := range first.groups {
		turns += g.B
		if g.N != again.groups[i].N || len(g.labels) != g.B {
			t.Errorf("group %d: %d units, then %d; %d labels of %d turns", i, g.N, again.groups[i].N, len(g.labels), g.B)
		}
	}
	if turns != 100 || first.units != again.units {
		t.Errorf("%d turns, %d and %d units", turns, first.units, again.units)
	}
}

// TestLabels checks that what nearly all made turns tell and ask for is found in
// them: those where it is not are not learned from.
func TestLabels(t *testing.T) {
	t.Parallel()
	c := reader.Default()
	for _, split := range []companion.Split{companion.Train, companion.Tune} {
		r := rand.New(rand.NewPCG(5, uint64(split)))
		refused := 0
		const turns = 3000
		for range turns {
			u := companion.DrawUtterance(r, split, chinese)
			if _, ok := c.Label(u.Text, reader.Units(u.Text), u.Facts, u.Asked); !ok {
				refused++
				t.Logf("%q", u.Text)
			}
		}
		if refused > turns/200 {
			t.Errorf("split %d: %d of %d turns are refused", split, refused, turns)
		}
	}
}

// TestExport checks that a checkpoint becomes a reader that opens, and that
// there must be one.
func TestExport(t *testing.T) {
	t.Parallel()
	if err := Export(t.TempDir(), t.TempDir()); err == nil {
		t.Error("no checkpoint: no error")
	}
	dir := t.TempDir()
	if _, err := Train(t.Context(), Options{Dir: dir, Steps: 1, Turns: 4, Rate: 1e-3, Seed: 1}); err != nil {
		t.Fatal(err)
	}
	to := t.TempDir()
	if err := Export(dir, to); err != nil {
		t.Fatal(err)
	}
	f, err := safetensors.Read(to + "/model.safetensors")
	if err != nil {
		t.Fatal(err)
	}
	if _, ok := f.Tensor("guess.weight"); ok {
		t.Error("what guesses words was exported")
	}
}

// TestInit checks that a training begins from a training's averaged weights or
// from a reader, and from nothing else.
func TestInit(t *testing.T) {
	t.Parallel()
	first, model := t.TempDir(), t.TempDir()
	if _, err := Train(t.Context(), Options{Dir: first, Steps: 1, Turns: 4, Rate: 1e-3, Seed: 1}); err != nil {
		t.Fatal(err)
	}
	if err := Export(first, model); err != nil {
		t.Fatal(err)
	}
	for _, from := range []string{first, model} {
		if _, err := Train(t.Context(), Options{Dir: t.TempDir(), Init: from, Steps: 1, Turns: 4, Rate: 1e-3, Seed: 2}); err != nil {
			t.Errorf("from %s: %v", from, err)
		}
	}
	if _, err := Train(t.Context(), Options{Dir: t.TempDir(), Init: t.TempDir(), Steps: 1, Turns: 4}); err == nil {
		t.Error("from an empty directory: no error")
	}
	opened, err := begin(model, 1)
	if err != nil {
		t.Fatal(err)
	}
	fresh, err := module(2)
	if err != nil {
		t.Fatal(err)
	}
	if slices.Equal(opened.Norm.W.X, fresh.Reader.Norm.W.X) && slices.Equal(opened.Words.W.X, fresh.Reader.Words.W.X) {
		t.Error("the reader that was opened has the weights of a new one")
	}
}

// TestAverage checks the mean of two readers' weights, and that a reader of
// another shape is refused.
func TestAverage(t *testing.T) {
	t.Parallel()
	small := reader.Config{Width: 8, Layers: 1, Heads: 1, Predicates: []string{"name"}}
	write := func(c reader.Config, seed uint64) (string, *reader.Model) {
		m, err := reader.New(c, seed)
		if err != nil {
			t.Fatal(err)
		}
		dir := t.TempDir()
		if err := reader.Save(dir, m); err != nil {
			t.Fatal(err)
		}
		return dir, m
	}
	one, a := write(small, 1)
	two, b := write(small, 2)
	to := filepath.Join(t.TempDir(), "both")
	if err := Average([]string{one, two}, to); err != nil {
		t.Fatal(err)
	}
	m, err := reader.Open(os.DirFS(to))
	if err != nil {
		t.Fatal(err)
	}
	got, x, y := m.Kind.W.X, a.Kind.W.X, b.Kind.W.X
	for i := range got { // so few values are not packed
		if want := (x[i] + y[i]) / 2; math.Abs(float64(got[i]-want)) > 1e-6 {
			t.Fatalf("weight %d is %v, want %v", i, got[i], want)
		}
	}
	small.Layers = 2
	three, _ := write(small, 3)
	if err := Average([]string{one, three}, to); err == nil || !strings.Contains(err.Error(), "reader 2 has another shape") {
		t.Errorf("of two shapes: %v", err)
	}
	if err := Average([]string{one, t.TempDir()}, to); err == nil {
		t.Error("of an empty directory: no error")
	}
}
