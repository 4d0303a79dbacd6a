// Command asm generates the matrix tiles and packing kernels of kernel/gemm.
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

// heights are the tile heights that exist; the driver splits what is left of
// a matrix into them.
var heights = []int{1, 2, 3, 4, 6, 8, 12}

func main() {
	ConstraintExpr("amd64")
	for _, mr := range heights {
		tile512("tileF32", mr, false)
	}
	for _, mr := range heights {
		tile512("tileBF16", mr, true)
	}
	for _, mr := range heights {
		tileSegments("segmentsF32", mr, false)
	}
	for _, mr := range heights {
		tileSegments("segmentsBF16", mr, true)
	}
	for _, mr := range []int{1, 2, 3, 4, 6} {
		tileAVX2(mr)
	}
	convertBF16()
	roundAVX2()
	order := pairOrder()
	pairRows(order)
	pairTiles(order)
	copyPanel()
	transposePanel()
	Generate()
}

// bf16 opcodes of EVEX map 0F38, W0, which neither avo nor Go's assembler
// knows.
const (
	prefixF3, prefixF2 = 2, 3
	opVDPBF16PS        = 0x52
	opVCVTNE           = 0x72 // F2: NE2PS2BF16 of two registers; F3: NEPS2BF16 of one
)

// evex emits the register form of such an instruction on 512-bit registers;
// dst, v and rm are register numbers.
func evex(name string, prefix, op byte, dst, v, rm int) {
	inv := func(b int) byte { return byte(^b & 1) }
	p0 := inv(dst>>3)<<7 | inv(rm>>4)<<6 | inv(rm>>3)<<5 | inv(dst>>4)<<4 | 2
	p1 := byte(^v&15)<<3 | 1<<2 | prefix
	p2 := byte(2<<5) | inv(v>>4)<<3
	modrm := byte(0xC0 | (dst&7)<<3 | rm&7)
	Commentf("%s Z%d, Z%d, Z%d", name, rm, v, dst)
	emit("LONG", U32(uint32(0x62)|uint32(p0)<<8|uint32(p1)<<16|uint32(p2)<<24))
	emit("WORD", U16(uint16(op)|uint16(modrm)<<8))
}

func emit(op string, c Constant) {
	Instruction(&ir.Instruction{Opcode: op, Operands: []Op{c}})
}

// rowAddresses loads every third row's address; the rows between are reached
// through the index register.
func rowAddresses(mr int) (rows []reg.Register, at func(i int) Mem) {
	rows = make([]reg.Register, (mr+2)/3)
	rows[0] = Load(Param("a"), GP64())
	rs := Load(Param("rs"), GP64())
	if len(rows) > 1 {
		rs3 := GP64()
		LEAQ(Mem{Base: rs, Index: rs, Scale: 2}, rs3)
		for i := 1; i < len(rows); i++ {
			r := GP64()
			LEAQ(Mem{Base: rows[i-1], Index: rs3, Scale: 1}, r)
			rows[i] = r
		}
	}
	return rows, func(i int) Mem {
		m := Mem{Base: rows[i/3]}
		if i%3 > 0 {
			m.Index, m.Scale = rs, uint8(i%3)
		}
		return m
	}
}
