package attn

import (
	"math"

	"kuai/internal/check"
	"kuai/kernel/gemm"
	"kuai/kernel/vec"
	"kuai/par"
)

// Tiles of softmax attention: the scores of queryTile queries (six tiles of a
// product) and keyTile keys stay in the second-level cache between the two
// products. Longer rows pay the pass that corrects earlier tiles less often.
const (
	queryTile = 72
	keyTile   = 512
	pad       = 16 // between rows of scores, against rows 4 KiB apart
)

// Mask says which keys a query sees; the zero value lets it see all.
type Mask struct {
	Keys   []int32 // [B]: the first Keys[b] keys of sequence b; nil for all
	Causal bool    // query i sees keys up to i+M-N
	Window int     // and of those, with Causal, the last Window; 0 for all
}

func (m Mask) check(s Shape) {
	check.True(m.Keys == nil || len(m.Keys) == s.B, "attn: key counts of %d for %d sequences", len(m.Keys), s.B)
	for _, n := range m.Keys {
		check.True(n >= 0 && int(n) <= s.M, "attn: %d keys of %d", n, s.M)
	}
}

// seen is how many of the first n keys query i sees.
func (m Mask) seen(s Shape, i, n int) int {
	if m.Causal {
		return max(0, min(n, i+1+s.M-s.N))
	}
	return n
}

// first is the first key that query i sees.
func (m Mask) first(s Shape, i int) int {
	if m.Causal && m.Window > 0 {
		return max(0, i+1+s.M-s.N-m.Window)
	}
	return 0
}

// keys is how many keys sequence b has.
func (m Mask) keys(s Shape, b int) int {
	if m.Keys == nil {
		return s.M
	}
	return int(m.Keys[b])
}

// Softmax computes scaled dot-product attention,
//
//	o_i = Σ_j p_ij v_j,   p_i = softmax(q_i·k_j/√D over the keys j that i sees),
//
// tile by tile with a running maximum, so that memory does not grow with M.
//
//	q, o  [B, N, NH, D]   o must not overlap the inputs
//	k, v  [B, M, NH, D]   keys that nobody sees are not read
//	lse   [B, NH, N]      log of the sum of exponentials, for SoftmaxBack; +Inf
//	                      for a query that sees no key, whose output is zero
//
// It costs 2·B·NH·N·M·D multiply-adds.
//
// Source: Dao, FlashAttention-2, arXiv:2307.08691. Twin: softmaxRef.
func Softmax(p *par.Pool, typ gemm.Type, s Shape, o, lse, q, k, v []float32, m Mask) {
	s.queries(o, q)
	s.keys(k, v)
	m.check(s)
	length(s.B*s.NH*s.N, lse)
	s.eachStrip(p, func(t strip) {
		mem := borrow(queryTile*(keyTile+pad) + 3*queryTile)
		defer mem.free()
		oh, qh, kh, vh := s.cut(o, s.N, t), s.cut(q, s.N, t), s.cut(k, s.M, t), s.cut(v, s.M, t)
		f := &softmaxHead{
			typ: typ, s: s, m: m, keys: m.keys(s, t.b), c: s.scale(), x: mem.take(queryTile * (keyTile + pad)),
			top: mem.take(queryTile), sum: mem.take(queryTile), fix: mem.take(queryTile),
		}
		s.eachTile(t, []rows{qh, oh}, func(h, i, n int) {
			c := h * s.D
			f.q, f.k, f.v, f.o = qh.right(c), kh.right(c), vh.right(c), oh.right(c)
			f.lse = lse[(t.b*s.NH+t.h0+h)*s.N:][:s.N]
			f.queries(i, n)
		})
	})
}

// scale is what scores are multiplied by.
func (s Shape) scale() float32 { return float32(1 / math.Sqrt(float64(s.D))) }

// eachTile runs f for the tiles of n queries from i on of every head h of a
// strip. With few keys the heads go together, for whole rows of memory, which
// it prefetches; with many, one after the other, so that their keys stay in the
// cache.
func (s Shape) eachTile(t strip, rows []rows, f func(h, i, n int)) {
	const few = 128
	outer := 1
	if s.M > few {
		outer = t.heads()
	}
	for g := range outer {
		for i := 0; i < s.N; i += queryTile {
			n := min(queryTile, s.N-i)
			if outer == 1 {
				prefetch(i, n, t.heads()*s.D, rows...)
			}
			for h := g; h < t.heads(); h += outer {
				f(h, i, n)
			}
		}
	}
}

// softmaxHead is the work of a strip, at one head at a time.
type softmaxHead struct {
	typ           gemm.Type
	s             Shape
	m             Mask
	keys          int
	c             float32 // scale of the scores
	q, k, v, o    rows
	lse           []float32
	x             []float32 // scores of a tile
	top, sum, fix []float32 // of each query: maximum, sum of exponentials, correction
}

// queries computes the outputs of n queries from i on.
func (f *softmaxHead) queries(i, n int) {
	end := f.m.seen(f.s, i+n-1, f.keys)
	o := f.o.from(i)
	d := f.s.D
	for r := range n {
		f.top[r], f.sum[r] = float32(math.Inf(-1)), 0
		if end == 0 {
			clear(o.p[r*o.stride:][:d])
		}
	}
	begin := f.m.first(f.s, i)
	for j := begin; j < end; j += keyTile {
		w := min(keyTile, end-j)
		x := rows{f.x, w + pad}
		product(f.typ, x, n, w, d, f.q.from(i).as(), f.k.from(j).as(), false)
		f.exponentials(x, i, n, j, w)
		if j > begin {
			vec.ScaleRows(o.p, o.stride, o.p, o.stride, f.fix[:n], d)
		}
		product(f.typ, o, n, d, w, x.as(), f.v.from(j).t(), j > begin)
	}
	for r := range n {
		f.fix[r], f.lse[i+r] = 0, float32(math.Inf(1))
		if f.sum[r] > 0 {
			f.fix[r] = 1 / f.sum[r]
			f.lse[i+r] = f.top[r] + float32(math.Log(float64(f.sum[r])))
		}
	}
	if end > 0 {
		vec.ScaleRows(o.p, o.stride, o.p, o.stride, f.fix[:n], d)
	}
}

// exponentials turns the scores of a tile into exponentials and moves the
// running maxima and sums on.
func (f *softmaxHead) exponentials(x rows, i, n, j, w int) {
	for r := range n {
		row := x.p[r*x.stride:][:w]
		seen := min(w, f.m.seen(f.s, i+r, f.keys)-j)
		from := max(0, f.m.first(f.s, i+r)-j)
		if seen <= from {
			clear(row)
			f.fix[r] = 1
			continue
		}
		top := max(f.top[r], f.c*vec.MaxVal(row[from:seen]))
		fix := float32(0)
		if f.sum[r] > 0 {
			fix = float32(math.Exp(float64(f.top[r] - top)))
		}
		f.fix[r], f.top[r] = fix, top
		f.sum[r] = f.sum[r]*fix + vec.ExpSum(row[from:seen], row[from:seen], f.c, top)
		clear(row[:from])
		clear(row[seen:])
	}
}
