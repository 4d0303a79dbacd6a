package qgemm

import (
	"kuai/internal/check"
	"kuai/kernel/quant"
	"kuai/mem"
)

// Version numbers the form of packed weights: it changes whenever the bytes do
// that Pack makes of the same blocks, so that stored ones are not believed any
// more.
const Version = 1

// Packed is Pack for weights that lie in the arena already, in their packed
// form, where Pack would put them.
func Packed(a *mem.Arena, t quant.Type, n, k int) *Weights {
	values, _ := t.Block()
	check.True(values > 0 && n >= 0 && k >= 0 && k%block == 0 && k%values == 0, "qgemm: %dx%d of %v, want rows of blocks", n, k, t)
	return &Weights{n: n, k: k, kind: kindOf(t), typ: t, buf: mem.Make[byte](a, PackedBytes(t, n, k))}
}
