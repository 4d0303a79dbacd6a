package text

import (
	"fmt"
	"sync/atomic"
	"unsafe"

	"kuai/kernel/vec"
)

const (
	// pageLen is the positions of a page: what a fork copies when it writes on.
	pageLen = 64
	// lanes is the width of a panel, as kernel/gemm's tiles want it.
	lanes = 32
)

// page holds the keys and values of pageLen positions in all layers that have
// a cache. Sessions share it while they only read it.
type page struct {
	refs atomic.Int32
	data []byte

	cached int // snapshots of the prefix cache that hold it; guarded by its lock
}

// cacheType is how keys and values are kept.
type cacheType uint8

const (
	cacheF16 cacheType = iota
	cacheF32
	cacheQ8
)

// parseCache reads Options.KV.
func parseCache(name string) (cacheType, error) {
	switch name {
	case "", "f16":
		return cacheF16, nil
	case "f32":
		return cacheF32, nil
	case "q8":
		return cacheQ8, nil
	}
	return 0, fmt.Errorf("text: KV cache of type %q, want f16, f32 or q8", name)
}

// String returns the option's name.
func (t cacheType) String() string { return [...]string{"f16", "f32", "q8"}[t] }

// layout says where keys and values lie in a page.
//
// For each layer with a cache and each key-value head
//
//	keys    [pageLen/32][D][32]    panels of 32 positions
//	values  [⌈D/32⌉][pageLen][32]  panels of 32 columns
//
// both ready to be the right side of a tile's product. In q8 the values of a
// position are int8 in blocks of 32, with a float32 scale each:
//
//	key scales    [⌈D/32⌉][pageLen]
//	value scales  [⌈D/32⌉][pageLen]
type layout struct {
	typ    cacheType
	layers int // that have a cache
	heads  int // KVH
	d      int // D
	blocks int // ⌈D/32⌉
}

func (l layout) keys() int   { return pageLen * l.d }
func (l layout) values() int { return pageLen * lanes * l.blocks }

// head returns the bytes of a head of a layer in a page.
func (l layout) head() int {
	n := l.keys() + l.values()
	switch l.typ {
	case cacheF32:
		return 4 * n
	case cacheF16:
		return 2 * n
	}
	return n + 4*2*l.blocks*pageLen
}

// page returns the bytes of a page.
func (l layout) page() int { return l.layers * l.heads * l.head() }

// at cuts a head's bytes out of a page.
func (l layout) at(p *page, layer, head int) []byte {
	n := l.head()
	return p.data[(layer*l.heads+head)*n:][:n]
}

// as views bytes as values. Pages are aligned, and so is every part of them:
// all offsets are multiples of 64 values.
func as[T float32 | uint16 | int8](b []byte) []T {
	var zero T
	return unsafe.Slice((*T)(unsafe.Pointer(unsafe.SliceData(b))), len(b)/int(unsafe.Sizeof(zero)))
}

// store writes the key and the value of a position, [D] each.
func (l layout) store(p *page, layer, head, pos int, k, v []float32) {
	b := l.at(p, layer, head)
	switch l.typ {
	case cacheF32:
		x := as[float32](b)
		scatter(x[:l.keys()], x[l.keys():], pos, k, v)
	case cacheF16:
		x := as[uint16](b)
		var kh, vh [maxHeadDim]uint16
		vec.ToF16(kh[:len(k)], k)
		vec.ToF16(vh[:len(v)], v)
		scatter(x[:l.keys()], x[l.keys():], pos, kh[:len(k)], vh[:len(v)])
	case cacheQ8:
		n := l.keys() + l.values()
		x, s := as[int8](b[:n]), as[float32](b[n:])
		var kq, vq [maxHeadDim]int8
		quantise(kq[:len(k)], s[pos:], k)
		quantise(vq[:len(v)], s[l.blocks*pageLen+pos:], v)
		scatter(x[:l.keys()], x[l.keys():], pos, kq[:len(k)], vq[:len(v)])
	}
}

// scatter writes a key as a column of its panel, a value as rows of panels.
func scatter[T any](keys, values []T, pos int, k, v []T) {
	panel := keys[pos/lanes*lanes*len(k)+pos%lanes:]
	for i, x := range k {
		panel[i*lanes] = x
	}
	for i := 0; i < len(v); i += lanes {
		copy(values[(i/lanes*pageLen+pos)*lanes:][:lanes], v[i:])
	}
}

// quantise rounds blocks of 32 to int8; their scales go pageLen apart.
func quantise(q []int8, scale, x []float32) {
	for i := 0; i < len(x); i += lanes {
		block := x[i:min(i+lanes, len(x))]
		var top float32
		for _, v := range block {
			top = max(top, v, -v)
		}
		scale[i/lanes*pageLen] = top / 127
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

// halves views a head's keys and values as they are kept in half precision.
func (l layout) halves(p *page, layer, head int) (keys, values []uint16) {
	x := as[uint16](l.at(p, layer, head))
	return x[:l.keys()], x[l.keys():]
}

// loadKeys returns the key panels of the first n positions as float32, in tmp
// unless they are that already.
func (l layout) loadKeys(tmp []float32, p *page, layer, head, n int) []float32 {
	size := (n + lanes - 1) / lanes * lanes * l.d
	b := l.at(p, layer, head)
	switch l.typ {
	case cacheF32:
		return as[float32](b)[:size]
	case cacheF16:
		vec.FromF16(tmp[:size], as[uint16](b)[:size])
		return tmp[:size]
	}
	q, s := as[int8](b[:l.keys()]), as[float32](b[l.keys()+l.values():])
	for i := range size / lanes { // a row of 32 positions
		panel, d := i/l.d, i%l.d
		scale := s[d/lanes*pageLen+panel*lanes:][:lanes]
		row, out := q[i*lanes:][:lanes], tmp[i*lanes:][:lanes]
		for j, x := range row {
			out[j] = float32(x) * scale[j]
		}
	}
	return tmp[:size]
}

// loadValues is loadKeys for the value panels; each has pageLen rows, of which
// the first n are meaningful.
func (l layout) loadValues(tmp []float32, p *page, layer, head, n int) []float32 {
	b := l.at(p, layer, head)
	switch l.typ {
	case cacheF32:
		return as[float32](b)[l.keys():]
	case cacheF16:
		src := as[uint16](b)[l.keys():]
		for i := range l.blocks {
			from := i * pageLen * lanes
			vec.FromF16(tmp[from:][:n*lanes], src[from:][:n*lanes])
		}
		return tmp[:l.values()]
	}
	all := l.keys() + l.values()
	q, s := as[int8](b[l.keys():all]), as[float32](b[all:])[l.blocks*pageLen:]
	for i := range l.blocks {
		for r := range n {
			at := (i*pageLen + r) * lanes
			scale := s[i*pageLen+r]
			row, out := q[at:][:lanes], tmp[at:][:lanes]
			for j, x := range row {
				out[j] = float32(x) * scale
			}
		}
	}
	return tmp[:l.values()]
}
