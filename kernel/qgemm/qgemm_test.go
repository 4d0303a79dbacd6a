package qgemm

import (
	"fmt"
	"math"
	"math/rand/v2"
	"testing"

	"kuai/kernel/isa"
	"kuai/kernel/quant"
	"kuai/par"
)

// stored returns random blocks of a format for [n, k], and their values.
func stored(r *rand.Rand, t quant.Type, n, k int) (data []byte, values []float32) {
	values = make([]float32, n*k)
	data = make([]byte, t.Bytes(n*k))
	if t.Writable() {
		for i := range values {
			values[i] = float32(r.NormFloat64())
		}
		quant.Quantize(data, t, values)
	} else {
		for i := range data {
			data[i] = byte(r.Uint32())
		}
		_, size := t.Block()
		for b := range len(data) / size { // scales that are numbers
			at := 0
			if t == quant.Q6_K {
				at = 208
			}
			quant.Quantize(data[b*size+at:][:2], quant.F16, []float32{0.02 * float32(1+r.Float64())})
			if t == quant.Q4_1 || t == quant.Q5_1 || t == quant.Q4_K || t == quant.Q5_K {
				quant.Quantize(data[b*size+2:][:2], quant.F16, []float32{0.05 * float32(r.NormFloat64())})
			}
		}
	}
	quant.Dequantize(values, t, data)
	return data, values
}

// wanted computes, in float64, rows of quantised activations times the values,
// and the sum of magnitudes that bounds what rounding may do.
func wanted(x *Activations, row int, w []float32) (sum, size float64) {
	q, meta := x.row(row)
	for i, v := range w {
		a := float64(q[i]) * float64(meta[i/block*metaLen])
		sum += a * float64(v)
		size += math.Abs(a * float64(v))
	}
	return sum, size
}

// tolerance of a format: what packing rounds, relative to the magnitudes.
func tolerance(t quant.Type) float64 {
	switch t {
	case quant.Q8_0, quant.Q5_0, quant.Q4_0:
		return 2e-6
	case quant.Q4_1, quant.Q5_1:
		return 4e-6
	case quant.Q4_K, quant.Q5_K:
		return 2e-3
	}
	return 8e-3 // rounded as Q8_0
}

var formats = []quant.Type{
	quant.Q8_0, quant.Q4_0, quant.Q4_1, quant.Q5_0, quant.Q5_1, quant.Q4_K, quant.Q5_K, quant.Q6_K,
	quant.F32, quant.F16, quant.BF16,
}

// TestMul compares every format and odd shapes with float64, under each
// instruction set.
func TestMul(t *testing.T) {
	isa.ForEach(t, func(t *testing.T) {
		p := par.New(2)
		defer p.Close()
		for _, typ := range formats {
			for _, s := range [][3]int{{1, 1, 256}, {2, 33, 256}, {3, 31, 512}, {5, 64, 256}, {6, 7, 256}, {13, 65, 256}, {50, 40, 256}} {
				compare(t, p, typ, s[0], s[1], s[2])
			}
		}
		compare(t, p, quant.Q8_0, 4, 40, 32)
		compare(t, p, quant.Q4_0, 7, 40, 96)
	})
}

func compare(t *testing.T, p *par.Pool, typ quant.Type, m, n, k int) {
	t.Helper()
	r := rand.New(rand.NewPCG(uint64(typ), uint64(m*n*k)))
	data, values := stored(r, typ, n, k)
	w := Pack(p, nil, typ, data, n, k)
	lda, ldc := k+3, n+5
	a := make([]float32, m*lda)
	for i := range a {
		a[i] = float32(r.NormFloat64())
	}
	var x Activations
	x.Quantize(p, a, lda, m, k)
	c := make([]float32, m*ldc)
	for i := range c {
		c[i] = float32(math.NaN())
	}
	Mul(p, c, ldc, &x, w, false)
	for i := range m {
		for j := range ldc {
			got := c[i*ldc+j]
			if j >= n {
				if !math.IsNaN(float64(got)) {
					t.Fatalf("%v %dx%dx%d: row %d was written beyond column %d", typ, m, n, k, i, n)
				}
				continue
			}
			want, size := wanted(&x, i, values[j*k:(j+1)*k])
			if math.IsNaN(float64(got)) || math.Abs(float64(got)-want) > tolerance(typ)*size+1e-6 {
				t.Fatalf("%v %dx%dx%d: C(%d,%d) is %v, want %v (magnitudes %v)", typ, m, n, k, i, j, got, want, size)
			}
		}
	}
}

// TestSameBits checks that a row's result does not depend on the rows beside
// it, on gathering, on the products beside it or on the workers.
func TestSameBits(t *testing.T) {
	isa.ForEach(t, func(t *testing.T) {
		const m, n, k = 29, 200, 288
		r := rand.New(rand.NewPCG(3, 4))
		for _, typ := range []quant.Type{quant.Q8_0, quant.Q4_0, quant.Q4_1, quant.Q5_1} {
			data, _ := stored(r, typ, n, k)
			a := make([]float32, m*k)
			for i := range a {
				a[i] = float32(r.NormFloat64())
			}
			w := Pack(nil, nil, typ, data, n, k)
			var x, one Activations
			x.Quantize(nil, a, k, m, k)
			all := make([]float32, m*n)
			Mul(nil, all, n, &x, w, false)

			p := par.New(3)
			rows := []int32{16, 0, 5}
			if typ == quant.Q8_0 { // more than go over a panel together
				for range 27 {
					rows = append(rows, r.Int32N(m))
				}
			}
			again, picked, single := make([]float32, m*n), make([]float32, len(rows)*n), make([]float32, n)
			MulMany(p, []Job{{C: again, Ldc: n, X: &x, W: w}, {C: picked, Ldc: n, X: &x, Rows: rows, W: w}})
			p.Close()
			for i := range m {
				one.Quantize(nil, a[i*k:], k, 1, k)
				Mul(nil, single, n, &one, w, false)
				same(t, fmt.Sprintf("%v: row %d alone", typ, i), single, all[i*n:(i+1)*n])
				same(t, fmt.Sprintf("%v: row %d with workers", typ, i), again[i*n:(i+1)*n], all[i*n:(i+1)*n])
			}
			for i, row := range rows {
				same(t, fmt.Sprintf("%v: gathered row %d", typ, row), picked[i*n:(i+1)*n], all[int(row)*n:int(row+1)*n])
			}
			Mul(nil, again, n, &x, w, true)
			for i, v := range again {
				if v != 2*all[i] {
					t.Fatalf("%v: added, value %d is %v, want %v", typ, i, v, 2*all[i])
				}
			}
		}
	})
}

func same(t *testing.T, what string, got, want []float32) {
	t.Helper()
	for i, v := range got {
		if v != want[i] {
			t.Fatalf("%s: column %d is %v, want %v", what, i, v, want[i])
		}
	}
}

// TestQuantize compares the kernels with their twin, also on zeros and on what
// can hardly be told from them.
func TestQuantize(t *testing.T) {
	isa.ForEach(t, func(t *testing.T) {
		r := rand.New(rand.NewPCG(5, 6))
		const n = 32 * 40
		a := make([]float32, n)
		for i := range a {
			a[i] = float32(r.NormFloat64() * math.Exp(8*r.NormFloat64()))
			switch i / block % 7 {
			case 3:
				a[i] = 0
			case 4:
				a[i] *= 1e-40
			case 5: // ties
				a[i] = float32(r.IntN(255)-127) / 2
			}
		}
		var x Activations
		x.Quantize(nil, a, n, 1, n)
		q, meta := make([]int8, n), make([]float32, n/block*metaLen)
		quantizeGo(q, meta, a)
		for i := range q {
			if q[i] != x.q[i] {
				t.Errorf("value %d, %v, is %d, want %d", i, a[i], x.q[i], q[i])
			}
		}
		for i := range meta {
			if i%metaLen < 3 && math.Float32bits(meta[i]) != math.Float32bits(x.meta[i]) {
				t.Errorf("block %d: note %d is %v, want %v", i/metaLen, i%metaLen, x.meta[i], meta[i])
			}
		}
	})
}

// TestLevels checks that all instruction sets give the same bits, also for the
// largest bytes of both sides, where sums of 16 bits would overflow.
func TestLevels(t *testing.T) {
	const m, n, k = 13, 70, 256
	for _, typ := range []quant.Type{quant.Q8_0, quant.Q4_0, quant.Q4_1, quant.Q5_0, quant.Q5_1, quant.Q4_K, quant.Q5_K} {
		for _, largest := range []bool{false, true} {
			r := rand.New(rand.NewPCG(uint64(typ), 9))
			data, _ := stored(r, typ, n, k)
			a := make([]float32, m*k)
			for i := range a {
				a[i] = float32(r.NormFloat64())
			}
			if largest {
				extreme(r, typ, data, a)
			}
			w := Pack(nil, nil, typ, data, n, k)
			var want []float32
			isa.ForEach(t, func(t *testing.T) {
				var x Activations
				x.Quantize(nil, a, k, m, k)
				got := make([]float32, m*n)
				Mul(nil, got, n, &x, w, false)
				if want == nil {
					want = got
				}
				same(t, fmt.Sprintf("%v", typ), got, want)
			})
		}
	}
}

// extreme sets the weights' integers to the ends of their ranges, mostly the
// upper one, and the activations to values of one size.
func extreme(r *rand.Rand, typ quant.Type, data []byte, a []float32) {
	_, size := typ.Block()
	first := map[quant.Type]int{quant.Q8_0: 2, quant.Q4_0: 2, quant.Q4_1: 4, quant.Q5_0: 2, quant.Q5_1: 4, quant.Q4_K: 16, quant.Q5_K: 16}[typ]
	for i := range data {
		if at := i % size; at >= first {
			data[i] = 0xff
			if typ == quant.Q8_0 {
				data[i] = 0x7f
			}
			if r.IntN(8) == 0 {
				data[i] = ^data[i]
			}
		}
	}
	for i := range a {
		a[i] = 2
		if i/block%3 == 1 || r.IntN(8) == 0 {
			a[i] = -2
		}
	}
}

// TestShapes checks that what does not fit is the caller's bug.
func TestShapes(t *testing.T) {
	t.Parallel()
	w := Pack(nil, nil, quant.F32, make([]byte, 4*40*64), 40, 64)
	var x Activations
	x.Quantize(nil, make([]float32, 2*64), 64, 2, 64)
	var other Activations
	other.Quantize(nil, make([]float32, 2*32), 32, 2, 32)
	for name, f := range map[string]func(){
		"k not of blocks":    func() { var y Activations; y.Quantize(nil, make([]float32, 40), 40, 1, 40) },
		"too few values":     func() { var y Activations; y.Quantize(nil, make([]float32, 63), 64, 1, 64) },
		"too few bytes":      func() { Pack(nil, nil, quant.Q8_0, make([]byte, 33), 1, 32) },
		"half a super-block": func() { Pack(nil, nil, quant.Q4_K, make([]byte, 72), 1, 128) },
		"unknown format":     func() { Pack(nil, nil, quant.Type(99), nil, 0, 0) },
		"another k":          func() { Mul(nil, make([]float32, 80), 40, &other, w, false) },
		"C too small":        func() { Mul(nil, make([]float32, 79), 40, &x, w, false) },
		"ldc too small":      func() { Mul(nil, make([]float32, 80), 39, &x, w, false) },
		"no such row":        func() { MulRows(nil, make([]float32, 80), 40, &x, []int32{0, 2}, w) },
	} {
		func() {
			defer func() {
				if recover() == nil {
					t.Errorf("%s: no panic", name)
				}
			}()
			f()
		}()
	}
}

// TestEmpty checks products without rows, columns or anything to add up.
func TestEmpty(t *testing.T) {
	t.Parallel()
	p := par.New(2)
	defer p.Close()
	var x Activations
	x.Quantize(p, nil, 0, 2, 0)
	c := []float32{1, 2, 3, 4, 5, 6}
	w := Pack(p, nil, quant.Q8_0, nil, 2, 0)
	Mul(p, c, 3, &x, w, true)
	if c[0] != 1 || c[4] != 5 {
		t.Errorf("nothing was added, and C became %v", c)
	}
	Mul(p, c, 3, &x, w, false)
	if c[0] != 0 || c[1] != 0 || c[2] != 3 || c[3] != 0 || c[4] != 0 || c[5] != 6 {
		t.Errorf("sums of nothing are %v", c)
	}
	x.Quantize(p, nil, 32, 0, 32)
	Mul(p, nil, 4, &x, Pack(p, nil, quant.Q8_0, make([]byte, 4*34), 4, 32), false)
	MulRows(p, nil, 4, &x, []int32{}, Pack(p, nil, quant.Q8_0, make([]byte, 4*34), 4, 32))
	x.Quantize(p, make([]float32, 32), 32, 1, 32)
	Mul(p, nil, 0, &x, Pack(p, nil, quant.Q8_0, nil, 0, 32), false)
	MulMany(p, nil)
}

// TestNoAllocations checks that products allocate nothing once warm.
func TestNoAllocations(t *testing.T) {
	isa.ForEach(t, func(t *testing.T) {
		r := rand.New(rand.NewPCG(7, 8))
		const m, n, k = 4, 128, 256
		data, _ := stored(r, quant.Q8_0, n, k)
		w := Pack(nil, nil, quant.Q8_0, data, n, k)
		a, c := make([]float32, m*k), make([]float32, m*n)
		var x Activations
		p := par.New(2)
		defer p.Close()
		jobs := []Job{{C: c, Ldc: n, X: &x, W: w}, {C: make([]float32, m*n), Ldc: n, X: &x, Rows: []int32{0, 1, 2, 3}, W: w, Acc: true}}
		if got := testing.AllocsPerRun(20, func() {
			x.Quantize(p, a, k, m, k)
			MulMany(p, jobs)
		}); got > 0 {
			t.Errorf("%v allocations", got)
		}
	})
}
