package grad

import (
	"kuai/internal/check"
	"kuai/mem"
)

// Var is a tensor of float32 with room for its gradient. The last dimension is
// contiguous, and there are no strides.
type Var struct {
	Shape []int
	X     []float32
	G     []float32 // nil until the backward pass (or Grad) first writes it

	base  *Var // X and G are this Var's, under another shape
	needs bool // a gradient is wanted
	leaf  bool // a parameter: its gradient outlives the tape's arena
	depth int  // of the checkpoint in which it was made
}

// NewParam returns a persistent Var: zero values and, once a backward pass asks
// for it, a gradient that lasts until its owner clears it. Both live outside
// the Go heap when they are large, as long as the process does.
func NewParam(shape ...int) Var {
	return Var{Shape: shape, X: persistent(size(shape)), needs: true, leaf: true}
}

// persistent returns zeroed memory for n values that is never given back.
// Small tensors stay on the Go heap, since a mapping takes whole pages.
func persistent(n int) []float32 {
	const smallValues = 16 << 10
	if n < smallValues {
		return make([]float32, n)
	}
	return mem.Make[float32](mem.NewArena(4*n), n)
}

// Len returns the number of values.
func (v *Var) Len() int { return len(v.X) }

// Dim returns one length of the shape; negative i count from the end.
func (v *Var) Dim(i int) int {
	if i < 0 {
		i += len(v.Shape)
	}
	return v.Shape[i]
}

// Rows returns the product of all lengths but the last.
func (v *Var) Rows() int {
	n := 1
	for _, d := range v.Shape[:len(v.Shape)-1] {
		n *= d
	}
	return n
}

// Needs says whether a gradient of v is wanted.
func (v *Var) Needs() bool { return v.root().needs }

// Got returns the gradient that has arrived at v so far, nil for none. It is
// what the producer of v begins its backward with.
func (v *Var) Got() []float32 {
	v.G = v.root().G
	return v.G
}

// root is the Var that owns the memory.
func (v *Var) root() *Var {
	for v.base != nil {
		v = v.base
	}
	return v
}

func size(shape []int) int {
	n := 1
	for _, d := range shape {
		check.True(d >= 0, "grad: shape %v", shape)
		n *= d
	}
	return n
}
