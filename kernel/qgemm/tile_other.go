//go:build !amd64

package qgemm

func (t *tiling) tile(mr int, q []int8, meta []float32, w, _ []byte, _ int, c []float32, cols int) {
	tileGo(t, mr, q, meta, w, c, cols)
}

func quantize(q []int8, meta, a []float32) { quantizeGo(q, meta, a) }
