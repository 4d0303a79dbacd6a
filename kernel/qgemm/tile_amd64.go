package qgemm

import "kuai/kernel/isa"

type (
	tileFunc   func(nb int, a *int8, rs int, meta *float32, ms int, w *byte, c *float32, ldc int, mask, acc uint32, next *byte, half int)
	narrowFunc func(nb int, a *int8, rs int, meta *float32, ms int, w *byte, s *float32, ss int)
)

// The tiles by kind and rows.
var (
	tiles512 = [4][maxRows + 1]tileFunc{
		bytes8:  {1: tile8x1, 2: tile8x2, 3: tile8x3, 4: tile8x4, 6: tile8x6},
		bytes8M: {1: tile8Mx1, 2: tile8Mx2, 3: tile8Mx3, 4: tile8Mx4, 6: tile8Mx6},
		bytes4:  {1: tile4x1, 2: tile4x2, 3: tile4x3, 4: tile4x4, 6: tile4x6},
		bytes4M: {1: tile4Mx1, 2: tile4Mx2, 3: tile4Mx3, 4: tile4Mx4, 6: tile4Mx6},
	}
	narrows = [4][maxRows + 1]narrowFunc{
		bytes8:  {1: narrow8x1, 2: narrow8x2, 3: narrow8x3, 4: narrow8x4, 6: narrow8x6},
		bytes8M: {1: narrow8Mx1, 2: narrow8Mx2, 3: narrow8Mx3, 4: narrow8Mx4, 6: narrow8Mx6},
		bytes4:  {1: narrow4x1, 2: narrow4x2, 3: narrow4x3, 4: narrow4x4, 6: narrow4x6},
		bytes4M: {1: narrow4Mx1, 2: narrow4Mx2, 3: narrow4Mx3, 4: narrow4Mx4, 6: narrow4Mx6},
	}
)

// The kinds as numbers.
const (
	bytes8 = iota
	bytes8M
	bytes4
	bytes4M
)

func (k kind) number() int {
	n := bytes8
	if k.four {
		n = bytes4
	}
	if k.low {
		n++
	}
	return n
}

// tile computes one tile with the best kernel at hand, which fetches half bytes
// from next for each block.
func (t *tiling) tile(mr int, q []int8, meta []float32, w, next []byte, half int, c []float32, cols int) {
	blocks := t.blocks
	switch {
	case isa.VNNI():
		var flag uint32
		if t.Acc {
			flag = 1
		}
		tiles512[t.W.kind.number()][mr](blocks, &q[0], t.pitch, &meta[0], t.metaPitch*4, &w[0], &c[0], t.Ldc*4, uint32(1<<cols-1), flag, &next[0], half)
	case isa.Now() >= isa.AVX2:
		t.narrow(mr, q, meta, w, c, cols)
	default:
		tileGo(t, mr, q, meta, w, c, cols)
	}
}

// narrow computes a tile with AVX2, whose kernels add to whole panels.
func (t *tiling) narrow(mr int, q []int8, meta []float32, w []byte, c []float32, cols int) {
	run := narrows[t.W.kind.number()][mr]
	if cols == panel && !t.Acc {
		for i := range mr {
			clear(c[i*t.Ldc:][:panel])
		}
		run(t.blocks, &q[0], t.pitch, &meta[0], t.metaPitch*4, &w[0], &c[0], t.Ldc*4)
		return
	}
	sum := t.scratch.sum
	clear(sum)
	run(t.blocks, &q[0], t.pitch, &meta[0], t.metaPitch*4, &w[0], &sum[0], panel*4)
	for i := range mr {
		out := c[i*t.Ldc:][:cols]
		if !t.Acc {
			copy(out, sum[i*panel:])
			continue
		}
		for j := range out {
			out[j] += sum[i*panel+j]
		}
	}
}

// quantize rounds blocks with the best kernel at hand.
func quantize(q []int8, meta, a []float32) {
	switch {
	case isa.VNNI():
		quantize512(&q[0], &meta[0], &a[0], len(a)/block)
	case isa.Now() >= isa.AVX2:
		quantize256(&q[0], &meta[0], &a[0], len(a)/block)
	default:
		quantizeGo(q, meta, a)
	}
}
