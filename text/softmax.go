package text

import (
	"math"
	"unsafe"

	"kuai/kernel/gemm"
	"kuai/kernel/vec"
	"kuai/text/weight"
)

const (
	// attnRows is the rows of a tile of scores: queries times the heads that
	// share a key. Eight tiles of a product.
	attnRows = 96
	// attnPages is the pages of a tile: 512 keys, so that the running maximum is
	// corrected seldom and the scores stay in the second cache.
	attnPages = 8
	attnKeys  = attnPages * pageLen
	attnPad   = 16 // between rows of scores, against rows 4 KiB apart
	// From splitKeys on, the keys of a single query are shared out, in ranges
	// that depend on nothing but their number: all heads of a range together,
	// since their keys lie side by side.
	splitKeys = 256
)

// roundedRows is how many rows make up for turning a page into bfloat16.
const roundedRows = 24

// softmaxMixer is grouped-query attention with a rotary embedding,
//
//	o_i = Σ_j p_ij v_j,   p_i = softmax(q_i·k_j/√D over j <= i).
//
// The rows of W_q and W_k are in the order in which pairs that turn together
// are neighbours.
type softmaxMixer struct {
	q, k, v           weight.Matrix
	heads, kvHeads, d int
	cache             int // index among the layers with a cache
	hidden, hdd       int // E, H·D
}

func (a *softmaxMixer) needs() needs { return needs{cache: true} }

func (a *softmaxMixer) mix(p *pass) {
	kv := a.kvHeads * a.d
	p.want(p.q, a.hdd, a.q)
	p.want(p.k, kv, a.k)
	p.want(p.v, kv, a.v)
	p.multiply(p.h, p.n, a.hidden)
	p.each((*pass).turnAndStore)
	p.do(len(p.attn.works), (*pass).attend)
	if n := p.attn.splits; n > 0 {
		p.do(n, (*pass).attendMerge)
	}
}

// turnAndStore applies the rotary embedding to a block of rows and puts keys
// and values into the cache.
func (p *pass) turnAndStore(task, _ int) {
	a := p.layer.mixer.(*softmaxMixer)
	from, to := p.span(task)
	kv := a.kvHeads * a.d
	for i := from; i < to; i++ {
		cos, sin := p.cos[i*a.d:][:a.d], p.sin[i*a.d:][:a.d]
		q, k, v := p.q[i*a.hdd:][:a.hdd], p.k[i*kv:][:kv], p.v[i*kv:][:kv]
		vec.Rope(q, q, cos, sin, 1, a.heads, a.d)
		pt := p.partOf(i)
		if i-pt.row < pt.frozen {
			continue
		}
		vec.Rope(k, k, cos, sin, 1, a.kvHeads, a.d)
		pos := pt.pos + i - pt.row
		pg := pt.s.pages[pos/pageLen]
		for h := range a.kvHeads {
			p.m.layout.store(pg, a.cache, h, pos%pageLen, k[h*a.d:][:a.d], v[h*a.d:][:a.d])
		}
	}
}

// work is one task of attention: some queries of a part and the heads that
// share a key-value head, or a single query and the heads of several, over a
// range of keys.
type work struct {
	part        int32
	kvHead, kvs int32 // first key-value head, and how many
	head, heads int32 // first head, and how many of all of these
	query, n    int32 // rows of the part
	from, to    int32 // keys
	slot        int32 // of the partial result, -1: the work is whole
}

// rows returns how many rows of scores a work has for each key-value head.
func (w *work) rows() int { return int(w.n * w.heads / w.kvs) }

// split is a group of heads of a single query whose keys were shared out.
type split struct {
	part, head, heads int32
	slot, n           int32 // partial results
}

// attention is what the softmax layers of a pass share: the plan, the same for
// every layer, and scratch memory.
type attention struct {
	works   []work
	split   []split
	splits  int
	partial []float32 // of each slot: sums [rows], maxima [rows], outputs [rows, D padded]
	rows    int       // of a partial result
	scratch []attnScratch

	// rounded has the products round queries, keys, weights and values to
	// bfloat16, at twice the speed: for models whose weights are coarser still.
	rounded bool
}

// typ is how the products of prompts round.
func (t *attention) typ() gemm.Type {
	if t.rounded {
		return gemm.BF16
	}
	return gemm.F32
}

// attnScratch is a worker's memory.
type attnScratch struct {
	q             []float32 // [attnRows, D]
	x             []float32 // [attnRows, attnKeys+pad]
	o             []float32 // [attnRows, D padded]
	kv            []float32 // a page of keys or values
	half          []uint16  // q or x as bfloat16
	pairs         []float32 // a page of keys or values as pairs of bfloat16
	top, sum, fix [attnRows]float32
	rounded       bool // this work's products
	direct        bool // from a cache that is not float32, without a copy
}

// padded is the width of a head in whole panels.
func padded(d int) int { return (d + lanes - 1) / lanes * lanes }

func (t *attention) reserve(c *Config, workers int) {
	t.rows = min(c.Heads, attnRows)
	t.scratch = make([]attnScratch, workers)
	for i := range t.scratch {
		t.scratch[i] = attnScratch{
			q: make([]float32, attnRows*c.HeadDim), x: make([]float32, attnRows*(attnKeys+attnPad)),
			o: make([]float32, attnRows*padded(c.HeadDim)), kv: make([]float32, pageLen*padded(c.HeadDim)),
			half: make([]uint16, attnRows*max(attnKeys+attnPad, c.HeadDim)), pairs: make([]float32, pageLen*padded(c.HeadDim)/2),
		}
	}
}

// plan shares the pass's attention out.
func (t *attention) plan(p *pass) {
	c := &p.m.config
	t.works, t.split = t.works[:0], t.split[:0]
	slot := int32(0)
	for i := range p.parts {
		if pt := &p.parts[i]; pt.n == 1 {
			slot = t.planSingle(c, i, pt.pos+1, slot)
		} else {
			t.planMany(c, i, pt)
		}
	}
	t.splits = len(t.split)
	if need := int(slot) * t.slotSize(c.HeadDim); need > len(t.partial) {
		t.partial = make([]float32, need+need/2)
	}
}

// planMany adds the works of a part with several queries.
func (t *attention) planMany(c *Config, part int, pt *part) {
	group := c.Heads / c.KVHeads
	heads := min(group, attnRows)
	queries := max(1, attnRows/heads)
	for kv := range c.KVHeads {
		for g := 0; g < group; g += heads {
			w := work{part: int32(part), kvHead: int32(kv), kvs: 1, head: int32(kv*group + g), heads: int32(min(heads, group-g)), slot: -1}
			for q := 0; q < pt.n; q += queries {
				w.query, w.n = int32(q), int32(min(queries, pt.n-q))
				w.to = int32(pt.pos) + w.query + w.n
				t.works = append(t.works, w)
			}
		}
	}
}

// planSingle adds the works of a single query.
func (t *attention) planSingle(c *Config, part, keys int, slot int32) int32 {
	group := c.Heads / c.KVHeads
	heads := min(group, attnRows)
	kvs := max(1, attnRows/group)
	for kv := 0; kv < c.KVHeads; kv += kvs {
		n := min(kvs, c.KVHeads-kv)
		for g := 0; g < group; g += heads {
			w := work{part: int32(part), kvHead: int32(kv), kvs: int32(n), head: int32(kv*group + g), heads: int32(n * min(heads, group-g)), n: 1, to: int32(keys), slot: -1}
			if keys < 2*splitKeys {
				t.works = append(t.works, w)
			} else {
				slot = t.cut(w, keys, slot)
			}
		}
	}
	return slot
}

// cut shares a single query's keys out among several works.
func (t *attention) cut(w work, keys int, slot int32) int32 {
	s := split{part: w.part, head: w.head, heads: w.heads, slot: slot}
	size := splitKeys
	for size < attnKeys && keys > 32*size {
		size *= 2
	}
	for from := 0; from < keys; from += size {
		w.from, w.to, w.slot = int32(from), int32(min(from+size, keys)), slot
		t.works = append(t.works, w)
		slot++
	}
	s.n = slot - s.slot
	t.split = append(t.split, s)
	return slot
}

func (t *attention) slotSize(d int) int { return t.rows * (2 + padded(d)) }

// result cuts a slot's sums, maxima and outputs.
func (t *attention) result(slot, d int) (sum, top, o []float32) {
	n := t.slotSize(d)
	b := t.partial[slot*n:][:n]
	return b[:t.rows], b[t.rows : 2*t.rows], b[2*t.rows:]
}

// attend computes one work of the present layer.
func (p *pass) attend(task, worker int) {
	a := p.layer.mixer.(*softmaxMixer)
	w, s := &p.attn.works[task], &p.attn.scratch[worker]
	pt := &p.parts[w.part]
	rows := int(w.n * w.heads)
	s.rounded = p.attn.rounded && w.rows() >= roundedRows
	s.direct = p.m.layout.typ != cacheF32 && w.rows() < roundedRows
	for r := range rows { // row r is query r/heads of head r%heads
		i, h := pt.row+int(w.query)+r/int(w.heads), int(w.head)+r%int(w.heads)
		copy(s.q[r*a.d:][:a.d], p.q[i*a.hdd+h*a.d:])
		s.top[r], s.sum[r] = float32(math.Inf(-1)), 0
	}
	for key := int(w.from); key < int(w.to); key += attnKeys {
		n := min(attnKeys, int(w.to)-key)
		s.scores(p, a, w, pt, rows, key, n)
		s.exponentials(a, w, pt, rows, key, n)
		s.values(p, a, w, pt, rows, key, n)
	}
	if w.slot >= 0 {
		sum, top, o := p.attn.result(int(w.slot), a.d)
		copy(sum, s.sum[:rows])
		copy(top, s.top[:rows])
		copy(o, s.o[:rows*padded(a.d)])
		return
	}
	for r := range rows {
		i, h := pt.row+int(w.query)+r/int(w.heads), int(w.head)+r%int(w.heads)
		vec.Scale(p.o[i*a.hdd+h*a.d:][:a.d], s.o[r*padded(a.d):][:a.d], 1/s.sum[r])
	}
}

// scores computes x = q kᵀ for n keys from one on.
func (s *attnScratch) scores(p *pass, a *softmaxMixer, w *work, pt *part, rows, key, n int) {
	const ldx = attnKeys + attnPad
	l, per := &p.m.layout, w.rows()
	q, two := s.q, 1 // and how many values are a lane
	if s.rounded {
		vec.ToBF16(s.half[:rows*a.d], s.q[:rows*a.d])
		q, two = paired(s.half), 2
	}
	for from := 0; from < n; from += pageLen {
		m := min(pageLen, n-from)
		pg := pt.s.pages[(key+from)/pageLen]
		for kv := range int(w.kvs) {
			q, x := q[kv*per*a.d/two:], s.x[kv*per*ldx+from:]
			if s.direct {
				l.directScores(s.kv, x, q, pg, a.cache, int(w.kvHead)+kv, per, m)
				continue
			}
			keys := l.loadKeys(s.kv, pg, a.cache, int(w.kvHead)+kv, m)
			if s.rounded {
				gemm.PackRows(true, s.pairs, lanes, keys, lanes, (m+lanes-1)/lanes*a.d, lanes)
				keys = s.pairs
			}
			for r := 0; r < per; {
				mr := gemm.Height(per - r)
				for c := 0; c < m; c += lanes {
					gemm.Tile(s.rounded, mr, a.d/two, q[r*a.d/two:], a.d/two, 1, keys[c*a.d/two:], x[r*ldx+c:], ldx, lanes, false)
				}
				r += mr
			}
		}
	}
}

// paired views bfloat16 as lanes of two.
func paired(x []uint16) []float32 {
	return unsafe.Slice((*float32)(unsafe.Pointer(unsafe.SliceData(x))), len(x)/2)
}

// exponentials turns the scores of a tile into exponentials and moves the
// running maxima and sums on.
func (s *attnScratch) exponentials(a *softmaxMixer, w *work, pt *part, rows, key, n int) {
	const ldx = attnKeys + attnPad
	scale := float32(1 / math.Sqrt(float64(a.d)))
	for r := range rows {
		row := s.x[r*ldx:][:n]
		seen := min(n, pt.pos+int(w.query)+r/int(w.heads)+1-key)
		if seen <= 0 {
			clear(row)
			s.fix[r] = 1
			continue
		}
		top := max(s.top[r], scale*vec.MaxVal(row[:seen]))
		fix := float32(0)
		if key > int(w.from) {
			fix = float32(math.Exp(float64(s.top[r] - top)))
		}
		s.fix[r], s.top[r] = fix, top
		s.sum[r] = s.sum[r]*fix + vec.ExpSum(row[:seen], row[:seen], scale, top)
		clear(row[seen:])
	}
}

// values adds the tile's values, weighted, to the outputs.
func (s *attnScratch) values(p *pass, a *softmaxMixer, w *work, pt *part, rows, key, n int) {
	const ldx = attnKeys + attnPad
	l, per, ldo := &p.m.layout, w.rows(), padded(a.d)
	if key > int(w.from) {
		vec.ScaleRows(s.o, ldo, s.o, ldo, s.fix[:rows], a.d)
	}
	x, two := s.x, 1
	if s.rounded {
		s.round(rows, n)
		x, two = paired(s.half), 2
	}
	for from := 0; from < n; from += pageLen {
		m := min(pageLen, n-from)
		pg := pt.s.pages[(key+from)/pageLen]
		acc := from > 0 || key > int(w.from)
		for kv := range int(w.kvs) {
			x, o := x[(kv*per*ldx+from)/two:], s.o[kv*per*ldo:]
			if s.direct {
				l.directValues(s.kv, o, x, pg, a.cache, int(w.kvHead)+kv, per, m, acc)
				continue
			}
			values := l.loadValues(s.kv, pg, a.cache, int(w.kvHead)+kv, m)
			if s.rounded {
				for c := 0; c < a.d; c += lanes {
					gemm.PackRows(true, s.pairs[c*pageLen/2:], lanes, values[c*pageLen:], lanes, m, lanes)
				}
				values = s.pairs
			}
			for r := 0; r < per; {
				mr := gemm.Height(per - r)
				for c := 0; c < a.d; c += lanes {
					gemm.Tile(s.rounded, mr, (m+two-1)/two, x[r*ldx/two:], ldx/two, 1, values[c*pageLen/two:], o[r*ldo+c:], ldo, min(lanes, a.d-c), acc)
				}
				r += mr
			}
		}
	}
}

// round leaves the weights of n keys in pairs of bfloat16.
func (s *attnScratch) round(rows, n int) {
	const ldx = attnKeys + attnPad
	for r := range rows {
		half := s.half[r*ldx:][:n+1]
		vec.ToBF16(half[:n], s.x[r*ldx:][:n])
		half[n] = 0 // the other half of the last pair
	}
}

// attendMerge adds up the partial results of one group of heads, in order.
func (p *pass) attendMerge(task, _ int) {
	a := p.layer.mixer.(*softmaxMixer)
	t, sp := &p.attn, p.attn.split[task]
	row := p.parts[sp.part].row
	for r := range int(sp.heads) {
		top := float32(math.Inf(-1))
		for i := range int(sp.n) {
			_, m, _ := t.result(int(sp.slot)+i, a.d)
			top = max(top, m[r])
		}
		out := p.o[row*a.hdd+(int(sp.head)+r)*a.d:][:a.d]
		clear(out)
		var sum float32
		for i := range int(sp.n) {
			part, m, o := t.result(int(sp.slot)+i, a.d)
			f := float32(math.Exp(float64(m[r] - top)))
			sum += f * part[r]
			vec.Axpy(out, f, o[r*padded(a.d):][:a.d])
		}
		vec.Scale(out, out, 1/sum)
	}
}
