package attn

import (
	"kuai/internal/check"
	"kuai/kernel/isa"
	"kuai/kernel/vec"
)

// halfPanel is the columns of a panel of a cache.
const halfPanel = 32

// HalfTile computes C (+)= A B for a panel B of a cache in half precision: what
// a few queries need of the keys or values of a page, without turning these
// into float32 in memory first.
//
//	a  rows of n values, lda apart
//	b  [n, 32]
//	c  rows of 32 values, ldc apart
func HalfTile(c []float32, ldc int, a []float32, lda int, b []uint16, rows, n int, acc bool) {
	if rows <= 0 || n <= 0 {
		check.True(rows >= 0 && n >= 0, "attn: tile of %d rows, %d values", rows, n)
		return
	}
	if (rows-1)*lda+n > len(a) || n*halfPanel > len(b) || (rows-1)*ldc+halfPanel > len(c) {
		check.Fail("attn: tile of %dx%d with rows %d and %d apart in %d, %d and %d values", rows, n, lda, ldc, len(a), len(b), len(c))
	}
	if isa.Now() != isa.AVX512 {
		halfTileGo(c, ldc, a, lda, b, rows, n, acc)
		return
	}
	var mask uint32
	if acc {
		mask = 1<<16 - 1
	}
	for rows > 0 {
		var mr int
		switch {
		case rows >= 8:
			mr = 8
			halfTile8(&c[0], &a[0], &b[0], n, 4*lda, 4*ldc, mask)
		case rows >= 4:
			mr = 4
			halfTile4(&c[0], &a[0], &b[0], n, 4*lda, 4*ldc, mask)
		case rows == 3:
			mr = 3
			halfTile3(&c[0], &a[0], &b[0], n, 4*lda, 4*ldc, mask)
		case rows == 2:
			mr = 2
			halfTile2(&c[0], &a[0], &b[0], n, 4*lda, 4*ldc, mask)
		default:
			mr = 1
			halfTile1(&c[0], &a[0], &b[0], n, 4*lda, 4*ldc, mask)
		}
		if rows -= mr; rows > 0 {
			a, c = a[mr*lda:], c[mr*ldc:]
		}
	}
}

// halfTileGo is the plain twin.
func halfTileGo(c []float32, ldc int, a []float32, lda int, b []uint16, rows, n int, acc bool) {
	var x [halfPanel]float32
	for r := range rows {
		if !acc {
			clear(c[r*ldc:][:halfPanel])
		}
	}
	for k := range n {
		vec.FromF16(x[:], b[k*halfPanel:][:halfPanel])
		for r := range rows {
			vec.Axpy(c[r*ldc:][:halfPanel], a[r*lda+k], x[:])
		}
	}
}
