package vec

import "math"

func dotGo(a, b []float32) float32 {
	var s0, s1, s2, s3 float32
	b = b[:len(a)]
	i := 0
	for ; i+4 <= len(a); i += 4 {
		s0 += a[i] * b[i]
		s1 += a[i+1] * b[i+1]
		s2 += a[i+2] * b[i+2]
		s3 += a[i+3] * b[i+3]
	}
	for ; i < len(a); i++ {
		s0 += a[i] * b[i]
	}
	return (s0 + s1) + (s2 + s3)
}

func sumGo(x []float32) float32 {
	var s float64
	for _, v := range x {
		s += float64(v)
	}
	return float32(s)
}

func maxValGo(x []float32) float32 {
	m := float32(math.Inf(-1))
	for _, v := range x {
		if v > m {
			m = v
		}
	}
	return m
}

func sqDistGo(a, b []float32) float32 {
	var s float64
	for i, v := range a {
		d := v - b[i]
		s += float64(d * d)
	}
	return float32(s)
}

func axpyDiffGo(dx, a, b []float32, c float32) {
	for i, v := range a {
		dx[i] += c * (v - b[i])
	}
}

func charbonnierGo(a, b []float32, eps2 float32) float32 {
	var s float64
	for i, v := range a {
		d := v - b[i]
		s += math.Sqrt(float64(d*d + eps2))
	}
	return float32(s)
}

func charbonnierBackGo(da, a, b []float32, c, eps2 float32) {
	for i, v := range a {
		d := v - b[i]
		da[i] += c * d / float32(math.Sqrt(float64(d*d+eps2)))
	}
}
