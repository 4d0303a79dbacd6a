package main

import (
	"fmt"

	. "github.com/mmcloughlin/avo/build"
	. "github.com/mmcloughlin/avo/operand"
	"github.com/mmcloughlin/avo/reg"
)

// scanPanels is the panels of 16 keys that a scan takes at a time: enough sums
// that none waits for the one before.
const scanPanels = 4

// scan generates the scores of a few heads' queries with keys of four or eight
// bits. A panel has 16 keys side by side, four of their values in each lane; of
// nibbles the low ones come before the high ones. The queries lie alike: four
// values of each head, then the next four.
func scan(bits, heads int) {
	kind := map[int]string{4: "Nibbles", 8: "Bytes"}[bits]
	name := fmt.Sprintf("scan%s%d", kind, heads)
	TEXT(name, NOSPLIT, "func(x *float32, ldx int, q *int8, less *int32, qscale *float32, keys *byte, scale *uint16, rows, n int)")
	Doc(fmt.Sprintf("%s computes the scores of %d heads with 64n > 0 keys whose panels have rows > 0 vectors;", name, heads),
		"x is ldx bytes apart, less is where the sums begin, scale are halves.")
	Pragma("noescape")
	x, ldx := Load(Param("x"), GP64()), Load(Param("ldx"), GP64())
	q, keys, scale := Load(Param("q"), GP64()), Load(Param("keys"), GP64()), Load(Param("scale"), GP64())
	rows, n := Load(Param("rows"), GP64()), Load(Param("n"), GP64())
	stride, stride3 := GP64(), GP64()
	MOVQ(rows, stride)
	SHLQ(Imm(6), stride)
	LEAQ(Mem{Base: stride, Index: stride, Scale: 2}, stride3)
	low, high, b0, b1, mask := zmm[:4], zmm[4:8], zmm[8], zmm[9], zmm[10]
	sum := func(h, p int) reg.VecPhysical { return zmm[16+h*scanPanels+p] }
	panel := func(p int) Mem {
		switch p {
		case 1, 2:
			return Mem{Base: keys, Index: stride, Scale: uint8(p)}
		case 3:
			return Mem{Base: keys, Index: stride3, Scale: 1}
		}
		return Mem{Base: keys}
	}
	tmp := GP64()
	if bits == 4 {
		MOVQ(U64(0x0F0F0F0F0F0F0F0F), tmp)
		VPBROADCASTQ(tmp, mask)
	}
	ahead := GP64() // two rounds: what the sums leave of the time does not hide the memory
	LEAQ(Mem{Base: keys, Index: stride, Scale: 8}, ahead)
	Label("keys")
	Load(Param("less"), tmp)
	for h := range heads {
		for p := range scanPanels {
			VPBROADCASTD(Mem{Base: tmp, Disp: 4 * h}, sum(h, p))
		}
	}
	at, left := GP64(), GP64()
	MOVQ(q, at)
	MOVQ(rows, left)
	Label("row")
	for p := range scanPanels {
		PREFETCHT0(Mem{Base: ahead, Disp: 64 * p})
		VMOVDQU8(panel(p), low[p])
		if bits == 4 {
			VPSRLW(Imm(4), low[p], high[p])
			VPANDD(mask, low[p], low[p])
			VPANDD(mask, high[p], high[p])
		}
	}
	for h := range heads {
		VPBROADCASTD(Mem{Base: at, Disp: 4 * h}, b0)
		for p := range scanPanels {
			VPDPBUSD(b0, low[p], sum(h, p))
		}
		if bits == 4 {
			VPBROADCASTD(Mem{Base: at, Disp: 4 * (heads + h)}, b1)
			for p := range scanPanels {
				VPDPBUSD(b1, high[p], sum(h, p))
			}
		}
	}
	ADDQ(Imm(64), keys)
	ADDQ(U32(256), ahead)
	ADDQ(Imm(uint64(4*heads*8/bits)), at)
	DECQ(left)
	JNZ(LabelRef("row"))
	ADDQ(stride3, keys) // over the other three panels
	for p := range scanPanels {
		VCVTPH2PS(Mem{Base: scale, Disp: 32 * p}, low[p])
	}
	out := at
	MOVQ(x, out)
	Load(Param("qscale"), tmp)
	for h := range heads {
		for p := range scanPanels {
			VCVTDQ2PS(sum(h, p), sum(h, p))
			VMULPS(low[p], sum(h, p), sum(h, p))
			VMULPS_BCST(Mem{Base: tmp, Disp: 4 * h}, sum(h, p), sum(h, p))
			VMOVUPS(sum(h, p), Mem{Base: out, Disp: 64 * p})
		}
		if h+1 < heads {
			ADDQ(ldx, out)
		}
	}
	ADDQ(U32(128), scale)
	ADDQ(U32(256), x)
	DECQ(n)
	JNZ(LabelRef("keys"))
	VZEROUPPER()
	RET()
}
