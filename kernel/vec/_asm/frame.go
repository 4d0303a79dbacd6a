package main

import (
	"fmt"
	"strings"

	. "github.com/mmcloughlin/avo/build"
	. "github.com/mmcloughlin/avo/operand"
	"github.com/mmcloughlin/avo/reg"
)

// kernel is the body of a function of vec.
type kernel struct {
	setup   func(k *kern)                // constants
	body    func(k *kern)                // one vector of a map
	reduce  func(k *kern, acc, fill vec) // one vector of a reduction into acc
	combine func(...Op)                  // VADDPS unless set: how accumulators merge
	start   float32                      // of the accumulators
	rows    func(k *kern)                // takes over the loops as a whole
	width   bool                         // takes a second length w, the last slice's
	only512 bool
}

// unroll is how many accumulators a reduction keeps: enough to hide the four
// cycles of an addition.
const unroll = 4

func generate(s signature, b kernel, wide bool) {
	k := &kern{wide: wide, lanes: 8, ptr: map[string]reg.Register{}, size: map[string]reg.GPVirtual{}, par: map[string]vec{}, consts: map[uint32]Op{}}
	suffix := "AVX2"
	if wide {
		k.lanes, suffix = 16, "AVX512"
	}
	lengths := 1
	if b.width {
		lengths = 2
	}
	list, _ := s.asmParams(lengths)
	ret := ""
	if s.ret {
		ret = " (ret float32)"
	}
	TEXT(s.name+suffix, NOSPLIT, fmt.Sprintf("func(%s)%s", list, ret))
	Doc(fmt.Sprintf("%s%s is %sGo with %s.", s.name, suffix, s.name, strings.Replace(suffix, "AVX512", "AVX-512", 1)))
	Pragma("noescape")
	for _, p := range s.params {
		if p.slice {
			k.ptr[p.name] = Load(Param(p.name), GP64())
			continue
		}
		if p.elem == "int" {
			k.size[p.name] = Load(Param(p.name), GP64()).(reg.GPVirtual)
			continue
		}
		v := k.new()
		x := v.AsX()
		Load(Param(p.name), x)
		VBROADCASTSS(x, v)
		k.par[p.name] = v
	}
	n, ok := k.size["n"]
	if !ok {
		n = Load(Param("n"), GP64()).(reg.GPVirtual)
		k.size["n"] = n
	}
	if b.setup != nil {
		b.setup(k)
	}
	switch {
	case b.rows != nil:
		b.rows(k)
	case b.reduce != nil:
		k.reduction(b, n)
	default:
		k.i = GP64()
		XORQ(k.i, k.i)
		k.loop("loop", "tail", n, func() { b.body(k) }, 1)
		k.remainder(n, func() { b.body(k) })
	}
	Label("end")
	VZEROUPPER()
	RET()
}

// loop runs body while at least times vectors remain; i moves on.
func (k *kern) loop(label, exit string, n reg.GPVirtual, body func(), times int) {
	last := GP64()
	LEAQ(Mem{Base: n, Disp: -times * k.lanes}, last)
	Label(label)
	CMPQ(k.i, last)
	JG(LabelRef(exit))
	body()
	ADDQ(Imm(uint64(times*k.lanes)), k.i)
	JMP(LabelRef(label))
	Label(exit)
}

// remainder runs body once more, masked, on what is left after the loops.
func (k *kern) remainder(n reg.GPVirtual, body func()) {
	SUBQ(k.i, n)
	JLE(LabelRef("end"))
	k.setMask(n)
	k.tail = true
	body()
	k.tail = false
}

// setMask makes the mask of the lowest n lanes, n below the number of lanes.
func (k *kern) setMask(n reg.GPVirtual) {
	if k.wide {
		m := GP64()
		MOVQ(I32(-1), m)
		BZHIQ(n, m, m)
		KMOVW(m.As32(), reg.K1)
		return
	}
	p, q := GP64(), GP64()
	LEAQ(maskTable(), p)
	MOVQ(n, q)
	NEGQ(q)
	k.mask = YMM()
	VMOVUPS(Mem{Base: p, Index: q, Scale: 4, Disp: 32}, k.mask)
}

var masks *Mem

// maskTable is eight times all ones, then eight times zero.
func maskTable() Mem {
	if masks == nil {
		m := GLOBL("masks", RODATA|NOPTR)
		for i := range 16 {
			v := uint32(0)
			if i < 8 {
				v = 0xffffffff
			}
			DATA(4*i, U32(v))
		}
		masks = &m
	}
	return *masks
}

func (k *kern) reduction(b kernel, n reg.GPVirtual) {
	merge := b.combine
	if merge == nil {
		merge = VADDPS
	}
	k.constant(b.start)
	acc := make([]vec, unroll)
	for i := range acc {
		acc[i] = k.copy(k.c(b.start))
	}
	fill := k.copy(k.c(b.start))
	k.i = GP64()
	XORQ(k.i, k.i)
	k.loop("loop4", "loop1", n, func() {
		for u, a := range acc {
			k.off = u * k.lanes
			b.reduce(k, a, fill)
		}
		k.off = 0
	}, unroll)
	for d := unroll / 2; d > 0; d /= 2 {
		for i := range d {
			merge(acc[i+d], acc[i], acc[i])
		}
	}
	k.loop("loop", "tail", n, func() { b.reduce(k, acc[0], fill) }, 1)
	SUBQ(k.i, n)
	JLE(LabelRef("fold"))
	k.setMask(n)
	k.tail = true
	b.reduce(k, acc[0], fill)
	k.tail = false
	Label("fold")
	Store(k.fold(merge, acc[0]), ReturnIndex(0))
}
