package vec

// ToBF16 rounds src to bfloat16, to nearest, ties to even; NaN stays NaN.
func ToBF16(dst []uint16, src []float32) {
	same(len(dst), len(src))
	toBF16(dst, src)
}

// FromBF16 widens bfloat16 to float32, exactly.
func FromBF16(dst []float32, src []uint16) {
	same(len(dst), len(src))
	fromBF16(dst, src)
}

// ToF16 rounds src to IEEE half precision, to nearest, ties to even; what is
// too large becomes an infinity.
func ToF16(dst []uint16, src []float32) {
	same(len(dst), len(src))
	toF16(dst, src)
}

// FromF16 widens IEEE half precision to float32, exactly.
func FromF16(dst []float32, src []uint16) {
	same(len(dst), len(src))
	fromF16(dst, src)
}
