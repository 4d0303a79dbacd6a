package qgemm

// tile512 runs the tile of mr rows for a kind of weights; strides in bytes.
func tile512(k kind, mr, nb int, a *int8, rs int, meta *float32, ms int, w *byte, c *float32, ldc int, mask, acc uint32) {
	switch {
	case k.four && k.low:
		tile4M(mr, nb, a, rs, meta, ms, w, c, ldc, mask, acc)
	case k.four:
		tile4(mr, nb, a, rs, meta, ms, w, c, ldc, mask, acc)
	case k.low:
		tile8M(mr, nb, a, rs, meta, ms, w, c, ldc, mask, acc)
	default:
		tile8(mr, nb, a, rs, meta, ms, w, c, ldc, mask, acc)
	}
}

func tile8(mr, nb int, a *int8, rs int, meta *float32, ms int, w *byte, c *float32, ldc int, mask, acc uint32) {
	switch mr {
	case 6:
		tile8x6(nb, a, rs, meta, ms, w, c, ldc, mask, acc)
	case 4:
		tile8x4(nb, a, rs, meta, ms, w, c, ldc, mask, acc)
	case 3:
		tile8x3(nb, a, rs, meta, ms, w, c, ldc, mask, acc)
	case 2:
		tile8x2(nb, a, rs, meta, ms, w, c, ldc, mask, acc)
	default:
		tile8x1(nb, a, rs, meta, ms, w, c, ldc, mask, acc)
	}
}

func tile8M(mr, nb int, a *int8, rs int, meta *float32, ms int, w *byte, c *float32, ldc int, mask, acc uint32) {
	switch mr {
	case 6:
		tile8Mx6(nb, a, rs, meta, ms, w, c, ldc, mask, acc)
	case 4:
		tile8Mx4(nb, a, rs, meta, ms, w, c, ldc, mask, acc)
	case 3:
		tile8Mx3(nb, a, rs, meta, ms, w, c, ldc, mask, acc)
	case 2:
		tile8Mx2(nb, a, rs, meta, ms, w, c, ldc, mask, acc)
	default:
		tile8Mx1(nb, a, rs, meta, ms, w, c, ldc, mask, acc)
	}
}

func tile4(mr, nb int, a *int8, rs int, meta *float32, ms int, w *byte, c *float32, ldc int, mask, acc uint32) {
	switch mr {
	case 6:
		tile4x6(nb, a, rs, meta, ms, w, c, ldc, mask, acc)
	case 4:
		tile4x4(nb, a, rs, meta, ms, w, c, ldc, mask, acc)
	case 3:
		tile4x3(nb, a, rs, meta, ms, w, c, ldc, mask, acc)
	case 2:
		tile4x2(nb, a, rs, meta, ms, w, c, ldc, mask, acc)
	default:
		tile4x1(nb, a, rs, meta, ms, w, c, ldc, mask, acc)
	}
}

func tile4M(mr, nb int, a *int8, rs int, meta *float32, ms int, w *byte, c *float32, ldc int, mask, acc uint32) {
	switch mr {
	case 6:
		tile4Mx6(nb, a, rs, meta, ms, w, c, ldc, mask, acc)
	case 4:
		tile4Mx4(nb, a, rs, meta, ms, w, c, ldc, mask, acc)
	case 3:
		tile4Mx3(nb, a, rs, meta, ms, w, c, ldc, mask, acc)
	case 2:
		tile4Mx2(nb, a, rs, meta, ms, w, c, ldc, mask, acc)
	default:
		tile4Mx1(nb, a, rs, meta, ms, w, c, ldc, mask, acc)
	}
}
