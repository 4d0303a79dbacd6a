package vec

func scaleMulGo(y, x, w []float32, s float32) {
	for i, v := range x {
		y[i] = v * s * w[i]
	}
}

func scaleMulAddGo(dw, a, b []float32, s float32) {
	for i, v := range a {
		dw[i] += v * b[i] * s
	}
}

func dot3Go(a, b, c []float32) float32 {
	var s float64
	for i, v := range a {
		s += float64(v * b[i] * c[i])
	}
	return float32(s)
}

// axpbyGo: y += p*a + q*b.
func axpbyGo(y, a, b []float32, p, q float32) {
	for i, v := range a {
		y[i] += p*v + q*b[i]
	}
}

// rmsBackGo: dx += p*dy*w + q*x.
func rmsBackGo(dx, dy, x, w []float32, p, q float32) {
	for i, v := range dy {
		dx[i] += p*v*w[i] + q*x[i]
	}
}

func modulateGo(y, x, scale, shift []float32, s float32) {
	for i, v := range x {
		t := v * s
		y[i] = t*scale[i] + t + shift[i]
	}
}

func modulateBackGo(dx, dscale, dshift, dy, x, scale []float32) {
	for i, v := range dy {
		dx[i] += v*scale[i] + v
		dscale[i] += v * x[i]
		dshift[i] += v
	}
}

// rmsModBackGo: dx += p*dy*(1+scale) + q*x; dscale += p*dy*x; dshift += dy.
func rmsModBackGo(dx, dscale, dshift, dy, x, scale []float32, p, q float32) {
	for i, v := range dy {
		t := v * p
		dx[i] += t*scale[i] + t + q*x[i]
		dscale[i] += t * x[i]
		dshift[i] += v
	}
}
