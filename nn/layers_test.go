package nn

import (
	"math/rand/v2"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"kuai/format/safetensors"
	"kuai/grad"
	"kuai/internal/near"
	"kuai/kernel/gemm"
)

// TestStream checks that a clip convolved in pieces of any length gives the
// frames of the whole.
func TestStream(t *testing.T) {
	t.Parallel()
	r := rand.New(rand.NewPCG(5, 5))
	const batch, frames, h, w, c = 2, 7, 3, 4, 3
	frame := h * w * c
	data := gaussian(r, batch*frames*frame)
	for _, kt := range []int{1, 2, 3} {
		l := NewCausalConv3D(r, c, 5, kt, 3, 3)
		tape := newTape(t, nil, gemm.F32)
		whole := l.Forward(tape, tape.Const(data, batch, frames, h, w, c))
		var cache ConvCache
		at := 0
		for _, n := range []int{1, 1, 3, 2} {
			x := SelectFrames(tape, tape.Const(data, batch, frames, h, w, c), at, n)
			got := l.Stream(tape, x, &cache)
			near.Check(t, "frames", got.X, SelectFrames(tape, whole, at, n).X, 1e-6)
			at += n
		}
	}
}

// TestShuffleUndoes checks that Shuffle is the inverse of Unshuffle.
func TestShuffleUndoes(t *testing.T) {
	t.Parallel()
	tape := newTape(t, nil, gemm.F32)
	x := gaussian(rand.New(rand.NewPCG(6, 6)), 2*4*6*4*3)
	y := Unshuffle(tape, tape.Const(x, 2, 4, 6, 4, 3), 2, 2)
	if diff := cmp.Diff([]int{2, 2, 3, 2, 24}, y.Shape); diff != "" {
		t.Errorf("shape (-want +got):\n%s", diff)
	}
	near.Check(t, "x", Shuffle(tape, y, 2, 2).X, x, 0)
}

// tinyBlock has every way in which parameters hang in a module.
type tinyBlock struct {
	Linear *Linear    `name:"linear"`
	Norm   RMSNorm    `name:"norm"`
	Plain  *RMSNorm   `name:"plain"`
	Convs  []*Linear  `name:"convs"`
	Nested tinyNested `name:"nested"`
	Hidden *Linear
	tinyShared
}

type tinyNested struct {
	Table *Embedding `name:"table"`
}

type tinyShared struct {
	Gate *Linear `name:"gate"`
}

func newTinyBlock(seed uint64) *tinyBlock {
	r := rand.New(rand.NewPCG(seed, seed))
	return &tinyBlock{
		Linear:     NewLinear(r, 2, 3, true),
		Norm:       *NewRMSNorm(4),
		Plain:      NewRMSNorm(0),
		Convs:      []*Linear{NewLinear(r, 2, 2, false), NewLinear(r, 2, 2, false)},
		Nested:     tinyNested{NewEmbedding(r, 3, 2)},
		Hidden:     NewLinear(r, 1, 1, true),
		tinyShared: tinyShared{NewLinear(r, 2, 1, false)},
	}
}

func TestParams(t *testing.T) {
	t.Parallel()
	var got []string
	for _, p := range Params(newTinyBlock(1)) {
		got = append(got, p.Name)
	}
	want := []string{
		"linear.weight", "linear.bias", "norm.weight", "convs.0.weight", "convs.1.weight",
		"nested.table.weight", "gate.weight",
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("names (-want +got):\n%s", diff)
	}
}

func TestSaveLoad(t *testing.T) {
	t.Parallel()
	a, b := newTinyBlock(1), newTinyBlock(2)
	path := filepath.Join(t.TempDir(), "m.safetensors")
	if err := Save(path, a, safetensors.F32, map[string]string{"step": "7"}); err != nil {
		t.Fatal(err)
	}
	f, err := safetensors.Read(path)
	if err != nil {
		t.Fatal(err)
	}
	if err := Load(b, f); err != nil {
		t.Fatal(err)
	}
	for i, p := range Params(b) {
		near.Check(t, p.Name, p.P.X, Params(a)[i].P.X, 0)
	}
}

func TestLoadErrors(t *testing.T) {
	t.Parallel()
	good := func() []safetensors.Tensor { return Tensors(newTinyBlock(1), safetensors.F32) }
	tests := []struct {
		name    string
		tensors []safetensors.Tensor
		want    string
	}{
		{"missing", good()[1:], `tensor "linear.weight" is missing`},
		{"another shape", append(good()[1:], safetensors.FromF32("linear.weight", safetensors.F32, []int{2, 3}, make([]float32, 6))), `"linear.weight": shape [2 3], want [3 2]`},
		{"unknown", append(good(), safetensors.FromF32("extra", safetensors.F32, []int{1}, []float32{1})), `"extra" belongs to no parameter`},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			data, err := safetensors.Encode(tt.tensors, nil)
			if err != nil {
				t.Fatal(err)
			}
			f, err := safetensors.Parse(data)
			if err != nil {
				t.Fatal(err)
			}
			if err := Load(newTinyBlock(3), f); err == nil || !strings.Contains(err.Error(), tt.want) {
				t.Errorf("Load: %v, want an error with %q", err, tt.want)
			}
		})
	}
}

// TestForwardTape checks that inference gives the values of training and keeps
// nothing for a way back.
func TestForwardTape(t *testing.T) {
	t.Parallel()
	r := rand.New(rand.NewPCG(7, 7))
	l := NewLinear(r, 8, 8, true)
	data := gaussian(r, 3*8)
	recording, silent := newTape(t, nil, gemm.F32), grad.NewForward(nil, nil, gemm.F32)
	f := func(tape *grad.Tape) *grad.Var { return SiLU(tape, l.Forward(tape, tape.Const(data, 3, 8))) }
	near.Check(t, "y", f(silent).X, f(recording).X, 0)
	if f(silent).Needs() {
		t.Error("the output of a tape that does not record takes a gradient")
	}
}

// TestChangedRepacks checks that a layer sees new weights after Changed, in
// both directions.
func TestChangedRepacks(t *testing.T) {
	t.Parallel()
	r := rand.New(rand.NewPCG(8, 8))
	l, tape := NewLinear(r, 3, 2, false), newTape(t, nil, gemm.F32)
	run := func() (y, dx []float32) {
		x := tape.New(1, 3)
		copy(x.X, []float32{1, 2, 3})
		out := l.Forward(tape, x)
		tape.Backward(out) // with ones
		return out.X, x.G
	}
	run()
	copy(l.W.X, []float32{1, 0, 0, 0, 1, 1})
	l.W.Changed()
	y, dx := run()
	near.Check(t, "y", y, []float32{1, 5}, 0)
	near.Check(t, "dx", dx, []float32{1, 1, 1}, 0)
}
