//go:build !amd64

package attn

import "kuai/internal/check"

// The kernels below are never chosen where isa.Now is Generic.

func lightningStep128(o, q, k, v, s *float32, rows, pitch int, decay float32, mask uint32) { none() }

func lightningStep64(o, q, k, v, s *float32, rows, pitch int, decay float32, mask uint32) { none() }

func lightningStep16(o, q, k, v, s *float32, rows, pitch int, decay float32, mask uint32) { none() }

func none() { check.Fail("attn: no such kernel on this CPU") }

func halfTile8(c, a *float32, b *uint16, n, rs, ldc int, acc uint32) { none() }

func halfTile4(c, a *float32, b *uint16, n, rs, ldc int, acc uint32) { none() }

func halfTile3(c, a *float32, b *uint16, n, rs, ldc int, acc uint32) { none() }

func halfTile2(c, a *float32, b *uint16, n, rs, ldc int, acc uint32) { none() }

func halfTile1(c, a *float32, b *uint16, n, rs, ldc int, acc uint32) { none() }

func byteTile8(c, a *float32, b *int8, n, rs, ldc int, acc uint32) { none() }

func byteTile4(c, a *float32, b *int8, n, rs, ldc int, acc uint32) { none() }

func byteTile3(c, a *float32, b *int8, n, rs, ldc int, acc uint32) { none() }

func byteTile2(c, a *float32, b *int8, n, rs, ldc int, acc uint32) { none() }

func byteTile1(c, a *float32, b *int8, n, rs, ldc int, acc uint32) { none() }

func widen16(y *float32, x *int8, n int) { none() }

func scanNibbles4(x *float32, ldx int, q *int8, less *int32, qscale *float32, keys *byte, scale *uint16, rows, n int) {
	none()
}

func scanNibbles3(x *float32, ldx int, q *int8, less *int32, qscale *float32, keys *byte, scale *uint16, rows, n int) {
	none()
}

func scanNibbles2(x *float32, ldx int, q *int8, less *int32, qscale *float32, keys *byte, scale *uint16, rows, n int) {
	none()
}

func scanNibbles1(x *float32, ldx int, q *int8, less *int32, qscale *float32, keys *byte, scale *uint16, rows, n int) {
	none()
}

func scanBytes4(x *float32, ldx int, q *int8, less *int32, qscale *float32, keys *byte, scale *uint16, rows, n int) {
	none()
}

func scanBytes3(x *float32, ldx int, q *int8, less *int32, qscale *float32, keys *byte, scale *uint16, rows, n int) {
	none()
}

func scanBytes2(x *float32, ldx int, q *int8, less *int32, qscale *float32, keys *byte, scale *uint16, rows, n int) {
	none()
}

func scanBytes1(x *float32, ldx int, q *int8, less *int32, qscale *float32, keys *byte, scale *uint16, rows, n int) {
	none()
}
