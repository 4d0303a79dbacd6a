package quant

// GroupScale returns the j-th of eight scales and minima, six bits each, that
// a Q4_K or Q5_K block packs into twelve bytes.
func GroupScale(b []byte, j int) (scale, low float32) {
	if j < 4 {
		return float32(b[j] & 63), float32(b[j+4] & 63)
	}
	return float32(b[j+4]&15 | b[j-4]>>6<<4), float32(b[j+4]>>4 | b[j]>>6<<4)
}

// Q4_K: scale of the scales, scale of the minima, twelve bytes of both, then
// four runs of 32 bytes: the low halves are one group, the high ones the next.
func readQ4_K(dst []float32, src []byte) { //nolint:revive,staticcheck // ggml's name
	for ; len(dst) > 0; dst, src = dst[large:], src[144:] {
		d, m, packed := half(src), half(src[2:]), src[4:16]
		for i := range 4 {
			s1, m1 := GroupScale(packed, 2*i)
			s2, m2 := GroupScale(packed, 2*i+1)
			y := dst[64*i : 64*i+64]
			for l, q := range src[16+32*i : 48+32*i] {
				y[l] = d*s1*float32(q&15) - m*m1
				y[l+32] = d*s2*float32(q>>4) - m*m2
			}
		}
	}
}

// Q5_K: as Q4_K, with 32 bytes of fifth bits in between: bit 2i and 2i+1 of
// byte l belong to value l of the groups of run i.
func readQ5_K(dst []float32, src []byte) { //nolint:revive,staticcheck // ggml's name
	for ; len(dst) > 0; dst, src = dst[large:], src[176:] {
		d, m, packed, fifth := half(src), half(src[2:]), src[4:16], src[16:48]
		for i := range 4 {
			s1, m1 := GroupScale(packed, 2*i)
			s2, m2 := GroupScale(packed, 2*i+1)
			y := dst[64*i : 64*i+64]
			for l, q := range src[48+32*i : 80+32*i] {
				h := fifth[l] >> (2 * i)
				y[l] = d*s1*float32(q&15|h&1<<4) - m*m1
				y[l+32] = d*s2*float32(q>>4|h&2<<3) - m*m2
			}
		}
	}
}

// Q6_K: 128 bytes of low halves, 64 of upper pairs of bits, sixteen signed
// scales of 16 values each, their scale.
func readQ6_K(dst []float32, src []byte) { //nolint:revive,staticcheck // ggml's name
	for ; len(dst) > 0; dst, src = dst[large:], src[210:] {
		d := half(src[208:])
		for n := range 2 {
			low, high, scales, y := src[64*n:64*n+64], src[128+32*n:160+32*n], src[192+8*n:200+8*n], dst[128*n:128*n+128]
			for l, h := range high {
				at := l / 16
				s := func(i int) float32 { return d * float32(int8(scales[at+i])) }
				y[l] = s(0) * float32(int(low[l]&15|h&3<<4)-32)
				y[l+32] = s(2) * float32(int(low[l+32]&15|h>>2&3<<4)-32)
				y[l+64] = s(4) * float32(int(low[l]>>4|h>>4&3<<4)-32)
				y[l+96] = s(6) * float32(int(low[l+32]>>4|h>>6<<4)-32)
			}
		}
	}
}
