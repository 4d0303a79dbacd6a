package attn

import (
	"math"

	"kuai/internal/check"
	"kuai/kernel/isa"
	"kuai/kernel/vec"
)

const (
	// ScanUnit is what the number of keys of a scan is a multiple of.
	ScanUnit = 64
	// scanPanel is the keys that lie side by side.
	scanPanel = 16
	// scanHeads is the most heads that a pass over the keys serves.
	scanHeads = 4
)

// ScanWidth is the width of a head in a scan's keys, whole groups of eight.
func ScanWidth(d int) int { return (d + 7) &^ 7 }

// Probe is the queries of the heads that share keys, rounded to bytes with a
// scale each, for exact scans over keys of four or eight bits: all products are
// of integers, so the instructions at hand change no bit of a score.
//
// Keys lie in panels of 16 positions: of each group of eight of their values, in
// the order of positions, the first four in the low halves of four bytes and the
// others in the high halves; in bytes, of each four values those of the 16
// positions. A nibble stands for itself less 8, a byte for itself less 128. With
// each key goes a scale, in half precision.
//
// The zero value is ready for Set.
type Probe struct {
	heads, width int
	q            []int8    // [⌈heads/4⌉][width/4][heads of these][4]
	scale        []float32 // [heads]
	less4, less8 []int32   // [heads]: what the sums begin at
}

// Set takes the queries q [heads, d].
func (p *Probe) Set(q []float32, heads, d int) {
	check.True(heads > 0 && d > 0 && len(q) == heads*d, "attn: %d values for %d queries of %d", len(q), heads, d)
	p.heads, p.width = heads, ScanWidth(d)
	if n := heads * p.width; cap(p.q) < n {
		p.q = make([]int8, n)
	}
	if cap(p.scale) < heads {
		p.scale, p.less4, p.less8 = make([]float32, heads), make([]int32, heads), make([]int32, heads)
	}
	p.q, p.scale, p.less4, p.less8 = p.q[:heads*p.width], p.scale[:heads], p.less4[:heads], p.less8[:heads]
	clear(p.q)
	for h := range heads {
		x := q[h*d:][:d]
		top := top(x)
		p.scale[h] = top / math.MaxInt8
		var inv float32
		if top > 0 {
			inv = math.MaxInt8 / top
		}
		first := h / scanHeads * scanHeads
		of := min(heads-first, scanHeads)
		out := p.q[first*p.width:]
		sum := int32(0)
		for i, v := range x {
			r := nearest(v*inv, math.MaxInt8)
			out[(i/4*of+h-first)*4+i%4] = int8(r)
			sum += r
		}
		p.less4[h], p.less8[h] = -8*sum, -128*sum
	}
}

// top is the greatest magnitude; what is no number counts for nothing.
func top(x []float32) (top float32) {
	for _, v := range x {
		if v > top {
			top = v
		} else if -v > top {
			top = -v
		}
	}
	return min(top, math.MaxFloat32)
}

// nearest rounds to a whole number of a magnitude of at most limit; what is no
// number becomes 0.
func nearest(v float32, limit int32) int32 {
	if v != v {
		return 0
	}
	return max(-limit, min(limit, int32(math.RoundToEven(float64(v)))))
}

// PutNibbles writes a key [d] to a position of keys; it returns its scale.
func PutNibbles(keys []byte, position int, key []float32) (scale uint16) {
	const limit = 7
	scale, inv := keyScale(key, limit)
	panel := keys[position/scanPanel*scanPanel*ScanWidth(len(key))/2:]
	at := position % scanPanel * 4
	for i := range ScanWidth(len(key)) {
		n := byte(8)
		if i < len(key) {
			n = byte(8 + nearest(key[i]*inv, limit))
		}
		b := &panel[i/8*64+at+i%4]
		if i%8 < 4 {
			*b = n
		} else {
			*b |= n << 4
		}
	}
	return scale
}

// PutBytes is PutNibbles for eight bits.
func PutBytes(keys []byte, position int, key []float32) (scale uint16) {
	scale, inv := keyScale(key, math.MaxInt8)
	panel := keys[position/scanPanel*scanPanel*ScanWidth(len(key)):]
	at := position % scanPanel * 4
	for i := range ScanWidth(len(key)) {
		n := byte(128)
		if i < len(key) {
			n = byte(128 + nearest(key[i]*inv, math.MaxInt8))
		}
		panel[i/4*64+at+i%4] = n
	}
	return scale
}

// keyScale returns the scale of a key whose greatest value becomes limit, as it
// is kept, and what the key is multiplied with.
func keyScale(key []float32, limit float32) (half uint16, inv float32) {
	scale := [1]float32{min(top(key)/limit, maxHalf)}
	var kept [1]uint16
	vec.ToF16(kept[:], scale[:])
	vec.FromF16(scale[:], kept[:])
	if scale[0] > 0 {
		inv = 1 / scale[0]
	}
	return kept[0], inv
}

// maxHalf is the greatest number in half precision.
const maxHalf = 65504

// Nibbles computes the scores of the queries with n keys of four bits:
//
//	x      rows of n scores, a head each, ldx apart
//	keys   [n/16, width/8, 64]
//	scale  [n]
func (p *Probe) Nibbles(x []float32, ldx int, keys []byte, scale []uint16, n int) {
	p.fits(x, ldx, len(keys), n*p.width/2, len(scale), n)
	if n == 0 {
		return
	}
	for h := 0; h < p.heads; h += scanHeads {
		x, q, less, qs := x[h*ldx:], p.q[h*p.width:], p.less4[h:], p.scale[h:]
		of := min(p.heads-h, scanHeads)
		if !isa.VNNI() {
			scanGo(x, ldx, q, less, qs, keys, scale, of, n, p.width, true)
			continue
		}
		rows, units := p.width/8, n/ScanUnit
		switch of {
		case 4:
			scanNibbles4(&x[0], 4*ldx, &q[0], &less[0], &qs[0], &keys[0], &scale[0], rows, units)
		case 3:
			scanNibbles3(&x[0], 4*ldx, &q[0], &less[0], &qs[0], &keys[0], &scale[0], rows, units)
		case 2:
			scanNibbles2(&x[0], 4*ldx, &q[0], &less[0], &qs[0], &keys[0], &scale[0], rows, units)
		default:
			scanNibbles1(&x[0], 4*ldx, &q[0], &less[0], &qs[0], &keys[0], &scale[0], rows, units)
		}
	}
}

// Bytes is Nibbles for keys of eight bits, [n/16, width/4, 64].
func (p *Probe) Bytes(x []float32, ldx int, keys []byte, scale []uint16, n int) {
	p.fits(x, ldx, len(keys), n*p.width, len(scale), n)
	if n == 0 {
		return
	}
	for h := 0; h < p.heads; h += scanHeads {
		x, q, less, qs := x[h*ldx:], p.q[h*p.width:], p.less8[h:], p.scale[h:]
		of := min(p.heads-h, scanHeads)
		if !isa.VNNI() {
			scanGo(x, ldx, q, less, qs, keys, scale, of, n, p.width, false)
			continue
		}
		rows, units := p.width/4, n/ScanUnit
		switch of {
		case 4:
			scanBytes4(&x[0], 4*ldx, &q[0], &less[0], &qs[0], &keys[0], &scale[0], rows, units)
		case 3:
			scanBytes3(&x[0], 4*ldx, &q[0], &less[0], &qs[0], &keys[0], &scale[0], rows, units)
		case 2:
			scanBytes2(&x[0], 4*ldx, &q[0], &less[0], &qs[0], &keys[0], &scale[0], rows, units)
		default:
			scanBytes1(&x[0], 4*ldx, &q[0], &less[0], &qs[0], &keys[0], &scale[0], rows, units)
		}
	}
}

// fits checks the lengths.
func (p *Probe) fits(x []float32, ldx, keys, wantKeys, scale, n int) {
	if n < 0 || n%ScanUnit != 0 || ldx < n || keys < wantKeys || scale < n || n > 0 && len(x) < (p.heads-1)*ldx+n {
		check.Fail("attn: scan of %d keys by %d heads, rows %d apart, in %d, %d and %d values", n, p.heads, ldx, len(x), keys, scale)
	}
}

// scanGo is the plain twin.
func scanGo(x []float32, ldx int, q []int8, less []int32, qscale []float32, keys []byte, scale []uint16, heads, n, width int, nibbles bool) {
	each := 4 // values of a vector
	if nibbles {
		each = 8
	}
	var kscale [scanPanel]float32
	for from := 0; from < n; from += scanPanel {
		vec.FromF16(kscale[:], scale[from:][:scanPanel])
		panel := keys[from*width/each*4:]
		for h := range heads {
			var sum [scanPanel]int32
			for j := range sum {
				sum[j] = less[h]
			}
			for i := range width {
				row, shift := panel[i/each*64:][:64], 0
				if i%each >= 4 {
					shift = 4
				}
				w := int32(q[(i/4*heads+h)*4+i%4])
				for j := range sum {
					b := row[j*4+i%4]
					if nibbles {
						b = b >> shift & 15
					}
					sum[j] += w * int32(b)
				}
			}
			for j, s := range sum {
				x[h*ldx+from+j] = float32(s) * kscale[j] * qscale[h]
			}
		}
	}
}
