package vec

// mulShiftAddGo: dx += y*(dy+c).
func mulShiftAddGo(dx, y, dy []float32, c float32) {
	for i, v := range y {
		dx[i] += v * (dy[i] + c)
	}
}

func shiftByGo(y, x []float32, c float32) {
	for i, v := range x {
		y[i] = v + c
	}
}

func logSoftmaxBackGo(dx, y, dy []float32, s float32) {
	for i, v := range dy {
		dx[i] += v - expf(y[i])*s
	}
}
