package main

import (
	"fmt"

	"github.com/mmcloughlin/avo/attr"
	. "github.com/mmcloughlin/avo/build"
	. "github.com/mmcloughlin/avo/operand"
	"github.com/mmcloughlin/avo/reg"
)

var ymm = []reg.VecPhysical{reg.Y0, reg.Y1, reg.Y2, reg.Y3, reg.Y4, reg.Y5, reg.Y6, reg.Y7, reg.Y8, reg.Y9, reg.Y10, reg.Y11, reg.Y12, reg.Y13, reg.Y14, reg.Y15}

// constant is a vector of one 32-bit value, in memory.
func constant(name string, v uint32) Mem {
	m := GLOBL(name, attr.RODATA|attr.NOPTR)
	for i := range 8 {
		DATA(4*i, U32(v))
	}
	return m
}

// constants of the AVX2 kernels.
type constants struct{ nibble, one, sixteen, magnitude Mem }

func avx2Kernels() {
	c := constants{
		constant("nibble", 0x0f0f0f0f), constant("one", 0x00010001), constant("sixteen", 0x00100010),
		constant("magnitude", 0x7fffffff),
	}
	for _, mr := range []int{1, 2, 3, 4, 6} {
		narrow(c, mr, false, false)
		narrow(c, mr, false, true)
		narrow(c, mr, true, false)
		narrow(c, mr, true, true)
	}
	quantizer256(c)
}

// narrow generates S[mr, 32] += A[mr, 32 nb] W[32 nb, 32] on whole blocks,
// eight columns at a time.
//
// The product of bytes that AVX2 has adds pairs with saturation to 16 bits, and
// 255·127·2 does not fit. A nibble's does, 15·127·2 = 3810, even eight times
// over, which is a block: bytes are taken apart into nibbles, whose sums join
// as one and sixteen times at the end of the block. So the sums are as exact as
// the others', and the result has the same bits.
func narrow(c constants, mr int, four, low bool) {
	name := fmt.Sprintf("narrow%dx%d", map[bool]int{false: 8, true: 4}[four], mr)
	if low {
		name = fmt.Sprintf("narrow%dMx%d", map[bool]int{false: 8, true: 4}[four], mr)
	}
	TEXT(name, NOSPLIT, "func(nb int, a *int8, rs int, meta *float32, ms int, w *byte, s *float32, ss int)")
	Doc(fmt.Sprintf("%s adds one tile of %d rows by 32 columns to s.", name, mr))
	Pragma("noescape")
	const w0, w1, byteOf, product = 12, 13, 14, 15
	ones := func(i int) reg.VecPhysical { return ymm[i] }
	sixteens := func(i int) reg.VecPhysical { return ymm[6+i] }

	nb := Load(Param("nb"), GP64())
	aRows, a := addresses("a", "rs", mr)
	metaRows, meta := addresses("meta", "ms", mr)
	sumRows, sum := addresses("s", "ss", mr)
	w := Load(Param("w"), GP64())
	scales, columns := GP64(), GP64()
	weights := 8 * groupBytes
	if four {
		weights = 4 * groupBytes
	}
	add := func(first bool, from int, to reg.VecPhysical) {
		if !first {
			VPADDW(ymm[from], to, to)
		}
	}
	target := func(first bool, temporary int, to reg.VecPhysical) reg.VecPhysical {
		if first {
			return to
		}
		return ymm[temporary]
	}

	Label("block")
	LEAQ(Mem{Base: w, Disp: weights}, scales)
	MOVQ(U32(4), columns)
	Label("columns")
	for g := range weights / groupBytes {
		VMOVDQU(Mem{Base: w, Disp: g * groupBytes}, ymm[w1])
		VPAND(c.nibble, ymm[w1], ymm[w0])
		VPSRLW(Imm(4), ymm[w1], ymm[w1])
		VPAND(c.nibble, ymm[w1], ymm[w1])
		for i := range mr {
			first := g == 0
			VPBROADCASTD(a(i, g*4), ymm[byteOf])
			VPMADDUBSW(ymm[byteOf], ymm[w0], target(first, product, ones(i)))
			add(first, product, ones(i))
			if four { // the high nibbles are four groups on
				VPBROADCASTD(a(i, g*4+16), ymm[byteOf])
				VPMADDUBSW(ymm[byteOf], ymm[w1], ymm[byteOf])
				VPADDW(ymm[byteOf], ones(i), ones(i))
				continue
			}
			VPMADDUBSW(ymm[byteOf], ymm[w1], target(first, byteOf, sixteens(i)))
			add(first, byteOf, sixteens(i))
		}
	}
	VCVTPH2PS(Mem{Base: scales}, ymm[w0])
	if low {
		VCVTPH2PS(Mem{Base: scales, Disp: halfBytes}, ymm[w1])
	}
	for i := range mr {
		VPMADDWD(c.one, ones(i), ones(i))
		if !four {
			VPMADDWD(c.sixteen, sixteens(i), sixteens(i))
			VPADDD(sixteens(i), ones(i), ones(i))
		}
		if !low {
			VPBROADCASTD(meta(i, 4), ymm[byteOf])
			if four { // -8 times the sum
				VPSRAD(Imm(4), ymm[byteOf], ymm[byteOf])
			}
			VPADDD(ymm[byteOf], ones(i), ones(i))
		}
		VCVTDQ2PS(ones(i), ones(i))
		VBROADCASTSS(meta(i, 0), ymm[byteOf])
		VMULPS(ymm[byteOf], ymm[w0], ymm[byteOf])
		VMOVUPS(sum(i, 0), ymm[product])
		VFMADD231PS(ymm[byteOf], ones(i), ymm[product])
		if low {
			VBROADCASTSS(meta(i, 8), ymm[byteOf])
			VFMADD231PS(ymm[byteOf], ymm[w1], ymm[product])
		}
		VMOVUPS(ymm[product], sum(i, 0))
	}
	ADDQ(Imm(32), w)
	ADDQ(Imm(16), scales)
	for i := range sumRows {
		ADDQ(Imm(32), sumRows[i])
	}
	DECQ(columns)
	JNZ(LabelRef("columns"))
	block := weights + halfBytes
	if low {
		block += halfBytes
	}
	ADDQ(U32(uint32(block-groupBytes)), w)
	for i := range aRows {
		ADDQ(Imm(32), aRows[i])
		ADDQ(Imm(metaBytes), metaRows[i])
		SUBQ(U32(128), sumRows[i])
	}
	DECQ(nb)
	JNZ(LabelRef("block"))
	VZEROUPPER()
	RET()
}

// quantizer256 is quantizer with AVX2.
func quantizer256(c constants) {
	TEXT("quantize256", NOSPLIT, "func(q *int8, meta *float32, x *float32, nb int)")
	Doc("quantize256 rounds nb blocks of 32 values.")
	Pragma("noescape")
	q := Load(Param("q"), GP64())
	m := Load(Param("meta"), GP64())
	x := Load(Param("x"), GP64())
	n := Load(Param("nb"), GP64())
	t := GP32()
	MOVL(U32(0x42fe0000), t) // 127
	VMOVD(t, reg.X15)
	MOVL(U32(0x3c010204), t) // 1/127
	VMOVD(t, reg.X14)
	MOVL(U32(0x7f800000), t) // infinity
	VMOVD(t, reg.X13)
	VPXOR(reg.Y12, reg.Y12, reg.Y12)
	VMOVDQU(c.one, reg.Y10)
	Label("loop")
	for i := range 4 {
		VMOVUPS(Mem{Base: x, Disp: 32 * i}, ymm[i])
		VANDPS(c.magnitude, ymm[i], ymm[4+i])
	}
	VMAXPS(reg.Y4, reg.Y5, reg.Y4)
	VMAXPS(reg.Y6, reg.Y7, reg.Y6)
	VMAXPS(reg.Y4, reg.Y6, reg.Y4)
	VEXTRACTF128(Imm(1), reg.Y4, reg.X5)
	VMAXPS(reg.X5, reg.X4, reg.X4)
	VPERMILPS(Imm(0x4e), reg.X4, reg.X5)
	VMAXPS(reg.X5, reg.X4, reg.X4)
	VPERMILPS(Imm(0xb1), reg.X4, reg.X5)
	VMAXPS(reg.X5, reg.X4, reg.X4)
	VMULSS(reg.X14, reg.X4, reg.X8) // the scale
	VDIVSS(reg.X4, reg.X15, reg.X5)
	VCMPPS(Imm(1), reg.X13, reg.X5, reg.X6) // less than infinity, or nothing but zeros
	VANDPS(reg.X6, reg.X5, reg.X5)
	VBROADCASTSS(reg.X5, reg.Y5)
	for i := range 4 {
		VMULPS(reg.Y5, ymm[i], ymm[i])
		VCVTPS2DQ(ymm[i], ymm[i])
	}
	VPACKSSDW(reg.Y1, reg.Y0, reg.Y0) // 0-3 8-11 | 4-7 12-15
	VPACKSSDW(reg.Y3, reg.Y2, reg.Y2)
	VPERMQ(Imm(0xd8), reg.Y0, reg.Y0)
	VPERMQ(Imm(0xd8), reg.Y2, reg.Y2)
	VPACKSSWB(reg.Y2, reg.Y0, reg.Y1)
	VPERMQ(Imm(0xd8), reg.Y1, reg.Y1)
	VMOVDQU(reg.Y1, Mem{Base: q})
	VPADDW(reg.Y2, reg.Y0, reg.Y0)
	VPMADDWD(reg.Y10, reg.Y0, reg.Y0)
	VEXTRACTI128(Imm(1), reg.Y0, reg.X1)
	VPADDD(reg.X1, reg.X0, reg.X0)
	VPSHUFD(Imm(0x4e), reg.X0, reg.X1)
	VPADDD(reg.X1, reg.X0, reg.X0)
	VPSHUFD(Imm(0xb1), reg.X0, reg.X1)
	VPADDD(reg.X1, reg.X0, reg.X0)
	VCVTDQ2PS(reg.X0, reg.X6)
	VMULSS(reg.X8, reg.X6, reg.X6)
	VPSLLD(Imm(7), reg.X0, reg.X0)
	VPSUBD(reg.X0, reg.X12, reg.X0)
	VMOVSS(reg.X8, Mem{Base: m})
	VMOVD(reg.X0, Mem{Base: m, Disp: 4})
	VMOVSS(reg.X6, Mem{Base: m, Disp: 8})
	ADDQ(U32(128), x)
	ADDQ(Imm(32), q)
	ADDQ(Imm(metaBytes), m)
	DECQ(n)
	JNZ(LabelRef("loop"))
	VZEROUPPER()
	RET()
}
