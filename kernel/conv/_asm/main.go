// Command asm generates the depthwise kernels of kernel/conv.
package main

import (
	"fmt"

	. "github.com/mmcloughlin/avo/build"
	. "github.com/mmcloughlin/avo/operand"
	"github.com/mmcloughlin/avo/reg"
)

var zmm = []reg.VecPhysical{
	reg.Z0, reg.Z1, reg.Z2, reg.Z3, reg.Z4, reg.Z5, reg.Z6, reg.Z7, reg.Z8, reg.Z9, reg.Z10, reg.Z11, reg.Z12, reg.Z13, reg.Z14, reg.Z15,
}

// groups are how many pixels are done at a time.
var groups = []int{4, 2, 1}

func main() {
	ConstraintExpr("amd64")
	for _, n := range groups {
		gather(n)
	}
	for _, n := range groups {
		weights(n)
	}
	Generate()
}

// walk runs body for each 16 of c channels, the last masked by K1. at is the
// byte offset of the channels.
func walk(body func(at reg.Register)) {
	c := Load(Param("c"), GP64())
	at, ones := GP64(), GP32()
	XORQ(at, at)
	MOVL(I32(0xffff), ones)
	KMOVW(ones, reg.K1)
	Label("channels")
	CMPQ(c, Imm(16))
	JGE(LabelRef("whole"))
	// The mask of the channels left: (1 << c) - 1.
	MOVL(U32(1), ones)
	MOVQ(c, reg.RCX)
	SHLL(reg.CL, ones)
	DECL(ones)
	KMOVW(ones, reg.K1)
	Label("whole")
	body(at)
	ADDQ(Imm(64), at)
	SUBQ(Imm(16), c)
	JG(LabelRef("channels"))
	VZEROUPPER()
	RET()
}

// pixels returns the address of pixel i of n from base on.
func pixels(base, stride, stride3 reg.Register) func(i int) Mem {
	return func(i int) Mem {
		switch i {
		case 0:
			return Mem{Base: base}
		case 3:
			return Mem{Base: base, Index: stride3, Scale: 1}
		}
		return Mem{Base: base, Index: stride, Scale: uint8(i)}
	}
}

func strides() (one, three reg.Register) {
	one, three = Load(Param("pixel"), GP64()), GP64()
	LEAQ(Mem{Base: one, Index: one, Scale: 2}, three)
	return one, three
}

// gather generates y[p, c] (+)= Σ_k w[k, c] x_k[p, c] for n pixels p.
func gather(n int) {
	name := fmt.Sprintf("gather%d", n)
	TEXT(name, NOSPLIT, "func(y, x, w *float32, xs, ws *int, taps, c, pixel int, acc uint32)")
	Doc(fmt.Sprintf("%s adds up the taps of %d pixels, pixel bytes apart, for c > 0 channels: tap k", name, n),
		"has its input xs[k] bytes from x and its weight ws[k] bytes from w.")
	Pragma("noescape")
	y, x, w := Load(Param("y"), GP64()), Load(Param("x"), GP64()), Load(Param("w"), GP64())
	xs, ws := Load(Param("xs"), GP64()), Load(Param("ws"), GP64())
	taps := Load(Param("taps"), GP64())
	stride, stride3 := strides()
	walk(func(at reg.Register) {
		acc := GP32()
		Load(Param("acc"), acc)
		to := GP64()
		LEAQ(Mem{Base: y, Index: at, Scale: 1}, to)
		out := pixels(to, stride, stride3)
		for i := range n {
			VPXORD(zmm[i], zmm[i], zmm[i])
		}
		TESTL(acc, acc)
		JZ(LabelRef("fresh"))
		for i := range n {
			VMOVUPS_Z(out(i), reg.K1, zmm[i])
		}
		Label("fresh")
		k := GP64()
		XORQ(k, k)
		Label("taps")
		from, weight := GP64(), GP64()
		MOVQ(Mem{Base: ws, Index: k, Scale: 8}, weight)
		ADDQ(w, weight)
		VMOVUPS_Z(Mem{Base: weight, Index: at, Scale: 1}, reg.K1, zmm[8])
		MOVQ(Mem{Base: xs, Index: k, Scale: 8}, from)
		ADDQ(x, from)
		ADDQ(at, from)
		in := pixels(from, stride, stride3)
		for i := range n {
			VFMADD231PS(in(i), zmm[8], reg.K1, zmm[i])
		}
		INCQ(k)
		CMPQ(k, taps)
		JL(LabelRef("taps"))
		for i := range n {
			VMOVUPS(zmm[i], reg.K1, out(i))
		}
	})
}

// weights generates dw[k, c] += Σ_p dy[p, c] x_k[p, c] over n pixels p.
func weights(n int) {
	name := fmt.Sprintf("weights%d", n)
	TEXT(name, NOSPLIT, "func(dw, dy, x *float32, ws, xs *int, taps, c, pixel int)")
	Doc(fmt.Sprintf("%s adds to the gradients of the taps' weights what %d pixels give them;", name, n),
		"the arguments are as those of gather.")
	Pragma("noescape")
	dw, dy, x := Load(Param("dw"), GP64()), Load(Param("dy"), GP64()), Load(Param("x"), GP64())
	ws, xs := Load(Param("ws"), GP64()), Load(Param("xs"), GP64())
	taps := Load(Param("taps"), GP64())
	stride, stride3 := strides()
	walk(func(at reg.Register) {
		from, to := GP64(), GP64()
		LEAQ(Mem{Base: dy, Index: at, Scale: 1}, from)
		in := pixels(from, stride, stride3)
		for i := range n {
			VMOVUPS_Z(in(i), reg.K1, zmm[i])
		}
		k := GP64()
		XORQ(k, k)
		Label("taps")
		MOVQ(Mem{Base: ws, Index: k, Scale: 8}, to)
		ADDQ(dw, to)
		ADDQ(at, to)
		VMOVUPS_Z(Mem{Base: to}, reg.K1, zmm[8])
		MOVQ(Mem{Base: xs, Index: k, Scale: 8}, from)
		ADDQ(x, from)
		ADDQ(at, from)
		in = pixels(from, stride, stride3)
		for i := range n {
			VFMADD231PS(in(i), zmm[i], reg.K1, zmm[8])
		}
		VMOVUPS(zmm[8], reg.K1, Mem{Base: to})
		INCQ(k)
		CMPQ(k, taps)
		JL(LabelRef("taps"))
	})
}
