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
	var bits [panel]uint16
	var scales, lows, sum [panel]float32
	halves := func(dst []float32, src []byte) {
		for i := range bits {
			bits[i] = binary.LittleEndian.Uint16(src[2*i:])
		}
		vec.FromF16(dst, bits[:])
	}
	for i := range mr {
		clear(sum[:])
		for b := range t.blocks {
			src := w[b*size : (b+1)*size]
			halves(scales[:], src[at:])
			m := meta[i*t.metaPitch+b*metaLen:][:metaLen]
			if k.low {
				halves(lows[:], src[at+halfBytes:])
			}
			row := q[i*t.pitch+b*block:][:block]
			for col := range cols {
				s := start(k, m)
				for j, v := range row {
					s += int32(v) * int32(weight(k, src, col, j))
				}
				sum[col] = fma(m[0]*scales[col], float32(s), sum[col])
				if k.low {
					sum[col] = fma(m[2], lows[col], sum[col])
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

// weight returns the j-th of a column's 32 stored bytes or nibbles.
func weight(k kind, src []byte, col, j int) byte {
	if !k.four {
		return src[j/4*groupBytes+col*4+j%4]
	}
	v := src[j%16/4*groupBytes+col*4+j%4]
	return v >> (4 * (j / 16)) & 15
}

func fma(a, b, c float32) float32 { return float32(math.FMA(float64(a), float64(b), float64(c))) }
