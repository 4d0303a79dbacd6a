package optim

import (
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"kuai/grad"
	"kuai/internal/golden"
	"kuai/internal/near"
	"kuai/kernel/gemm"
	"kuai/nn"
	"kuai/par"
)

// tinyModel is the autoencoder of nn/testdata/golden.py.
type tinyModel struct {
	Conv *nn.CausalConv3D `name:"conv"`
	Norm *nn.RMSNorm      `name:"norm"`
	Out  *nn.Linear       `name:"out"`
}

// TestAdamW compares ten training losses and the weights after them with
// PyTorch's.
func TestAdamW(t *testing.T) {
	t.Parallel()
	want := golden.Load(t, "testdata/adamw.safetensors")
	r := rand.New(rand.NewPCG(1, 1))
	m := &tinyModel{nn.NewCausalConv3D(r, 3, 8, 2, 3, 3), nn.NewRMSNorm(8), nn.NewLinear(r, 8, 3, true)}
	params := nn.Params(m)
	for _, p := range params {
		copy(p.P.X, want["p."+p.Name].F32)
	}
	opt := NewAdamW(params, AdamConfig{Decay: 0.1})
	data := want["x"]
	var losses []float32
	for range 10 {
		tape := grad.New(nil, nil, gemm.F32)
		x := tape.Const(data.F32, data.Shape...)
		h := m.Norm.Forward(tape, nn.SiLU(tape, m.Conv.Forward(tape, x)))
		loss := nn.MSE(tape, m.Out.Forward(tape, h), data.F32, nil)
		tape.Backward(loss)
		_, scale := ClipNorm(nil, params, 0.5)
		opt.Update(nil, 0.02, scale)
		losses = append(losses, loss.X[0])
	}
	near.Check(t, "losses", losses, want["losses"].F32, 1e-5)
	for _, p := range params {
		near.Check(t, p.Name, p.P.X, want["end."+p.Name].F32, 1e-4)
	}
}

// matrices returns parameters of the shapes in the Muon golden file.
func matrices(r *rand.Rand) []nn.Named {
	return nn.Params(&struct {
		Wide *nn.Linear       `name:"wide"`
		Tall *nn.Linear       `name:"tall"`
		Conv *nn.CausalConv3D `name:"conv"`
	}{nn.NewLinear(r, 10, 6, false), nn.NewLinear(r, 6, 10, false), nn.NewCausalConv3D(r, 3, 4, 2, 3, 3)})
}

// TestMuon compares three updates with a float64 twin.
func TestMuon(t *testing.T) {
	t.Parallel()
	want := golden.Load(t, "testdata/muon.safetensors")
	params := matrices(rand.New(rand.NewPCG(2, 2)))
	name := func(p nn.Named) string { return strings.TrimSuffix(p.Name, ".weight") }
	for _, p := range params {
		if p.P.Matrix {
			copy(p.P.X, want["begin."+name(p)].F32)
		}
	}
	opt := NewMuon(params, MuonConfig{Decay: 0.1, Type: gemm.F32})
	tape := grad.New(nil, nil, gemm.F32)
	for step := range 3 {
		for _, p := range params {
			if p.P.Matrix {
				copy(tape.Grad(&p.P.Var), want[fmt.Sprintf("g%d.%s", step, name(p))].F32)
			}
		}
		opt.Update(nil, 0.02, 1)
	}
	for _, p := range params {
		if p.P.Matrix {
			near.Check(t, p.Name, p.P.X, want["end."+name(p)].F32, 1e-5)
		}
	}
}

// TestMuonOrthogonal checks that bf16 products bring the singular values near
// one too: those of XXᵀ lie around one.
func TestMuonOrthogonal(t *testing.T) {
	t.Parallel()
	r := rand.New(rand.NewPCG(3, 3))
	const rows, cols = 24, 64
	o := NewMuon(nn.Params(&struct {
		L *nn.Linear `name:"l"`
	}{nn.NewLinear(r, cols, rows, false)}), MuonConfig{Type: gemm.BF16})
	for i := range rows * cols {
		o.scratch[0][i] = float32(r.NormFloat64())
	}
	x := o.orthogonal(nil, rows, cols)
	gram := make([]float32, rows*rows)
	v := gemm.View{P: x, Row: cols, K: 1}
	gemm.Mul(nil, gemm.F32, gram, rows, rows, rows, cols, v, v, gemm.Opt{})
	for i, g := range gram {
		if i%(rows+1) == 0 && (g < 0.4 || g > 1.5) || i%(rows+1) != 0 && math.Abs(float64(g)) > 0.4 {
			t.Errorf("XXᵀ has %v at row %d, column %d", g, i/rows, i%rows)
		}
	}
}

// TestResume checks that an optimiser whose state was stored and restored goes
// on bit for bit, whatever the number of workers.
func TestResume(t *testing.T) {
	t.Parallel()
	pool := par.New(2)
	defer pool.Close()
	gradients := func(params []nn.Named, step int) {
		r := rand.New(rand.NewPCG(4, uint64(step)))
		tape := grad.New(nil, nil, gemm.F32)
		for _, p := range params {
			g := tape.Grad(&p.P.Var)
			for i := range g {
				g[i] = float32(r.NormFloat64())
			}
		}
	}
	run := func(params []nn.Named, o *Muon, e *EMA, pool *par.Pool, from, to int) {
		for step := from; step < to; step++ {
			gradients(params, step)
			o.Update(pool, 0.01, 0.5)
			e.Update(pool)
		}
	}
	make3 := func() ([]nn.Named, *Muon, *EMA) {
		params := matrices(rand.New(rand.NewPCG(5, 5)))
		return params, NewMuon(params, MuonConfig{Type: gemm.BF16, Except: []string{"tall.weight"}}), NewEMA(params, 0.9)
	}
	want, wo, we := make3()
	run(want, wo, we, pool, 0, 6)

	first, fo, fe := make3()
	run(first, fo, fe, nil, 0, 3)
	got, o, e := make3()
	for i := range got {
		copy(got[i].P.X, first[i].P.X)
	}
	restore := func(to, from []Slot) {
		for i := range to {
			if to[i].Name != from[i].Name {
				t.Errorf("slot %d is %q, then %q", i, to[i].Name, from[i].Name)
			}
			copy(to[i].X, from[i].X)
		}
	}
	restore(o.State(), fo.State())
	restore(e.State(), fe.State())
	o.SetSteps(fo.Steps())
	e.Steps = fe.Steps
	run(got, o, e, nil, 3, 6)
	for i := range want {
		near.Check(t, want[i].Name, got[i].P.X, want[i].P.X, 0)
		near.Check(t, want[i].Name+" averaged", e.State()[i].X, we.State()[i].X, 0)
	}
}

func TestClipNorm(t *testing.T) {
	t.Parallel()
	params := matrices(rand.New(rand.NewPCG(6, 6)))
	g := grad.New(nil, nil, gemm.F32).Grad(&params[0].P.Var)
	g[0], g[5] = 3, 4
	for _, tt := range []struct{ limit, want float32 }{{10, 1}, {5, 1}, {2.5, 0.5}} {
		norm, scale := ClipNorm(nil, params, tt.limit)
		if norm != 5 || scale != tt.want {
			t.Errorf("limit %v: norm %v, scale %v, want 5 and %v", tt.limit, norm, scale, tt.want)
		}
	}
	g[1] = float32(math.NaN())
	norm, scale := ClipNorm(nil, params, 1)
	if !math.IsNaN(float64(norm)) || scale != 0 {
		t.Errorf("with a NaN: norm %v, scale %v, want NaN and 0", norm, scale)
	}
	before := slices.Clone(params[0].P.X)
	NewMuon(params, MuonConfig{}).Update(nil, 1, scale)
	near.Check(t, "weights after a step left out", params[0].P.X, before, 0)
	near.Check(t, "gradient", g, make([]float32, len(g)), 0)
}

// TestEMA checks the warm-up of the decay and that Swap undoes itself.
func TestEMA(t *testing.T) {
	t.Parallel()
	params := nn.Params(nn.NewRMSNorm(1))
	w := params[0].P.X
	e := NewEMA(params, 0.15)
	w[0] = 2
	e.Update(nil) // decay 1/10
	avg := e.State()[0].X
	near.Check(t, "first", avg, []float32{0.1*1 + 0.9*2}, 1e-6)
	e.Update(nil) // decay 0.15, below 2/11
	near.Check(t, "second", avg, []float32{0.15*1.9 + 0.85*2}, 1e-6)
	e.Swap(nil)
	near.Check(t, "swapped", w, []float32{1.985}, 1e-6)
	e.Swap(nil)
	near.Check(t, "swapped back", w, []float32{2}, 0)
}

func TestSchedules(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name  string
		s     Schedule
		rates map[int]float32
	}{
		{"constant", Constant(2, 4), map[int]float32{0: 0.5, 3: 2, 4: 2, 1000: 2}},
		{"WSD, linear", WSD(1, 2, 20, 10, Linear), map[int]float32{0: 0.5, 1: 1, 10: 1, 15: 0.5, 20: 0, 25: 0}},
		{"WSD, cosine", WSD(1, 0, 20, 10, HalfCosine), map[int]float32{0: 1, 10: 1, 15: 0.5, 20: 0}},
		{"WSD without decay", WSD(1, 0, 20, 0, Linear), map[int]float32{0: 1, 19: 1, 20: 1}},
		{"cosine", Cosine(1, 2, 12, 0.1), map[int]float32{0: 0.5, 2: 1, 7: 0.55, 12: 0.1, 99: 0.1}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			for step, want := range tt.rates {
				if got := tt.s(step); math.Abs(float64(got-want)) > 1e-6 {
					t.Errorf("rate of step %d is %v, want %v", step, got, want)
				}
			}
		})
	}
}
