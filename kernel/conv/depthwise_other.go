//go:build !amd64

package conv

import "kuai/internal/check"

// The kernels below are never chosen where isa.Now is Generic.

func copyPixels(*float32, *float32, int, int, uint64) { none() }

func filter3x3(y, x, w, next *float32, apart, rows, cols, row, pixel, xRow, tap int, mask, acc uint32) {
	none()
}

func filter3x1(y, x, w, next *float32, apart, rows, cols, row, pixel, xRow, tap int, mask, acc uint32) {
	none()
}

func gradient3x3(dw, dy, x, next *float32, apart, rows, cols, row, pixel, xRow, tap int, mask uint32) {
	none()
}

func gradient3x1(dw, dy, x, next *float32, apart, rows, cols, row, pixel, xRow, tap int, mask uint32) {
	none()
}

func none() { check.Fail("conv: no such kernel on this CPU") }
