package main

import (
	"fmt"

	. "github.com/mmcloughlin/avo/build"
	. "github.com/mmcloughlin/avo/operand"
)

// tileSegments generates the tile of tile512 for rows of A that are n segments
// of kc contiguous lanes each: after a segment all rows move on by the next
// value of steps, in bytes.
func tileSegments(name string, mr int, bf16 bool) {
	TEXT(fmt.Sprintf("%sx%d", name, mr), NOSPLIT, "func(kc int, a *float32, rs int, steps *int, n int, b, c *float32, ldc int, mask, acc uint32)")
	Doc(fmt.Sprintf("%sx%d is one tile of %d rows in segments by 32 columns.", name, mr, mr))
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
	steps := Load(Param("steps"), GP64())
	n := Load(Param("n"), GP64())
	b := Load(Param("b"), GP64())
	prefetchC(mr)
	for i := range split * mr * 2 {
		VPXORD(zmm[i], zmm[i], zmm[i])
	}
	turn := 0
	step := func(u int) {
		s := u % split
		VMOVUPS(Mem{Base: b}, zmm[b0])
		VMOVUPS(Mem{Base: b, Disp: 64}, zmm[b1])
		SUBQ(I8(-128), b)
		for i := range mr {
			w := broadcast[turn%len(broadcast)]
			turn++
			m := at(i)
			m.Disp = 4 * u
			VBROADCASTSS(m, zmm[w])
			if bf16 {
				evex("VDPBF16PS", prefixF3, opVDPBF16PS, sum(s, i, 0), w, b0)
				evex("VDPBF16PS", prefixF3, opVDPBF16PS, sum(s, i, 1), w, b1)
			} else {
				VFMADD231PS(zmm[b0], zmm[w], zmm[sum(s, i, 0)])
				VFMADD231PS(zmm[b1], zmm[w], zmm[sum(s, i, 1)])
			}
		}
	}
	move := func(by Op) {
		for i := range rows {
			ADDQ(by, rows[i])
		}
	}
	left := GP64()
	Label("segment")
	MOVQ(kc, left)
	SHRQ(Imm(2), left)
	JZ(LabelRef("tail"))
	Label("loop4")
	for u := range 4 {
		step(u)
	}
	move(Imm(16))
	DECQ(left)
	JNZ(LabelRef("loop4"))
	Label("tail")
	MOVQ(kc, left)
	ANDQ(Imm(3), left)
	JZ(LabelRef("next"))
	Label("loop1")
	step(0)
	move(Imm(4))
	DECQ(left)
	JNZ(LabelRef("loop1"))
	Label("next")
	DECQ(n)
	JZ(LabelRef("done"))
	MOVQ(Mem{Base: steps}, left)
	ADDQ(Imm(8), steps)
	move(left)
	JMP(LabelRef("segment"))
	Label("done")
	for s := split; s > 1; s /= 2 {
		half := mr * 2 * (s / 2)
		for i := range half {
			VADDPS(zmm[i+half], zmm[i], zmm[i])
		}
	}
	store512(mr)
}
