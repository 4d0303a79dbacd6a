package vec

import "math"

// block is how many values a reduction adds up in float32 lanes before the
// partial sum goes to a float64: long sums keep their digits.
const block = 4096

// Dot returns the sum of a*b.
func Dot(a, b []float32) float32 {
	same(len(a), len(b))
	var s float64
	for len(a) > block {
		s += float64(dot(a[:block], b[:block]))
		a, b = a[block:], b[block:]
	}
	return float32(s + float64(dot(a, b)))
}

// Sum returns the sum of x.
func Sum(x []float32) float32 {
	var s float64
	for len(x) > block {
		s += float64(sum(x[:block]))
		x = x[block:]
	}
	return float32(s + float64(sum(x)))
}

// SumSquares returns the sum of x².
func SumSquares(x []float32) float32 { return Dot(x, x) }

// MaxVal returns the largest value of x, -Inf where x is empty. What it
// returns when x holds a NaN is not defined.
func MaxVal(x []float32) float32 {
	if len(x) == 0 {
		return float32(math.Inf(-1))
	}
	return maxVal(x)
}

// SquaredError returns the sum of (a-b)².
func SquaredError(a, b []float32) float32 {
	same(len(a), len(b))
	var s float64
	for len(a) > block {
		s += float64(sqDist(a[:block], b[:block]))
		a, b = a[block:], b[block:]
	}
	return float32(s + float64(sqDist(a, b)))
}

// AxpyDiff adds c*(a-b) to dx: with c = 2 the gradient of SquaredError to a.
func AxpyDiff(dx []float32, c float32, a, b []float32) {
	same(len(dx), len(a), len(b))
	axpyDiff(dx, a, b, c)
}

// Charbonnier returns the sum of √((a-b)²+eps²), a smooth absolute error; with
// a small eps it is the L1 distance.
func Charbonnier(a, b []float32, eps float32) float32 {
	same(len(a), len(b))
	var s float64
	for len(a) > block {
		s += float64(charbonnier(a[:block], b[:block], eps*eps))
		a, b = a[block:], b[block:]
	}
	return float32(s + float64(charbonnier(a, b, eps*eps)))
}

// CharbonnierBack adds c times the gradient of Charbonnier to a,
// (a-b)/√((a-b)²+eps²), to da. It is zero where a = b and eps = 0.
func CharbonnierBack(da []float32, c float32, a, b []float32, eps float32) {
	same(len(da), len(a), len(b))
	charbonnierBack(da, a, b, c, max(eps*eps, 1e-30))
}
