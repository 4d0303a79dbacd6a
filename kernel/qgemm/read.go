package qgemm

import (
	"encoding/binary"

	"kuai/kernel/quant"
	"kuai/kernel/vec"
)

// reader takes blocks of 32 from rows of a format.
type reader struct {
	typ    quant.Type
	values []float32 // of one of the format's blocks, for those that are rounded anew
	bytes  []byte
	g      group
}

func newReader(t quant.Type) *reader {
	n, _ := t.Block()
	return &reader{typ: t, values: make([]float32, max(n, block)), bytes: make([]byte, quant.Q8_0.Bytes(block))}
}

// block returns the b-th block of 32 values of a row.
func (r *reader) block(row []byte, b int) *group {
	g := &r.g
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
		g.super(row[144*(b/8):], b%8, nil, 16)
	case quant.Q5_K:
		src := row[176*(b/8):]
		g.super(src, b%8, src[16:48], 48)
	default:
		r.round(row, b)
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

// super reads the i-th group of a Q4_K or Q5_K block, whose values begin at
// byte from.
func (g *group) super(src []byte, i int, fifth []byte, from int) {
	scale, low := quant.GroupScale(src[4:16], i)
	var in [2]float32
	vec.FromF16(in[:], []uint16{binary.LittleEndian.Uint16(src), binary.LittleEndian.Uint16(src[2:])})
	var out [2]uint16
	vec.ToF16(out[:], []float32{in[0] * scale, -in[1] * low})
	g.scale, g.low = out[0], out[1]
	for l, v := range src[from+32*(i/2):][:block] {
		q := v >> (4 * (i % 2)) & 15
		if fifth != nil {
			q |= fifth[l] >> i & 1 << 4
		}
		g.q[l] = q
	}
}

// round rounds other formats as Q8_0 is.
func (r *reader) round(row []byte, b int) {
	n, size := r.typ.Block()
	per := max(n, block)
	if b*block%per == 0 || n < block {
		first := b * block / per
		bytes := per / n * size
		quant.Dequantize(r.values[:per], r.typ, row[first*bytes:][:bytes])
	}
	at := b * block % per
	quant.Quantize(r.bytes, quant.Q8_0, r.values[at:at+block])
	r.g.signed8(r.bytes)
}
