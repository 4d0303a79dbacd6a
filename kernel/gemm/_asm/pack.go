package main

import (
	. "github.com/mmcloughlin/avo/build"
	. "github.com/mmcloughlin/avo/operand"
	"github.com/mmcloughlin/avo/reg"
)

// convertBF16 rounds n values, a multiple of 32, to bf16.
func convertBF16() {
	TEXT("convertBF16", NOSPLIT, "func(dst, src *float32, n int)")
	Doc("convertBF16 rounds n values, a multiple of 32, to pairs of bf16.")
	Pragma("noescape")
	d := Load(Param("dst"), GP64())
	s := Load(Param("src"), GP64())
	n := Load(Param("n"), GP64())
	SHRQ(Imm(5), n)
	JZ(LabelRef("end"))
	Label("loop")
	VMOVUPS(Mem{Base: s}, reg.Z0)
	VMOVUPS(Mem{Base: s, Disp: 64}, reg.Z1)
	evex("VCVTNE2PS2BF16", prefixF2, opVCVTNE, 2, 1, 0) // Z1 becomes the high half
	VMOVDQU32(reg.Z2, Mem{Base: d})
	SUBQ(I8(-128), s)
	ADDQ(Imm(64), d)
	DECQ(n)
	JNZ(LabelRef("loop"))
	Label("end")
	VZEROUPPER()
	RET()
}

// roundAVX2 rounds n values, a multiple of 8, to bf16 and leaves them f32.
func roundAVX2() {
	TEXT("roundAVX2", NOSPLIT, "func(dst, src *float32, n int)")
	Doc("roundAVX2 rounds n values, a multiple of 8, to the nearest bf16, ties to even.")
	Pragma("noescape")
	d := Load(Param("dst"), GP64())
	s := Load(Param("src"), GP64())
	n := Load(Param("n"), GP64())
	constant := func(v uint32, y reg.VecPhysical) {
		t := GP32()
		MOVL(U32(v), t)
		VMOVD(t, y.(reg.Vec).AsX())
		VPBROADCASTD(y.(reg.Vec).AsX(), y)
	}
	constant(1, reg.Y4)
	constant(0x7fff, reg.Y5)
	constant(0xffff0000, reg.Y6)
	constant(0x400000, reg.Y7)
	SHRQ(Imm(3), n)
	JZ(LabelRef("end"))
	Label("loop")
	VMOVUPS(Mem{Base: s}, reg.Y0)
	VPSRLD(Imm(16), reg.Y0, reg.Y1)
	VPAND(reg.Y4, reg.Y1, reg.Y1)
	VPADDD(reg.Y5, reg.Y1, reg.Y1)
	VPADDD(reg.Y0, reg.Y1, reg.Y1)
	VPOR(reg.Y7, reg.Y0, reg.Y2) // a NaN stays one
	VCMPPS(Imm(3), reg.Y0, reg.Y0, reg.Y3)
	VBLENDVPS(reg.Y3, reg.Y2, reg.Y1, reg.Y1)
	VPAND(reg.Y6, reg.Y1, reg.Y1)
	VMOVUPS(reg.Y1, Mem{Base: d})
	ADDQ(Imm(32), s)
	ADDQ(Imm(32), d)
	DECQ(n)
	JNZ(LabelRef("loop"))
	Label("end")
	VZEROUPPER()
	RET()
}

// pairOrder is the permutation that makes pairs of two rows' words.
func pairOrder() Mem {
	order := GLOBL("pairOrder", RODATA|NOPTR)
	for i := range 16 { // word i of the first row, then of the second
		DATA(4*i, U32(uint32(i)|uint32(16+i)<<16))
	}
	return order
}

// pairRows interleaves rows 2k and 2k+1 as pairs of bf16, 16 columns wide.
func pairRows(order Mem) {
	TEXT("pairRows", NOSPLIT, "func(dst, src *float32, ld, ldd, n int, mask uint32)")
	Doc("pairRows writes, for each of n pairs of rows ld bytes apart, the columns that",
		"mask chooses of 16 as pairs of bf16 (the others as 0), ldd bytes apart.")
	Pragma("noescape")
	d := Load(Param("dst"), GP64())
	s := Load(Param("src"), GP64())
	ld := Load(Param("ld"), GP64())
	ldd := Load(Param("ldd"), GP64())
	n := Load(Param("n"), GP64())
	mask := Load(Param("mask"), GP32())
	KMOVW(mask, reg.K1)
	VMOVDQU32(order, reg.Z3)
	TESTQ(n, n)
	JZ(LabelRef("end"))
	Label("loop")
	VMOVUPS_Z(Mem{Base: s}, reg.K1, reg.Z0)
	VMOVUPS_Z(Mem{Base: s, Index: ld, Scale: 1}, reg.K1, reg.Z1)
	evex("VCVTNE2PS2BF16", prefixF2, opVCVTNE, 2, 1, 0) // [row 2k | row 2k+1]
	VPERMW(reg.Z2, reg.Z3, reg.Z2)
	VMOVDQU32(reg.Z2, Mem{Base: d})
	LEAQ(Mem{Base: s, Index: ld, Scale: 2}, s)
	ADDQ(ldd, d)
	DECQ(n)
	JNZ(LabelRef("loop"))
	Label("end")
	VZEROUPPER()
	RET()
}

// pairTiles packs a transposed A for four tiles at once: a line of memory holds
// more columns than a tile has rows, and reading it once is what counts.
func pairTiles(order Mem) {
	TEXT("pairTiles", NOSPLIT, "func(dst, src *float32, ld, size, n int)")
	Doc("pairTiles writes, for each of n pairs of rows ld bytes apart, 48 columns as pairs",
		"of bf16: twelve to each of four tiles, size bytes apart, 48 bytes a pair.")
	Pragma("noescape")
	d := Load(Param("dst"), GP64())
	s := Load(Param("src"), GP64())
	ld := Load(Param("ld"), GP64())
	size := Load(Param("size"), GP64())
	n := Load(Param("n"), GP64())
	size3 := GP64()
	LEAQ(Mem{Base: size, Index: size, Scale: 2}, size3)
	masks := []reg.Register{reg.K1, reg.K2, reg.K3, reg.K4, reg.K5, reg.K6}
	for i, m := range []uint32{0x0fff, 0xf000, 0x00ff, 0xff00, 0x000f, 0xfff0} {
		t := GP32()
		MOVL(U32(m), t)
		KMOVW(t, masks[i])
	}
	VMOVDQU32(order, reg.Z6)
	TESTQ(n, n)
	JZ(LabelRef("end"))
	Label("loop")
	for i := range 3 {
		VMOVUPS(Mem{Base: s, Disp: 64 * i}, reg.Z0)
		VMOVUPS(Mem{Base: s, Index: ld, Scale: 1, Disp: 64 * i}, reg.Z1)
		evex("VCVTNE2PS2BF16", prefixF2, opVCVTNE, 2, 1, 0) // [row 2k | row 2k+1]
		VPERMW(reg.Z2, reg.Z6, zmm[3+i])
	}
	VMOVDQU32(reg.Z3, reg.K1, Mem{Base: d})
	VMOVDQU32(reg.Z3, reg.K2, Mem{Base: d, Index: size, Scale: 1, Disp: -48})
	VMOVDQU32(reg.Z4, reg.K3, Mem{Base: d, Index: size, Scale: 1, Disp: 16})
	VMOVDQU32(reg.Z4, reg.K4, Mem{Base: d, Index: size, Scale: 2, Disp: -32})
	VMOVDQU32(reg.Z5, reg.K5, Mem{Base: d, Index: size, Scale: 2, Disp: 32})
	VMOVDQU32(reg.Z5, reg.K6, Mem{Base: d, Index: size3, Scale: 1, Disp: -16})
	LEAQ(Mem{Base: s, Index: ld, Scale: 2}, s)
	ADDQ(Imm(48), d)
	DECQ(n)
	JNZ(LabelRef("loop"))
	Label("end")
	VZEROUPPER()
	RET()
}

// copyPanel gathers 32 columns of n rows.
func copyPanel() {
	TEXT("copyPanel", NOSPLIT, "func(dst, src *float32, ld, n int)")
	Doc("copyPanel copies 32 columns of n rows that are ld bytes apart to a panel.")
	Pragma("noescape")
	d := Load(Param("dst"), GP64())
	s := Load(Param("src"), GP64())
	ld := Load(Param("ld"), GP64())
	n := Load(Param("n"), GP64())
	TESTQ(n, n)
	JZ(LabelRef("end"))
	Label("loop")
	VMOVUPS(Mem{Base: s}, reg.Z0)
	VMOVUPS(Mem{Base: s, Disp: 64}, reg.Z1)
	PREFETCHT0(Mem{Base: s, Index: ld, Scale: 8})
	PREFETCHT0(Mem{Base: s, Index: ld, Scale: 8, Disp: 64})
	VMOVUPS(reg.Z0, Mem{Base: d})
	VMOVUPS(reg.Z1, Mem{Base: d, Disp: 64})
	ADDQ(ld, s)
	SUBQ(I8(-128), d)
	DECQ(n)
	JNZ(LabelRef("loop"))
	Label("end")
	VZEROUPPER()
	RET()
}

// transposePanel turns 32 rows of n lanes into n rows of 32.
func transposePanel() {
	TEXT("transposePanel", NOSPLIT, "func(dst, src *float32, ld, n int)")
	Doc("transposePanel turns 32 rows, ld bytes apart, of n lanes, a multiple of 16,",
		"into a panel of n rows of 32.")
	Pragma("noescape")
	d := Load(Param("dst"), GP64())
	s := Load(Param("src"), GP64())
	ld := Load(Param("ld"), GP64())
	n := Load(Param("n"), GP64())
	ld3 := GP64()
	LEAQ(Mem{Base: ld, Index: ld, Scale: 2}, ld3)
	for half, label := range []string{"upper", "lower"} {
		blocks := GP64()
		MOVQ(n, blocks)
		SHRQ(Imm(4), blocks)
		from, to := GP64(), GP64()
		MOVQ(s, from)
		if half == 1 {
			t := GP64()
			MOVQ(ld, t)
			SHLQ(Imm(4), t)
			ADDQ(t, from)
		}
		LEAQ(Mem{Base: d, Disp: half * 64}, to)
		Label(label)
		load16(from, ld, ld3)
		transpose16()
		for c := range 16 {
			VMOVUPS(zmm[c], Mem{Base: to, Disp: c * 128})
		}
		ADDQ(Imm(64), from)
		ADDQ(U32(2048), to)
		DECQ(blocks)
		JNZ(LabelRef(label))
	}
	VZEROUPPER()
	RET()
}

// load16 loads 16 rows into Z0 to Z15.
func load16(from, ld, ld3 reg.Register) {
	q := GP64()
	MOVQ(from, q)
	for r := range 16 {
		m := Mem{Base: q}
		switch r % 4 {
		case 1, 2:
			m.Index, m.Scale = ld, uint8(r%4)
		case 3:
			m.Index, m.Scale = ld3, 1
		}
		VMOVUPS(m, zmm[r])
		if r%4 == 3 && r < 15 {
			LEAQ(Mem{Base: q, Index: ld, Scale: 4}, q)
		}
	}
}

// transpose16 transposes the 16 x 16 lanes of Z0 to Z15 in place.
func transpose16() {
	for i := 0; i < 16; i += 2 {
		VUNPCKLPS(zmm[i+1], zmm[i], zmm[16+i])
		VUNPCKHPS(zmm[i+1], zmm[i], zmm[16+i+1])
	}
	for i := 0; i < 16; i += 4 {
		VUNPCKLPD(zmm[16+i+2], zmm[16+i], zmm[i])
		VUNPCKHPD(zmm[16+i+2], zmm[16+i], zmm[i+1])
		VUNPCKLPD(zmm[16+i+3], zmm[16+i+1], zmm[i+2])
		VUNPCKHPD(zmm[16+i+3], zmm[16+i+1], zmm[i+3])
	}
	for j := range 4 {
		VSHUFF32X4(Imm(0x88), zmm[4+j], zmm[j], zmm[16+j])
		VSHUFF32X4(Imm(0xdd), zmm[4+j], zmm[j], zmm[20+j])
		VSHUFF32X4(Imm(0x88), zmm[12+j], zmm[8+j], zmm[24+j])
		VSHUFF32X4(Imm(0xdd), zmm[12+j], zmm[8+j], zmm[28+j])
	}
	for j := range 4 {
		VSHUFF32X4(Imm(0x88), zmm[24+j], zmm[16+j], zmm[j])
		VSHUFF32X4(Imm(0xdd), zmm[24+j], zmm[16+j], zmm[8+j])
		VSHUFF32X4(Imm(0x88), zmm[28+j], zmm[20+j], zmm[4+j])
		VSHUFF32X4(Imm(0xdd), zmm[28+j], zmm[20+j], zmm[12+j])
	}
}
