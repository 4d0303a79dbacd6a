package gemm

import (
	"unsafe"

	"kuai/internal/check"
	"kuai/kernel/isa"
)

// The entries below are the parts of a product for packages that lay out
// their operands themselves, as kernel/conv does for the gradient of weights.
// Lanes are those of the package comment: one f32 or two bf16.

// Panel is the number of columns of a panel.
const Panel = panel

// Native says whether products of this type run on pairs of bf16 at the
// present instruction set. Otherwise lanes are f32, and for BF16 the caller
// rounds them with Round.
func (t Type) Native() bool { return t == BF16 && isa.BF16() }

// Height returns the tallest tile, at most 12, for rows that are left, so that
// no low tile remains where two of middling height do.
func Height(rows int) int {
	if rows > maxRows && rows < 2*maxRows && rows != maxRows+6 && rows != maxRows+8 {
		return 8
	}
	return height(rows)
}

// Tile computes C[mr, cols] (+)= A[mr, lanes] B[lanes, 32]: lane (i, k) of A is
// at a[i·rs + k·ks], row k of B at b[32k], row i of C at c[i·ldc]. mr comes
// from Height and cols is at most 32.
func Tile(native bool, mr, lanes int, a []float32, rs, ks int, b, c []float32, ldc, cols int, acc bool) {
	if (mr-1)*rs+(lanes-1)*ks >= len(a) || lanes*panel > len(b) || (mr-1)*ldc+cols > len(c) {
		check.Fail("gemm: tile of %dx%dx%d with strides %d, %d, %d in %d, %d and %d lanes", mr, cols, lanes, rs, ks, ldc, len(a), len(b), len(c))
	}
	var s *scratch
	if isa.Now() == isa.AVX2 {
		s = scratches.get()
		defer scratches.put(s)
	}
	tile(s, native, mr, lanes, &a[0], rs*4, ks*4, &b[0], &c[0], ldc, cols, acc, ahead{})
}

// TileSegments is Tile for rows of A in segments of as many contiguous lanes:
// segment s of row i begins at a[i·rs + from[s]], its rows of B follow those of
// the segment before. steps is scratch for len(from) values.
func TileSegments(native bool, mr, lanes int, a []float32, rs int, from, steps []int, b, c []float32, ldc, cols int, acc bool) {
	n := len(from)
	for i, at := range from {
		if at < 0 || at+(mr-1)*rs+lanes > len(a) {
			check.Fail("gemm: %d lanes of %d rows from %d, %d apart, in %d", lanes, mr, at, rs, len(a))
		}
		if i > 0 {
			steps[i-1] = (at - from[i-1] - lanes) * 4
		}
	}
	if isa.Now() != isa.AVX512 {
		for i, at := range from {
			Tile(native, mr, lanes, a[at:], rs, 1, b[i*lanes*panel:], c, ldc, cols, acc || i > 0)
		}
		return
	}
	if n*lanes*panel > len(b) || (mr-1)*ldc+cols > len(c) {
		check.Fail("gemm: tile of %dx%dx%d, rows %d apart, in %d and %d lanes", mr, cols, n*lanes, ldc, len(b), len(c))
	}
	var flag uint32
	if acc {
		flag = 1
	}
	if native {
		segmentsBF16(mr, lanes, &a[from[0]], rs*4, &steps[0], n, &b[0], &c[0], ldc*4, columnMask(cols), flag)
		return
	}
	segmentsF32(mr, lanes, &a[from[0]], rs*4, &steps[0], n, &b[0], &c[0], ldc*4, columnMask(cols), flag)
}

// Lanes returns the packed lanes of the panel of columns [32j, 32j+32).
func (w *Weights) Lanes(j int) []float32 {
	return w.buf[j*panel*w.pitch:][:w.lanes*panel]
}

// PackRows writes the first cols of each of n rows of src, ld apart, as lanes
// ldd apart: f32 as they are, pairs of bf16 from rows 2k and 2k+1 (an odd last
// row with zeros). Up to 32 lanes are overwritten from the start of each row,
// in ascending order, whatever cols; dst must have room for them. Columns past
// cols become 0 or whatever follows in src.
func PackRows(native bool, dst []float32, ldd int, src []float32, ld, n, cols int) {
	if n == 0 || cols == 0 {
		return
	}
	wide := cols > panel/2
	width := panel / 2
	if wide {
		width = panel
	}
	lanes := n
	if native {
		lanes = (n + 1) / 2
	}
	if (n-1)*ld+cols > len(src) || (lanes-1)*ldd+width > len(dst) {
		check.Fail("gemm: %d rows of %d, %d apart, in %d values to %d lanes", n, cols, ld, len(src), len(dst))
	}
	if !native {
		copyRows(dst, ldd, src, ld, n, cols)
		return
	}
	if pairs := n / 2; pairs > 0 {
		mask := columnMask(cols)
		pairRows(&dst[0], &src[0], ld*4, ldd*4, pairs, mask&0xffff)
		if wide {
			pairRows(&dst[panel/2], &src[panel/2], ld*4, ldd*4, pairs, mask>>(panel/2))
		}
	}
	if n%2 == 1 {
		row, last := dst[n/2*ldd:], src[(n-1)*ld:]
		for c := range cols {
			row[c] = pairBF16(last[c], 0)
		}
	}
}

// copyRows is PackRows for f32.
func copyRows(dst []float32, ldd int, src []float32, ld, n, cols int) {
	switch {
	case cols == panel && ldd == panel && isa.Now() == isa.AVX512:
		copyPanel(&dst[0], &src[0], ld*4, n)
	case cols == maxRows:
		for i := range n {
			*(*[maxRows]float32)(dst[i*ldd:]) = *(*[maxRows]float32)(src[i*ld:])
		}
	default:
		for i := range n {
			copy(dst[i*ldd:i*ldd+cols], src[i*ld:])
		}
	}
}

// Round rounds f32 lanes for BF16 where it is not native.
func Round(x []float32) { roundRow(x, x) }

// Halves returns lanes as the bf16 they hold, the first of a pair first.
func Halves(lanes []float32) []uint16 {
	if len(lanes) == 0 {
		return nil
	}
	return unsafe.Slice((*uint16)(unsafe.Pointer(&lanes[0])), 2*len(lanes))
}
