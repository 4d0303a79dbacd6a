// Command asm generates the depthwise kernels of kernel/conv.
package main

import (
	"fmt"

	. "github.com/mmcloughlin/avo/build"
	. "github.com/mmcloughlin/avo/operand"
	"github.com/mmcloughlin/avo/reg"
)

// pitch is the distance of two pixels of the scratch, 64 channels, in bytes.
const pitch = 256

var zmm = []reg.VecPhysical{
	reg.Z0, reg.Z1, reg.Z2, reg.Z3, reg.Z4, reg.Z5, reg.Z6, reg.Z7, reg.Z8, reg.Z9, reg.Z10, reg.Z11,
}

func main() {
	ConstraintExpr("amd64")
	copyPixels()
	for _, kw := range []int{3, 1} {
		filter(kw)
	}
	for _, kw := range []int{3, 1} {
		gradient(kw)
	}
	Generate()
}

// copyPixels generates the copy of 64 channels of n pixels.
func copyPixels() {
	TEXT("copyPixels", NOSPLIT, "func(dst, src *float32, n, pixel int, mask uint64)")
	Doc("copyPixels copies to the scratch those of 64 channels that mask chooses, of n pixels",
		"pixel bytes apart.")
	Pragma("noescape")
	dst, src := Load(Param("dst"), GP64()), Load(Param("src"), GP64())
	n, pixel := Load(Param("n"), GP64()), Load(Param("pixel"), GP64())
	mask := Load(Param("mask"), GP64())
	masks := []reg.Register{reg.K1, reg.K2, reg.K3, reg.K4}
	for _, k := range masks {
		KMOVW(mask.(reg.GPVirtual).As32(), k)
		SHRQ(Imm(16), mask)
	}
	Label("loop")
	for i, k := range masks {
		VMOVUPS_Z(Mem{Base: src, Disp: 64 * i}, k, zmm[i])
	}
	for i := range masks {
		VMOVUPS(zmm[i], Mem{Base: dst, Disp: 64 * i})
	}
	ADDQ(pixel, src)
	ADDQ(U32(pitch), dst)
	DECQ(n)
	JNZ(LabelRef("loop"))
	VZEROUPPER()
	RET()
}

// rows is the loop over rows and columns of a block that filter and gradient
// share. The pixels under a kernel of 3 rows and kw columns are at in(tap).
func rows(kw int, pixels string, body func(in func(tap int) Mem, at Mem)) {
	x, xRow := Load(Param("x"), GP64()), Load(Param("xRow"), GP64())
	y, yRow := Load(Param(pixels), GP64()), Load(Param("row"), GP64())
	pixel := Load(Param("pixel"), GP64())
	n, cols := Load(Param("rows"), GP64()), Load(Param("cols"), GP64())
	next, apart := Load(Param("next"), GP64()), Load(Param("apart"), GP64())
	Label("rows")
	at, out, left, fetch := GP64(), GP64(), GP64(), GP64()
	MOVQ(next, fetch)
	MOVQ(x, at)
	MOVQ(y, out)
	MOVQ(cols, left)
	Label("cols")
	body(func(tap int) Mem {
		m := Mem{Base: at, Disp: tap % kw * pitch}
		if r := tap / kw; r > 0 {
			m.Index, m.Scale = xRow, uint8(r)
		}
		return m
	}, Mem{Base: out})
	PREFETCHT1(Mem{Base: fetch})
	PREFETCHT1(Mem{Base: fetch, Index: apart, Scale: 1})
	ADDQ(Imm(64), fetch)
	ADDQ(U32(pitch), at)
	ADDQ(pixel, out)
	DECQ(left)
	JNZ(LabelRef("cols"))
	ADDQ(xRow, x)
	ADDQ(yRow, y)
	ADDQ(yRow, next)
	DECQ(n)
	JNZ(LabelRef("rows"))
}

// taps moves each of the taps' 16 channels between memory and registers.
func taps(kw int, pointer string, move func(m Mem, z reg.VecPhysical)) {
	w, tap := Load(Param(pointer), GP64()), Load(Param("tap"), GP64())
	for k := range 3 * kw {
		move(Mem{Base: w}, zmm[k])
		ADDQ(tap, w)
	}
}

// filter generates y[p, c] (+)= Σ_k w[k, c] x_k[p, c] for 16 channels.
func filter(kw int) {
	name := fmt.Sprintf("filter3x%d", kw)
	TEXT(name, NOSPLIT, "func(y, x, w, next *float32, apart, rows, cols, row, pixel, xRow, tap int, mask, acc uint32)")
	Doc(fmt.Sprintf("%s filters a block of rows x cols > 0 pixels with a kernel of 3 x %d, for those of", name, kw),
		"16 channels that mask chooses, and adds where acc is the mask, too. x is the scratch, with",
		"rows xRow bytes apart; in y rows and pixels, in w taps are row, pixel and tap bytes apart.",
		"Meanwhile it fetches as many cache lines from next on, in rows as well, and as many apart",
		"bytes further.")
	Pragma("noescape")
	mask := Load(Param("mask"), GP32())
	KMOVW(mask, reg.K1)
	Load(Param("acc"), mask)
	KMOVW(mask, reg.K2)
	taps(kw, "w", func(m Mem, z reg.VecPhysical) { VMOVUPS_Z(m, reg.K1, z) })
	rows(kw, "y", func(in func(int) Mem, out Mem) {
		sum := zmm[9]
		VMOVUPS_Z(out, reg.K2, sum)
		for k := range 3 * kw {
			VFMADD231PS(in(k), zmm[k], sum)
		}
		VMOVUPS(sum, reg.K1, out)
	})
	VZEROUPPER()
	RET()
}

// gradient generates dw[k, c] += Σ_p dy[p, c] x_k[p, c] for 16 channels.
func gradient(kw int) {
	name := fmt.Sprintf("gradient3x%d", kw)
	TEXT(name, NOSPLIT, "func(dw, dy, x, next *float32, apart, rows, cols, row, pixel, xRow, tap int, mask uint32)")
	Doc(fmt.Sprintf("%s adds to dw what a block of pixels gives; the arguments are as for filter3x%d.", name, kw))
	Pragma("noescape")
	mask := Load(Param("mask"), GP32())
	KMOVW(mask, reg.K1)
	taps(kw, "dw", func(m Mem, z reg.VecPhysical) { VMOVUPS_Z(m, reg.K1, z) })
	rows(kw, "dy", func(in func(int) Mem, from Mem) {
		d := zmm[9]
		VMOVUPS_Z(from, reg.K1, d)
		for k := range 3 * kw {
			VFMADD231PS(in(k), d, zmm[k])
		}
	})
	taps(kw, "dw", func(m Mem, z reg.VecPhysical) { VMOVUPS(z, reg.K1, m) })
	VZEROUPPER()
	RET()
}
