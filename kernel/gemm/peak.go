package gemm

import (
	"kuai/kernel/peak"
	"kuai/par"
)

// Spin is [peak.Spin] for a type of products, or 0 where the CPU has no
// instruction for it.
func Spin(p *par.Pool, typ Type) (operations float64) {
	kind := peak.F32
	if typ == BF16 {
		kind = peak.BF16
	}
	if !peak.Has(kind) {
		return 0
	}
	return peak.Spin(p, kind)
}
