package apt

import (
	"errors"
	"math"
	"math/rand/v2"
	"testing"
	"testing/fstest"

	"kuai/companion/fact"
	"kuai/embedder"
	"kuai/format/safetensors"
	"kuai/grad"
	"kuai/kernel/gemm"
)

// TestLikely compares the net with what is trained.
func TestLikely(t *testing.T) {
	t.Parallel()
	r := rand.New(rand.NewPCG(1, 2))
	n := newNet(r)
	for i := range n.In.B.X {
		n.In.B.X[i] = float32(r.NormFloat64())
	}
	tape := grad.New(nil, nil, gemm.F32)
	x := tape.New(8, Features)
	for i := range x.X {
		x.X[i] = float32(r.NormFloat64())
	}
	y := n.Forward(tape, x)
	for i := range 8 {
		want := 1 / (1 + math.Exp(float64(y.X[2*i]-y.X[2*i+1])))
		if got := n.Likely((*[Features]float32)(x.X[i*Features:])); math.Abs(float64(got)-want) > 1e-4 {
			t.Errorf("%v, want %v", got, want)
		}
	}
}

// TestModelFile reads what was written, and nothing that is damaged.
func TestModelFile(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	if err := SaveModel(dir, NewModel(embedder.New(1), 2)); err != nil {
		t.Fatal(err)
	}
	if _, err := OpenModel(fstest.MapFS{modelFile: {Data: []byte("{}")}}); !errors.Is(err, safetensors.ErrDamaged) {
		t.Errorf("%v", err)
	}
	if _, err := OpenModel(fstest.MapFS{}); err == nil {
		t.Error("no file")
	}
}

// TestFound holds what the built-in model finds of situations that it was not
// trained on: a floor below what was measured.
func TestFound(t *testing.T) {
	t.Parallel()
	for l := range fact.Language(2) {
		if answered, right := open(t, l).Found(1, 400, 0.2); answered < 0.4 || right < 0.4 {
			t.Errorf("%v: %.3f answered, %.3f of them right", l, answered, right)
		}
	}
}

// TestOpposite makes less of what says no on one side alone.
func TestOpposite(t *testing.T) {
	t.Parallel()
	for s, want := range map[string]int{
		"I can't sleep": 1, "I cannot sleep": 1, "I did sleep": 0, "no way, I never said no": 2, "特别开心": 0, "别走": 1, "睡不着": 1, "是不是": 0, "没睡好": 1,
	} {
		if got := nots(s); got != want {
			t.Errorf("%q: %d, want %d", s, got, want)
		}
	}
}
