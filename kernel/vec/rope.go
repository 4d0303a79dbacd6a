package vec

import "kuai/internal/check"

// Rope rotates the pairs (0,1), (2,3), ... of each head by the angles of its
// position,
//
//	y[2i]   = x[2i]*cos - x[2i+1]*sin
//	y[2i+1] = x[2i]*sin + x[2i+1]*cos.
//
//	x, y      [n, heads, hd]   hd even; y may be x
//	cos, sin  [n, hd]          one row a position, as RopeTable spreads them
//
// Source: Su et al., RoFormer, arXiv:2104.09864.
func Rope(y, x, cos, sin []float32, n, heads, hd int) {
	ropeCheck(y, x, cos, sin, n, heads, hd)
	d := heads * hd
	for i := range n {
		rope(y[i*d:][:d], x[i*d:][:d], cos[i*hd:][:hd], sin[i*hd:][:hd])
	}
}

// RopeBack adds the inverse rotation of dy to dx: the gradient of Rope.
func RopeBack(dx, dy, cos, sin []float32, n, heads, hd int) {
	ropeCheck(dx, dy, cos, sin, n, heads, hd)
	d := heads * hd
	for i := range n {
		ropeBack(dx[i*d:][:d], dy[i*d:][:d], cos[i*hd:][:hd], sin[i*hd:][:hd])
	}
}

func ropeCheck(y, x, cos, sin []float32, n, heads, hd int) {
	check.True(hd%2 == 0, "vec: rope over an odd head width %d", hd)
	same(n*heads*hd, len(y), len(x))
	same(n*hd, len(cos), len(sin))
}

// RopeTable spreads the cosines and sines of angles into the form that Rope
// reads: each cosine twice, each sine as -sin, +sin.
//
//	angleCos, angleSin  [hd/2]  of one position (or [n, hd/2] of all)
//	cos, sin            [hd]    (or [n, hd])
func RopeTable(cos, sin, angleCos, angleSin []float32) {
	same(2*len(angleCos), len(cos), len(sin), 2*len(angleSin))
	for i, c := range angleCos {
		s := angleSin[i]
		cos[2*i], cos[2*i+1] = c, c
		sin[2*i], sin[2*i+1] = -s, s
	}
}
