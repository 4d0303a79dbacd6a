package main

import (
	"fmt"
	"math"

	. "github.com/mmcloughlin/avo/build"
	. "github.com/mmcloughlin/avo/operand"
	"github.com/mmcloughlin/avo/reg"
)

// vec is a vector register of the kernel's width.
type vec = reg.VecVirtual

// kern is one function being generated, for AVX-512 or AVX2. Its methods emit
// the instructions of the one or the other; each returns a new register unless
// it says otherwise, and avo assigns the registers.
type kern struct {
	wide   bool // AVX-512
	lanes  int
	ptr    map[string]reg.Register
	size   map[string]reg.GPVirtual
	par    map[string]vec // broadcast scalars
	consts map[uint32]Op  // by bits
	i      reg.GPVirtual  // index of the element
	off    int            // in elements, beyond i: for unrolled code
	tail   bool
	mask   vec // AVX2 tail
}

// K1 is the mask of the tail; K2 and K3 are free for comparisons.

func (k *kern) new() vec {
	if k.wide {
		return ZMM()
	}
	return YMM()
}

// half gives the register's lower halves.
func low(v vec) (y, x reg.Register) { return v.AsY(), v.AsX() }

var constants = map[uint32]Mem{}

// constant makes the value ready in every lane, before the loop begins: in a
// register with AVX-512, in memory with AVX2, which has only 16 registers.
func (k *kern) constant(vs ...float32) {
	for _, v := range vs {
		k.bits(math.Float32bits(v))
	}
}

func (k *kern) bits(b uint32) {
	if _, ok := k.consts[b]; ok {
		return
	}
	m, ok := constants[b]
	if !ok {
		m = GLOBL(fmt.Sprintf("c%08x", b), RODATA|NOPTR)
		for i := range 8 {
			DATA(4*i, U32(b))
		}
		constants[b] = m
	}
	if !k.wide {
		k.consts[b] = m
		return
	}
	z := ZMM()
	VBROADCASTSS(m, z)
	k.consts[b] = z
}

// c is the operand of a constant made before.
func (k *kern) c(v float32) Op {
	op, ok := k.consts[math.Float32bits(v)]
	if !ok {
		panic(fmt.Sprintf("constant %v not made before the loop", v))
	}
	return op
}

func (k *kern) mem(name string, elemBytes int) Mem {
	return Mem{Base: k.ptr[name], Index: k.i, Scale: uint8(elemBytes), Disp: k.off * elemBytes}
}

// load reads the elements at i; the missing ones of a tail are zero.
func (k *kern) load(name string) vec {
	v, m := k.new(), k.mem(name, 4)
	switch {
	case !k.tail:
		VMOVUPS(m, v)
	case k.wide:
		VMOVUPS_Z(m, reg.K1, v)
	default:
		VMASKMOVPS(m, k.mask, v)
	}
	return v
}

func (k *kern) store(name string, v vec) {
	m := k.mem(name, 4)
	switch {
	case !k.tail:
		VMOVUPS(v, m)
	case k.wide:
		VMOVUPS(v, reg.K1, m)
	default:
		VMASKMOVPS(v, k.mask, m)
	}
}

// addTo adds v to what stands at name.
func (k *kern) addTo(name string, v vec) { k.store(name, k.add(k.load(name), v)) }

// fmaTo adds a*b to what stands at name.
func (k *kern) fmaTo(name string, a vec, b Op) {
	d := k.load(name)
	k.fmaInto(d, a, b)
	k.store(name, d)
}

func (k *kern) bin(f func(...Op), a vec, b Op) vec {
	r := k.new()
	f(b, a, r)
	return r
}

func (k *kern) add(a vec, b Op) vec { return k.bin(VADDPS, a, b) }
func (k *kern) sub(a vec, b Op) vec { return k.bin(VSUBPS, a, b) }
func (k *kern) mul(a vec, b Op) vec { return k.bin(VMULPS, a, b) }
func (k *kern) div(a vec, b Op) vec { return k.bin(VDIVPS, a, b) }

// max and min give b where either is NaN.
func (k *kern) max(a vec, b Op) vec { return k.bin(VMAXPS, a, b) }
func (k *kern) min(a vec, b Op) vec { return k.bin(VMINPS, a, b) }

func (k *kern) and(a vec, b Op) vec {
	if k.wide {
		return k.bin(VPANDD, a, b)
	}
	return k.bin(VANDPS, a, b)
}

func (k *kern) xor(a vec, b Op) vec {
	if k.wide {
		return k.bin(VPXORD, a, b)
	}
	return k.bin(VXORPS, a, b)
}

func (k *kern) sqrt(a vec) vec {
	r := k.new()
	VSQRTPS(a, r)
	return r
}

func (k *kern) copy(a Op) vec {
	r := k.new()
	VMOVUPS(a, r)
	return r
}

// zero is a new register of zeros.
func (k *kern) zero() vec {
	r := k.new()
	if k.wide {
		VPXORD(r, r, r)
	} else {
		VXORPS(r, r, r)
	}
	return r
}

// fmaInto: r += a*b, in place.
func (k *kern) fmaInto(r, a vec, b Op) { VFMADD231PS(b, a, r) }

// fnmaInto: r -= a*b, in place.
func (k *kern) fnmaInto(r, a vec, b Op) { VFNMADD231PS(b, a, r) }

// horner: r = r*x + c, in place.
func (k *kern) horner(r, x vec, c Op) { VFMADD213PS(c, x, r) }

// fma is a*b + c.
func (k *kern) fma(a vec, b, c Op) vec {
	r := k.copy(c)
	k.fmaInto(r, a, b)
	return r
}

// round is a rounded to the nearest whole number.
func (k *kern) round(a vec) vec {
	r := k.new()
	if k.wide {
		VRNDSCALEPS(Imm(8), a, r)
	} else {
		VROUNDPS(Imm(8), a, r)
	}
	return r
}

// scale2 is y * 2^n for whole n from -126 to 128.
func (k *kern) scale2(y, n vec) vec {
	r := k.new()
	if k.wide {
		VSCALEFPS(n, y, r)
		return r
	}
	// 2^128 is no float: double y and leave one power out.
	VCVTPS2DQ(n, r)
	VPADDD(k.consts[126], r, r)
	VPSLLD(Imm(23), r, r)
	return k.mul(k.add(y, y), r)
}

// wherePositive is v where x > 0 and zero elsewhere.
func (k *kern) wherePositive(x, v vec) vec {
	r := k.zero()
	if k.wide {
		VCMPPS(Imm(0x1e), r, x, reg.K2)
		VMOVAPS_Z(v, reg.K2, r)
		return r
	}
	VCMPPS(Imm(0x1e), r, x, r)
	VANDPS(v, r, r)
	return r
}

// keep gives v with the missing elements of a tail set to fill (a register of
// zeros, or of -Inf), for reductions.
func (k *kern) keep(v, fill vec) vec {
	if !k.tail {
		return v
	}
	r := k.new()
	if k.wide {
		VMOVAPS(fill, r)
		VMOVAPS(v, reg.K1, r)
		return r
	}
	VBLENDVPS(k.mask, v, fill, r)
	return r
}

// fold reduces the lanes of a to one in the lowest lane, in place.
func (k *kern) fold(f func(...Op), a vec) reg.Register {
	y, x := low(a)
	t := k.new()
	ty, tx := low(t)
	if k.wide {
		VEXTRACTF64X4(Imm(1), a, ty)
		f(ty, y, y)
	}
	VEXTRACTF128(Imm(1), y, tx)
	f(tx, x, x)
	VPERMILPS(Imm(0x4e), x, tx)
	f(tx, x, x)
	VPERMILPS(Imm(0xb1), x, tx)
	f(tx, x, x)
	return x
}
