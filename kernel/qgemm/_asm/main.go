// Command asm generates the tiles and the quantiser of kernel/qgemm.
package main

import (
	"fmt"

	. "github.com/mmcloughlin/avo/build"
	. "github.com/mmcloughlin/avo/operand"
	"github.com/mmcloughlin/avo/reg"
)

var zmm = []reg.VecPhysical{
	reg.Z0, reg.Z1, reg.Z2, reg.Z3, reg.Z4, reg.Z5, reg.Z6, reg.Z7, reg.Z8, reg.Z9, reg.Z10, reg.Z11, reg.Z12, reg.Z13, reg.Z14, reg.Z15,
	reg.Z16, reg.Z17, reg.Z18, reg.Z19, reg.Z20, reg.Z21, reg.Z22, reg.Z23, reg.Z24, reg.Z25, reg.Z26, reg.Z27, reg.Z28, reg.Z29, reg.Z30, reg.Z31,
}

// What a block of 32 columns by 32 k holds, as in the package: 8 or 4 groups of
// 128 bytes, scales, and where the format has them minima, in half precision.
const (
	groupBytes = 128
	halfBytes  = 64
	metaBytes  = 16 // of a row's block: scale, -128 times the sum, scale times the sum
)

func main() {
	ConstraintExpr("amd64")
	for _, mr := range []int{1, 2, 3, 4, 6} {
		tile(mr, false, false)
		tile(mr, false, true)
		tile(mr, true, false)
		tile(mr, true, true)
	}
	quantizer()
	avx2Kernels()
	Generate()
}

// addresses reaches the rows of a matrix three to a register: the rows between
// through the index.
func addresses(base, stride string, mr int) (rows []reg.Register, at func(i, disp int) Mem) {
	rows = make([]reg.Register, (mr+2)/3)
	rows[0] = Load(Param(base), GP64())
	step := Load(Param(stride), GP64())
	if len(rows) > 1 {
		three := GP64()
		LEAQ(Mem{Base: step, Index: step, Scale: 2}, three)
		for i := 1; i < len(rows); i++ {
			r := GP64()
			LEAQ(Mem{Base: rows[i-1], Index: three, Scale: 1}, r)
			rows[i] = r
		}
	}
	return rows, func(i, disp int) Mem {
		m := Mem{Base: rows[i/3], Disp: disp}
		if i%3 > 0 {
			m.Index, m.Scale = step, uint8(i%3)
		}
		return m
	}
}

// tile generates C[mr, 32] (+)= A[mr, 32 nb] W[32 nb, 32] on whole blocks: the
// products of a block add up exactly in 32-bit integers, which begin at the
// correction for weights being stored unsigned; then the block joins the sum
// in float32, scaled by both scales.
//
// Tiles of more than one row fetch half of what they read themselves from next,
// half bytes a block: the first two tiles that go over a panel bring the
// following one, while they compute.
func tile(mr int, four, low bool) {
	name := fmt.Sprintf("tile%dx%d", map[bool]int{false: 8, true: 4}[four], mr)
	if low {
		name = fmt.Sprintf("tile%dMx%d", map[bool]int{false: 8, true: 4}[four], mr)
	}
	TEXT(name, NOSPLIT, "func(nb int, a *int8, rs int, meta *float32, ms int, w *byte, c *float32, ldc int, mask, acc uint32, next *byte, half int)")
	Doc(fmt.Sprintf("%s is one tile of %d rows by 32 columns.", name, mr))
	Pragma("noescape")
	whole := func(i, j int) int { return i*2 + j }
	sum := func(i, j int) int { return mr*2 + i*2 + j }
	const w0, w1, s0, s1, t0, t1, nibble = 31, 30, 29, 28, 27, 26, 25
	temporary := []int{t0, t1}

	nb := Load(Param("nb"), GP64())
	aRows, a := addresses("a", "rs", mr)
	metaRows, meta := addresses("meta", "ms", mr)
	w := Load(Param("w"), GP64())
	for i := range mr * 2 {
		VPXORD(zmm[mr*2+i], zmm[mr*2+i], zmm[mr*2+i])
	}
	if four {
		r := GP32()
		MOVL(U32(0x0f0f0f0f), r)
		VPBROADCASTD(r, zmm[nibble])
	}
	var next, half reg.Register
	if mr > 1 {
		next, half = Load(Param("next"), GP64()), Load(Param("half"), GP64())
	}
	Label("loop")
	begin(mr, four, low, whole, meta)
	for g := range 8 {
		group(four, g, w, w0, w1, nibble)
		if mr > 1 {
			fetch(next, g, lines(four))
		}
		for i := range mr {
			if mr == 1 {
				VPDPBUSD_BCST(a(i, g*4), zmm[w0], zmm[whole(i, 0)])
				VPDPBUSD_BCST(a(i, g*4), zmm[w1], zmm[whole(i, 1)])
				continue
			}
			t := temporary[i%2]
			VPBROADCASTD(a(i, g*4), zmm[t])
			VPDPBUSD(zmm[t], zmm[w0], zmm[whole(i, 0)])
			VPDPBUSD(zmm[t], zmm[w1], zmm[whole(i, 1)])
		}
	}
	weights := 8 * groupBytes
	if four {
		weights = 4 * groupBytes
	}
	VCVTPH2PS(Mem{Base: w, Disp: weights}, zmm[s0])
	VCVTPH2PS(Mem{Base: w, Disp: weights + 32}, zmm[s1])
	for i := range mr {
		VCVTDQ2PS(zmm[whole(i, 0)], zmm[whole(i, 0)])
		VCVTDQ2PS(zmm[whole(i, 1)], zmm[whole(i, 1)])
		VBROADCASTSS(meta(i, 0), zmm[w0])
		VMULPS(zmm[w0], zmm[s0], zmm[t0])
		VMULPS(zmm[w0], zmm[s1], zmm[t1])
		VFMADD231PS(zmm[t0], zmm[whole(i, 0)], zmm[sum(i, 0)])
		VFMADD231PS(zmm[t1], zmm[whole(i, 1)], zmm[sum(i, 1)])
	}
	block := weights + halfBytes
	if low {
		VCVTPH2PS(Mem{Base: w, Disp: block}, zmm[s0])
		VCVTPH2PS(Mem{Base: w, Disp: block + 32}, zmm[s1])
		for i := range mr {
			VBROADCASTSS(meta(i, 8), zmm[w0])
			VFMADD231PS(zmm[w0], zmm[s0], zmm[sum(i, 0)])
			VFMADD231PS(zmm[w0], zmm[s1], zmm[sum(i, 1)])
		}
		block += halfBytes
	}
	ADDQ(U32(uint32(block)), w)
	if mr > 1 {
		ADDQ(half, next)
	}
	for i := range aRows {
		ADDQ(Imm(32), aRows[i])
		ADDQ(Imm(metaBytes), metaRows[i])
	}
	DECQ(nb)
	JNZ(LabelRef("loop"))
	store(mr*2, mr)
}

// lines of the first cache that half a block touches.
func lines(four bool) int {
	if four {
		return 5
	}
	return 9
}

// fetch spreads the lines of half a block over its groups.
func fetch(next reg.Register, g, lines int) {
	for l := g * lines / 8; l < (g+1)*lines/8; l++ {
		PREFETCHT1(Mem{Base: next, Disp: 64 * l})
	}
}

// begin sets the whole sums of a block to the correction for weights being
// stored unsigned.
func begin(mr int, four, low bool, whole func(i, j int) int, meta func(i, disp int) Mem) {
	for i := range mr {
		switch {
		case low:
			VPXORD(zmm[whole(i, 0)], zmm[whole(i, 0)], zmm[whole(i, 0)])
		default:
			VPBROADCASTD(meta(i, 4), zmm[whole(i, 0)])
			if four { // -8 times the sum
				VPSRAD(Imm(4), zmm[whole(i, 0)], zmm[whole(i, 0)])
			}
		}
		VMOVDQA32(zmm[whole(i, 0)], zmm[whole(i, 1)])
	}
}

// group loads the g-th four of k for all columns.
func group(four bool, g int, w reg.Register, w0, w1, nibble int) {
	if four {
		VMOVDQU32(Mem{Base: w, Disp: g % 4 * groupBytes}, zmm[w0])
		VMOVDQU32(Mem{Base: w, Disp: g%4*groupBytes + 64}, zmm[w1])
		if g >= 4 {
			VPSRLD(Imm(4), zmm[w0], zmm[w0])
			VPSRLD(Imm(4), zmm[w1], zmm[w1])
		}
		VPANDD(zmm[nibble], zmm[w0], zmm[w0])
		VPANDD(zmm[nibble], zmm[w1], zmm[w1])
	} else {
		VMOVDQU32(Mem{Base: w, Disp: g * groupBytes}, zmm[w0])
		VMOVDQU32(Mem{Base: w, Disp: g*groupBytes + 64}, zmm[w1])
	}
}

// store adds the tile, in the registers from the first, to C where acc is not 0,
// and stores it.
func store(first, mr int) {
	mask := Load(Param("mask"), GP32())
	KMOVW(mask, reg.K1)
	SHRL(Imm(16), mask)
	KMOVW(mask, reg.K2)
	c := Load(Param("c"), GP64())
	ldc := Load(Param("ldc"), GP64())
	acc := Load(Param("acc"), GP32())
	TESTL(acc, acc)
	JZ(LabelRef("store"))
	old := GP64()
	MOVQ(c, old)
	for i := range mr {
		VMOVUPS_Z(Mem{Base: old}, reg.K1, reg.Z30)
		VMOVUPS_Z(Mem{Base: old, Disp: 64}, reg.K2, reg.Z31)
		VADDPS(reg.Z30, zmm[first+2*i], zmm[first+2*i])
		VADDPS(reg.Z31, zmm[first+2*i+1], zmm[first+2*i+1])
		ADDQ(ldc, old)
	}
	Label("store")
	for i := range mr {
		VMOVUPS(zmm[first+2*i], reg.K1, Mem{Base: c})
		VMOVUPS(zmm[first+2*i+1], reg.K2, Mem{Base: c, Disp: 64})
		ADDQ(ldc, c)
	}
	VZEROUPPER()
	RET()
}

// quantizer rounds blocks of 32 values to signed bytes, and writes what a tile
// wants to know of each.
func quantizer() {
	TEXT("quantize512", NOSPLIT, "func(q *int8, meta *float32, x *float32, nb int)")
	Doc("quantize512 rounds nb blocks of 32 values.")
	Pragma("noescape")
	q := Load(Param("q"), GP64())
	m := Load(Param("meta"), GP64())
	x := Load(Param("x"), GP64())
	n := Load(Param("nb"), GP64())
	t := GP32()
	MOVL(U32(0x7fffffff), t)
	VPBROADCASTD(t, reg.Z31)
	MOVL(U32(0x42fe0000), t) // 127
	VMOVD(t, reg.X30)
	MOVL(U32(0x3c010204), t) // 1/127
	VMOVD(t, reg.X29)
	VPXORD(reg.Z28, reg.Z28, reg.Z28)
	Label("loop")
	VMOVUPS(Mem{Base: x}, reg.Z0)
	VMOVUPS(Mem{Base: x, Disp: 64}, reg.Z1)
	VPANDD(reg.Z31, reg.Z0, reg.Z2)
	VPANDD(reg.Z31, reg.Z1, reg.Z3)
	VMAXPS(reg.Z2, reg.Z3, reg.Z2)
	VEXTRACTF64X4(Imm(1), reg.Z2, reg.Y3)
	VMAXPS(reg.Y3, reg.Y2, reg.Y2)
	VEXTRACTF128(Imm(1), reg.Y2, reg.X3)
	VMAXPS(reg.X3, reg.X2, reg.X2)
	VPERMILPS(Imm(0x4e), reg.X2, reg.X3)
	VMAXPS(reg.X3, reg.X2, reg.X2)
	VPERMILPS(Imm(0xb1), reg.X2, reg.X3)
	VMAXPS(reg.X3, reg.X2, reg.X2)
	VMULSS(reg.X29, reg.X2, reg.X4) // the scale
	VDIVSS(reg.X2, reg.X30, reg.X5)
	VBROADCASTSS(reg.X5, reg.Z5)
	VPTESTMD(reg.Z2, reg.Z2, reg.K1) // lane 0: is there anything but zeros?
	KMOVW(reg.K1, t)
	ANDL(Imm(1), t)
	NEGL(t)
	KMOVW(t, reg.K1)
	VMULPS_Z(reg.Z5, reg.Z0, reg.K1, reg.Z0)
	VMULPS_Z(reg.Z5, reg.Z1, reg.K1, reg.Z1)
	VCVTPS2DQ(reg.Z0, reg.Z0)
	VCVTPS2DQ(reg.Z1, reg.Z1)
	VPMOVDB(reg.Z0, Mem{Base: q})
	VPMOVDB(reg.Z1, Mem{Base: q, Disp: 16})
	VPADDD(reg.Z1, reg.Z0, reg.Z0)
	VEXTRACTI64X4(Imm(1), reg.Z0, reg.Y1)
	VPADDD(reg.Y1, reg.Y0, reg.Y0)
	VEXTRACTI128(Imm(1), reg.Y0, reg.X1)
	VPADDD(reg.X1, reg.X0, reg.X0)
	VPSHUFD(Imm(0x4e), reg.X0, reg.X1)
	VPADDD(reg.X1, reg.X0, reg.X0)
	VPSHUFD(Imm(0xb1), reg.X0, reg.X1)
	VPADDD(reg.X1, reg.X0, reg.X0)
	VCVTDQ2PS(reg.X0, reg.X6)
	VMULSS(reg.X4, reg.X6, reg.X6)
	VPSLLD(Imm(7), reg.X0, reg.X0)
	VPSUBD(reg.X0, reg.X28, reg.X0)
	VMOVSS(reg.X4, Mem{Base: m})
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
