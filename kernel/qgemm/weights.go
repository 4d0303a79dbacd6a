package qgemm

import (
	"encoding/binary"

	"kuai/internal/check"
	"kuai/kernel/quant"
	"kuai/mem"
	"kuai/par"
)

// kind is how a block of weights is stored.
type kind struct {
	four bool // nibbles
	low  bool // with minima
}

// bytes of a block.
func (k kind) bytes() int {
	n := 8*groupBytes + halfBytes
	if k.four {
		n = 4*groupBytes + halfBytes
	}
	if k.low {
		n += halfBytes
	}
	return n
}

// kindOf is how a format is stored.
func kindOf(t quant.Type) kind {
	switch t {
	case quant.Q4_0:
		return kind{four: true}
	case quant.Q4_1, quant.Q4_K:
		return kind{four: true, low: true}
	case quant.Q5_1, quant.Q5_K:
		return kind{low: true}
	}
	return kind{}
}

// Weights is a packed matrix W [n, k].
type Weights struct {
	n, k int
	kind kind
	buf  []byte // [panels, k/32, block]

	src  []byte // what is being packed
	typ  quant.Type
	part func(task, worker int)
}

// N returns the rows of W, K its columns.
func (w *Weights) N() int { return w.n }

// K returns the columns of W.
func (w *Weights) K() int { return w.k }

// Bytes is the memory that the weights take, which a product reads once.
func (w *Weights) Bytes() int { return len(w.buf) }

// PackedBytes is the memory that Pack will take for W [n, k] of a format.
func PackedBytes(t quant.Type, n, k int) int {
	return (n + panel - 1) / panel * (k / block) * kindOf(t).bytes()
}

// Pack makes the packed form of W [n, k] from whole blocks of a format, row
// after row, in the arena, or on the heap for a nil one.
//
// Q8_0, Q5_0 and Q4_0 keep their values exactly. Q4_1, Q4_K, Q5_1 and Q5_K keep
// their integers; scale and minimum of 32 values are rounded to half precision.
// Q6_K and the floating formats are rounded as Q8_0 is.
func Pack(p *par.Pool, a *mem.Arena, t quant.Type, data []byte, n, k int) *Weights {
	values, _ := t.Block()
	check.True(values > 0 && n >= 0 && k >= 0 && k%block == 0 && k%values == 0, "qgemm: %dx%d of %v, want rows of blocks", n, k, t)
	check.True(len(data) == t.Bytes(n*k), "qgemm: %d bytes of %v for %dx%d", len(data), t, n, k)
	w := &Weights{n: n, k: k, kind: kindOf(t), src: data, typ: t}
	w.buf = mem.Make[byte](a, PackedBytes(t, n, k))
	w.part = w.packPanel
	p.Do((n+panel-1)/panel, w.part)
	w.src, w.part = nil, nil
	return w
}

// packPanel packs a panel; rows beyond the matrix are zeros.
func (w *Weights) packPanel(task, _ int) {
	size := w.kind.bytes()
	blocks := w.k / block
	out := w.buf[task*blocks*size : (task+1)*blocks*size]
	if w.n-task*panel < panel { // a whole panel is written throughout
		clear(out)
	}
	rowBytes := w.typ.Bytes(w.k)
	r := newReader(w.typ, w.k)
	for col := range min(panel, w.n-task*panel) {
		r.row(w.src[(task*panel+col)*rowBytes:][:rowBytes])
		for b := range blocks {
			r.block(b).put(out[b*size:(b+1)*size], w.kind, col)
		}
	}
}

// group is a block of 32 weights of one row as it will be stored.
type group struct {
	q          [block]byte // unsigned
	scale, low uint16      // half precision
}

// put stores a group as column col of a packed block.
func (g *group) put(out []byte, k kind, col int) {
	at := 8 * groupBytes
	if k.four {
		at = 4 * groupBytes
		for j := range 4 {
			low, high := binary.LittleEndian.Uint32(g.q[4*j:]), binary.LittleEndian.Uint32(g.q[4*j+16:])
			binary.LittleEndian.PutUint32(out[j*groupBytes+4*col:], low|high<<4)
		}
	} else {
		for j := range 8 {
			binary.LittleEndian.PutUint32(out[j*groupBytes+4*col:], binary.LittleEndian.Uint32(g.q[4*j:]))
		}
	}
	binary.LittleEndian.PutUint16(out[at+2*col:], g.scale)
	if k.low {
		binary.LittleEndian.PutUint16(out[at+halfBytes+2*col:], g.low)
	}
}
