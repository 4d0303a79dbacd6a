package gemm

import (
	"math"
	"unsafe"

	"kuai/kernel/isa"
)

// tileGo is the plain twin of the tiles: C[mr, cols] (+)= A[mr, kc] B[kc, 32].
func tileGo(mr, kc int, a *float32, rs, ks int, b, c *float32, ldc, cols int, acc bool) {
	for i := range mr {
		var sum [panel]float32
		bp := b
		for k := range kc {
			x := at(a, i*rs+k*ks)
			row := (*[panel]float32)(unsafe.Pointer(bp))
			for j := range sum {
				sum[j] += x * row[j]
			}
			bp = (*float32)(unsafe.Add(unsafe.Pointer(bp), panel*4))
		}
		out := unsafe.Slice((*float32)(unsafe.Add(unsafe.Pointer(c), i*ldc*4)), cols)
		for j := range out {
			if acc {
				out[j] += sum[j]
			} else {
				out[j] = sum[j]
			}
		}
	}
}

// bf16Bits rounds to the nearest bf16, ties to even.
func bf16Bits(v float32) uint32 {
	u := math.Float32bits(v)
	if u&0x7fffffff > 0x7f800000 {
		return u>>16 | 0x40 // a NaN stays one
	}
	return (u + 0x7fff + u>>16&1) >> 16
}

// roundBF16 rounds to the nearest bf16.
func roundBF16(v float32) float32 { return math.Float32frombits(bf16Bits(v) << 16) }

// roundRow writes src rounded to bf16 to the beginning of dst.
func roundRow(dst, src []float32) {
	n := 0
	if isa.Now() >= isa.AVX2 {
		if n = len(src) &^ 7; n > 0 {
			_ = dst[n-1]
			roundAVX2(&dst[0], &src[0], n)
		}
	}
	for i, v := range src[n:] {
		dst[n+i] = roundBF16(v)
	}
}

// pairBF16 is a lane of two bf16, the first in the low half.
func pairBF16(lo, hi float32) float32 {
	return math.Float32frombits(bf16Bits(lo) | bf16Bits(hi)<<16)
}

// offset returns the address some bytes on.
func offset(p *float32, bytes int) *float32 {
	return (*float32)(unsafe.Add(unsafe.Pointer(p), bytes))
}

// addRow stores a row of an edge tile.
func addRow(dst *float32, src []float32, acc bool) {
	out := unsafe.Slice(dst, len(src))
	for j, v := range src {
		if acc {
			v += out[j]
		}
		out[j] = v
	}
}
