package vec

import "math"

const (
	geluC = 0.7978845608028654 // √(2/π)
	geluA = 0.044715
)

func expf(x float32) float32 { return float32(math.Exp(float64(x))) }

func sigmoidf(x float32) float32 { return float32(1 / (1 + math.Exp(-float64(x)))) }

func expGo(dst, x []float32) {
	for i, v := range x {
		dst[i] = expf(v)
	}
}

func expSumGo(dst, x []float32, c, shift float32) float32 {
	var s float64
	for i, v := range x {
		e := expf(c*v - shift)
		dst[i] = e
		s += float64(e)
	}
	return float32(s)
}

func sigmoidGo(dst, x []float32) {
	for i, v := range x {
		dst[i] = sigmoidf(v)
	}
}

func sigmoidBackGo(dx, y, dy []float32) {
	for i, v := range y {
		dx[i] += dy[i] * v * (1 - v)
	}
}

func tanhGo(dst, x []float32) {
	for i, v := range x {
		dst[i] = float32(math.Tanh(float64(v)))
	}
}

func tanhBackGo(dx, y, dy []float32) {
	for i, v := range y {
		dx[i] += dy[i] * (1 - v*v)
	}
}

func reluGo(dst, x []float32) {
	for i, v := range x {
		if v > 0 {
			dst[i] = v
		} else {
			dst[i] = 0
		}
	}
}

func reluBackGo(dx, x, dy []float32) {
	for i, v := range x {
		if v > 0 {
			dx[i] += dy[i]
		}
	}
}

func siluGo(dst, x []float32) {
	for i, v := range x {
		dst[i] = v * sigmoidf(v)
	}
}

func siluBackGo(dx, x, dy []float32) {
	for i, v := range x {
		s := sigmoidf(v)
		dx[i] += dy[i] * s * (1 + v*(1-s))
	}
}

func geluGo(dst, x []float32) {
	for i, v := range x {
		dst[i] = v * sigmoidf(2*geluC*(v+geluA*v*v*v))
	}
}

func geluBackGo(dx, x, dy []float32) {
	for i, v := range x {
		s := sigmoidf(2 * geluC * (v + geluA*v*v*v))
		dx[i] += dy[i] * s * (1 + v*(1-s)*2*geluC*(1+3*geluA*v*v))
	}
}

func siluMulGo(y, a, b []float32) {
	for i, v := range a {
		y[i] = v * sigmoidf(v) * b[i]
	}
}

func siluMulBackGo(da, db, a, b, dy []float32) {
	for i, v := range a {
		s := sigmoidf(v)
		da[i] += dy[i] * b[i] * s * (1 + v*(1-s))
		db[i] += dy[i] * v * s
	}
}

func softmaxTileGo(x, dp []float32, c, lse, delta float32) {
	for i, v := range x {
		p := expf(c*v - lse)
		x[i] = p
		dp[i] = c * p * (dp[i] - delta)
	}
}
