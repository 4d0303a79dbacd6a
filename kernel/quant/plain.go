package quant

import (
	"encoding/binary"
	"math"
	"unsafe"

	"kuai/kernel/vec"
)

// half reads a half-precision number.
func half(b []byte) float32 {
	in := [1]uint16{binary.LittleEndian.Uint16(b)}
	var out [1]float32
	vec.FromF16(out[:], in[:])
	return out[0]
}

// putHalf writes a number in half precision and returns what was written.
func putHalf(b []byte, v float32) float32 {
	in := [1]float32{v}
	var out [1]uint16
	vec.ToF16(out[:], in[:])
	binary.LittleEndian.PutUint16(b, out[0])
	return half(b)
}

// aligned returns bytes as 16-bit numbers where they lie on such a place, on
// little-endian machines, which all that Kuai runs on are.
func aligned(b []byte) ([]uint16, bool) {
	if len(b) == 0 || uintptr(unsafe.Pointer(&b[0]))%2 != 0 {
		return nil, false
	}
	return unsafe.Slice((*uint16)(unsafe.Pointer(&b[0])), len(b)/2), true
}

func readF32(dst []float32, src []byte) {
	for i := range dst {
		dst[i] = math.Float32frombits(binary.LittleEndian.Uint32(src[4*i:]))
	}
}

func writeF32(dst []byte, src []float32) {
	for i, v := range src {
		binary.LittleEndian.PutUint32(dst[4*i:], math.Float32bits(v))
	}
}

// halves calls f on runs of 16-bit numbers.
func halves(dst []float32, src []byte, f func([]float32, []uint16)) {
	if x, ok := aligned(src); ok {
		f(dst, x)
		return
	}
	var buf [256]uint16
	for i := 0; i < len(dst); i += len(buf) {
		n := min(len(buf), len(dst)-i)
		for j := range n {
			buf[j] = binary.LittleEndian.Uint16(src[2*(i+j):])
		}
		f(dst[i:i+n], buf[:n])
	}
}

func readF16(dst []float32, src []byte)  { halves(dst, src, vec.FromF16) }
func readBF16(dst []float32, src []byte) { halves(dst, src, vec.FromBF16) }

func toHalves(dst []byte, src []float32, f func([]uint16, []float32)) {
	var buf [256]uint16
	for i := 0; i < len(src); i += len(buf) {
		n := min(len(buf), len(src)-i)
		f(buf[:n], src[i:i+n])
		for j, v := range buf[:n] {
			binary.LittleEndian.PutUint16(dst[2*(i+j):], v)
		}
	}
}

func writeF16(dst []byte, src []float32)  { toHalves(dst, src, vec.ToF16) }
func writeBF16(dst []byte, src []float32) { toHalves(dst, src, vec.ToBF16) }

// Q4_0: scale; 16 bytes, value j in the low half of byte j, j+16 in the high.
func readQ4_0(dst []float32, src []byte) {
	for ; len(dst) > 0; dst, src = dst[small:], src[18:] {
		d := half(src)
		for j, q := range src[2:18] {
			dst[j] = float32(int(q&15)-8) * d
			dst[j+16] = float32(int(q>>4)-8) * d
		}
	}
}

func writeQ4_0(dst []byte, src []float32) {
	for ; len(src) > 0; dst, src = dst[18:], src[small:] {
		var most, amax float32
		for _, v := range src[:small] {
			if a := abs(v); a > amax {
				amax, most = a, v
			}
		}
		d := most / -8
		inv := inverse(d)
		putHalf(dst, d)
		for j := range 16 {
			low := min(15, int(src[j]*inv+8.5))
			high := min(15, int(src[j+16]*inv+8.5))
			dst[2+j] = byte(low | high<<4)
		}
	}
}

// Q4_1: scale, minimum, then as Q4_0.
func readQ4_1(dst []float32, src []byte) {
	for ; len(dst) > 0; dst, src = dst[small:], src[20:] {
		d, m := half(src), half(src[2:])
		for j, q := range src[4:20] {
			dst[j] = float32(q&15)*d + m
			dst[j+16] = float32(q>>4)*d + m
		}
	}
}

func writeQ4_1(dst []byte, src []float32) {
	for ; len(src) > 0; dst, src = dst[20:], src[small:] {
		least, d := span(src[:small], 15)
		inv := inverse(d)
		putHalf(dst, d)
		putHalf(dst[2:], least)
		for j := range 16 {
			low := min(15, int((src[j]-least)*inv+0.5))
			high := min(15, int((src[j+16]-least)*inv+0.5))
			dst[4+j] = byte(low | high<<4)
		}
	}
}

// span returns the least value of a block and the step that reaches the
// largest in so many levels.
func span(x []float32, levels float32) (least, step float32) {
	least, most := x[0], x[0]
	for _, v := range x[1:] {
		least, most = min(least, v), max(most, v)
	}
	return least, (most - least) / levels
}

// Q5_0: scale, 32 fifth bits, then as Q4_0.
func readQ5_0(dst []float32, src []byte) {
	for ; len(dst) > 0; dst, src = dst[small:], src[22:] {
		d, fifth := half(src), binary.LittleEndian.Uint32(src[2:])
		for j, q := range src[6:22] {
			dst[j] = float32(int(uint32(q&15)|fifth>>j<<4&16)-16) * d
			dst[j+16] = float32(int(uint32(q>>4)|fifth>>(j+12)&16)-16) * d
		}
	}
}

func writeQ5_0(dst []byte, src []float32) {
	for ; len(src) > 0; dst, src = dst[22:], src[small:] {
		var most, amax float32
		for _, v := range src[:small] {
			if a := abs(v); a > amax {
				amax, most = a, v
			}
		}
		d := most / -16
		inv := inverse(d)
		putHalf(dst, d)
		packFive(dst[2:22], src, func(v float32) uint32 { return uint32(min(31, int(v*inv+16.5))) })
	}
}

// packFive writes the fifth bits and the halves of 32 levels.
func packFive(dst []byte, src []float32, level func(float32) uint32) {
	var fifth uint32
	for j := range 16 {
		low, high := level(src[j]), level(src[j+16])
		dst[4+j] = byte(low&15 | high<<4)
		fifth |= low>>4&1<<j | high>>4&1<<(j+16)
	}
	binary.LittleEndian.PutUint32(dst, fifth)
}

// Q5_1: scale, minimum, 32 fifth bits, then as Q4_0.
func readQ5_1(dst []float32, src []byte) {
	for ; len(dst) > 0; dst, src = dst[small:], src[24:] {
		d, m, fifth := half(src), half(src[2:]), binary.LittleEndian.Uint32(src[4:])
		for j, q := range src[8:24] {
			dst[j] = float32(uint32(q&15)|fifth>>j<<4&16)*d + m
			dst[j+16] = float32(uint32(q>>4)|fifth>>(j+12)&16)*d + m
		}
	}
}

func writeQ5_1(dst []byte, src []float32) {
	for ; len(src) > 0; dst, src = dst[24:], src[small:] {
		least, d := span(src[:small], 31)
		inv := inverse(d)
		putHalf(dst, d)
		putHalf(dst[2:], least)
		packFive(dst[4:24], src, func(v float32) uint32 { return uint32(min(31, int((v-least)*inv+0.5))) })
	}
}

// Q8_0: scale, 32 signed bytes.
func readQ8_0(dst []float32, src []byte) {
	for ; len(dst) > 0; dst, src = dst[small:], src[34:] {
		d := half(src)
		for j, q := range src[2:34] {
			dst[j] = float32(int8(q)) * d
		}
	}
}

func writeQ8_0(dst []byte, src []float32) {
	for ; len(src) > 0; dst, src = dst[34:], src[small:] {
		var amax float32
		for _, v := range src[:small] {
			amax = max(amax, abs(v))
		}
		d := amax / 127
		inv := inverse(d)
		putHalf(dst, d)
		for j, v := range src[:small] {
			dst[2+j] = byte(int8(math.Round(float64(v * inv))))
		}
	}
}

func abs(v float32) float32 { return math.Float32frombits(math.Float32bits(v) &^ (1 << 31)) }

func inverse(d float32) float32 {
	if d == 0 {
		return 0
	}
	return 1 / d
}
