package room

import (
	"errors"
	"math"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"testing"

	"kuai/internal/near"
	"kuai/kernel/attn"
)

// tokens are those of every block.
var tokens = func() []int32 {
	t := make([]int32, BlockLen)
	for i := range t {
		t[i] = int32(i * i)
	}
	return t
}()

var small = Shape{Bits: 4, Layers: 2, Heads: 2, D: 12}

// filled makes a draft of random keys and values, and returns those of one head
// of one layer.
func filled(s Shape, r *rand.Rand) (b *Block, keys, values []float32) {
	b = s.Draft()
	for layer := range s.Layers {
		for head := range s.Heads {
			keys, values = nil, nil
			for pos := range BlockLen {
				k, v := make([]float32, s.D), make([]float32, s.D)
				for i := range k {
					k[i], v[i] = float32(r.NormFloat64()), float32(r.NormFloat64())
				}
				b.Put(layer, head, pos, k, v)
				keys, values = append(keys, k...), append(values, v...)
			}
		}
	}
	return b, keys, values
}

func mustOpen(t *testing.T, dir string, s Shape) *Room {
	t.Helper()
	r, err := Open(dir, [32]byte{1}, s)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = r.Close() })
	return r
}

// TestBlock checks what a block has made of keys and values, before and after it
// was written.
func TestBlock(t *testing.T) {
	t.Parallel()
	for _, s := range []Shape{small, {Bits: 8, Layers: 1, Heads: 1, D: 64}, {Bits: 4, Layers: 1, Heads: 3, D: 40}} {
		r := mustOpen(t, t.TempDir(), s)
		rng := rand.New(rand.NewPCG(1, uint64(s.D)))
		b, keys, values := filled(s, rng)
		layer, head := s.Layers-1, s.Heads-1
		q := make([]float32, s.D)
		for i := range q {
			q[i] = float32(rng.NormFloat64())
		}
		var p attn.Probe
		p.Set(q, 1, s.D)
		want := make([]float32, BlockLen)
		for i := range BlockLen {
			for j := range s.D {
				want[i] += q[j] * keys[i*s.D+j]
			}
		}
		for _, written := range []bool{false, true} {
			if written {
				if err := r.Append(b, 0, Chain{1}, tokens); err != nil {
					t.Fatal(err)
				}
				if got := b.Tokens(nil); !slices.Equal(got, tokens) {
					t.Errorf("tokens %v", got)
				}
			}
			got, bar := make([]float32, BlockLen), 0.3
			k, scale := b.Keys(layer, head)
			if s.Bits == 4 {
				p.Nibbles(got, BlockLen, k, scale, BlockLen)
			} else {
				p.Bytes(got, BlockLen, k, scale, BlockLen)
				bar = 0.02
			}
			near.Check(t, "scores", got, want, bar)
			for _, pos := range []int{0, 77, BlockLen - 1} {
				o, want := make([]float32, s.D), make([]float32, s.D)
				b.AddValue(o, layer, head, pos, 0.5)
				for i := range want {
					want[i] = 0.5 * values[pos*s.D+i]
				}
				near.Check(t, "value", o, want, 0.02)
			}
		}
	}
}

// TestBytes checks what a position takes for the built-in model.
func TestBytes(t *testing.T) {
	t.Parallel()
	for bits, want := range map[int]float64{4: 34 + 66 + 4 + 0.5, 8: 66 + 66 + 4 + 0.5} {
		if got := (Shape{Bits: bits, Layers: 1, Heads: 1, D: 64}).BytesPerPosition(); got != want {
			t.Errorf("%d bits: %v bytes, want %v", bits, got, want)
		}
	}
}

// TestPutEdges takes what is no number.
func TestPutEdges(t *testing.T) {
	t.Parallel()
	b := small.Draft()
	inf := float32(math.Inf(1))
	x := []float32{inf, -inf, float32(math.NaN()), 1e30, 0, 1, 2, 3, 4, 5, 6, 7}
	b.Put(0, 0, 3, x, x)
	o := make([]float32, small.D)
	b.AddValue(o, 0, 0, 3, 1)
	for i, v := range o {
		if v != v || math.IsInf(float64(v), 0) {
			t.Errorf("value %d is %v", i, v)
		}
	}
}

// TestOpenAgain checks that a room has its blocks after it was closed, whatever
// a crash has left of the last, in memory mapped or not.
func TestOpenAgain(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	r := mustOpen(t, dir, small)
	rng := rand.New(rand.NewPCG(1, 1))
	chain := Chain{}
	var chains []Chain
	for i := range 3 {
		b, _, _ := filled(small, rng)
		chain = chain.Next([]int32{int32(i)})
		chains = append(chains, chain)
		if err := r.Append(b, i, chain, tokens); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := Open(dir, [32]byte{1}, small); !errors.Is(err, ErrBusy) {
		t.Errorf("a second opening: %v", err)
	}
	number := r.Number()
	if err := errors.Join(r.Sync(), r.Close()); err != nil {
		t.Fatal(err)
	}
	for name, err := range map[string]error{
		"model": second(Open(dir, [32]byte{2}, small)),
		"shape": second(Open(dir, [32]byte{1}, Shape{Bits: 8, Layers: 2, Heads: 2, D: 12})),
	} {
		if !errors.Is(err, ErrOther) {
			t.Errorf("another %s: %v", name, err)
		}
	}
	for _, cut := range []struct {
		file string
		by   int64
		want int
	}{{keyFile, 0, 3}, {keyFile, 1, 2}, {valueFile, 70, 1}, {keyFile, int64(small.keyBytes()) - 1, 0}} {
		path := filepath.Join(dir, cut.file)
		info, err := os.Stat(path)
		if err != nil {
			t.Fatal(err)
		}
		if err := os.Truncate(path, info.Size()-cut.by); err != nil {
			t.Fatal(err)
		}
		r = mustOpen(t, dir, small)
		if r.Len() != cut.want || r.Number() != number {
			t.Fatalf("%d blocks, want %d", r.Len(), cut.want)
		}
		for i := range r.Len() {
			if r.Find(i, chains[i]) == nil || r.Find(i+1, chains[i]) != nil || r.Find(i, Chain{9}) != nil {
				t.Errorf("block %d is not found, or for another text", i)
			}
			if _, err := r.Block(i, i+1); !errors.Is(err, ErrOther) {
				t.Errorf("block %d at another place: %v", i, err)
			}
		}
		if _, err := r.Block(r.Len(), 0); !errors.Is(err, ErrDamaged) {
			t.Errorf("a block that there is not: %v", err)
		}
		if err := r.Close(); err != nil {
			t.Fatal(err)
		}
	}
	r = mustOpen(t, dir, small)
	r.keys.mapped, r.values.mapped = nil, nil // as on systems that map nothing
	b, _, _ := filled(small, rng)
	if err := r.Append(b, 0, chains[0], tokens); err != nil || r.Find(0, chains[0]) != b {
		t.Errorf("without maps: %v", err)
	}
}

func second[A, B any](_ A, b B) B { return b }

// TestDamage flips bits: no block is believed that is not what was written.
func TestDamage(t *testing.T) {
	t.Parallel()
	rng := rand.New(rand.NewPCG(2, 2))
	for range 60 {
		dir := t.TempDir()
		r := mustOpen(t, dir, small)
		for i := range 2 {
			b, _, _ := filled(small, rng)
			if err := r.Append(b, i, Chain{byte(i + 1)}, tokens); err != nil {
				t.Fatal(err)
			}
		}
		_ = r.Close()
		path := filepath.Join(dir, []string{keyFile, valueFile}[rng.IntN(2)])
		data, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		data[rng.IntN(len(data))] ^= 1 << rng.IntN(8)
		if err := os.WriteFile(path, data, 0o600); err != nil {
			t.Fatal(err)
		}
		r, err = Open(dir, [32]byte{1}, small)
		if err != nil {
			if !errors.Is(err, ErrDamaged) {
				t.Fatal(err)
			}
			continue
		}
		whole := 0
		for i := range 2 {
			if _, err := r.Block(i, i); err == nil {
				whole++
			} else if !errors.Is(err, ErrDamaged) && !errors.Is(err, ErrOther) {
				t.Fatal(err)
			}
		}
		if whole == 2 {
			t.Error("damage was not noticed")
		}
		_ = r.Close()
	}
}

// TestFullDisk appends to a file that takes nothing: the draft stays one.
func TestFullDisk(t *testing.T) {
	t.Parallel()
	r := mustOpen(t, t.TempDir(), small)
	whole := r.keys.file
	closed, err := os.Open(whole.Name()) // for reading: writes fail
	if err != nil {
		t.Fatal(err)
	}
	r.keys.file = closed
	b, _, _ := filled(small, rand.New(rand.NewPCG(3, 3)))
	if err := r.Append(b, 0, Chain{1}, tokens); err == nil || b.ID() != -1 || r.Len() != 0 {
		t.Errorf("appended to a file that takes nothing: %v", err)
	}
	_ = closed.Close()
	r.keys.file = whole
	if err := r.Append(b, 0, Chain{1}, tokens); err != nil || b.ID() != 0 {
		t.Errorf("and then: %v", err)
	}
}

// FuzzOpen opens rooms of any contents.
func FuzzOpen(f *testing.F) {
	dir := f.TempDir()
	r, err := Open(dir, [32]byte{1}, small)
	if err != nil {
		f.Fatal(err)
	}
	b, _, _ := filled(small, rand.New(rand.NewPCG(1, 1)))
	if err := errors.Join(r.Append(b, 0, Chain{1}, tokens), r.Close()); err != nil {
		f.Fatal(err)
	}
	var files [2][]byte
	for i, name := range []string{keyFile, valueFile} {
		if files[i], err = os.ReadFile(filepath.Join(dir, name)); err != nil {
			f.Fatal(err)
		}
	}
	f.Add(files[0], files[1])
	f.Add(files[0][:200], files[1])
	f.Add(files[0][:100], files[1][:headerBytes])
	f.Add([]byte{}, files[1])
	f.Fuzz(func(t *testing.T, keys, values []byte) {
		dir := t.TempDir()
		if err := errors.Join(os.WriteFile(filepath.Join(dir, keyFile), keys, 0o600), os.WriteFile(filepath.Join(dir, valueFile), values, 0o600)); err != nil {
			t.Fatal(err)
		}
		r, err := Open(dir, [32]byte{1}, small)
		if err != nil {
			return
		}
		for i := range r.Len() {
			if b, err := r.Block(i, i); err == nil {
				b.AddValue(make([]float32, small.D), 0, 0, 5, 1)
			}
		}
		if err := r.Close(); err != nil {
			t.Error(err)
		}
	})
}
