package vec

// Fill sets every value of x to v.
func Fill(x []float32, v float32) {
	for i := range x {
		x[i] = v
	}
}

// Clear sets x to zero.
func Clear(x []float32) { clear(x) }

// Add computes dst = a + b.
func Add(dst, a, b []float32) {
	same(len(dst), len(a), len(b))
	add(dst, a, b)
}

// Sub computes dst = a - b.
func Sub(dst, a, b []float32) {
	same(len(dst), len(a), len(b))
	sub(dst, a, b)
}

// Mul computes dst = a * b.
func Mul(dst, a, b []float32) {
	same(len(dst), len(a), len(b))
	mul(dst, a, b)
}

// MulAdd computes dst += a * b.
func MulAdd(dst, a, b []float32) {
	same(len(dst), len(a), len(b))
	mulAdd(dst, a, b)
}

// Acc computes y += x, the commonest step of a backward pass.
func Acc(y, x []float32) {
	same(len(y), len(x))
	acc(y, x)
}

// Axpy computes y += a*x.
func Axpy(y []float32, a float32, x []float32) {
	same(len(y), len(x))
	axpy(y, x, a)
}

// Scale computes dst = a*x.
func Scale(dst, x []float32, a float32) {
	same(len(dst), len(x))
	scale(dst, x, a)
}

// Lerp computes y = (1-a)*y + a*x: an exponential moving average with rate a.
func Lerp(y, x []float32, a float32) {
	same(len(y), len(x))
	lerp(y, x, a)
}

// GateAdd computes dst = x + g*y, the gated residual of a transformer block.
// Its gradients are Acc(dx, d), MulAdd(dy, g, d) and MulAdd(dg, y, d).
func GateAdd(dst, x, g, y []float32) {
	same(len(dst), len(x), len(g), len(y))
	gateAdd(dst, x, g, y)
}
