package vec

func dotRowsGo(dst, a, b []float32, aStride, bStride, n, d int) {
	for i := range n {
		dst[i] = dotGo(a[i*aStride:][:d], b[i*bStride:][:d])
	}
}

func scaleRowsGo(y, x, s []float32, yStride, xStride, n, d int) {
	for i := range n {
		scaleGo(y[i*yStride:][:d], x[i*xStride:][:d], s[i])
	}
}

func axpyRowsGo(y, x, s []float32, yStride, xStride, n, d int) {
	for i := range n {
		axpyGo(y[i*yStride:][:d], x[i*xStride:][:d], s[i])
	}
}

// prefetchGo leaves it to the processor.
func prefetchGo(x []float32) { _ = x }
