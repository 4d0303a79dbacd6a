package attn

import (
	"kuai/internal/check"
	"kuai/kernel/isa"
	"kuai/kernel/vec"
)

// cachePanel is the columns of a panel of a cache.
const cachePanel = 32

// HalfTile computes C (+)= A B for a panel B of a cache in half precision: what
// a few queries need of the keys or values of a page, without turning these
// into float32 in memory first.
//
//	a  rows of n values, lda apart
//	b  [n, 32]
//	c  rows of 32 values, ldc apart
func HalfTile(c []float32, ldc int, a []float32, lda int, b []uint16, rows, n int, acc bool) {
	if !tileFits(c, ldc, a, lda, len(b), rows, n) {
		return
	}
	if isa.Now() != isa.AVX512 {
		tileGo(c, ldc, a, lda, rows, n, acc, func(x []float32, k int) { vec.FromF16(x, b[k*cachePanel:][:cachePanel]) })
		return
	}
	mask := accMask(acc)
	for rows > 0 {
		mr := tileRows(rows)
		switch mr {
		case 8:
			halfTile8(&c[0], &a[0], &b[0], n, 4*lda, 4*ldc, mask)
		case 4:
			halfTile4(&c[0], &a[0], &b[0], n, 4*lda, 4*ldc, mask)
		case 3:
			halfTile3(&c[0], &a[0], &b[0], n, 4*lda, 4*ldc, mask)
		case 2:
			halfTile2(&c[0], &a[0], &b[0], n, 4*lda, 4*ldc, mask)
		default:
			halfTile1(&c[0], &a[0], &b[0], n, 4*lda, 4*ldc, mask)
		}
		if rows -= mr; rows > 0 {
			a, c = a[mr*lda:], c[mr*ldc:]
		}
	}
}

// ByteTile is HalfTile for a panel of signed bytes.
func ByteTile(c []float32, ldc int, a []float32, lda int, b []int8, rows, n int, acc bool) {
	if !tileFits(c, ldc, a, lda, len(b), rows, n) {
		return
	}
	if isa.Now() != isa.AVX512 {
		tileGo(c, ldc, a, lda, rows, n, acc, func(x []float32, k int) { Widen(x, b[k*cachePanel:][:cachePanel]) })
		return
	}
	mask := accMask(acc)
	for rows > 0 {
		mr := tileRows(rows)
		switch mr {
		case 8:
			byteTile8(&c[0], &a[0], &b[0], n, 4*lda, 4*ldc, mask)
		case 4:
			byteTile4(&c[0], &a[0], &b[0], n, 4*lda, 4*ldc, mask)
		case 3:
			byteTile3(&c[0], &a[0], &b[0], n, 4*lda, 4*ldc, mask)
		case 2:
			byteTile2(&c[0], &a[0], &b[0], n, 4*lda, 4*ldc, mask)
		default:
			byteTile1(&c[0], &a[0], &b[0], n, 4*lda, 4*ldc, mask)
		}
		if rows -= mr; rows > 0 {
			a, c = a[mr*lda:], c[mr*ldc:]
		}
	}
}

// Widen turns signed bytes into float32.
func Widen(y []float32, x []int8) {
	if len(x) != len(y) {
		check.Fail("attn: %d bytes for %d values", len(x), len(y))
	}
	whole := 0
	if isa.Now() == isa.AVX512 && len(x) >= 16 {
		widen16(&y[0], &x[0], len(x)/16)
		whole = len(x) &^ 15
	}
	for i, v := range x[whole:] {
		y[whole+i] = float32(v)
	}
}

// tileRows is the tallest tile for the rows that are left.
func tileRows(rows int) int {
	switch {
	case rows >= 8:
		return 8
	case rows >= 4:
		return 4
	}
	return rows
}

func accMask(acc bool) uint32 {
	if acc {
		return 1<<16 - 1
	}
	return 0
}

// tileFits checks the lengths, and says whether there is anything to do.
func tileFits(c []float32, ldc int, a []float32, lda, b, rows, n int) bool {
	if rows < 0 || n < 0 {
		check.Fail("attn: tile of %d rows, %d values", rows, n)
	}
	if rows == 0 || n == 0 {
		return false
	}
	if (rows-1)*lda+n > len(a) || n*cachePanel > b || (rows-1)*ldc+cachePanel > len(c) {
		check.Fail("attn: tile of %dx%d with rows %d and %d apart in %d, %d and %d values", rows, n, lda, ldc, len(a), b, len(c))
	}
	return true
}

// tileGo is the plain twin; row gives row k of B.
func tileGo(c []float32, ldc int, a []float32, lda, rows, n int, acc bool, row func(x []float32, k int)) {
	var x [cachePanel]float32
	for r := range rows {
		if !acc {
			clear(c[r*ldc:][:cachePanel])
		}
	}
	for k := range n {
		row(x[:], k)
		for r := range rows {
			vec.Axpy(c[r*ldc:][:cachePanel], a[r*lda+k], x[:])
		}
	}
}
