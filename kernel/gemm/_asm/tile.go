package main

import (
	"fmt"

	. "github.com/mmcloughlin/avo/build"
	. "github.com/mmcloughlin/avo/operand"
	"github.com/mmcloughlin/avo/reg"
)

const tileSignature = "func(kc int, a *float32, rs, ks int, b, c *float32, ldc int, mask, acc uint32, next uintptr, step int)"

// kLoop runs step n times, four at a time.
func kLoop(n reg.Register, step func(u int)) {
	n4 := GP64()
	MOVQ(n, n4)
	SHRQ(Imm(2), n4)
	JZ(LabelRef("tail"))
	Label("loop4")
	for u := range 4 {
		step(u)
	}
	DECQ(n4)
	JNZ(LabelRef("loop4"))
	Label("tail")
	ANDQ(Imm(3), n)
	JZ(LabelRef("done"))
	Label("loop1")
	step(0)
	DECQ(n)
	JNZ(LabelRef("loop1"))
	Label("done")
}

// tile512 generates C[mr, 32] (+)= A[mr, kc] B[kc, 32] in lanes of 32 bits:
// one f32, or two bf16 of neighbouring k. A's lane (i, k) is at a + i rs + k ks,
// B's row k at b + 128 k, C's row i at c + i ldc; strides in bytes. The mask
// chooses columns. Small tiles keep several sums along k to hide the latency.
// Every k prefetches one more line of what is read later, from next on, step
// bytes apart.
func tile512(name string, mr int, bf16 bool) {
	TEXT(fmt.Sprintf("%sx%d", name, mr), NOSPLIT, tileSignature)
	Doc(fmt.Sprintf("%sx%d is one tile of %d rows by 32 columns.", name, mr, mr))
	Pragma("noescape")
	split := map[int]int{1: 4, 2: 4, 3: 4, 4: 2, 6: 2}[mr]
	if split == 0 {
		split = 1
	}
	sum := func(s, i, j int) int { return (s*mr+i)*2 + j }
	const b0, b1 = 30, 31
	broadcast := []int{24, 25, 26, 27, 28, 29}

	kc := Load(Param("kc"), GP64())
	rows, at := rowAddresses(mr)
	ks := Load(Param("ks"), GP64())
	b := Load(Param("b"), GP64())
	prefetchC(mr)
	next, ahead := Load(Param("next"), GP64()), Load(Param("step"), GP64())
	for i := range split * mr * 2 {
		VPXORD(zmm[i], zmm[i], zmm[i])
	}
	n := 0
	kLoop(kc, func(u int) {
		s := u % split
		VMOVUPS(Mem{Base: b}, zmm[b0])
		VMOVUPS(Mem{Base: b, Disp: 64}, zmm[b1])
		SUBQ(I8(-128), b)
		for i := range mr {
			w := broadcast[n%len(broadcast)]
			n++
			VBROADCASTSS(at(i), zmm[w])
			if bf16 {
				evex("VDPBF16PS", prefixF3, opVDPBF16PS, sum(s, i, 0), w, b0)
				evex("VDPBF16PS", prefixF3, opVDPBF16PS, sum(s, i, 1), w, b1)
			} else {
				VFMADD231PS(zmm[b0], zmm[w], zmm[sum(s, i, 0)])
				VFMADD231PS(zmm[b1], zmm[w], zmm[sum(s, i, 1)])
			}
		}
		for i := range rows {
			ADDQ(ks, rows[i])
		}
		PREFETCHT1(Mem{Base: next})
		ADDQ(ahead, next)
	})
	for s := split; s > 1; s /= 2 {
		half := mr * 2 * (s / 2)
		for i := range half {
			VADDPS(zmm[i+half], zmm[i], zmm[i])
		}
	}
	store512(mr)
}

// prefetchC fetches C's rows while k runs.
func prefetchC(mr int) {
	c, ldc := Load(Param("c"), GP64()), Load(Param("ldc"), GP64())
	for range mr {
		PREFETCHT1(Mem{Base: c})
		PREFETCHT1(Mem{Base: c, Disp: 64})
		ADDQ(ldc, c)
	}
}

// store512 adds the tile to C where acc is not 0, and stores it.
func store512(mr int) {
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
		VADDPS(reg.Z30, zmm[2*i], zmm[2*i])
		VADDPS(reg.Z31, zmm[2*i+1], zmm[2*i+1])
		ADDQ(ldc, old)
	}
	Label("store")
	for i := range mr {
		VMOVUPS(zmm[2*i], reg.K1, Mem{Base: c})
		VMOVUPS(zmm[2*i+1], reg.K2, Mem{Base: c, Disp: 64})
		ADDQ(ldc, c)
	}
	VZEROUPPER()
	RET()
}

// tileAVX2 generates the f32 tile 16 columns wide, half a panel. It always
// stores whole: the driver keeps edges in a scratch tile.
func tileAVX2(mr int) {
	TEXT(fmt.Sprintf("tileAVX2x%d", mr), NOSPLIT, "func(kc int, a *float32, rs, ks int, b, c *float32, ldc int, acc uint32, next uintptr, step int)")
	Doc(fmt.Sprintf("tileAVX2x%d is one tile of %d rows by 16 columns.", mr, mr))
	Pragma("noescape")
	split := map[int]int{1: 4, 2: 2, 3: 2}[mr]
	if split == 0 {
		split = 1
	}
	sum := func(s, i, j int) int { return (s*mr+i)*2 + j }
	kc := Load(Param("kc"), GP64())
	rows, at := rowAddresses(mr)
	ks := Load(Param("ks"), GP64())
	b := Load(Param("b"), GP64())
	prefetchC(mr)
	next, ahead := Load(Param("next"), GP64()), Load(Param("step"), GP64())
	for i := range split * mr * 2 {
		VXORPS(ymm[i], ymm[i], ymm[i])
	}
	kLoop(kc, func(u int) {
		VMOVUPS(Mem{Base: b}, ymm[14])
		VMOVUPS(Mem{Base: b, Disp: 32}, ymm[15])
		SUBQ(I8(-128), b)
		for i := range mr {
			w := 12 + i%2
			VBROADCASTSS(at(i), ymm[w])
			VFMADD231PS(ymm[14], ymm[w], ymm[sum(u%split, i, 0)])
			VFMADD231PS(ymm[15], ymm[w], ymm[sum(u%split, i, 1)])
		}
		for i := range rows {
			ADDQ(ks, rows[i])
		}
		PREFETCHT1(Mem{Base: next})
		ADDQ(ahead, next)
	})
	for s := split; s > 1; s /= 2 {
		half := mr * 2 * (s / 2)
		for i := range half {
			VADDPS(ymm[i+half], ymm[i], ymm[i])
		}
	}
	c := Load(Param("c"), GP64())
	ldc := Load(Param("ldc"), GP64())
	acc := Load(Param("acc"), GP32())
	TESTL(acc, acc)
	JZ(LabelRef("store"))
	old := GP64()
	MOVQ(c, old)
	for i := range mr {
		VADDPS(Mem{Base: old}, ymm[i*2], ymm[i*2])
		VADDPS(Mem{Base: old, Disp: 32}, ymm[i*2+1], ymm[i*2+1])
		ADDQ(ldc, old)
	}
	Label("store")
	for i := range mr {
		VMOVUPS(ymm[i*2], Mem{Base: c})
		VMOVUPS(ymm[i*2+1], Mem{Base: c, Disp: 32})
		ADDQ(ldc, c)
	}
	VZEROUPPER()
	RET()
}
