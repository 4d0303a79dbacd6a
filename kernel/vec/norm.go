package vec

import "math"

// RMSNorm divides each row by its root mean square and multiplies it by w,
//
//	y = w * x * inv,   inv = 1/√(mean(x²)+eps).
//
//	x, y  [rows, d]
//	inv   [rows]     kept for the backward; nil where it is not wanted
//	w     [d]        nil stands for ones
//
// Source: Zhang and Sennrich, arXiv:1910.07467.
func RMSNorm(y, inv, x, w []float32, rows, d int, eps float32) {
	same(rows*d, len(x), len(y))
	for r := range rows {
		xr, yr := x[r*d:][:d], y[r*d:][:d]
		s := rms(xr, eps)
		if inv != nil {
			inv[r] = s
		}
		if w == nil {
			scale(yr, xr, s)
		} else {
			scaleMul(yr, xr, w[:d], s)
		}
	}
}

// rms returns 1/√(mean(x²)+eps).
func rms(x []float32, eps float32) float32 {
	return float32(1 / math.Sqrt(float64(dot(x, x))/float64(len(x))+float64(eps)))
}

// RMSNormBack adds the gradients of RMSNorm to dx and dw.
//
//	dx, dy, x  [rows, d]
//	inv        [rows]     from the forward
//	w, dw      [d]        nil together where there is no weight; dw alone may
//	                      be nil where its gradient is not wanted
//
// dw is summed over the rows in order, so that callers who split the rows give
// each part its own dw and add them in a fixed order.
func RMSNormBack(dx, dw, dy, x, inv, w []float32, rows, d int) {
	same(rows*d, len(dx), len(dy), len(x))
	for r := range rows {
		xr, dyr, dxr, s := x[r*d:][:d], dy[r*d:][:d], dx[r*d:][:d], inv[r]
		if w == nil {
			c := dot(dyr, xr) * s * s * s / float32(d)
			axpby(dxr, dyr, xr, s, -c)
			continue
		}
		c := dot3(dyr, xr, w[:d]) * s * s * s / float32(d)
		rmsBack(dxr, dyr, xr, w[:d], s, -c)
		if dw != nil {
			scaleMulAdd(dw[:d], dyr, xr, s)
		}
	}
}

// Modulate computes y = x*(1+scale) + shift, the adaptive part of an adaLN
// norm; all rows share scale and shift.
//
//	x, y          [rows, d]
//	scale, shift  [d]
func Modulate(y, x, scale, shift []float32, rows, d int) {
	same(rows*d, len(x), len(y))
	same(d, len(scale), len(shift))
	for r := range rows {
		modulate(y[r*d:][:d], x[r*d:][:d], scale, shift, 1)
	}
}

// ModulateBack adds the gradients of Modulate to dx, dscale and dshift; dscale
// and dshift are summed over the rows in order.
func ModulateBack(dx, dscale, dshift, dy, x, scale []float32, rows, d int) {
	same(rows*d, len(dx), len(dy), len(x))
	same(d, len(dscale), len(dshift), len(scale))
	for r := range rows {
		modulateBack(dx[r*d:][:d], dscale, dshift, dy[r*d:][:d], x[r*d:][:d], scale)
	}
}

// RMSNormMod is RMSNorm without a weight followed by Modulate, in one pass:
//
//	y = x*inv*(1+scale) + shift.
//
// The shapes are theirs.
func RMSNormMod(y, inv, x, scale, shift []float32, rows, d int, eps float32) {
	same(rows*d, len(x), len(y))
	same(d, len(scale), len(shift))
	for r := range rows {
		xr := x[r*d:][:d]
		s := rms(xr, eps)
		if inv != nil {
			inv[r] = s
		}
		modulate(y[r*d:][:d], xr, scale, shift, s)
	}
}

// RMSNormModBack adds the gradients of RMSNormMod to dx, dscale and dshift.
func RMSNormModBack(dx, dscale, dshift, dy, x, inv, scale []float32, rows, d int) {
	same(rows*d, len(dx), len(dy), len(x))
	same(d, len(dscale), len(dshift), len(scale))
	for r := range rows {
		xr, dyr, s := x[r*d:][:d], dy[r*d:][:d], inv[r]
		c := (dot3(dyr, xr, scale) + dot(dyr, xr)) * s * s * s / float32(d)
		rmsModBack(dx[r*d:][:d], dscale, dshift, dyr, xr, scale, s, -c)
	}
}
