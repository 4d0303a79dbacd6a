package vec

// Exp computes dst = e^x with a relative error below 2e-7; what would be under
// 2e-38 may come out as zero.
func Exp(dst, x []float32) {
	same(len(dst), len(x))
	exp(dst, x)
}

// ExpSum computes dst = e^(c*x-shift) and returns the sum of dst: the middle of
// a softmax, shift being the maximum of c*x.
func ExpSum(dst, x []float32, c, shift float32) float32 {
	same(len(dst), len(x))
	return expSum(dst, x, c, shift)
}

// SoftmaxTile is the step between the products of a softmax attention's
// backward, on a piece of a row: from the scores x and the gradient dp of the
// probabilities it makes p = e^(c*x-lse) in place of x and the gradient of the
// scores, c*p*(dp-delta), in place of dp.
func SoftmaxTile(x, dp []float32, c, lse, delta float32) {
	same(len(x), len(dp))
	softmaxTile(x, dp, c, lse, delta)
}

// Sigmoid computes dst = 1/(1+e^-x).
func Sigmoid(dst, x []float32) {
	same(len(dst), len(x))
	sigmoid(dst, x)
}

// SigmoidBack adds dy*y*(1-y) to dx, where y is what Sigmoid gave.
func SigmoidBack(dx, y, dy []float32) {
	same(len(dx), len(y), len(dy))
	sigmoidBack(dx, y, dy)
}

// Tanh computes dst = tanh(x), accurate near zero too.
func Tanh(dst, x []float32) {
	same(len(dst), len(x))
	tanh(dst, x)
}

// TanhBack adds dy*(1-y²) to dx, where y is what Tanh gave.
func TanhBack(dx, y, dy []float32) {
	same(len(dx), len(y), len(dy))
	tanhBack(dx, y, dy)
}

// ReLU computes dst = max(x, 0); a NaN becomes zero.
func ReLU(dst, x []float32) {
	same(len(dst), len(x))
	relu(dst, x)
}

// ReLUBack adds dy to dx where x is above zero. Since ReLU keeps the sign, its
// output serves for x as well.
func ReLUBack(dx, x, dy []float32) {
	same(len(dx), len(x), len(dy))
	reluBack(dx, x, dy)
}

// SiLU computes dst = x*sigmoid(x).
func SiLU(dst, x []float32) {
	same(len(dst), len(x))
	silu(dst, x)
}

// SiLUBack adds dy*s*(1+x*(1-s)), s = sigmoid(x), to dx.
func SiLUBack(dx, x, dy []float32) {
	same(len(dx), len(x), len(dy))
	siluBack(dx, x, dy)
}

// GELU computes the tanh form of the Gaussian error linear unit,
//
//	x/2 * (1 + tanh(√(2/π) * (x + 0.044715 x³))).
//
// Source: Hendrycks and Gimpel, arXiv:1606.08415.
func GELU(dst, x []float32) {
	same(len(dst), len(x))
	gelu(dst, x)
}

// GELUBack adds dy times the derivative of GELU at x to dx.
func GELUBack(dx, x, dy []float32) {
	same(len(dx), len(x), len(dy))
	geluBack(dx, x, dy)
}

// SwiGLU computes the gated unit y = silu(a)*b of each row, where the halves
// of the row x are a and b.
//
//	x  [rows, 2f]
//	y  [rows, f]   must not overlap x
//
// Source: Shazeer, arXiv:2002.05202.
func SwiGLU(y, x []float32, rows, f int) {
	same(rows*f, len(y))
	same(2*rows*f, len(x))
	for r := range rows {
		xr := x[2*f*r:][:2*f]
		siluMul(y[f*r:][:f], xr[:f], xr[f:])
	}
}

// SwiGLUBack adds the gradient of SwiGLU to dx.
//
//	dx, x  [rows, 2f]
//	dy     [rows, f]
func SwiGLUBack(dx, x, dy []float32, rows, f int) {
	same(rows*f, len(dy))
	same(2*rows*f, len(x), len(dx))
	for r := range rows {
		xr, dxr := x[2*f*r:][:2*f], dx[2*f*r:][:2*f]
		siluMulBack(dxr[:f], dxr[f:], xr[:f], xr[f:], dy[f*r:][:f])
	}
}
