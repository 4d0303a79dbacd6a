// Command asm generates the kernels of single tokens: a step of lightning
// attention, products with a cache in half precision, scans of keys in bytes and
// less.
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
	for _, mr := range []int{8, 4, 3, 2, 1} {
		tile("half", "uint16", mr, 64, func(b reg.Register, k int, lo, hi reg.VecPhysical) {
			VCVTPH2PS(Mem{Base: b, Disp: 64 * k}, lo)
			VCVTPH2PS(Mem{Base: b, Disp: 64*k + 32}, hi)
		})
		tile("byte", "int8", mr, 32, func(b reg.Register, k int, lo, hi reg.VecPhysical) {
			VPMOVSXBD(Mem{Base: b, Disp: 32 * k}, lo)
			VPMOVSXBD(Mem{Base: b, Disp: 32*k + 16}, hi)
			VCVTDQ2PS(lo, lo)
			VCVTDQ2PS(hi, hi)
		})
	}
	widen()
	for _, heads := range []int{4, 3, 2, 1} {
		scan(4, heads)
		scan(8, heads)
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

// tile generates C[mr, 32] (+)= A[mr, n] B[n, 32] for a B whose rows take a
// number of bytes and are loaded so. Low tiles add up even and odd k apart, so
// that no sum waits for the one before.
func tile(kind, typ string, mr, bytes int, load func(b reg.Register, k int, lo, hi reg.VecPhysical)) {
	name := fmt.Sprintf("%sTile%d", kind, mr)
	TEXT(name, NOSPLIT, "func(c, a *float32, b *"+typ+", n, rs, ldc int, acc uint32)")
	Doc(fmt.Sprintf("%s computes C[%d, 32] = A[%d, n] B[n, 32], or adds it where acc is 65535; n > 0, rows of", name, mr, mr),
		"A are rs bytes apart, of C ldc bytes.")
	Pragma("noescape")
	c, a, b := Load(Param("c"), GP64()), Load(Param("a"), GP64()), Load(Param("b"), GP64())
	n, rs, ldc := Load(Param("n"), GP64()), Load(Param("rs"), GP64()), Load(Param("ldc"), GP64())
	mask := Load(Param("acc"), GP32())
	KMOVW(mask, reg.K1)
	rs3 := GP64()
	LEAQ(Mem{Base: rs, Index: rs, Scale: 2}, rs3)
	high := GP64()
	if mr > 4 {
		LEAQ(Mem{Base: a, Index: rs, Scale: 4}, high)
	}
	row := func(r, k int) Mem {
		m := Mem{Base: a, Disp: 4 * k}
		if r >= 4 {
			m.Base, r = high, r-4
		}
		switch r {
		case 1, 2:
			m.Index, m.Scale = rs, uint8(r)
		case 3:
			m.Index, m.Scale = rs3, 1
		}
		return m
	}
	sets := 1
	if mr <= 2 {
		sets = 2
	}
	sum := func(set, r, half int) reg.VecPhysical { return zmm[8+(set*mr+r)*2+half] }
	at := GP64()
	MOVQ(c, at)
	for r := range mr {
		for half := range 2 {
			VMOVUPS_Z(Mem{Base: at, Disp: 64 * half}, reg.K1, sum(0, r, half))
			if sets == 2 {
				VPXORD(sum(1, r, half), sum(1, r, half), sum(1, r, half))
			}
		}
		if r+1 < mr {
			ADDQ(ldc, at)
		}
	}
	lane := func(k int) {
		lo, hi := zmm[4*(k%2)], zmm[4*(k%2)+1]
		load(b, k, lo, hi)
		for r := range mr {
			VFMADD231PS_BCST(row(r, k), lo, sum(k%sets, r, 0))
			VFMADD231PS_BCST(row(r, k), hi, sum(k%sets, r, 1))
		}
	}
	step := func(k int) {
		ADDQ(U32(uint32(bytes*k)), b)
		ADDQ(Imm(uint64(4*k)), a)
		if mr > 4 {
			ADDQ(Imm(uint64(4*k)), high)
		}
	}
	SUBQ(Imm(4), n)
	JL(LabelRef("rest"))
	Label("loop")
	for k := range 4 {
		lane(k)
	}
	step(4)
	SUBQ(Imm(4), n)
	JGE(LabelRef("loop"))
	Label("rest")
	ADDQ(Imm(4), n)
	JZ(LabelRef("done"))
	Label("one")
	lane(0)
	step(1)
	DECQ(n)
	JNZ(LabelRef("one"))
	Label("done")
	for r := range mr {
		for half := range 2 {
			if sets == 2 {
				VADDPS(sum(1, r, half), sum(0, r, half), sum(0, r, half))
			}
			VMOVUPS(sum(0, r, half), Mem{Base: c, Disp: 64 * half})
		}
		if r+1 < mr {
			ADDQ(ldc, c)
		}
	}
	VZEROUPPER()
	RET()
}

// widen generates y = x for 16n bytes.
func widen() {
	TEXT("widen16", NOSPLIT, "func(y *float32, x *int8, n int)")
	Doc("widen16 turns 16n > 0 bytes into float32.")
	Pragma("noescape")
	y, x, n := Load(Param("y"), GP64()), Load(Param("x"), GP64()), Load(Param("n"), GP64())
	Label("loop")
	VPMOVSXBD(Mem{Base: x}, zmm[0])
	VCVTDQ2PS(zmm[0], zmm[0])
	VMOVUPS(zmm[0], Mem{Base: y})
	ADDQ(Imm(16), x)
	ADDQ(Imm(64), y)
	DECQ(n)
	JNZ(LabelRef("loop"))
	VZEROUPPER()
	RET()
}
