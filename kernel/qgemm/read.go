package qgemm

import (
	"encoding/binary"

	"kuai/kernel/quant"
	"kuai/kernel/vec"
)

// reader takes blocks of 32 from rows of a format.
type reader struct {
	typ quant.Type
	src []byte
	g   group

	// Of a row, where the format does not have them as they are stored.
	scales, lows []uint16
	f            []float32 // the same in float32

	values []float32 // of a row that is rounded anew
	q      []int8
	meta   []float32
}

// newReader returns a reader of rows of k values.
func newReader(t quant.Type, k int) *reader {
	r, blocks := &reader{typ: t}, k/block
	switch t {
	case quant.Q8_0, quant.Q5_0, quant.Q4_0, quant.Q4_1, quant.Q5_1:
		return r
	case quant.Q4_K, quant.Q5_K:
		r.lows = make([]uint16, blocks)
	default:
		r.values, r.q, r.meta = make([]float32, k), make([]int8, k), make([]float32, blocks*metaLen)
	}
	r.scales, r.f = make([]uint16, blocks), make([]float32, 2*blocks)
	return r
}

// row begins with a row.
func (r *reader) row(src []byte) {
	r.src = src
	switch {
	case r.lows != nil:
		r.super()
	case r.values != nil:
		quant.Dequantize(r.values, r.typ, src)
		quantize(r.q, r.meta, r.values)
		for b := range r.scales {
			r.f[b] = r.meta[b*metaLen]
		}
		vec.ToF16(r.scales, r.f[:len(r.scales)])
	}
}

// super makes the scales and minima of rows of super-blocks.
func (r *reader) super() {
	_, size := r.typ.Block()
	n := len(r.scales)
	var pair [2]float32
	for b := range r.scales {
		src := r.src[b/8*size:]
		if b%8 == 0 {
			vec.FromF16(pair[:], []uint16{binary.LittleEndian.Uint16(src), binary.LittleEndian.Uint16(src[2:])})
		}
		scale, low := quant.GroupScale(src[4:16], b%8)
		r.f[b], r.f[n+b] = pair[0]*scale, -pair[1]*low
	}
	vec.ToF16(r.scales, r.f[:n])
	vec.ToF16(r.lows, r.f[n:])
}

// block returns the b-th block of 32 values of the row.
func (r *reader) block(b int) *group {
	g, row := &r.g, r.src
	switch r.typ {
	case quant.Q8_0:
		g.signed8(row[34*b:])
	case quant.Q4_0:
		src := row[18*b:]
		g.scale = binary.LittleEndian.Uint16(src)
		g.nibbles(src[2:18])
	case quant.Q4_1:
		src := row[20*b:]
		g.scale, g.low = binary.LittleEndian.Uint16(src), binary.LittleEndian.Uint16(src[2:])
		g.nibbles(src[4:20])
	case quant.Q5_0:
		src := row[22*b:]
		g.scale = binary.LittleEndian.Uint16(src)
		g.nibbles(src[6:22])
		g.fifth(binary.LittleEndian.Uint32(src[2:]))
		for i := range g.q {
			g.q[i] += 128 - 16
		}
	case quant.Q5_1:
		src := row[24*b:]
		g.scale, g.low = binary.LittleEndian.Uint16(src), binary.LittleEndian.Uint16(src[2:])
		g.nibbles(src[8:24])
		g.fifth(binary.LittleEndian.Uint32(src[4:]))
	case quant.Q4_K:
		g.scale, g.low = r.scales[b], r.lows[b]
		g.super(row[144*(b/8)+16:], b%8)
	case quant.Q5_K:
		g.scale, g.low = r.scales[b], r.lows[b]
		src := row[176*(b/8):]
		g.super(src[48:], b%8)
		for l, v := range src[16:48] {
			g.q[l] |= v >> (b % 8) & 1 << 4
		}
	default:
		g.scale = r.scales[b]
		for i, v := range r.q[b*block:][:block] {
			g.q[i] = byte(v) ^ 0x80
		}
	}
	return g
}

// signed8 reads a block of Q8_0.
func (g *group) signed8(src []byte) {
	g.scale = binary.LittleEndian.Uint16(src)
	for i, v := range src[2 : 2+block] {
		g.q[i] = v ^ 0x80 // + 128
	}
}

// nibbles reads 16 bytes: value j in the low half of byte j, j+16 in the high.
func (g *group) nibbles(src []byte) {
	for j, v := range src {
		g.q[j], g.q[j+16] = v&15, v>>4
	}
}

// fifth adds the fifth bits.
func (g *group) fifth(bits uint32) {
	for j := range g.q {
		g.q[j] |= byte(bits>>j&1) << 4
	}
}

// super reads the low four bits of the i-th group of a super-block.
func (g *group) super(src []byte, i int) {
	shift := 4 * (i % 2)
	for l, v := range src[32*(i/2):][:block] {
		g.q[l] = v >> shift & 15
	}
}
