package main

import (
	"math"

	. "github.com/mmcloughlin/avo/build"
	. "github.com/mmcloughlin/avo/operand"
	"github.com/mmcloughlin/avo/reg"
)

// kernels are the bodies, by the twin's name. A twin that is missing here is
// called directly.
var kernels = map[string]kernel{
	"add":    {body: func(k *kern) { k.store("dst", k.add(k.load("a"), k.load("b"))) }},
	"sub":    {body: func(k *kern) { k.store("dst", k.sub(k.load("a"), k.load("b"))) }},
	"mul":    {body: func(k *kern) { k.store("dst", k.mul(k.load("a"), k.load("b"))) }},
	"mulAdd": {body: func(k *kern) { k.fmaTo("dst", k.load("a"), k.load("b")) }},
	"acc":    {body: func(k *kern) { k.addTo("y", k.load("x")) }},
	"axpy":   {body: func(k *kern) { k.fmaTo("y", k.load("x"), k.par["a"]) }},
	"scale":  {body: func(k *kern) { k.store("dst", k.mul(k.load("x"), k.par["a"])) }},
	"lerp": {body: func(k *kern) {
		y := k.load("y")
		k.fmaInto(y, k.sub(k.load("x"), y), k.par["a"])
		k.store("y", y)
	}},
	"gateAdd": {body: func(k *kern) {
		d := k.load("x")
		k.fmaInto(d, k.load("gate"), k.load("y"))
		k.store("dst", d)
	}},
	"shiftBy":  {body: func(k *kern) { k.store("y", k.add(k.load("x"), k.par["c"])) }},
	"axpyDiff": {body: func(k *kern) { k.fmaTo("dx", k.sub(k.load("a"), k.load("b")), k.par["c"]) }},
	"axpby": {body: func(k *kern) {
		y := k.load("y")
		k.fmaInto(y, k.load("a"), k.par["p"])
		k.fmaInto(y, k.load("b"), k.par["q"])
		k.store("y", y)
	}},

	"dot":  {reduce: func(k *kern, acc, _ vec) { k.fmaInto(acc, k.load("a"), k.load("b")) }},
	"sum":  {reduce: func(k *kern, acc, _ vec) { VADDPS(k.load("x"), acc, acc) }},
	"dot3": {reduce: func(k *kern, acc, _ vec) { k.fmaInto(acc, k.mul(k.load("a"), k.load("b")), k.load("c")) }},
	"sqDist": {reduce: func(k *kern, acc, _ vec) {
		d := k.sub(k.load("a"), k.load("b"))
		k.fmaInto(acc, d, d)
	}},
	"maxVal": {start: float32(math.Inf(-1)), combine: VMAXPS, reduce: func(k *kern, acc, fill vec) {
		VMAXPS(k.keep(k.load("x"), fill), acc, acc)
	}},
	"charbonnier": {reduce: func(k *kern, acc, fill vec) {
		d := k.sub(k.load("a"), k.load("b"))
		VADDPS(k.keep(k.sqrt(k.fma(d, d, k.par["eps2"])), fill), acc, acc)
	}},
	"charbonnierBack": {body: func(k *kern) {
		d := k.sub(k.load("a"), k.load("b"))
		k.addTo("da", k.div(k.mul(d, k.par["c"]), k.sqrt(k.fma(d, d, k.par["eps2"]))))
	}},

	"exp": {setup: expSetup, body: func(k *kern) { k.store("dst", k.exp(k.load("x"))) }},
	"expSum": {setup: expSetup, reduce: func(k *kern, acc, fill vec) {
		x := k.load("x")
		VFMSUB213PS(k.par["shift"], k.par["c"], x)
		e := k.exp(x)
		k.store("dst", e)
		VADDPS(k.keep(e, fill), acc, acc)
	}},
	"softmaxTile": {setup: expSetup, body: func(k *kern) {
		x := k.load("x")
		VFMSUB213PS(k.par["lse"], k.par["c"], x)
		p := k.exp(x)
		k.store("x", p)
		k.store("dp", k.mul(k.mul(p, k.sub(k.load("dp"), k.par["delta"])), k.par["c"]))
	}},
	"sigmoid": {setup: sigmoidSetup, body: func(k *kern) { k.store("dst", k.sigmoid(k.load("x"))) }},
	"sigmoidBack": {setup: sigmoidSetup, body: func(k *kern) { // dy*y*(1-y) = t - t*y
		y := k.load("y")
		t := k.mul(y, k.load("dy"))
		d := k.add(k.load("dx"), t)
		k.fnmaInto(d, t, y)
		k.store("dx", d)
	}},
	"tanh": {setup: tanhSetup, body: func(k *kern) { k.store("dst", k.tanh(k.load("x"))) }},
	"tanhBack": {body: func(k *kern) {
		y, dy := k.load("y"), k.load("dy")
		d := k.add(k.load("dx"), dy)
		k.fnmaInto(d, k.mul(y, y), dy)
		k.store("dx", d)
	}},
	"relu":     {body: func(k *kern) { k.store("dst", k.max(k.load("x"), k.zero())) }},
	"reluBack": {body: func(k *kern) { k.addTo("dx", k.wherePositive(k.load("x"), k.load("dy"))) }},
	"silu": {setup: sigmoidSetup, body: func(k *kern) {
		x := k.load("x")
		k.store("dst", k.mul(x, k.sigmoid(x)))
	}},
	"siluBack": {setup: sigmoidSetup, body: func(k *kern) {
		x := k.load("x")
		k.fmaTo("dx", k.load("dy"), k.siluSlope(x, k.sigmoid(x)))
	}},
	"siluMul": {setup: sigmoidSetup, body: func(k *kern) {
		a := k.load("a")
		k.store("y", k.mul(k.mul(a, k.sigmoid(a)), k.load("b")))
	}},
	"siluMulBack": {setup: sigmoidSetup, body: func(k *kern) {
		a, dy := k.load("a"), k.load("dy")
		s := k.sigmoid(a)
		k.fmaTo("db", k.mul(a, s), dy)
		k.fmaTo("da", k.mul(dy, k.load("b")), k.siluSlope(a, s))
	}},
	"gelu": {setup: geluSetup, body: func(k *kern) {
		x := k.load("x")
		k.store("dst", k.mul(x, k.sigmoid(k.geluArg(x, k.mul(x, x)))))
	}},
	"geluBack": {setup: geluSetup, body: func(k *kern) { // s + x*s*(1-s)*u'
		x := k.load("x")
		x2 := k.mul(x, x)
		s := k.sigmoid(k.geluArg(x, x2))
		u := k.copy(k.c(2 * geluC * 3 * geluA))
		k.horner(u, x2, k.c(2*geluC))
		xs := k.mul(x, s)
		k.fnmaInto(xs, xs, s) // x*s*(1-s), reading xs before it is written
		slope := k.fma(xs, u, s)
		k.fmaTo("dx", k.load("dy"), slope)
	}},

	"scaleMul":    {body: func(k *kern) { k.store("y", k.mul(k.mul(k.load("x"), k.par["s"]), k.load("w"))) }},
	"scaleMulAdd": {body: func(k *kern) { k.fmaTo("dw", k.mul(k.load("a"), k.load("b")), k.par["s"]) }},
	"rmsBack": {body: func(k *kern) {
		d := k.load("dx")
		k.fmaInto(d, k.mul(k.load("dy"), k.load("w")), k.par["p"])
		k.fmaInto(d, k.load("x"), k.par["q"])
		k.store("dx", d)
	}},
	"modulate": {body: func(k *kern) {
		t := k.mul(k.load("x"), k.par["s"])
		y := k.add(t, k.load("shift"))
		k.fmaInto(y, t, k.load("scale"))
		k.store("y", y)
	}},
	"modulateBack": {body: func(k *kern) {
		dy := k.load("dy")
		d := k.add(k.load("dx"), dy)
		k.fmaInto(d, dy, k.load("scale"))
		k.store("dx", d)
		k.fmaTo("dscale", dy, k.load("x"))
		k.addTo("dshift", dy)
	}},
	"rmsModBack": {body: func(k *kern) {
		dy, x := k.load("dy"), k.load("x")
		t := k.mul(dy, k.par["p"])
		d := k.add(k.load("dx"), t)
		k.fmaInto(d, t, k.load("scale"))
		k.fmaInto(d, x, k.par["q"])
		k.store("dx", d)
		k.fmaTo("dscale", t, x)
		k.addTo("dshift", dy)
	}},
	"mulShiftAdd": {body: func(k *kern) { k.fmaTo("dx", k.load("y"), k.add(k.load("dy"), k.par["c"])) }},
	"logSoftmaxBack": {setup: expSetup, body: func(k *kern) {
		d := k.add(k.load("dx"), k.load("dy"))
		k.fnmaInto(d, k.exp(k.load("y")), k.par["s"])
		k.store("dx", d)
	}},

	"rope":     {width: true, rows: func(k *kern) { k.rope("y", "x", false) }},
	"ropeBack": {width: true, rows: func(k *kern) { k.rope("dx", "dy", true) }},

	"dotRows": {rows: func(k *kern) { k.dotRows() }},
	"scaleRows": {rows: func(k *kern) {
		k.eachRow("s", []string{"y", "x"}, func() { k.store("y", k.mul(k.load("x"), k.par["row"])) })
	}},
	"axpyRows": {rows: func(k *kern) {
		k.eachRow("s", []string{"y", "x"}, func() { k.fmaTo("y", k.load("x"), k.par["row"]) })
	}},

	"prefetch": {rows: prefetch},

	"adamW": {setup: adamSetup, body: func(k *kern) {
		g := k.mul(k.load("grad"), k.par["scale"])
		m := k.load("m")
		k.fmaInto(m, k.sub(g, m), k.par["1-b1"])
		k.store("m", m)
		v := k.load("v")
		d := k.mul(g, g)
		k.fmaInto(v, k.sub(d, v), k.par["1-b2"])
		k.store("v", v)
		q := k.div(k.mul(m, k.par["-rate"]), k.add(k.sqrt(v), k.par["eps"]))
		k.fmaInto(q, k.load("w"), k.par["keep"])
		k.store("w", q)
	}},

	"toBF16":   {only512: true, setup: func(k *kern) { k.bits(1); k.bits(0x7fff); k.bits(0x40) }, body: toBF16},
	"fromBF16": {only512: true, body: fromBF16},
	"toF16": {only512: true, body: func(k *kern) {
		v, m := k.load("src"), k.mem("dst", 2)
		if k.tail {
			VCVTPS2PH(Imm(0), v, reg.K1, m)
			return
		}
		VCVTPS2PH(Imm(0), v, m)
	}},
	"fromF16": {only512: true, body: func(k *kern) {
		v, m := k.new(), k.mem("src", 2)
		if k.tail {
			VCVTPH2PS_Z(m, reg.K1, v)
		} else {
			VCVTPH2PS(m, v)
		}
		k.store("dst", v)
	}},
}

func toBF16(k *kern) {
	v, m := k.load("src"), k.mem("dst", 2)
	high, r := k.new(), k.new()
	VPSRLD(Imm(16), v, high)
	VPANDD(k.consts[1], high, r)
	VPADDD(k.consts[0x7fff], r, r)
	VPADDD(v, r, r)
	VPSRLD(Imm(16), r, r)
	VCMPPS(Imm(3), v, v, reg.K2) // unordered: a NaN, made quiet
	VPORD(k.consts[0x40], high, reg.K2, r)
	if k.tail {
		VPMOVDW(r, reg.K1, m)
		return
	}
	VPMOVDW(r, m)
}

func fromBF16(k *kern) {
	v, m := k.new(), k.mem("src", 2)
	if k.tail {
		VPMOVZXWD_Z(m, reg.K1, v)
	} else {
		VPMOVZXWD(m, v)
	}
	VPSLLD(Imm(16), v, v)
	k.store("dst", v)
}

// adamSetup spreads the numbers of the slice k, in adamWGo's order.
func adamSetup(k *kern) {
	for i, name := range []string{"scale", "1-b1", "1-b2", "eps", "-rate", "keep"} {
		v := k.new()
		VBROADCASTSS(Mem{Base: k.ptr["k"], Disp: 4 * i}, v)
		k.par[name] = v
	}
}
