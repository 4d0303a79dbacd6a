package main

import (
	. "github.com/mmcloughlin/avo/build"
	. "github.com/mmcloughlin/avo/operand"
)

// peak generates n rounds of 24 multiply-adds on registers alone.
func peak(name string, bf16 bool) {
	TEXT(name, NOSPLIT, "func(n int)")
	Doc(name + " runs n rounds of 24 vector multiply-adds on registers alone.")
	n := Load(Param("n"), GP64())
	for i := range 32 {
		VPXORD(zmm[i], zmm[i], zmm[i])
	}
	Label("loop")
	for i := range 24 {
		if bf16 {
			evex("VDPBF16PS", prefixF3, opVDPBF16PS, i, 24+i%6, 30+i%2)
		} else {
			VFMADD231PS(zmm[30+i%2], zmm[24+i%6], zmm[i])
		}
	}
	DECQ(n)
	JNZ(LabelRef("loop"))
	VZEROUPPER()
	RET()
}
