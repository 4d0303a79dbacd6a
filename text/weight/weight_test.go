package weight

import (
	"bytes"
	"crypto/sha256"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"testing"

	"kuai/internal/near"
	"kuai/kernel/qgemm"
	"kuai/kernel/quant"
	"kuai/mem"
	"kuai/par"
	"kuai/text/checkpoint"
)

// stored makes rows of a type, and the values that they stand for.
func stored(tb testing.TB, typ quant.Type, n, k int, seed uint64) (checkpoint.Rows, []float32) {
	tb.Helper()
	r := rand.New(rand.NewPCG(seed, 1))
	x := make([]float32, n*k)
	for i := range x {
		x[i] = float32(r.NormFloat64())
	}
	data := make([]byte, typ.Bytes(n*k))
	quant.Quantize(data, typ, x)
	t := checkpoint.Tensor{Name: fmt.Sprint(typ, seed), Shape: []int{n, k}, Type: typ, Data: data}
	rows, err := t.Matrix()
	if err != nil {
		tb.Fatal(err)
	}
	quant.Dequantize(x, typ, data)
	return rows, x
}

// TestMultiply compares products with their plain form, for every way in which a
// matrix is kept, with rows in another order and rows that are gathered.
func TestMultiply(t *testing.T) {
	t.Parallel()
	pool := par.New(2)
	defer pool.Close()
	const n, k = 75, 160
	order := rand.New(rand.NewPCG(5, 6)).Perm(n)[:44]
	for _, c := range []struct {
		typ  quant.Type
		want string
		bar  float64
	}{
		{quant.F32, "", 1e-5},
		{quant.F16, "", 1e-5},
		{quant.F16, "f32", 1e-5},
		{quant.BF16, "f32", 1e-5},
		{quant.BF16, "", 0.01},
		{quant.Q8_0, "", 0.01},
		{quant.Q4_0, "", 0.01},
		{quant.Q4_1, "", 0.01},
		{quant.F32, "q8", 0.02},
		{quant.F32, "q4", 0.12},
		{quant.Q8_0, "f32", 1e-5},
	} {
		for _, m := range []int{1, 7, 40, 130} {
			t.Run(fmt.Sprint(c.typ, c.want, m), func(t *testing.T) {
				rows, w := stored(t, c.typ, n, k, 7)
				p, err := NewPacker(pool, c.want)
				if err != nil {
					t.Fatal(err)
				}
				plain, turned := p.Plan(rows, nil), p.Plan(rows, order)
				arena, _ := p.Reserve(nil)
				if arena != nil {
					defer arena.Close()
				}
				r := rand.New(rand.NewPCG(8, 9))
				x := make([]float32, m*k)
				for i := range x {
					x[i] = float32(r.NormFloat64())
				}
				gathered := []int32{}
				for i := 0; i < m; i += 2 {
					gathered = append(gathered, int32(m-1-i))
				}
				a, b, g := make([]float32, m*n), make([]float32, m*len(order)), make([]float32, len(gathered)*n)
				var in Input
				mat := plain()
				in.Multiply(pool, x, m, k, []Product{{C: a, Ldc: n, W: mat}, {C: b, Ldc: len(order), W: turned()}})
				in.Multiply(pool, x, m, k, []Product{{C: g, Ldc: n, W: mat, Rows: gathered}})
				dot := func(i, j int) (sum float32) {
					s := 0.0
					for l := range k {
						s += float64(x[i*k+l]) * float64(w[j*k+l])
					}
					return float32(s)
				}
				var wantA, wantB, wantG []float32
				for i := range m {
					for j := range n {
						wantA = append(wantA, dot(i, j))
					}
					for _, j := range order {
						wantB = append(wantB, dot(i, j))
					}
				}
				for _, i := range gathered {
					for j := range n {
						wantG = append(wantG, dot(int(i), j))
					}
				}
				near.Check(t, "all rows", a, wantA, c.bar)
				near.Check(t, "in another order", b, wantB, c.bar)
				near.Check(t, "gathered", g, wantG, c.bar)
			})
		}
	}
}

// TestPackedForm guards the form of packed weights: files keep it. Where this
// fails for a reason, raise qgemm.Version or cacheVersion, and then the sum.
func TestPackedForm(t *testing.T) {
	t.Parallel()
	sum := sha256.New()
	for _, typ := range []quant.Type{quant.F16, quant.Q8_0, quant.Q4_0, quant.Q4_1, quant.Q5_0} {
		n, k := 70, 64
		data := make([]byte, typ.Bytes(n*k))
		for i := range data {
			data[i] = byte(i * 7)
		}
		rows, err := checkpoint.Tensor{Name: "w", Shape: []int{n, k}, Type: typ, Data: data}.Matrix()
		if err != nil {
			t.Fatal(err)
		}
		p, err := NewPacker(nil, "")
		if err != nil {
			t.Fatal(err)
		}
		pack := p.Plan(rows, nil)
		a, _ := p.Reserve(nil)
		pack()
		a.Release(0)
		sum.Write(mem.Make[byte](a, p.used))
		a.Close()
	}
	const want = "1 1 262f129e85932d32"
	if got := fmt.Sprintf("%d %d %x", cacheVersion, qgemm.Version, sum.Sum(nil)[:8]); got != want {
		t.Errorf("packed form %s, want %s", got, want)
	}
}

// packed makes a cache file of some bytes.
func packed(t *testing.T, dir string) (*Cache, []byte, string) {
	t.Helper()
	c := NewCache(dir, "model.gguf", "identity", &Packer{})
	w := make([]byte, 2*cachePart+12345)
	for i := range w {
		w[i] = byte(i * i >> 7)
	}
	if err := c.Store(w); err != nil {
		t.Fatal(err)
	}
	return c, w, filepath.Join(dir, ".model.gguf.packed")
}

func TestCache(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	c, w, path := packed(t, dir)
	got := make([]byte, len(w))
	if err := c.Load(nil, got); err != nil || !bytes.Equal(got, w) {
		t.Fatalf("read back: %v", err)
	}
	whole, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	for name, change := range map[string]func([]byte) []byte{
		"empty":       func([]byte) []byte { return nil },
		"cut":         func(b []byte) []byte { return b[:len(b)-1] },
		"longer":      func(b []byte) []byte { return append(b, 0) },
		"magic":       func(b []byte) []byte { b[0] ^= 1; return b },
		"version":     func(b []byte) []byte { b[8]++; return b },
		"header sum":  func(b []byte) []byte { b[12] ^= 1; return b },
		"key":         func(b []byte) []byte { b[16] ^= 1; return b },
		"size":        func(b []byte) []byte { b[48] ^= 1; return b },
		"sum":         func(b []byte) []byte { b[cacheFixed] ^= 1; return b },
		"first value": func(b []byte) []byte { b[cacheFixed+12] ^= 1; return b },
		"last value":  func(b []byte) []byte { b[len(b)-1] ^= 1; return b },
	} {
		if err := os.WriteFile(path, change(slices.Clone(whole)), 0o600); err != nil {
			t.Fatal(err)
		}
		if err := c.Load(nil, got); err == nil {
			t.Errorf("%s: was believed", name)
		}
	}
	if err := os.WriteFile(path, whole, 0o600); err != nil {
		t.Fatal(err)
	}
	for name, other := range map[string]*Cache{
		"another model":   NewCache(dir, "model.gguf", "other", &Packer{}),
		"another plan":    NewCache(dir, "model.gguf", "identity", &Packer{plan: []byte("q")}),
		"another packing": NewCache(dir, "model.gguf", "identity", &Packer{want: "q4"}),
	} {
		if err := other.Load(nil, got); err == nil {
			t.Errorf("%s: was believed", name)
		}
	}
	if err := c.Load(nil, got[:len(got)-1]); err == nil {
		t.Error("weights of another size were believed")
	}
}

// TestCachePlace checks that a folder that takes nothing is no obstacle.
func TestCachePlace(t *testing.T) {
	dir, user := t.TempDir(), t.TempDir()
	t.Setenv("XDG_CACHE_HOME", user)
	t.Setenv("HOME", user)
	file := filepath.Join(dir, "file")
	if err := os.WriteFile(file, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	c := NewCache(Auto, filepath.Join(file, "model.gguf"), "identity", &Packer{}) // a file is no folder
	w := []byte("weights")
	if err := c.Store(w); err != nil {
		t.Fatal(err)
	}
	got := make([]byte, len(w))
	if err := c.Load(nil, got); err != nil || !bytes.Equal(got, w) {
		t.Errorf("read back %q: %v", got, err)
	}
	if err := NewCache(filepath.Join(file, "x"), "model.gguf", "", &Packer{}).Store(w); err == nil {
		t.Error("written where nothing can be")
	}
}
