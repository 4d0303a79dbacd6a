package vec

// A strided slice has n rows of d values; row i begins at i*stride. One head of
// [N, heads, hd] is such rows: stride heads*hd, d = hd.

// DotRows computes dst[i] = dot(a_i, b_i) for each pair of rows. With bStride 0
// every row meets the same b.
func DotRows(dst, a []float32, aStride int, b []float32, bStride, d int) {
	n := len(dst)
	rowsFit(a, aStride, n, d)
	rowsFit(b, bStride, n, d)
	dotRows(dst, a, b, aStride, bStride, n, d)
}

// ScaleRows computes y_i = s[i] * x_i; y may be x.
func ScaleRows(y []float32, yStride int, x []float32, xStride int, s []float32, d int) {
	n := len(s)
	rowsFit(y, yStride, n, d)
	rowsFit(x, xStride, n, d)
	scaleRows(y, x, s, yStride, xStride, n, d)
}

// AxpyRows computes y_i += s[i] * x_i. With xStride 0 every row gets a multiple
// of the same x; with yStride 0 the rows' weighted sum is added to one y.
func AxpyRows(y []float32, yStride int, s, x []float32, xStride, d int) {
	n := len(s)
	rowsFit(y, yStride, n, d)
	rowsFit(x, xStride, n, d)
	axpyRows(y, x, s, yStride, xStride, n, d)
}

// RopeRows rotates the pairs of n strided rows of heads*hd values, the heads of
// n positions, as Rope does; cos and sin are [n, hd]. y may be x.
func RopeRows(y []float32, yStride int, x []float32, xStride int, cos, sin []float32, n, heads, hd int) {
	d := heads * hd
	same(n*hd, len(cos), len(sin))
	for i := range n {
		rope(y[i*yStride:][:d], x[i*xStride:][:d], cos[i*hd:][:hd], sin[i*hd:][:hd])
	}
}

// RopeRowsBack adds the inverse rotation of dy's rows to dx's.
func RopeRowsBack(dx []float32, dxStride int, dy []float32, dyStride int, cos, sin []float32, n, heads, hd int) {
	d := heads * hd
	same(n*hd, len(cos), len(sin))
	for i := range n {
		ropeBack(dx[i*dxStride:][:d], dy[i*dyStride:][:d], cos[i*hd:][:hd], sin[i*hd:][:hd])
	}
}

// CopyRows computes y_i = x_i.
func CopyRows(y []float32, yStride int, x []float32, xStride, n, d int) {
	rowsFit(y, yStride, n, d)
	rowsFit(x, xStride, n, d)
	for i := range n {
		copy(y[i*yStride:][:d], x[i*xStride:][:d])
	}
}

// Prefetch asks for n rows of d values to come to the second-level cache, row
// after row. Work that then takes a few columns at a time does not wait for
// each of its lines.
func Prefetch(x []float32, stride, n, d int) {
	rowsFit(x, stride, n, d)
	if stride == d {
		n, d = 1, n*d
	}
	for i := range n {
		prefetch(x[i*stride:][:d])
	}
}

// rowsFit panics unless n rows of d values at stride lie within x.
func rowsFit(x []float32, stride, n, d int) {
	if n > 0 && d > 0 {
		_ = x[(n-1)*stride+d-1]
	}
}
