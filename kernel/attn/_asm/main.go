// Command asm generates the kernel of a single token of lightning attention.
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

func main() {
	ConstraintExpr("amd64")
	for _, n := range []int{8, 4, 1} {
		step(n)
	}
	Generate()
}

// step generates s = λs + kᵀv, o = q s for 16n columns of a state; with one
// vector they may be fewer.
func step(n int) {
	name := fmt.Sprintf("lightningStep%d", 16*n)
	TEXT(name, NOSPLIT, "func(o, q, k, v, s *float32, rows, pitch int, decay float32, mask uint32)")
	Doc(fmt.Sprintf("%s moves %d columns of a state on by one token, rows > 0 of them pitch bytes apart;", name, 16*n),
		"mask chooses among the last 16.")
	Pragma("noescape")
	o, q, k := Load(Param("o"), GP64()), Load(Param("q"), GP64()), Load(Param("k"), GP64())
	v, s := Load(Param("v"), GP64()), Load(Param("s"), GP64())
	rows, pitch := Load(Param("rows"), GP64()), Load(Param("pitch"), GP64())
	mask := Load(Param("mask"), GP32())
	KMOVW(mask, reg.K1)
	decay := zmm[31]
	d, err := Param("decay").Resolve()
	if err != nil {
		panic(err)
	}
	VBROADCASTSS(d.Addr, decay)
	vs, acc, st := zmm[:n], zmm[8:8+n], zmm[16:16+n]
	load := func(m Mem, i int, z reg.VecPhysical) {
		if i == n-1 {
			VMOVUPS_Z(m, reg.K1, z)
		} else {
			VMOVUPS(m, z)
		}
	}
	store := func(z reg.VecPhysical, i int, m Mem) {
		if i == n-1 {
			VMOVUPS(z, reg.K1, m)
		} else {
			VMOVUPS(z, m)
		}
	}
	for i := range n {
		load(Mem{Base: v, Disp: 64 * i}, i, vs[i])
		VPXORD(acc[i], acc[i], acc[i])
	}
	Label("loop")
	for i := range n {
		load(Mem{Base: s, Disp: 64 * i}, i, st[i])
	}
	VBROADCASTSS(Mem{Base: k}, zmm[29])
	VBROADCASTSS(Mem{Base: q}, zmm[30])
	for i := range n {
		VMULPS(decay, st[i], st[i])
		VFMADD231PS(zmm[29], vs[i], st[i])
	}
	for i := range n {
		store(st[i], i, Mem{Base: s, Disp: 64 * i})
		VFMADD231PS(zmm[30], st[i], acc[i])
	}
	ADDQ(pitch, s)
	ADDQ(Imm(4), k)
	ADDQ(Imm(4), q)
	DECQ(rows)
	JNZ(LabelRef("loop"))
	for i := range n {
		store(acc[i], i, Mem{Base: o, Disp: 64 * i})
	}
	VZEROUPPER()
	RET()
}
