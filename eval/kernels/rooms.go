package kernels

import (
	"fmt"
	"math"
	"math/rand/v2"

	"kuai/kernel/attn"
	"kuai/kernel/conv"
	"kuai/kernel/gemm"
	"kuai/kernel/vec"
	"kuai/mem"
	"kuai/par"
)

const (
	// memoryValues is the length of an operand of element-wise work: 64 MiB,
	// twice the largest last-level cache of common machines.
	memoryValues = 16 << 20
	arenaBytes   = 2 << 30 // of address space
	vecTask      = 1 << 14 // values of a task
)

// rooms lists what is measured, in the order of the report.
func rooms() []room {
	f32, bf16 := gemm.F32, gemm.BF16
	list := []room{
		product("gemm_f32_1024", f32, 1024, 1024, 1024, layoutLinear, 0.85),
		product("gemm_f32_1024_packed", f32, 1024, 1024, 1024, layoutPacked, 0.85),
		product("gemm_bf16_1024", bf16, 1024, 1024, 1024, layoutLinear, 0.85),
		product("gemm_bf16_1024_packed", bf16, 1024, 1024, 1024, layoutPacked, 0.85),
		// A layer 256 -> 1280 of a transformer over 3584 positions, and its gradients.
		product("linear_bf16_y", bf16, 3584, 1280, 256, layoutPacked, 0.8),
		product("linear_bf16_dx", bf16, 3584, 256, 1280, layoutPlain, 0.75),
		product("linear_bf16_dw", bf16, 1280, 256, 3584, layoutTransposed, 0.7),
		product("gemm_f32_tall", f32, 100_000, 32, 288, layoutPacked, 0.85),
	}
	for _, typ := range []gemm.Type{f32, bf16} {
		list = append(list, convolutions(typ)...)
	}
	for _, typ := range []gemm.Type{f32, bf16} {
		list = append(list, attention(typ)...)
	}
	list = append(list, quantised()...)
	return append(list, elementwise()...)
}

// random is n values of the normal distribution.
func random(a *mem.Arena, n int) []float32 {
	r := rand.New(rand.NewPCG(1, uint64(n)))
	x := mem.Make[float32](a, n)
	for i := range x {
		x[i] = float32(r.NormFloat64())
	}
	return x
}

func typeName(typ gemm.Type) string { return [...]string{"f32", "bf16"}[typ] }

func typeLimit(typ gemm.Type) limit { return [...]limit{f32Limit, bf16Limit}[typ] }

// layout says how the operands of a product lie in memory.
type layout uint8

const (
	layoutLinear     layout = iota // A [m,k], B [n,k]: a linear layer
	layoutPacked                   // the same, B packed beforehand
	layoutPlain                    // A [m,k], B [k,n]
	layoutTransposed               // A [k,m], B [k,n]: the gradient of a weight
)

// product is a room of gemm.
func product(name string, typ gemm.Type, m, n, k int, l layout, bar float64) room {
	return room{name, typeLimit(typ), 2 * float64(m) * float64(n) * float64(k), bar, func(p *par.Pool, arena *mem.Arena) (func(), func() error) {
		a, b := gemm.View{P: random(arena, m*k), Row: k, K: 1}, gemm.View{P: random(arena, n*k), Row: k, K: 1}
		if l >= layoutPlain {
			b.Row, b.K = 1, n
		}
		if l == layoutTransposed {
			a.Row, a.K = 1, m
		}
		c := mem.Make[float32](arena, m*n)
		check := func() error { return checkProduct(c, m, n, k, a, b) }
		if l == layoutPacked {
			w := gemm.Pack(p, typ, b, n, k)
			return func() { gemm.MulPacked(p, c, n, m, a, w, gemm.Opt{}) }, check
		}
		return func() { gemm.Mul(p, typ, c, n, m, n, k, a, b, gemm.Opt{}) }, check
	}}
}

// checkProduct compares some elements of C with sums in float64, within what
// inputs rounded to bf16 allow.
func checkProduct(c []float32, m, n, k int, a, b gemm.View) error {
	for s := range 16 {
		i, j := s*(m-1)/15, (15-s)*(n-1)/15
		var want float64
		for x := range k {
			want += float64(a.P[i*a.Row+x*a.K]) * float64(b.P[j*b.Row+x*b.K])
		}
		if got := float64(c[i*n+j]); !(math.Abs(got-want) < 0.02*math.Sqrt(float64(k))) {
			return fmt.Errorf("element (%d, %d) is %v, want %v", i, j, got, want)
		}
	}
	return nil
}

// finite checks that a result is neither constant nor broken. What its values
// should be is the business of the kernels' tests.
func finite(x []float32) func() error {
	return func() error {
		if s := float64(vec.SumSquares(x)); !(s > 0) || math.IsInf(s, 0) {
			return fmt.Errorf("a result whose sum of squares is %v", s)
		}
		return nil
	}
}

// convolutions are the rooms of a causal 3x3x3 convolution of 128 channels.
func convolutions(typ gemm.Type) []room {
	s := conv.Shape{B: 1, T: 5, H: 32, W: 32, Cin: 128, Cout: 128, KT: 3, KH: 3, KW: 3}
	pixels := s.T * s.H * s.W
	work := 2 * float64(pixels) * float64(s.Cout) * float64(s.K())
	named := func(op string, bar float64, open func(p *par.Pool, a *mem.Arena, x, w, y []float32) (func(), []float32)) room {
		return room{fmt.Sprintf("conv3d_%s_%s", typeName(typ), op), typeLimit(typ), work, bar, func(p *par.Pool, a *mem.Arena) (func(), func() error) {
			run, result := open(p, a, random(a, pixels*s.Cin), random(a, s.Cout*s.K()), random(a, pixels*s.Cout))
			return run, finite(result)
		}}
	}
	return []room{
		named("y", 0.85, func(p *par.Pool, a *mem.Arena, x, w, y []float32) (func(), []float32) {
			packed := conv.Pack(p, typ, s, w)
			return func() { conv.Forward(p, a, s, y, x, nil, packed, nil) }, y
		}),
		named("dx", 0.85, func(p *par.Pool, a *mem.Arena, dx, w, dy []float32) (func(), []float32) {
			packed := conv.PackBack(p, typ, s, w)
			return func() { conv.BackData(p, a, s, dx, dy, packed, false) }, dx
		}),
		named("dw", 0.75, func(p *par.Pool, a *mem.Arena, x, dw, dy []float32) (func(), []float32) {
			db := mem.Make[float32](a, s.Cout)
			clear(db)
			return func() { conv.BackWeights(p, a, typ, s, dw, db, x, dy) }, dw
		}),
	}
}

// attention are the rooms of attention, forward.
func attention(typ gemm.Type) []room {
	long := attn.Shape{B: 1, N: 1792, M: 1792, NH: 8, D: 64}
	wide := attn.Shape{B: 1, N: 1024, M: 1024, NH: 8, D: 128}
	batch := attn.Shape{B: 32, N: 448, M: 448, NH: 8, D: 32}
	named := func(op string, s attn.Shape, adds int, run func(p *par.Pool, s attn.Shape, o, lse, q, k, v []float32)) room {
		return room{fmt.Sprintf("attn_%s_%s", typeName(typ), op), typeLimit(typ), 2 * float64(adds), 0, func(p *par.Pool, a *mem.Arena) (func(), func() error) {
			n := s.B * s.N * s.NH * s.D
			q, k, v := random(a, n), random(a, n), random(a, n)
			vec.ReLU(q, q) // as linear attention has them
			vec.ReLU(k, k)
			o, lse := mem.Make[float32](a, n), mem.Make[float32](a, s.B*s.NH*s.N)
			return func() { run(p, s, o, lse, q, k, v) }, finite(o)
		}}
	}
	heads := func(s attn.Shape) int { return s.B * s.NH * s.N * s.D }
	decay := attn.Decays(wide.NH, 0, 2)
	return []room{
		named("softmax", long, 2*heads(long)*long.M, func(p *par.Pool, s attn.Shape, o, lse, q, k, v []float32) {
			attn.Softmax(p, typ, s, o, lse, q, k, v, attn.Mask{})
		}),
		named("lightning", wide, 2*heads(wide)*(wide.D+64), func(p *par.Pool, s attn.Shape, o, _, q, k, v []float32) {
			attn.Lightning(p, typ, s, o, q, k, v, decay, nil)
		}),
		named("linear", batch, 2*heads(batch)*batch.D, func(p *par.Pool, s attn.Shape, o, _, q, k, v []float32) {
			attn.Linear(p, typ, s, o, q, k, v, attn.Rotary{}, 1)
		}),
	}
}

// elementwise are the rooms of vec over operands that no cache holds. A line
// that is written has to be read first, unless the operation reads it anyway,
// and so counts twice.
func elementwise() []room {
	const width = 256 // of rows
	named := func(op string, lines int, f func(x [4][]float32)) room {
		return room{"vec_" + op, copyLimit, float64(lines) * 4 * memoryValues, 0, func(p *par.Pool, a *mem.Arena) (func(), func() error) {
			var x [4][]float32
			for i := range x {
				x[i] = mem.Make[float32](a, memoryValues)
				vec.Fill(x[i], 0.5)
			}
			task := func(task, _ int) {
				var part [4][]float32
				for i := range x {
					part[i] = x[i][task*vecTask:][:vecTask]
				}
				f(part)
			}
			return func() { p.Do(memoryValues/vecTask, task) }, finite(x[0])
		}}
	}
	w := make([]float32, width)
	vec.Fill(w, 1)
	adam := vec.Adam{Rate: 1e-9, Beta1: 0.9, Beta2: 0.99, Eps: 1e-8, Scale: 1, Step: 5}
	return []room{
		named("add", 4, func(x [4][]float32) { vec.Add(x[0], x[1], x[2]) }),
		named("axpy", 3, func(x [4][]float32) { vec.Axpy(x[0], 1e-9, x[1]) }),
		named("exp", 3, func(x [4][]float32) { vec.Exp(x[0], x[1]) }),
		named("silu", 3, func(x [4][]float32) { vec.SiLU(x[0], x[1]) }),
		named("gelu", 3, func(x [4][]float32) { vec.GELU(x[0], x[1]) }),
		named("rmsnorm", 3, func(x [4][]float32) {
			vec.RMSNorm(x[0], x[2][:vecTask/width], x[1], w, vecTask/width, width, 1e-6)
		}),
		named("adamw", 7, func(x [4][]float32) { vec.AdamW(x[0], x[1], x[2], x[3], adam) }),
	}
}
