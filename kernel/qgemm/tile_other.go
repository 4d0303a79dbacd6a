//go:build !amd64

package qgemm

func (t *tiling) tile(mr int, q []int8, meta []float32, w []byte, c []float32, cols int) {
	tileGo(t.kind, mr, t.blocks, q, meta, w, c, t.ldc, cols, t.acc)
}

func quantize(q []int8, meta, a []float32) { quantizeGo(q, meta, a) }
