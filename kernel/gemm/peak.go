package gemm

import (
	"kuai/kernel/isa"
	"kuai/par"
)

// Spin has every worker multiply registers of this type for some time, and
// returns the number of operations; multiplications and additions count. Their
// rate is the peak of the machine as it is in that moment, which benchmarks
// state their own rates in. Without AVX-512 it returns 0.
func Spin(p *par.Pool, typ Type) (operations float64) {
	if isa.Best() != isa.AVX512 || typ == BF16 && !isa.BF16() {
		return 0
	}
	const rounds, shares = 5000, 24
	p.Do(shares, func(_, _ int) {
		if typ == BF16 {
			peakBF16(rounds)
		} else {
			peakF32(rounds)
		}
	})
	lanes := 16.0
	if typ == BF16 {
		lanes = 32
	}
	return shares * rounds * 24 * lanes * 2
}
