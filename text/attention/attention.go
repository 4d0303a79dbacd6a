// Package attention is softmax attention over a paged cache of keys and values:
// how the pages are laid out, and the products with them, for prompts a tile of
// queries at a time, for single tokens straight from the cache.
//
// Letters: H query heads, KVH key-value heads, D width of a head, N rows of a
// pass, the queries of all its sequences one after the other.
package attention

import (
	"math"
	"unsafe"

	"kuai/kernel/attn"
	"kuai/kernel/gemm"
	"kuai/kernel/vec"
	"kuai/par"
	"kuai/text/room"
)

const (
	// tileRows is the rows of a tile of scores: queries times the heads that
	// share a key. Eight tiles of a product.
	tileRows = 96
	// tilePages is the pages of a tile: 512 keys, so that the running maximum is
	// corrected seldom and the scores stay in the second cache.
	tilePages = 8
	tileKeys  = tilePages * PageLen
	tilePad   = 16 // between rows of scores, against rows 4 KiB apart
	// From splitKeys on, the keys of a single query are shared out, in ranges
	// that depend on nothing but their number: all heads of a range together,
	// since their keys lie side by side.
	splitKeys = 256
)

// roundedRows is how many rows make up for turning a page into bfloat16.
const roundedRows = 24

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
	far         bool  // from and to are blocks of a room, slot may be a list's
}

// rows returns how many rows of scores a work has for each key-value head.
func (w *work) rows() int { return int(w.n * w.heads / w.kvs) }

// split is a group of heads of a single query whose keys were shared out.
type split struct {
	part, head, heads int32
	slot, n           int32 // partial results
	lists, ranges     int32 // of what is far back
}

// Part is a sequence's share of a pass: some queries, whose keys and values are
// in its pages already, and all positions before them.
type Part struct {
	Row, N int // its rows of the pass
	Pos    int // position of the first
	Pages  []*Page
	// Far is what a room keeps of the first positions: queries from the one at a
	// position p on see its first Before(p) blocks there, and in the pages only
	// what follows them.
	Far []*room.Block
	// Before says how many blocks; nil for a part without a room.
	Before func(pos int) int
}

// Attention computes the softmax attention of the layers of a pass: a plan, the
// same for every layer, and scratch memory. It belongs to one goroutine.
type Attention struct {
	// Rounded has the products of prompts round queries, keys, weights and values
	// to bfloat16, at twice the speed: for models whose weights are coarser still.
	Rounded bool
	// Window is how many positions a query sees, its own the last; 0: all.
	Window int
	// Top is how many positions of a room a query attends to, those with the best
	// scores; 0: all.
	Top int
	// Layer is the present layer's number among those that a room keeps.
	Layer int

	pool           *par.Pool
	layout         *Layout
	heads, kvHeads int
	d, hdd         int // D, H·D

	parts   []Part
	works   []work
	split   []split
	partial []float32 // of each slot: sums [rows], maxima [rows], outputs [rows, D padded]
	rows    int       // of a partial result
	lists   []list    // [lists][rows]
	listed  int       // lists of the plan
	scratch []scratch

	layer             int // among those with a cache
	o, q              []float32
	runWork, runMerge func(task, worker int) // made once
}

// scratch is a worker's memory.
type scratch struct {
	q             []float32 // [tileRows, D]
	x             []float32 // [tileRows, tileKeys+pad]
	o             []float32 // [tileRows, D padded]
	kv            []float32 // a page of keys or values
	half          []uint16  // q or x as bfloat16
	pairs         []float32 // a page of keys or values as pairs of bfloat16
	probe         attn.Probe
	best          []entry // of one row
	top, sum, fix [tileRows]float32
	rounded       bool // this work's products
	direct        bool // from a cache that is not float32, without a copy
}

// padded is the width of a head in whole panels.
func padded(d int) int { return (d + lanes - 1) / lanes * lanes }

// New returns an Attention for heads query heads of the layout's width, whose
// keys and values are the layout's; the layout may still gain layers.
func New(p *par.Pool, l *Layout, heads int) *Attention {
	t := &Attention{pool: p, layout: l, heads: heads, kvHeads: l.Heads, d: l.D, hdd: heads * l.D, rows: min(heads, tileRows)}
	t.runWork, t.runMerge = t.attend, t.merge
	t.scratch = make([]scratch, p.Workers())
	for i := range t.scratch {
		t.scratch[i] = scratch{
			q: make([]float32, tileRows*l.D), x: make([]float32, tileRows*(tileKeys+tilePad)),
			o: make([]float32, tileRows*padded(l.D)), kv: make([]float32, max(room.BlockLen, PageLen*padded(l.D))),
			half: make([]uint16, tileRows*max(tileKeys+tilePad, l.D)), pairs: make([]float32, PageLen*padded(l.D)/2),
		}
		group := min(heads/l.Heads, tileRows)
		t.scratch[i].probe.Set(make([]float32, group*l.D), group, l.D) // makes room
	}
	return t
}

// Begin empties the plan and forgets the parts.
func (t *Attention) Begin() {
	clear(t.parts)
	t.parts, t.works, t.split, t.listed = t.parts[:0], t.works[:0], t.split[:0], 0
}

// Add makes a sequence's queries the next part of the pass. With a room each is
// a part of its own: it costs a scan, beside which a tile saves nothing.
func (t *Attention) Add(p Part) {
	if p.Before == nil {
		t.parts = append(t.parts, p)
		return
	}
	for i := range p.N {
		one := Part{Row: p.Row + i, N: 1, Pos: p.Pos + i, Pages: p.Pages, Before: p.Before}
		one.Far = p.Far[:p.Before(one.Pos)]
		t.parts = append(t.parts, one)
	}
}

// Plan shares the attention of the parts out.
func (t *Attention) Plan() {
	slot := int32(0)
	for i := range t.parts {
		if pt := &t.parts[i]; pt.N == 1 {
			slot = t.planSingle(i, max(t.first(pt.Pos), len(pt.Far)*room.BlockLen), pt.Pos+1, slot)
		} else {
			t.planMany(i, pt)
		}
	}
	if need := int(slot) * t.slotSize(); need > len(t.partial) {
		t.partial = make([]float32, need+need/2)
	}
	t.reserveLists()
}

// first returns where the keys begin that the query at a position sees, rounded
// down to a whole page.
func (t *Attention) first(pos int) int {
	if t.Window == 0 {
		return 0
	}
	return max(0, pos+1-t.Window) / PageLen * PageLen
}

// Run computes o [N, H·D] of q [N, H·D], which the rotary embedding has turned,
// for one of the layers with a cache:
//
//	o_i = Σ_j p_ij v_j,   p_i = softmax(q_i·k_j/√D over j <= i).
func (t *Attention) Run(o, q []float32, layer int) {
	t.o, t.q, t.layer = o, q, layer
	t.pool.Do(len(t.works), t.runWork)
	if n := len(t.split); n > 0 {
		t.pool.Do(n, t.runMerge)
	}
}

// planMany adds the works of a part with several queries.
func (t *Attention) planMany(part int, pt *Part) {
	group := t.heads / t.kvHeads
	heads := min(group, tileRows)
	queries := max(1, tileRows/heads)
	for kv := range t.kvHeads {
		for g := 0; g < group; g += heads {
			w := work{part: int32(part), kvHead: int32(kv), kvs: 1, head: int32(kv*group + g), heads: int32(min(heads, group-g)), slot: -1}
			for q := 0; q < pt.N; q += queries {
				w.query, w.n = int32(q), int32(min(queries, pt.N-q))
				w.from, w.to = int32(t.first(pt.Pos+q)), int32(pt.Pos)+w.query+w.n
				t.works = append(t.works, w)
			}
		}
	}
}

// planSingle adds the works of a single query.
func (t *Attention) planSingle(part, from, keys int, slot int32) int32 {
	group := t.heads / t.kvHeads
	heads := min(group, tileRows)
	kvs := max(1, tileRows/group)
	for kv := 0; kv < t.kvHeads; kv += kvs {
		n := min(kvs, t.kvHeads-kv)
		for g := 0; g < group; g += heads {
			w := work{part: int32(part), kvHead: int32(kv), kvs: int32(n), head: int32(kv*group + g), heads: int32(n * min(heads, group-g)), n: 1, from: int32(from), to: int32(keys), slot: -1}
			far := len(t.parts[part].Far)
			if keys-from < 2*splitKeys && far == 0 {
				t.works = append(t.works, w)
				continue
			}
			slot = t.cut(w, from, keys, slot)
			if far > 0 {
				slot = t.planFar(w, &t.split[len(t.split)-1], far, slot)
			}
		}
	}
	return slot
}

// cut shares a single query's keys out among several works.
func (t *Attention) cut(w work, first, keys int, slot int32) int32 {
	s := split{part: w.part, head: w.head, heads: w.heads, slot: slot}
	size := splitKeys
	for size < tileKeys && keys > 32*size {
		size *= 2
	}
	for from := first; from < keys; from += size {
		w.from, w.to, w.slot = int32(from), int32(min(from+size, keys)), slot
		t.works = append(t.works, w)
		slot++
	}
	s.n = slot - s.slot
	t.split = append(t.split, s)
	return slot
}

func (t *Attention) slotSize() int { return t.rows * (2 + padded(t.d)) }

// result cuts a slot's sums, maxima and outputs.
func (t *Attention) result(slot int) (sum, top, o []float32) {
	n := t.slotSize()
	b := t.partial[slot*n:][:n]
	return b[:t.rows], b[t.rows : 2*t.rows], b[2*t.rows:]
}

// attend computes one work of the present layer.
func (t *Attention) attend(task, worker int) {
	w, s := &t.works[task], &t.scratch[worker]
	if w.far {
		t.attendFar(w, s)
		return
	}
	pt := &t.parts[w.part]
	rows := int(w.n * w.heads)
	s.rounded = t.Rounded && w.rows() >= roundedRows
	s.direct = t.layout.Type != F32 && w.rows() < roundedRows
	for r := range rows { // row r is query r/heads of head r%heads
		i, h := pt.Row+int(w.query)+r/int(w.heads), int(w.head)+r%int(w.heads)
		copy(s.q[r*t.d:][:t.d], t.q[i*t.hdd+h*t.d:])
		s.top[r], s.sum[r] = float32(math.Inf(-1)), 0
	}
	for key := int(w.from); key < int(w.to); key += tileKeys {
		n := min(tileKeys, int(w.to)-key)
		s.scores(t, w, pt, rows, key, n)
		s.exponentials(t, w, pt, rows, key, n)
		s.values(t, w, pt, rows, key, n)
	}
	if w.slot >= 0 {
		sum, top, o := t.result(int(w.slot))
		copy(sum, s.sum[:rows])
		copy(top, s.top[:rows])
		copy(o, s.o[:rows*padded(t.d)])
		return
	}
	for r := range rows {
		i, h := pt.Row+int(w.query)+r/int(w.heads), int(w.head)+r%int(w.heads)
		vec.Scale(t.o[i*t.hdd+h*t.d:][:t.d], s.o[r*padded(t.d):][:t.d], 1/s.sum[r])
	}
}

// scores computes x = q kᵀ for n keys from one on.
func (s *scratch) scores(t *Attention, w *work, pt *Part, rows, key, n int) {
	const ldx = tileKeys + tilePad
	l, per := t.layout, w.rows()
	q, two := s.q, 1 // and how many values are a lane
	if s.rounded {
		vec.ToBF16(s.half[:rows*t.d], s.q[:rows*t.d])
		q, two = paired(s.half), 2
	}
	for from := 0; from < n; from += PageLen {
		m := min(PageLen, n-from)
		pg := pt.Pages[(key+from)/PageLen]
		for kv := range int(w.kvs) {
			q, x := q[kv*per*t.d/two:], s.x[kv*per*ldx+from:]
			if s.direct {
				l.directScores(s.kv, x, q, pg, t.layer, int(w.kvHead)+kv, per, m)
				continue
			}
			keys := l.loadKeys(s.kv, pg, t.layer, int(w.kvHead)+kv, m)
			if s.rounded {
				gemm.PackRows(true, s.pairs, lanes, keys, lanes, (m+lanes-1)/lanes*t.d, lanes)
				keys = s.pairs
			}
			for r := 0; r < per; {
				mr := gemm.Height(per - r)
				for c := 0; c < m; c += lanes {
					gemm.Tile(s.rounded, mr, t.d/two, q[r*t.d/two:], t.d/two, 1, keys[c*t.d/two:], x[r*ldx+c:], ldx, lanes, false)
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
func (s *scratch) exponentials(t *Attention, w *work, pt *Part, rows, key, n int) {
	const ldx = tileKeys + tilePad
	scale := float32(1 / math.Sqrt(float64(t.d)))
	for r := range rows {
		row := s.x[r*ldx:][:n]
		end := pt.Pos + int(w.query) + r/int(w.heads) + 1 - key
		seen, from := min(n, end), 0
		if t.Window > 0 {
			from = max(0, end-t.Window)
		}
		if seen <= from {
			clear(row)
			s.fix[r] = 1
			continue
		}
		top := max(s.top[r], scale*vec.MaxVal(row[from:seen]))
		fix := float32(0)
		if s.sum[r] > 0 {
			fix = float32(math.Exp(float64(s.top[r] - top)))
		}
		s.fix[r], s.top[r] = fix, top
		s.sum[r] = s.sum[r]*fix + vec.ExpSum(row[from:seen], row[from:seen], scale, top)
		clear(row[:from])
		clear(row[seen:])
	}
}

// values adds the tile's values, weighted, to the outputs.
func (s *scratch) values(t *Attention, w *work, pt *Part, rows, key, n int) {
	const ldx = tileKeys + tilePad
	l, per, ldo := t.layout, w.rows(), padded(t.d)
	if key > int(w.from) {
		vec.ScaleRows(s.o, ldo, s.o, ldo, s.fix[:rows], t.d)
	}
	x, two := s.x, 1
	if s.rounded {
		s.round(rows, n)
		x, two = paired(s.half), 2
	}
	for from := 0; from < n; from += PageLen {
		m := min(PageLen, n-from)
		pg := pt.Pages[(key+from)/PageLen]
		acc := from > 0 || key > int(w.from)
		for kv := range int(w.kvs) {
			x, o := x[(kv*per*ldx+from)/two:], s.o[kv*per*ldo:]
			if s.direct {
				l.directValues(s.kv, o, x, pg, t.layer, int(w.kvHead)+kv, per, m, acc)
				continue
			}
			values := l.loadValues(s.kv, pg, t.layer, int(w.kvHead)+kv, m)
			if s.rounded {
				for c := 0; c < t.d; c += lanes {
					gemm.PackRows(true, s.pairs[c*PageLen/2:], lanes, values[c*PageLen:], lanes, m, lanes)
				}
				values = s.pairs
			}
			for r := 0; r < per; {
				mr := gemm.Height(per - r)
				for c := 0; c < t.d; c += lanes {
					gemm.Tile(s.rounded, mr, (m+two-1)/two, x[r*ldx/two:], ldx/two, 1, values[c*PageLen/two:], o[r*ldo+c:], ldo, min(lanes, t.d-c), acc)
				}
				r += mr
			}
		}
	}
}

// round leaves the weights of n keys in pairs of bfloat16.
func (s *scratch) round(rows, n int) {
	const ldx = tileKeys + tilePad
	for r := range rows {
		half := s.half[r*ldx:][:n+1]
		vec.ToBF16(half[:n], s.x[r*ldx:][:n])
		half[n] = 0 // the other half of the last pair
	}
}

// merge adds up the partial results of one group of heads, in order.
func (t *Attention) merge(task, worker int) {
	sp := t.split[task]
	pt := &t.parts[sp.part]
	row := pt.Row
	for r := range int(sp.heads) {
		top := float32(math.Inf(-1))
		var far []entry
		if sp.ranges > 0 {
			far = t.best(&t.scratch[worker], &sp, r)
			for _, e := range far {
				top = max(top, e.score*float32(1/math.Sqrt(float64(t.d))))
			}
		}
		for i := range int(sp.n) {
			_, m, _ := t.result(int(sp.slot) + i)
			top = max(top, m[r])
		}
		out := t.o[row*t.hdd+(int(sp.head)+r)*t.d:][:t.d]
		clear(out)
		var sum float32
		for i := range int(sp.n) {
			part, m, o := t.result(int(sp.slot) + i)
			f := float32(math.Exp(float64(m[r] - top)))
			sum += f * part[r]
			vec.Axpy(out, f, o[r*padded(t.d):][:t.d])
		}
		sum += t.addFar(out, pt, int(sp.head)+r, far, top)
		vec.Scale(out, out, 1/sum)
	}
}
