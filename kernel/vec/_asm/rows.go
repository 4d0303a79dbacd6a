package main

import (
	. "github.com/mmcloughlin/avo/build"
	. "github.com/mmcloughlin/avo/operand"
	"github.com/mmcloughlin/avo/reg"
)

// rotate turns the pairs of a vector; back adds the inverse rotation.
func (k *kern) rotate(dst, src string, cos, sin vec, back bool) {
	x := k.load(src)
	swapped := k.new()
	VPERMILPS(Imm(0xb1), x, swapped)
	y := k.mul(x, cos)
	if back {
		k.fnmaInto(y, swapped, sin)
		y = k.add(y, k.load(dst))
	} else {
		k.fmaInto(y, swapped, sin)
	}
	k.store(dst, y)
}

// rope walks the columns of a head, a vector at a time, and under each column
// the heads, so that cosine and sine are loaded once.
func (k *kern) rope(dst, src string, back bool) {
	n := k.size["n"]
	w := Load(Param("w"), GP64()).(reg.GPVirtual)
	column := GP64()
	XORQ(column, column)
	heads := func(label string) {
		k.i = column
		cos, sin := k.load("cos"), k.load("sin")
		k.i = GP64()
		MOVQ(column, k.i)
		Label(label)
		CMPQ(k.i, n)
		JGE(LabelRef(label + "end"))
		k.rotate(dst, src, cos, sin, back)
		ADDQ(w, k.i)
		JMP(LabelRef(label))
		Label(label + "end")
	}
	left := GP64()
	MOVQ(w, left)
	Label("columns")
	CMPQ(left, Imm(uint64(k.lanes)))
	JL(LabelRef("tail"))
	heads("full")
	ADDQ(Imm(uint64(k.lanes)), column)
	SUBQ(Imm(uint64(k.lanes)), left)
	JMP(LabelRef("columns"))
	Label("tail")
	TESTQ(left, left)
	JLE(LabelRef("end"))
	k.setMask(left)
	k.tail = true
	heads("part")
	k.tail = false
}

// eachRow runs body on every vector of n strided rows of d values, which move
// on by the parameter <name>Stride; scalar names a slice with one number a row,
// which body finds in k.par["row"].
func (k *kern) eachRow(scalar string, strided []string, body func()) {
	n, d := k.size["n"], k.size["d"]
	for _, s := range strided {
		SHLQ(Imm(2), k.size[s+"Stride"])
	}
	full := GP64() // the last start of a whole vector
	LEAQ(Mem{Base: d, Disp: -k.lanes}, full)
	k.tailMask(d)
	TESTQ(n, n)
	JLE(LabelRef("end"))
	k.i = GP64()
	Label("row")
	v := k.new()
	VBROADCASTSS(Mem{Base: k.ptr[scalar]}, v)
	ADDQ(Imm(4), k.ptr[scalar])
	k.par["row"] = v
	k.columns(full, d, body)
	for _, s := range strided {
		ADDQ(k.size[s+"Stride"], k.ptr[s])
	}
	DECQ(n)
	JNZ(LabelRef("row"))
}

// tailMask makes the mask of what d leaves over whole vectors.
func (k *kern) tailMask(d reg.GPVirtual) {
	left := GP64()
	MOVQ(d, left)
	ANDQ(Imm(uint64(k.lanes-1)), left)
	k.setMask(left)
}

// columns runs body on the vectors of one row.
func (k *kern) columns(full, d reg.GPVirtual, body func()) {
	XORQ(k.i, k.i)
	Label("column")
	CMPQ(k.i, full)
	JG(LabelRef("part"))
	body()
	ADDQ(Imm(uint64(k.lanes)), k.i)
	JMP(LabelRef("column"))
	Label("part")
	CMPQ(k.i, d)
	JGE(LabelRef("next"))
	k.tail = true
	body()
	k.tail = false
	Label("next")
}

// dotRows keeps one accumulator a row; the rows overlap in the pipeline.
func (k *kern) dotRows() {
	n, d := k.size["n"], k.size["d"]
	for _, s := range []string{"a", "b"} {
		SHLQ(Imm(2), k.size[s+"Stride"])
	}
	full := GP64()
	LEAQ(Mem{Base: d, Disp: -k.lanes}, full)
	k.tailMask(d)
	TESTQ(n, n)
	JLE(LabelRef("end"))
	k.i = GP64()
	Label("row")
	acc := k.zero()
	k.columns(full, d, func() { k.fmaInto(acc, k.load("a"), k.load("b")) })
	VMOVSS(k.fold(VADDPS, acc), Mem{Base: k.ptr["dst"]})
	ADDQ(Imm(4), k.ptr["dst"])
	for _, s := range []string{"a", "b"} {
		ADDQ(k.size[s+"Stride"], k.ptr[s])
	}
	DECQ(n)
	JNZ(LabelRef("row"))
}

// prefetch takes the slice a cache line at a time.
func prefetch(k *kern) {
	p, n := k.ptr["x"], k.size["n"]
	Label("line")
	TESTQ(n, n)
	JLE(LabelRef("end"))
	PREFETCHT1(Mem{Base: p})
	ADDQ(Imm(64), p)
	SUBQ(Imm(16), n)
	JMP(LabelRef("line"))
}
