package vec

// ropeGo rotates every head of one position; len(cos) is the head width.
func ropeGo(y, x, cos, sin []float32) {
	hd := len(cos)
	for o := 0; o < len(x); o += hd {
		xh, yh := x[o:][:hd], y[o:][:hd]
		for i := 0; i < hd; i += 2 {
			a, b := xh[i], xh[i+1]
			yh[i] = a*cos[i] + b*sin[i]
			yh[i+1] = b*cos[i+1] + a*sin[i+1]
		}
	}
}

func ropeBackGo(dx, dy, cos, sin []float32) {
	hd := len(cos)
	for o := 0; o < len(dy); o += hd {
		yh, xh := dy[o:][:hd], dx[o:][:hd]
		for i := 0; i < hd; i += 2 {
			a, b := yh[i], yh[i+1]
			xh[i] += a*cos[i] - b*sin[i]
			xh[i+1] += b*cos[i+1] - a*sin[i+1]
		}
	}
}
