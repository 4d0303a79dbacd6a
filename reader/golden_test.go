package reader

import (
	"testing"

	"kuai/grad"
	"kuai/internal/golden"
	"kuai/internal/near"
	"kuai/kernel/gemm"
	"kuai/mem"
	"kuai/nn"
)

// TestGolden checks scores, loss and all gradients against PyTorch.
func TestGolden(t *testing.T) {
	t.Parallel()
	g := golden.Load(t, "testdata/golden.safetensors")
	m, err := New(Config{Width: 16, Layers: 2, Heads: 2, Predicates: []string{"name", "lives_in", "from"}}, 1)
	if err != nil {
		t.Fatal(err)
	}
	tables := map[string]*nn.Param{"word": m.Words.W, "piece": m.Pieces.W}
	for name, p := range tables {
		for i, row := range g["used_"+name+"s"].F32 {
			copy(p.X[int(row)*16:], g["p."+name+"_rows"].F32[i*16:(i+1)*16])
		}
	}
	params := nn.Params(m)
	for _, p := range params {
		if want, ok := g["p."+p.Name]; ok {
			copy(p.P.X, want.F32)
			p.P.Changed()
		}
	}
	b := &Batch{
		B: 2, N: 4, Lens: []int32{4, 2}, words: []int32{3, 70, 901, 12, 3, 44, 9, 9},
		pieces: []int32{1, 2, 5, 5, 8, 13, 21, 34, 55, 89}, offsets: []int32{0, 2, 3, 6, 7, 9, 10, 10, 10},
	}
	labels := []Labels{
		{Kind: Tells, Tags: []int32{outside, begins, goesOn}, Places: []Place{{2, 1, 1, 1}}},
		{Kind: AsksValue, Tags: []int32{outside}, Places: []Place{{0, 2, 0, 0}}},
	}
	arena := mem.NewArena(1 << 28)
	defer arena.Close()
	tape := grad.New(nil, arena, gemm.F32)
	loss := m.Loss(tape, b, labels)
	near.Check(t, "loss", loss.Sum.X, g["loss"].F32, 1e-5)
	h := m.Forward(tape, b)
	kind, _ := m.turns(tape, b, h)
	near.Check(t, "kind", kind.X, g["kind"].F32, 1e-5)
	predicate, first, last := m.places(tape, b, h, []int32{2, 4})
	near.Check(t, "predicate", predicate.X, append(g["place0.0"].F32, g["place1.0"].F32...), 1e-5)
	near.Check(t, "first of 0", first.X[:4], g["place0.1"].F32, 1e-5)
	near.Check(t, "last of 1", last.X[4:6], g["place1.2"].F32, 1e-5)
	tape.Backward(loss.Sum)
	for name, p := range tables {
		for i, row := range g["used_"+name+"s"].F32 {
			near.Check(t, name, p.G[int(row)*16:int(row+1)*16], g["d."+name+"_rows"].F32[i*16:(i+1)*16], 2e-5)
		}
	}
	for _, p := range params {
		if want, ok := g["d."+p.Name]; ok {
			near.Check(t, p.Name, p.P.G, want.F32, 2e-5)
		}
	}
}
