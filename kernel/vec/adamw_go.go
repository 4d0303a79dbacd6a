package vec

import "math"

// adamWGo: k is scale, 1-β₁, 1-β₂, eps, -rate, 1-rate*decay.
func adamWGo(w, m, v, grad, k []float32) {
	k = k[:8]
	for i, x := range grad {
		x *= k[0]
		m[i] += k[1] * (x - m[i])
		v[i] += k[2] * (x*x - v[i])
		w[i] = w[i]*k[5] + k[4]*m[i]/(float32(math.Sqrt(float64(v[i])))+k[3])
	}
}
