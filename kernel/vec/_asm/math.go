package main

// Constants of e^x: range reduction by ln 2 in two parts, the upper of which
// has trailing zeros enough for an exact product, and a polynomial of degree
// six, of least maximal error (4e-9) on half an octave each side.
const (
	log2e  = 1.44269504088896341
	ln2Hi  = 0.693145751953125
	ln2Lo  = 1.42860682030941723212e-6
	expMax = 89    // infinite from here
	expMin = -87.4 // zero from here, with AVX2
	expLow = -150  // with AVX-512, whose VSCALEFPS passes through the subnormals
	geluC  = 0.7978845608028654
	geluA  = 0.044715
)

var series = []float32{0.00138145394, 0.00836874545, 0.041668389, 0.166665211, 0.49999994, 1}

func expSetup(k *kern) {
	k.constant(log2e, ln2Hi, ln2Lo, expMax, k.expFloor())
	k.constant(series...)
	if !k.wide {
		k.bits(126)
	}
}

func (k *kern) expFloor() float32 {
	if k.wide {
		return expLow
	}
	return expMin
}

func sigmoidSetup(k *kern) {
	expSetup(k)
	k.constant(1)
	k.bits(1 << 31)
}

func tanhSetup(k *kern) {
	expSetup(k)
	k.constant(2, -40)
	k.bits(1 << 31)
}

func geluSetup(k *kern) {
	sigmoidSetup(k)
	k.constant(2*geluC, 2*geluC*geluA, 2*geluC*3*geluA)
}

// reduce splits x = n ln 2 + r and returns n and r.
func (k *kern) reduce(x vec) (n, r vec) {
	n = k.round(k.mul(x, k.c(log2e)))
	r = k.copy(x)
	k.fnmaInto(r, n, k.c(ln2Hi))
	k.fnmaInto(r, n, k.c(ln2Lo))
	return n, r
}

// exp is e^x; NaN stays NaN.
func (k *kern) exp(x vec) vec {
	lo, hi := k.copy(k.c(k.expFloor())), k.copy(k.c(expMax))
	n, r := k.reduce(k.max(lo, k.min(hi, x))) // second operands win over NaN
	y := k.copy(k.c(series[0]))
	for _, c := range append(series[1:], 1) {
		k.horner(y, r, k.c(c))
	}
	return k.scale2(y, n)
}

// expm1 is e^x - 1 for x from -40 to 0, accurate near zero.
func (k *kern) expm1(x vec) vec {
	n, r := k.reduce(x)
	y := k.copy(k.c(series[0]))
	for _, c := range series[1:] {
		k.horner(y, r, k.c(c))
	}
	y = k.mul(y, r)
	power := k.scale2(k.copy(k.c(1)), n)
	return k.fma(y, power, k.sub(power, k.c(1)))
}

// sigmoid is 1/(1+e^-x).
func (k *kern) sigmoid(x vec) vec {
	one := k.copy(k.c(1))
	return k.div(one, k.add(k.exp(k.xor(x, k.consts[1<<31])), one))
}

// siluSlope is the derivative of x*s, s = sigmoid(x): s*(1 + x*(1-s)).
func (k *kern) siluSlope(x, s vec) vec {
	t := k.copy(x)
	k.fnmaInto(t, x, s) // x*(1-s)
	return k.fma(t, s, s)
}

// tanh is -e/(2+e) with e = e^(-2|x|)-1, and the sign of x.
func (k *kern) tanh(x vec) vec {
	minus := k.copy(k.consts[1<<31])
	sign := k.and(x, minus)
	z := k.xor(x, sign)
	z = k.xor(k.add(z, z), minus) // -2|x|
	floor := k.copy(k.c(-40))
	e := k.expm1(k.max(floor, z)) // z wins over floor where it is NaN
	t := k.div(e, k.add(e, k.c(2)))
	return k.xor(t, k.xor(sign, minus))
}

// geluArg is 2√(2/π)*(x + 0.044715 x³).
func (k *kern) geluArg(x, x2 vec) vec {
	p := k.copy(k.c(2 * geluC * geluA))
	k.horner(p, x2, k.c(2*geluC))
	return k.mul(p, x)
}
