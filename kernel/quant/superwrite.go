package quant

import "math"

// nearest rounds to the nearest whole number, ties to even, for |v| < 2^22: the
// sum's low bits are it. What is no number becomes some number.
func nearest(v float32) int {
	const magic = 12582912 // 1.5 * 2^23
	return int(math.Float32bits(v+magic)&0x7fffff) - 0x400000
}

func clamp(v, low, high int) int { return max(low, min(high, v)) }

// search looks for the scale and the minimum of a group. Beside the one that
// covers the group exactly it tries tries+1 others, which would cover it with
// top+first, top+first+0.1 ... levels; as in ggml each try begins at the best
// minimum so far. Sums are written so that no compiler fuses them: the blocks
// are the same everywhere.
type search struct {
	top   int // the largest level
	first float32
	tries int
}

var (
	search4 = search{15, -1, 20}
	search5 = search{31, -0.5, 15}
)

// group finds the scale and the negated minimum of 32 values for which the
// weighted squared error is least, and the levels.
func (s search) group(x, weights *[small]float32, levels *[small]byte) (scale, low float32) {
	least, most := x[0], x[0]
	var sumW, sumX float32
	for i, v := range x {
		least, most = min(least, v), max(most, v)
		sumW += weights[i]
		sumX += float32(weights[i] * v)
	}
	least = min(least, 0)
	if most == least {
		*levels = [small]byte{}
		return 0, -least
	}
	inv := float32(s.top) / (most - least)
	low, scale = least, 1/inv
	var trial [small]byte
	s.round(levels, x, inv, least)
	best := weightedError(x, weights, levels, scale, low)
	for try := range s.tries + 1 {
		inv = (s.first + float32(0.1*float32(try)) + float32(s.top)) / (most - low)
		s.round(&trial, x, inv, low)
		a, b, ok := fit(x, weights, &trial, sumW, sumX)
		if !ok {
			continue
		}
		if off := weightedError(x, weights, &trial, a, b); off < best {
			best, scale, low, *levels = off, a, b, trial
		}
	}
	return scale, -low
}

func (s search) round(levels *[small]byte, x *[small]float32, inv, least float32) {
	for i, v := range x {
		levels[i] = byte(clamp(nearest(inv*(v-least)), 0, s.top))
	}
}

// weightedError of levels under a scale and a minimum.
func weightedError(x, weights *[small]float32, levels *[small]byte, scale, low float32) (sum float32) {
	for i, v := range x {
		d := float32(scale*float32(levels[i])) + low - v
		sum += float32(weights[i] * float32(d*d))
	}
	return sum
}

// fit solves for the scale and the minimum, at most zero, that suit the levels
// best: weighted least squares.
func fit(x, weights *[small]float32, levels *[small]byte, sumW, sumX float32) (scale, low float32, ok bool) {
	var sumL, sumL2, sumXL float32
	for i, v := range x {
		l := float32(levels[i])
		wl := float32(weights[i] * l)
		sumL += wl
		sumL2 += float32(wl * l)
		sumXL += float32(wl * v)
	}
	d := float32(sumW*sumL2) - float32(sumL*sumL)
	if !(d > 0) {
		return 0, 0, false
	}
	scale = (float32(sumW*sumXL) - float32(sumX*sumL)) / d
	low = (float32(sumL2*sumX) - float32(sumL*sumXL)) / d
	if low > 0 {
		return sumXL / sumL2, 0, true
	}
	return scale, low, true
}

// affine writes what Q4_K and Q5_K share, both scales and the twelve packed
// bytes, and returns the levels of a block.
func (s search) affine(dst []byte, x []float32) (levels [large]byte) {
	var scales, lows [8]float32
	var mostScale, mostLow float32
	for j := range 8 {
		v := (*[small]float32)(x[small*j:])
		var sum float32
		for _, v := range v {
			sum += float32(v * v)
		}
		mean := float32(math.Sqrt(float64(sum / small)))
		var weights [small]float32
		for i, v := range v {
			weights[i] = mean + abs(v)
		}
		scales[j], lows[j] = s.group(v, &weights, (*[small]byte)(levels[small*j:]))
		mostScale, mostLow = max(mostScale, scales[j]), max(mostLow, lows[j])
	}
	packScales(dst[4:16], &scales, &lows, mostScale, mostLow)
	d, m := putHalf(dst, mostScale/63), putHalf(dst[2:], mostLow/63)
	for j := range 8 {
		sc, lo := GroupScale(dst[4:16], j)
		scale, low := d*sc, m*lo
		if scale == 0 {
			continue
		}
		for i, v := range x[small*j : small*j+small] {
			levels[small*j+i] = byte(clamp(nearest((v+low)/scale), 0, s.top))
		}
	}
	return levels
}

// packScales is the reverse of GroupScale, for all eight groups.
func packScales(b []byte, scales, lows *[8]float32, mostScale, mostLow float32) {
	var invScale, invLow float32
	if mostScale > 0 {
		invScale = 63 / mostScale
	}
	if mostLow > 0 {
		invLow = 63 / mostLow
	}
	clear(b)
	for j := range 8 {
		sc, lo := byte(clamp(nearest(invScale*scales[j]), 0, 63)), byte(clamp(nearest(invLow*lows[j]), 0, 63))
		if j < 4 {
			b[j], b[j+4] = sc, lo
			continue
		}
		b[j+4] = sc&15 | lo<<4
		b[j-4] |= sc >> 4 << 6
		b[j] |= lo >> 4 << 6
	}
}

func writeQ4_K(dst []byte, src []float32) { //nolint:revive,staticcheck // ggml's name
	for ; len(src) > 0; dst, src = dst[144:], src[large:] {
		levels := search4.affine(dst, src[:large])
		for i := range 4 {
			l := levels[64*i : 64*i+64]
			for j := range small {
				dst[16+small*i+j] = l[j] | l[j+small]<<4
			}
		}
	}
}

func writeQ5_K(dst []byte, src []float32) { //nolint:revive,staticcheck // ggml's name
	for ; len(src) > 0; dst, src = dst[176:], src[large:] {
		levels := search5.affine(dst, src[:large])
		fifth := dst[16:48]
		clear(fifth)
		for i := range 4 {
			l := levels[64*i : 64*i+64]
			for j := range small {
				dst[48+small*i+j] = l[j]&15 | l[j+small]<<4
				fifth[j] |= l[j]>>4<<(2*i) | l[j+small]>>4<<(2*i+1)
			}
		}
	}
}

// tiny is a group's largest value below which it counts as zero.
const tiny = 1e-15

// symmetric finds the scale of 16 values for levels of -32 to 31 for which the
// squared error, weighted by the squares, is least, and the levels plus 32.
func symmetric(x *[16]float32, levels *[16]byte) float32 {
	var amax, most float32
	for _, v := range x {
		if a := abs(v); a > amax {
			amax, most = a, v
		}
	}
	if amax < tiny {
		*levels = [16]byte{}
		return 0
	}
	var trial [16]byte
	sums := func(inv float32) (xl, l2 float32) {
		for i, v := range x {
			q := clamp(nearest(inv*v), -32, 31)
			trial[i] = byte(q + 32)
			l, w := float32(q), float32(v*v)
			xl += float32(float32(w*v) * l)
			l2 += float32(float32(w*l) * l)
		}
		return xl, l2
	}
	var scale float32
	xl, l2 := sums(-32 / most)
	if l2 != 0 {
		scale = xl / l2
	}
	best := scale * xl
	*levels = trial
	for try := -9; try <= 9; try++ {
		if try == 0 {
			continue
		}
		xl, l2 = sums(-(32 + float32(0.1*float32(try))) / most)
		if l2 > 0 && float32(xl*xl) > float32(best*l2) {
			scale = xl / l2
			best = scale * xl
			*levels = trial
		}
	}
	return scale
}

func writeQ6_K(dst []byte, src []float32) { //nolint:revive,staticcheck // ggml's name
	for ; len(src) > 0; dst, src = dst[210:], src[large:] {
		var scales [16]float32
		var levels [large]byte
		var amax, most float32
		for j := range scales {
			scales[j] = symmetric((*[16]float32)(src[16*j:]), (*[16]byte)(levels[16*j:]))
			if a := abs(scales[j]); a > amax {
				amax, most = a, scales[j]
			}
		}
		clear(dst[:210])
		if amax < tiny {
			continue
		}
		inv := -128 / most
		d := putHalf(dst[208:], 1/inv)
		for j, s := range scales {
			q := int8(clamp(nearest(inv*s), -128, 127))
			dst[192+j] = byte(q)
			scale := d * float32(q)
			for i, v := range src[16*j : 16*j+16] {
				if scale != 0 {
					levels[16*j+i] = byte(clamp(nearest(v/scale), -32, 31) + 32)
				}
			}
		}
		packSix(dst, &levels)
	}
}

// packSix lays the levels of a Q6_K block out.
func packSix(dst []byte, levels *[large]byte) {
	for n := range 2 {
		low, high, l := dst[64*n:64*n+64], dst[128+32*n:160+32*n], levels[128*n:128*n+128]
		for j := range high {
			a, b, c, d := l[j], l[j+32], l[j+64], l[j+96]
			low[j] = a&15 | c<<4
			low[j+32] = b&15 | d<<4
			high[j] = a>>4 | b>>4<<2 | c>>4<<4 | d>>4<<6
		}
	}
}
