package attention

import (
	"fmt"
	"math"
	"math/rand/v2"
	"testing"

	"kuai/internal/near"
	"kuai/par"
)

// twin is attention of one query by its definition, in float64.
func twin(o, q []float32, keys, values [][]float32) {
	d := len(q)
	p := make([]float64, len(keys))
	top, sum := math.Inf(-1), 0.0
	for j, k := range keys {
		for i := range d {
			p[j] += float64(q[i]) * float64(k[i]) / math.Sqrt(float64(d))
		}
		top = max(top, p[j])
	}
	for j := range p {
		p[j] = math.Exp(p[j] - top)
		sum += p[j]
	}
	for i := range d {
		s := 0.0
		for j, v := range values {
			s += p[j] / sum * float64(v[i])
		}
		o[i] = float32(s)
	}
}

// TestRun compares passes of prompts, pieces of prompts and single tokens, in a
// short cache and in one whose keys are shared out, with the twin.
func TestRun(t *testing.T) {
	pool := par.New(2)
	defer pool.Close()
	parts := []struct{ pos, n int }{{0, 1}, {0, 13}, {63, 1}, {64, 70}, {700, 1}, {511, 2}, {1300, 33}}
	for _, shape := range []struct{ heads, kv, d int }{{4, 2, 16}, {6, 1, 40}, {3, 3, 64}} {
		for _, c := range []struct {
			typ     Type
			rounded bool
			bar     float64
		}{{F32, false, 1e-5}, {F32, true, 0.01}, {F16, false, 1e-3}, {F16, true, 0.01}, {Q8, false, 0.02}, {Q8, true, 0.02}} {
			t.Run(fmt.Sprint(shape, c.typ, c.rounded), func(t *testing.T) {
				r := rand.New(rand.NewPCG(1, uint64(shape.d)))
				vector := func(n int) []float32 {
					x := make([]float32, n)
					for i := range x {
						x[i] = float32(r.NormFloat64())
					}
					return x
				}
				l := NewLayout(c.typ, shape.kv, shape.d)
				l.Layers = 2
				a := New(pool, &l, shape.heads)
				a.Rounded = c.rounded
				const layer = 1
				hd := shape.heads * shape.d
				var q, want []float32
				a.Begin()
				row := 0
				for _, p := range parts {
					var pages []*Page
					keys, values := make([][][]float32, shape.kv), make([][][]float32, shape.kv)
					for pos := range p.pos + p.n {
						if pos%PageLen == 0 {
							pages = append(pages, &Page{Data: make([]byte, l.Bytes())})
						}
						for h := range shape.kv {
							k, v := vector(shape.d), vector(shape.d)
							keys[h], values[h] = append(keys[h], k), append(values[h], v)
							l.Store(pages[pos/PageLen], layer, h, pos%PageLen, k, v)
						}
					}
					for i := range p.n {
						x, o := vector(hd), make([]float32, hd)
						for h := range shape.heads {
							g := h * shape.kv / shape.heads
							twin(o[h*shape.d:][:shape.d], x[h*shape.d:][:shape.d], keys[g][:p.pos+i+1], values[g][:p.pos+i+1])
						}
						q, want = append(q, x...), append(want, o...)
					}
					a.Add(Part{Row: row, N: p.n, Pos: p.pos, Pages: pages})
					row += p.n
				}
				a.Plan()
				got := make([]float32, len(q))
				for i := range got {
					got[i] = float32(math.NaN())
				}
				a.Run(got, q, layer)
				row = 0
				for _, p := range parts {
					near.Check(t, fmt.Sprintf("%d queries from %d on", p.n, p.pos), got[row*hd:(row+p.n)*hd], want[row*hd:(row+p.n)*hd], c.bar)
					row += p.n
				}
				if n := testing.AllocsPerRun(5, func() { a.Run(got, q, layer) }); n != 0 {
					t.Errorf("%v allocations in a run", n)
				}
			})
		}
	}
}
