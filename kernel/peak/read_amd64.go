package peak

import "kuai/kernel/isa"

// read loads a slice whose length is a multiple of 128.
func read(x []float32) {
	switch isa.Now() {
	case isa.AVX512:
		read512(&x[0], len(x)/128)
	case isa.AVX2:
		read256(&x[0], len(x)/64)
	default:
		readGo(x)
	}
}
