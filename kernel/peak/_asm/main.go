// Command asm generates the loops of kernel/peak.
package main

import (
	. "github.com/mmcloughlin/avo/build"
	"github.com/mmcloughlin/avo/ir"
	. "github.com/mmcloughlin/avo/operand"
	"github.com/mmcloughlin/avo/reg"
)

var (
	zmm = []reg.VecPhysical{
		reg.Z0, reg.Z1, reg.Z2, reg.Z3, reg.Z4, reg.Z5, reg.Z6, reg.Z7, reg.Z8, reg.Z9, reg.Z10, reg.Z11, reg.Z12, reg.Z13, reg.Z14, reg.Z15,
		reg.Z16, reg.Z17, reg.Z18, reg.Z19, reg.Z20, reg.Z21, reg.Z22, reg.Z23, reg.Z24, reg.Z25, reg.Z26, reg.Z27, reg.Z28, reg.Z29, reg.Z30, reg.Z31,
	}
	ymm = []reg.VecPhysical{reg.Y0, reg.Y1, reg.Y2, reg.Y3, reg.Y4, reg.Y5, reg.Y6, reg.Y7, reg.Y8, reg.Y9, reg.Y10, reg.Y11, reg.Y12, reg.Y13, reg.Y14, reg.Y15}
)

func main() {
	ConstraintExpr("amd64")
	spin("spinF32", 32, func(i int) { VFMADD231PS(zmm[30+i%2], zmm[24+i%6], zmm[i]) })
	spin("spinBF16", 32, func(i int) { dotBF16(i, 24+i%6, 30+i%2) })
	spin("spinInt8", 32, func(i int) { VPDPBUSD(zmm[30+i%2], zmm[24+i%6], zmm[i]) })
	spin("spinAVX2", 16, func(i int) {
		i %= 12
		VFMADD231PS(ymm[14+i%2], ymm[12+i%2], ymm[i])
	})
	read("read512", zmm, 64)
	read("read256", ymm, 32)
	Generate()
}

// spin generates n rounds of 24 multiply-adds on registers alone.
func spin(name string, registers int, step func(i int)) {
	TEXT(name, NOSPLIT, "func(n int)")
	Doc(name + " runs n rounds of 24 vector multiply-adds on registers alone.")
	n := Load(Param("n"), GP64())
	for i := range registers {
		if registers == 32 {
			VPXORD(zmm[i], zmm[i], zmm[i])
		} else {
			VXORPS(ymm[i], ymm[i], ymm[i])
		}
	}
	Label("loop")
	for i := range 24 {
		step(i)
	}
	DECQ(n)
	JNZ(LabelRef("loop"))
	VZEROUPPER()
	RET()
}

// dotBF16 is VDPBF16PS in its register form, which neither avo nor Go's
// assembler knows; the arguments are register numbers.
func dotBF16(dst, v, rm int) {
	inv := func(b int) byte { return byte(^b & 1) }
	p0 := inv(dst>>3)<<7 | inv(rm>>4)<<6 | inv(rm>>3)<<5 | inv(dst>>4)<<4 | 2
	p1 := byte(^v&15)<<3 | 1<<2 | 2
	p2 := byte(2<<5) | inv(v>>4)<<3
	modrm := byte(0xC0 | (dst&7)<<3 | rm&7)
	Commentf("VDPBF16PS Z%d, Z%d, Z%d", rm, v, dst)
	emit("LONG", U32(uint32(0x62)|uint32(p0)<<8|uint32(p1)<<16|uint32(p2)<<24))
	emit("WORD", U16(uint16(0x52)|uint16(modrm)<<8))
}

func emit(op string, c Constant) {
	Instruction(&ir.Instruction{Opcode: op, Operands: []Op{c}})
}

// read generates a loop that loads n blocks of eight vectors.
func read(name string, v []reg.VecPhysical, width int) {
	TEXT(name, NOSPLIT, "func(p *float32, n int)")
	Doc(name + " loads n blocks of eight vectors.")
	Pragma("noescape")
	p := Load(Param("p"), GP64())
	n := Load(Param("n"), GP64())
	Label("loop")
	for i := range 8 {
		VMOVUPS(Mem{Base: p, Disp: i * width}, v[i])
	}
	ADDQ(U32(uint32(8*width)), p)
	DECQ(n)
	JNZ(LabelRef("loop"))
	VZEROUPPER()
	RET()
}
