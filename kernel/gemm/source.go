package gemm

import "unsafe"

// source is A as the driver sees it: strided, or gathered where rows is set.
type source struct {
	p      []float32
	row, k int
	rows   []int32
	seg    []int32
	segLen int
}

// packA gives rows [i, i+mr) of A, of a block that ends at row i1, as lanes with
// the strides rs and ks in bytes, in scratch unless they can be read in place.
func (j *job) packA(s *scratch, sp span, i, i1, mr, panels int) (a *float32, rs, ks int) {
	src, w := &j.a, j.w
	strided := src.rows == nil
	if strided && w.typ == F32 && (src.k != 1 || panels == 1) {
		return &src.p[i*src.row+sp.k0*src.k], src.row * 4, src.k * 4
	}
	if strided && src.k != 1 && src.row == 1 && w.native {
		return j.packPairs(s, sp, i, i1, mr)
	}
	pitch := (sp.lanes+lanePad-1)&^(lanePad-1) + lanePad
	for r := range mr {
		row := src.gather(s.row[:sp.kc], i+r, sp.k0)
		dst := s.a[r*pitch:]
		switch {
		case w.native:
			convertRow(dst, row, &s.tail)
		case w.typ == BF16:
			roundRow(dst, row)
		default:
			copy(dst, row)
		}
	}
	return &s.a[0], pitch * 4, 4
}

// transposedTiles is how many tiles pairTiles packs.
const transposedTiles = 4

// packPairs packs a transposed A, contiguous along the rows, for bf16: four
// tiles at a time while there are rows for them.
func (j *job) packPairs(s *scratch, sp span, i, i1, mr int) (a *float32, rs, ks int) {
	const tiles, size = transposedTiles, blockLanes*maxRows + lanePad
	src, pairs := &j.a, sp.kc/2
	var last []float32
	if sp.kc%2 == 1 {
		last = src.p[(sp.k0+sp.kc-1)*src.k:]
	}
	if i >= s.tilesEnd && i+tiles*maxRows <= i1 {
		pairTiles(&s.a[0], &src.p[i+sp.k0*src.k], src.k*4, size*4, pairs)
		for r := range last[:min(len(last), tiles*maxRows)] {
			s.a[r/maxRows*size+pairs*maxRows+r%maxRows] = pairBF16(last[i+r], 0)
		}
		s.tilesEnd = i + tiles*maxRows
	}
	if i < s.tilesEnd {
		t := tiles - (s.tilesEnd-i)/maxRows
		return &s.a[t*size], 4, maxRows * 4
	}
	if pairs > 0 {
		pairRows(&s.a[0], &src.p[i+sp.k0*src.k], src.k*4, 16*4, pairs, columnMask(mr))
	}
	for r := range last[:min(len(last), mr)] {
		s.a[pairs*16+r] = pairBF16(last[i+r], 0)
	}
	return &s.a[0], 4, 16 * 4
}

// ahead is memory to prefetch: one line for every k of a tile, step bytes
// apart.
type ahead struct {
	at   uintptr
	step int
}

// next returns the part of the rows from i on that tile t of a row of tiles
// should prefetch: packA reads them when the row is done, and the memory is
// farther away than the processor looks ahead.
func (j *job) next(s *scratch, sp span, i, t, panels int) ahead {
	src := &j.a
	rows := min(maxRows, j.m-i)
	switch {
	case rows <= 0:
		return ahead{}
	case src.rows == nil && src.k != 1:
		return j.nextColumns(s, sp, i, t, panels)
	}
	if src.rows == nil && src.row == sp.kc { // one stretch of memory
		all := rows * sp.kc
		return ahead{uintptr(unsafe.Pointer(&src.p[i*src.row+all*t/panels])), (all*4/panels + sp.lanes - 1) / sp.lanes}
	}
	if t >= rows {
		return ahead{}
	}
	at, n := (i+t)*src.row+sp.k0, sp.kc
	if src.rows != nil {
		off := sp.k0 % src.segLen
		at, n = int(src.rows[i+t])+int(src.seg[sp.k0/src.segLen])+off, min(n, src.segLen-off)
	}
	return ahead{uintptr(unsafe.Pointer(&src.p[at])), (n*4 + sp.lanes - 1) / sp.lanes}
}

// nextColumns is next for a transposed A: line after line of 16 rows, down the k.
func (j *job) nextColumns(s *scratch, sp span, i, t, panels int) ahead {
	src := &j.a
	row, k, step := i+16*t, sp.k0, src.k*4
	end := i + maxRows
	if j.w.native {
		// pairTiles reads two k a lane and tiles' worth of rows: the lines are
		// shared out among the panels of all tiles until then.
		left := (s.tilesEnd-i)/maxRows + 1
		call := (transposedTiles-left)*panels + t
		row, k, step = s.tilesEnd+call/2*16, k+call%2, 2*step
		end = s.tilesEnd + transposedTiles*maxRows
	}
	if at := row + k*src.k; src.row == 1 && row < min(end, j.m) && at < len(src.p) {
		return ahead{uintptr(unsafe.Pointer(&src.p[at])), step}
	}
	return ahead{}
}

// gather returns row i from k0 on, in place where it is contiguous, else in
// tmp.
func (a *source) gather(tmp []float32, i, k0 int) []float32 {
	if a.rows == nil {
		at := i*a.row + k0*a.k
		if a.k == 1 {
			return a.p[at : at+len(tmp)]
		}
		for x := range tmp {
			tmp[x] = a.p[at+x*a.k]
		}
		return tmp
	}
	base := int(a.rows[i])
	seg, off := k0/a.segLen, k0%a.segLen
	if n := len(tmp); off+n <= a.segLen {
		at := base + int(a.seg[seg]) + off
		return a.p[at : at+n]
	}
	for done := 0; done < len(tmp); {
		at := base + int(a.seg[seg]) + off
		n := min(a.segLen-off, len(tmp)-done)
		copy(tmp[done:done+n], a.p[at:at+n])
		done += n
		seg, off = seg+1, 0
	}
	return tmp
}
