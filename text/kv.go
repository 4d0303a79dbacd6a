package text

import (
	"fmt"
	"sync/atomic"
	"unsafe"

	"kuai/kernel/attn"
	"kuai/kernel/vec"
	"kuai/text/checkpoint"
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

// layout says where keys and values lie in a page: for each layer with a cache
//
//	keys    [KVH][pageLen/32][D][32]    panels of 32 positions
//	values  [KVH][⌈D/32⌉][pageLen][32]  panels of 32 columns
//
// both ready to be the right side of a tile's product, and the heads of a layer
// side by side, since memory is read fast only in long stretches. In q8 the
// values of a position are int8 in blocks of 32, with a float32 scale each:
//
//	key checkpoint.Scales    [KVH][⌈D/32⌉][pageLen]
//	value checkpoint.Scales  [KVH][⌈D/32⌉][pageLen]
type layout struct {
	typ    cacheType
	layers int // that have a cache
	heads  int // KVH
	d      int // D
	blocks int // ⌈D/32⌉
}

// keys, values and checkpoint.Scales are how many a head has in a page.
func (l layout) keys() int   { return pageLen * l.d }
func (l layout) values() int { return pageLen * lanes * l.blocks }
func (l layout) scales() int { return pageLen * l.blocks }

// size returns the bytes of n keys or values.
func (l layout) size(n int) int {
	switch l.typ {
	case cacheF32:
		return 4 * n
	case cacheF16:
		return 2 * n
	}
	return n
}

// layer returns the bytes of a layer in a page.
func (l layout) layer() int {
	n := l.size(l.keys() + l.values())
	if l.typ == cacheQ8 {
		n += 4 * 2 * l.scales()
	}
	return l.heads * n
}

// page returns the bytes of a page.
func (l layout) page() int { return l.layers * l.layer() }

// at cuts the keys and the values of a head out of a page.
func (l layout) at(p *page, layer, head int) (keys, values []byte) {
	b := p.data[layer*l.layer():][:l.layer()]
	k, v := l.size(l.keys()), l.size(l.values())
	return b[head*k:][:k], b[l.heads*k+head*v:][:v]
}

// scalesAt cuts the checkpoint.Scales of a head out of a page.
func (l layout) scalesAt(p *page, layer, head int) (keys, values []float32) {
	b := p.data[layer*l.layer():][:l.layer()]
	x := as[float32](b[l.heads*l.size(l.keys()+l.values()):])
	n := l.scales()
	return x[head*n:][:n], x[(l.heads+head)*n:][:n]
}

// as views bytes as values. Pages are aligned, and so is every part of them:
// all offsets are multiples of 64 values.
func as[T float32 | uint16 | int8](b []byte) []T {
	var zero T
	return unsafe.Slice((*T)(unsafe.Pointer(unsafe.SliceData(b))), len(b)/int(unsafe.Sizeof(zero)))
}

// store writes the key and the value of a position, [D] each.
func (l layout) store(p *page, layer, head, pos int, k, v []float32) {
	keys, values := l.at(p, layer, head)
	switch l.typ {
	case cacheF32:
		scatter(as[float32](keys), as[float32](values), pos, k, v)
	case cacheF16:
		var kh, vh [checkpoint.MaxHeadDim]uint16
		vec.ToF16(kh[:len(k)], k)
		vec.ToF16(vh[:len(v)], v)
		scatter(as[uint16](keys), as[uint16](values), pos, kh[:len(k)], vh[:len(v)])
	case cacheQ8:
		ks, vs := l.scalesAt(p, layer, head)
		var kq, vq [checkpoint.MaxHeadDim]int8
		quantise(kq[:len(k)], ks[pos:], k)
		quantise(vq[:len(v)], vs[pos:], v)
		scatter(as[int8](keys), as[int8](values), pos, kq[:len(k)], vq[:len(v)])
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

// quantise rounds blocks of 32 to int8; their checkpoint.Scales go pageLen apart.
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

// loadKeys returns the key panels of the first n positions as float32, in tmp
// unless they are that already.
func (l layout) loadKeys(tmp []float32, p *page, layer, head, n int) []float32 {
	size := (n + lanes - 1) / lanes * lanes * l.d
	keys, _ := l.at(p, layer, head)
	switch l.typ {
	case cacheF32:
		return as[float32](keys)[:size]
	case cacheF16:
		vec.FromF16(tmp[:size], as[uint16](keys)[:size])
		return tmp[:size]
	}
	q := as[int8](keys)
	s, _ := l.scalesAt(p, layer, head)
	attn.Widen(tmp[:size], q[:size])
	for i := range size / lanes { // a row of 32 positions
		panel, d := i/l.d, i%l.d
		out := tmp[i*lanes:][:lanes]
		vec.Mul(out, out, s[d/lanes*pageLen+panel*lanes:][:lanes])
	}
	return tmp[:size]
}

// loadValues is loadKeys for the value panels; each has pageLen rows, of which
// the first n are meaningful.
func (l layout) loadValues(tmp []float32, p *page, layer, head, n int) []float32 {
	_, values := l.at(p, layer, head)
	switch l.typ {
	case cacheF32:
		return as[float32](values)
	case cacheF16:
		src := as[uint16](values)
		for i := range l.blocks {
			from := i * pageLen * lanes
			vec.FromF16(tmp[from:][:n*lanes], src[from:][:n*lanes])
		}
		return tmp[:l.values()]
	}
	q := as[int8](values)
	_, s := l.scalesAt(p, layer, head)
	for i := range l.blocks {
		at := i * pageLen * lanes
		out := tmp[at:][:n*lanes]
		attn.Widen(out, q[at:][:n*lanes])
		vec.ScaleRows(out, lanes, out, lanes, s[i*pageLen:][:n], lanes)
	}
	return tmp[:l.values()]
}
