package vec

import "math"

// Softmax computes y = e^x / sum(e^x) of each row; x and y are [rows, d]. A
// row of -Inf throughout gives NaN.
func Softmax(y, x []float32, rows, d int) {
	same(rows*d, len(x), len(y))
	for r := range rows {
		xr, yr := x[r*d:][:d], y[r*d:][:d]
		s := expSum(yr, xr, 1, maxVal(xr))
		scale(yr, yr, 1/s)
	}
}

// SoftmaxBack adds y*(dy - sum(y*dy)) to dx, where y is what Softmax gave.
func SoftmaxBack(dx, y, dy []float32, rows, d int) {
	same(rows*d, len(dx), len(y), len(dy))
	for r := range rows {
		yr, dyr := y[r*d:][:d], dy[r*d:][:d]
		mulShiftAdd(dx[r*d:][:d], yr, dyr, -dot(yr, dyr))
	}
}

// LogSoftmax computes y = x - log(sum(e^x)) of each row; y must not be x.
func LogSoftmax(y, x []float32, rows, d int) {
	same(rows*d, len(x), len(y))
	for r := range rows {
		xr, yr := x[r*d:][:d], y[r*d:][:d]
		m := maxVal(xr)
		s := expSum(yr, xr, 1, m)
		shiftBy(yr, xr, -(m + float32(math.Log(float64(s)))))
	}
}

// LogSoftmaxBack adds dy - e^y*sum(dy) to dx, where y is what LogSoftmax gave.
func LogSoftmaxBack(dx, y, dy []float32, rows, d int) {
	same(rows*d, len(dx), len(y), len(dy))
	for r := range rows {
		dyr := dy[r*d:][:d]
		logSoftmaxBack(dx[r*d:][:d], y[r*d:][:d], dyr, sum(dyr))
	}
}
