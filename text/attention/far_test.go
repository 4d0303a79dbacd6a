package attention

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"

	"kuai/internal/near"
	"kuai/kernel/isa"
	"kuai/par"
	"kuai/text/room"
)

// before leaves the last 100 to 355 positions to the pages.
func before(pos int) int { return max(0, pos+1-100) / room.BlockLen }

// TestFar compares attention to a room's blocks and the pages after them with
// the twin of attention to everything. A few keys stand out, as what is asked
// for does, so that the best positions are nearly all there is.
func TestFar(t *testing.T) {
	isa.ForEach(t, func(t *testing.T) {
		t.Helper()
		pool := par.New(2)
		defer pool.Close()
		const n, rows, layer = 5_000, 3, 1
		for _, shape := range []struct{ heads, kv, d, bits int }{{3, 1, 64, 4}, {4, 2, 16, 8}, {6, 3, 40, 4}} {
			r := rand.New(rand.NewPCG(1, uint64(shape.d)))
			vector := func(n int, scale float64) []float32 {
				x := make([]float32, n)
				for i := range x {
					x[i] = float32(scale * r.NormFloat64())
				}
				return x
			}
			l := NewLayout(F32, shape.kv, shape.d)
			l.Layers = 2
			hd := shape.heads * shape.d
			q := vector(rows*hd, 1)
			keys, values := make([][][]float32, shape.kv), make([][][]float32, shape.kv)
			var pages []*Page
			var far []*room.Block
			for pos := range n + rows {
				if pos%PageLen == 0 {
					pages = append(pages, &Page{Data: make([]byte, l.Bytes())})
				}
				for h := range shape.kv {
					k, v := vector(shape.d, 0.3), vector(shape.d, 1)
					if pos%100 == 50 { // what a head of one of the queries asks for
						group := shape.heads / shape.kv
						at := pos / 100 % (rows * group)
						k = slices.Clone(q[(at/group*shape.heads+h*group+at%group)*shape.d:][:shape.d])
						for i := range k {
							k[i] *= 4
						}
					}
					keys[h], values[h] = append(keys[h], k), append(values[h], v)
					l.Store(pages[pos/PageLen], layer, h, pos%PageLen, k, v)
				}
			}
			for b := range before(n + rows - 1) {
				block := room.Shape{Bits: shape.bits, Layers: 1, Heads: shape.kv, D: shape.d}.Draft()
				for i := range room.BlockLen {
					for h := range shape.kv {
						at := b*room.BlockLen + i
						block.Put(0, h, i, keys[h][at], values[h][at])
					}
				}
				far = append(far, block)
			}
			for i := range before(n) * room.BlockLen / PageLen {
				pages[i] = nil
			}
			var want []float32
			for i := range rows {
				o := make([]float32, hd)
				for h := range shape.heads {
					g := h * shape.kv / shape.heads
					twin(o[h*shape.d:][:shape.d], q[i*hd+h*shape.d:][:shape.d], keys[g][:n+i+1], values[g][:n+i+1])
				}
				want = append(want, o...)
			}
			var all []float32
			for _, top := range []int{0, n, 64} {
				a := New(pool, &l, shape.heads)
				a.Top = top
				run := func(o []float32) {
					a.Begin()
					a.Add(Part{Row: 0, N: rows, Pos: n, Pages: pages, Far: far, Before: before})
					a.Plan()
					a.Run(o, q, layer)
				}
				got := make([]float32, len(q))
				run(got)
				name := fmt.Sprint(shape, " top ", top)
				near.Check(t, name, got, want, map[int]float64{0: 0.1, n: 0.1, 64: 0.2}[top])
				switch top {
				case 0:
					all = got
				case n:
					near.Check(t, name+" and all", got, all, 1e-4)
				}
				again := make([]float32, len(q))
				run(again)
				if !slices.Equal(again, got) {
					t.Errorf("%s: another result of the same", name)
				}
				if isa.Now() < isa.AVX512 {
					continue // the twins of the pages' products allocate
				}
				if allocs := testing.AllocsPerRun(3, func() { run(again) }); allocs != 0 {
					t.Errorf("%s: %v allocations in a run", name, allocs)
				}
			}
		}
	})
}

// TestList compares the list of the best with a sort.
func TestList(t *testing.T) {
	t.Parallel()
	r := rand.New(rand.NewPCG(5, 5))
	for range 50 {
		all := make([]entry, 1+r.IntN(300))
		for i := range all {
			all[i] = entry{float32(r.IntN(40)), int32(i)}
		}
		l := list{entries: make([]entry, 1+r.IntN(40))}
		for _, e := range all {
			l.offer(e)
		}
		compare := func(a, b entry) int {
			switch {
			case a == b:
				return 0
			case a.worse(b):
				return 1
			}
			return -1
		}
		got := slices.SortedFunc(slices.Values(l.entries[:l.n]), compare)
		slices.SortFunc(all, compare)
		if want := all[:min(len(all), len(l.entries))]; !slices.Equal(got, want) {
			t.Fatalf("got %v, want %v", got, want)
		}
	}
}
