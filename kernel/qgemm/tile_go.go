package qgemm

import (
	"encoding/binary"
	"math"

	"kuai/kernel/vec"
)

// tileGo is the plain twin of the tiles.
func tileGo(t *tiling, mr int, q []int8, meta []float32, w []byte, c []float32, cols int) {
	k := t.W.kind
	size := k.bytes()
	at := size - halfBytes
	if k.low {
		at -= halfBytes
	}
	var scales, lows, sum [panel]float32
	for i := range mr {
		clear(sum[:])
		for b := range t.blocks {
			src := w[b*size : (b+1)*size]
			m := t.metaOf(meta, i, b)
			whole := blockGo(k, start(k, m), (*[block]int8)(q[i*t.pitch+b*block:]), src)
			halves(&scales, src[at:])
			for col, v := range whole {
				sum[col] = fma(m[0]*scales[col], float32(v), sum[col])
			}
			if k.low {
				halves(&lows, src[at+halfBytes:])
				for col, v := range lows {
					sum[col] = fma(m[2], v, sum[col])
				}
			}
		}
		out := c[i*t.Ldc:][:cols]
		for j := range out {
			if t.Acc {
				out[j] += sum[j]
			} else {
				out[j] = sum[j]
			}
		}
	}
}

// metaOf returns what is known of a block of the i-th row at hand.
func (t *tiling) metaOf(meta []float32, i, b int) []float32 {
	return meta[i*t.metaPitch+b*metaLen:][:metaLen]
}

// halves widens a value for each column.
func halves(dst *[panel]float32, src []byte) {
	var bits [panel]uint16
	for i := range bits {
		bits[i] = binary.LittleEndian.Uint16(src[2*i:])
	}
	vec.FromF16(dst[:], bits[:])
}

// blockGo multiplies 32 bytes of a row by a block of weights.
func blockGo(k kind, start int32, a *[block]int8, src []byte) (sum [panel]int32) {
	for col := range sum {
		sum[col] = start
	}
	for g := range block / 4 {
		a0, a1, a2, a3 := int32(a[4*g]), int32(a[4*g+1]), int32(a[4*g+2]), int32(a[4*g+3])
		if k.four {
			row, shift := (*[groupBytes]byte)(src[g%4*groupBytes:]), g/4*4
			for col := range sum {
				v := binary.LittleEndian.Uint32(row[4*col:]) >> shift
				sum[col] += a0*int32(v&15) + a1*int32(v>>8&15) + a2*int32(v>>16&15) + a3*int32(v>>24&15)
			}
			continue
		}
		row := (*[groupBytes]byte)(src[g*groupBytes:])
		for col := range sum {
			v := binary.LittleEndian.Uint32(row[4*col:])
			sum[col] += a0*int32(v&255) + a1*int32(v>>8&255) + a2*int32(v>>16&255) + a3*int32(v>>24)
		}
	}
	return sum
}

// start is the correction for weights that are stored unsigned.
func start(k kind, meta []float32) int32 {
	s := int32(math.Float32bits(meta[1]))
	switch {
	case k.low:
		return 0
	case k.four:
		return s >> 4 // -8 times the sum
	}
	return s
}

func fma(a, b, c float32) float32 { return float32(math.FMA(float64(a), float64(b), float64(c))) }
