package attention

import (
	"fmt"
	"sync/atomic"
	"unsafe"

	"kuai/kernel/attn"
	"kuai/kernel/vec"
)

const (
	// PageLen is the positions of a page: what a fork copies when it writes on.
	PageLen = 64
	// MaxD is the greatest width of a head.
	MaxD = 1 << 10
	// lanes is the width of a panel, as kernel/gemm's tiles want it.
	lanes = 32
)

// Page holds the keys and values of PageLen positions in all layers that have
// a cache. Sessions share it while they only read it.
type Page struct {
	Data []byte
	Refs atomic.Int32 // owners: who writes must be the only one

	Cached int // snapshots of a prefix cache that hold it; guarded by its lock
}

// Type is how keys and values are kept.
type Type uint8

// The types.
const (
	F16 Type = iota // half precision
	F32
	Q8 // int8 in blocks of 32 with a scale
)

// ParseType reads the name of a type, "" for the usual one.
func ParseType(name string) (Type, error) {
	switch name {
	case "", "f16":
		return F16, nil
	case "f32":
		return F32, nil
	case "q8":
		return Q8, nil
	}
	return 0, fmt.Errorf("text: KV cache of type %q, want f16, f32 or q8", name)
}

// String returns the option's name.
func (t Type) String() string { return [...]string{"f16", "f32", "q8"}[t] }

// Layout says where keys and values lie in a page: for each layer with a cache
//
//	keys    [KVH][PageLen/32][D][32]    panels of 32 positions
//	values  [KVH][⌈D/32⌉][PageLen][32]  panels of 32 columns
//
// both ready to be the right side of a tile's product, and the heads of a layer
// side by side, since memory is read fast only in long stretches. In q8 the
// values of a position are int8 in blocks of 32, with a float32 scale each:
//
//	key scales    [KVH][⌈D/32⌉][PageLen]
//	value scales  [KVH][⌈D/32⌉][PageLen]
type Layout struct {
	Type   Type
	Layers int // that have a cache
	Heads  int // KVH
	D      int
	blocks int // ⌈D/32⌉
}

// NewLayout returns the layout of a cache for no layers yet.
func NewLayout(t Type, heads, d int) Layout {
	return Layout{Type: t, Heads: heads, D: d, blocks: padded(d) / lanes}
}

// keys, values and scales are how many a head has in a page.
func (l Layout) keys() int   { return PageLen * l.D }
func (l Layout) values() int { return PageLen * lanes * l.blocks }
func (l Layout) scales() int { return PageLen * l.blocks }

// size returns the bytes of n keys or values.
func (l Layout) size(n int) int {
	switch l.Type {
	case F32:
		return 4 * n
	case F16:
		return 2 * n
	}
	return n
}

// layer returns the bytes of a layer in a page.
func (l Layout) layer() int {
	n := l.size(l.keys() + l.values())
	if l.Type == Q8 {
		n += 4 * 2 * l.scales()
	}
	return l.Heads * n
}

// Bytes returns the bytes of a page.
func (l Layout) Bytes() int { return l.Layers * l.layer() }

// at cuts the keys and the values of a head out of a page.
func (l Layout) at(p *Page, layer, head int) (keys, values []byte) {
	b := p.Data[layer*l.layer():][:l.layer()]
	k, v := l.size(l.keys()), l.size(l.values())
	return b[head*k:][:k], b[l.Heads*k+head*v:][:v]
}

// scalesAt cuts the scales of a head out of a page.
func (l Layout) scalesAt(p *Page, layer, head int) (keys, values []float32) {
	b := p.Data[layer*l.layer():][:l.layer()]
	x := as[float32](b[l.Heads*l.size(l.keys()+l.values()):])
	n := l.scales()
	return x[head*n:][:n], x[(l.Heads+head)*n:][:n]
}

// as views bytes as values. Pages are aligned, and so is every part of them:
// all offsets are multiples of 64 values.
func as[T float32 | uint16 | int8](b []byte) []T {
	var zero T
	return unsafe.Slice((*T)(unsafe.Pointer(unsafe.SliceData(b))), len(b)/int(unsafe.Sizeof(zero)))
}

// Store writes the key and the value of a position, [D] each.
func (l Layout) Store(p *Page, layer, head, pos int, k, v []float32) {
	keys, values := l.at(p, layer, head)
	switch l.Type {
	case F32:
		scatter(as[float32](keys), as[float32](values), pos, k, v)
	case F16:
		var kh, vh [MaxD]uint16
		vec.ToF16(kh[:len(k)], k)
		vec.ToF16(vh[:len(v)], v)
		scatter(as[uint16](keys), as[uint16](values), pos, kh[:len(k)], vh[:len(v)])
	case Q8:
		ks, vs := l.scalesAt(p, layer, head)
		var kq, vq [MaxD]int8
		quantise(kq[:len(k)], ks[pos:], k)
		quantise(vq[:len(v)], vs[pos:], v)
		scatter(as[int8](keys), as[int8](values), pos, kq[:len(k)], vq[:len(v)])
	}
}

// Load reads the key and the value of a position back, [D] each.
func (l Layout) Load(p *Page, layer, head, pos int, k, v []float32) {
	keys, values := l.at(p, layer, head)
	switch l.Type {
	case F32:
		gather(as[float32](keys), as[float32](values), pos, k, v)
	case F16:
		var kh, vh [MaxD]uint16
		gather(as[uint16](keys), as[uint16](values), pos, kh[:len(k)], vh[:len(v)])
		vec.FromF16(k, kh[:len(k)])
		vec.FromF16(v, vh[:len(v)])
	case Q8:
		var kq, vq [MaxD]int8
		gather(as[int8](keys), as[int8](values), pos, kq[:len(k)], vq[:len(v)])
		ks, vs := l.scalesAt(p, layer, head)
		for i := range k {
			k[i] = float32(kq[i]) * ks[i/lanes*PageLen+pos]
		}
		for i := range v {
			v[i] = float32(vq[i]) * vs[i/lanes*PageLen+pos]
		}
	}
}

// gather reads what scatter wrote.
func gather[T any](keys, values []T, pos int, k, v []T) {
	panel := keys[pos/lanes*lanes*len(k)+pos%lanes:]
	for i := range k {
		k[i] = panel[i*lanes]
	}
	for i := 0; i < len(v); i += lanes {
		copy(v[i:], values[(i/lanes*PageLen+pos)*lanes:][:min(lanes, len(v)-i)])
	}
}

// scatter writes a key as a column of its panel, a value as rows of panels.
func scatter[T any](keys, values []T, pos int, k, v []T) {
	panel := keys[pos/lanes*lanes*len(k)+pos%lanes:]
	for i, x := range k {
		panel[i*lanes] = x
	}
	for i := 0; i < len(v); i += lanes {
		copy(values[(i/lanes*PageLen+pos)*lanes:][:lanes], v[i:])
	}
}

// quantise rounds blocks of 32 to int8; their scales go PageLen apart.
func quantise(q []int8, scale, x []float32) {
	for i := 0; i < len(x); i += lanes {
		block := x[i:min(i+lanes, len(x))]
		var top float32
		for _, v := range block {
			top = max(top, v, -v)
		}
		scale[i/lanes*PageLen] = top / 127
		var inv float32
		if top > 0 {
			inv = 127 / top
		}
		for j, v := range block {
			r := v * inv
			if r < 0 {
				q[i+j] = int8(r - 0.5)
			} else {
				q[i+j] = int8(r + 0.5)
			}
		}
	}
}

// loadKeys returns the key panels of the first n positions as float32, in tmp
// unless they are that already.
func (l Layout) loadKeys(tmp []float32, p *Page, layer, head, n int) []float32 {
	size := (n + lanes - 1) / lanes * lanes * l.D
	keys, _ := l.at(p, layer, head)
	switch l.Type {
	case F32:
		return as[float32](keys)[:size]
	case F16:
		vec.FromF16(tmp[:size], as[uint16](keys)[:size])
		return tmp[:size]
	}
	q := as[int8](keys)
	s, _ := l.scalesAt(p, layer, head)
	attn.Widen(tmp[:size], q[:size])
	for i := range size / lanes { // a row of 32 positions
		panel, d := i/l.D, i%l.D
		out := tmp[i*lanes:][:lanes]
		vec.Mul(out, out, s[d/lanes*PageLen+panel*lanes:][:lanes])
	}
	return tmp[:size]
}

// loadValues is loadKeys for the value panels; each has PageLen rows, of which
// the first n are meaningful.
func (l Layout) loadValues(tmp []float32, p *Page, layer, head, n int) []float32 {
	_, values := l.at(p, layer, head)
	switch l.Type {
	case F32:
		return as[float32](values)
	case F16:
		src := as[uint16](values)
		for i := range l.blocks {
			from := i * PageLen * lanes
			vec.FromF16(tmp[from:][:n*lanes], src[from:][:n*lanes])
		}
		return tmp[:l.values()]
	}
	q := as[int8](values)
	_, s := l.scalesAt(p, layer, head)
	for i := range l.blocks {
		at := i * PageLen * lanes
		out := tmp[at:][:n*lanes]
		attn.Widen(out, q[at:][:n*lanes])
		vec.ScaleRows(out, lanes, out, lanes, s[i*PageLen:][:n], lanes)
	}
	return tmp[:l.values()]
}
