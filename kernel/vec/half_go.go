package vec

import "math"

func toBF16Go(dst []uint16, src []float32) {
	for i, v := range src {
		b := math.Float32bits(v)
		if b&0x7fffffff > 0x7f800000 {
			dst[i] = uint16(b>>16) | 0x40 // quiet the NaN
			continue
		}
		dst[i] = uint16((b + 0x7fff + b>>16&1) >> 16)
	}
}

func fromBF16Go(dst []float32, src []uint16) {
	for i, v := range src {
		dst[i] = math.Float32frombits(uint32(v) << 16)
	}
}

func toF16Go(dst []uint16, src []float32) {
	for i, v := range src {
		dst[i] = f16bits(math.Float32bits(v))
	}
}

func f16bits(b uint32) uint16 {
	sign := uint16(b >> 16 & 0x8000)
	b &= 0x7fffffff
	switch {
	case b > 0x7f800000:
		return sign | 0x7e00 | uint16(b>>13&0x1ff) // NaN
	case b >= 0x477ff000: // rounds to 65536 or more
		return sign | 0x7c00
	case b < 0x38800000: // subnormal or zero: let the float adder round it
		f := math.Float32frombits(b) + 0.5
		return sign | uint16(math.Float32bits(f)-0x3f000000)
	}
	b += 0xc8000fff + b>>13&1 // rebias by -112<<23 and round
	return sign | uint16(b>>13)
}

func fromF16Go(dst []float32, src []uint16) {
	for i, v := range src {
		dst[i] = f16float(v)
	}
}

func f16float(v uint16) float32 {
	sign, exp, man := uint32(v&0x8000)<<16, uint32(v>>10&31), uint32(v&0x3ff)
	switch exp {
	case 0:
		f := float32(man) / (1 << 24)
		return math.Float32frombits(sign | math.Float32bits(f))
	case 31:
		if man != 0 {
			man |= 0x200 // quiet the NaN
		}
		return math.Float32frombits(sign | 0x7f800000 | man<<13)
	}
	return math.Float32frombits(sign | (exp+112)<<23 | man<<13)
}
