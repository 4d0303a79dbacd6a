package gemm

// tileF32 runs the f32 tile of mr rows.
func tileF32(mr, kc int, a *float32, rs, ks int, b, c *float32, ldc int, mask, acc uint32, next uintptr, step int) {
	switch mr {
	case 12:
		tileF32x12(kc, a, rs, ks, b, c, ldc, mask, acc, next, step)
	case 8:
		tileF32x8(kc, a, rs, ks, b, c, ldc, mask, acc, next, step)
	case 6:
		tileF32x6(kc, a, rs, ks, b, c, ldc, mask, acc, next, step)
	case 4:
		tileF32x4(kc, a, rs, ks, b, c, ldc, mask, acc, next, step)
	case 3:
		tileF32x3(kc, a, rs, ks, b, c, ldc, mask, acc, next, step)
	case 2:
		tileF32x2(kc, a, rs, ks, b, c, ldc, mask, acc, next, step)
	default:
		tileF32x1(kc, a, rs, ks, b, c, ldc, mask, acc, next, step)
	}
}

// tileBF16 runs the bf16 tile of mr rows.
func tileBF16(mr, kc int, a *float32, rs, ks int, b, c *float32, ldc int, mask, acc uint32, next uintptr, step int) {
	switch mr {
	case 12:
		tileBF16x12(kc, a, rs, ks, b, c, ldc, mask, acc, next, step)
	case 8:
		tileBF16x8(kc, a, rs, ks, b, c, ldc, mask, acc, next, step)
	case 6:
		tileBF16x6(kc, a, rs, ks, b, c, ldc, mask, acc, next, step)
	case 4:
		tileBF16x4(kc, a, rs, ks, b, c, ldc, mask, acc, next, step)
	case 3:
		tileBF16x3(kc, a, rs, ks, b, c, ldc, mask, acc, next, step)
	case 2:
		tileBF16x2(kc, a, rs, ks, b, c, ldc, mask, acc, next, step)
	default:
		tileBF16x1(kc, a, rs, ks, b, c, ldc, mask, acc, next, step)
	}
}

// tile256 covers a tile with AVX2 tiles of up to 6 x 16, those at an edge
// through scratch.
func tile256(s *scratch, mr, kc int, a *float32, rs, ks int, b, c *float32, ldc, cols int, acc bool, next ahead) {
	const width = 16
	rows := mr
	if mr > 6 {
		rows = mr / 2 // 12 and 8
	}
	var flag uint32
	if acc {
		flag = 1
	}
	for i := 0; i < mr; i += rows {
		ai, ci := offset(a, i*rs), offset(c, i*ldc*4)
		for j := 0; j < cols; j += width {
			bj, cj := offset(b, j*4), offset(ci, j*4)
			if j+width <= cols {
				tileAVX2(rows, kc, ai, rs, ks, bj, cj, ldc*4, flag, next)
			} else {
				tileAVX2(rows, kc, ai, rs, ks, bj, &s.c[0], width*4, 0, ahead{})
				for r := range rows {
					addRow(offset(cj, r*ldc*4), s.c[r*width:r*width+cols-j], acc)
				}
			}
			next = ahead{} // once is enough
		}
	}
}

// tileAVX2 runs the tile of mr rows by 16 columns.
func tileAVX2(mr, kc int, a *float32, rs, ks int, b, c *float32, ldc int, acc uint32, next ahead) {
	switch mr {
	case 6:
		tileAVX2x6(kc, a, rs, ks, b, c, ldc, acc, next.at, next.step)
	case 4:
		tileAVX2x4(kc, a, rs, ks, b, c, ldc, acc, next.at, next.step)
	case 3:
		tileAVX2x3(kc, a, rs, ks, b, c, ldc, acc, next.at, next.step)
	case 2:
		tileAVX2x2(kc, a, rs, ks, b, c, ldc, acc, next.at, next.step)
	default:
		tileAVX2x1(kc, a, rs, ks, b, c, ldc, acc, next.at, next.step)
	}
}

// segmentsF32 runs the f32 tile of mr rows in segments.
func segmentsF32(mr, kc int, a *float32, rs int, steps *int, n int, b, c *float32, ldc int, mask, acc uint32) {
	switch mr {
	case 12:
		segmentsF32x12(kc, a, rs, steps, n, b, c, ldc, mask, acc)
	case 8:
		segmentsF32x8(kc, a, rs, steps, n, b, c, ldc, mask, acc)
	case 6:
		segmentsF32x6(kc, a, rs, steps, n, b, c, ldc, mask, acc)
	case 4:
		segmentsF32x4(kc, a, rs, steps, n, b, c, ldc, mask, acc)
	case 3:
		segmentsF32x3(kc, a, rs, steps, n, b, c, ldc, mask, acc)
	case 2:
		segmentsF32x2(kc, a, rs, steps, n, b, c, ldc, mask, acc)
	default:
		segmentsF32x1(kc, a, rs, steps, n, b, c, ldc, mask, acc)
	}
}

// segmentsBF16 runs the bf16 tile of mr rows in segments.
func segmentsBF16(mr, kc int, a *float32, rs int, steps *int, n int, b, c *float32, ldc int, mask, acc uint32) {
	switch mr {
	case 12:
		segmentsBF16x12(kc, a, rs, steps, n, b, c, ldc, mask, acc)
	case 8:
		segmentsBF16x8(kc, a, rs, steps, n, b, c, ldc, mask, acc)
	case 6:
		segmentsBF16x6(kc, a, rs, steps, n, b, c, ldc, mask, acc)
	case 4:
		segmentsBF16x4(kc, a, rs, steps, n, b, c, ldc, mask, acc)
	case 3:
		segmentsBF16x3(kc, a, rs, steps, n, b, c, ldc, mask, acc)
	case 2:
		segmentsBF16x2(kc, a, rs, steps, n, b, c, ldc, mask, acc)
	default:
		segmentsBF16x1(kc, a, rs, steps, n, b, c, ldc, mask, acc)
	}
}
