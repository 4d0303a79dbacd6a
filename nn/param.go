package nn

import (
	"math"
	"math/rand/v2"
	"sync"

	"kuai/grad"
	"kuai/kernel/gemm"
	"kuai/kernel/isa"
)

// Param is a trained tensor. X and G outlive the tape.
type Param struct {
	grad.Var

	// Matrix says that X is the matrix [Shape[0], rest] of a linear map, which
	// optimisers may treat as a whole and decay; not so tables, norms, biases
	// and kernels of single channels.
	Matrix bool

	version uint64
	fwd, t  packed // of the weight as a matrix, and of its transpose
}

func newParam(shape ...int) *Param { return &Param{Var: grad.NewParam(shape...)} }

// newMatrix returns the parameter of a linear map with the given inputs, whose
// values keep the variance of what goes in.
func newMatrix(r *rand.Rand, inputs int, shape ...int) *Param {
	p := newParam(shape...).normal(r, fanIn(inputs))
	p.Matrix = true
	return p
}

// normal fills a new parameter with Gaussian values.
func (p *Param) normal(r *rand.Rand, std float64) *Param {
	for i := range p.X {
		p.X[i] = float32(r.NormFloat64() * std)
	}
	return p
}

func (p *Param) fill(v float32) *Param {
	for i := range p.X {
		p.X[i] = v
	}
	return p
}

// Changed tells the layers that X has new values, so that they pack it anew.
// Whoever writes X after the first forward calls it.
func (p *Param) Changed() { p.version++ }

// fanIn is the deviation that keeps the variance of n summed inputs.
func fanIn(n int) float64 { return 1 / math.Sqrt(float64(n)) }

// packKey says for what a packed form was made.
type packKey struct {
	version uint64
	typ     gemm.Type
	level   isa.Level
}

func (p *Param) key(typ gemm.Type) packKey { return packKey{p.version, typ, isa.Now()} }

// cached is a packed form of a parameter, remade when the parameter, the type
// of the products or the instruction set have changed.
type cached[W any] struct {
	mu   sync.Mutex // tapes of several goroutines may share a model
	key  packKey
	made bool
	w    W
}

// get returns the packed form. pack gets the old one to reuse, and whether it
// has one of the same type.
func (c *cached[W]) get(key packKey, pack func(old W, same bool) W) W {
	c.mu.Lock()
	defer c.mu.Unlock()
	if !c.made || c.key != key {
		c.w = pack(c.w, c.made && c.key.typ == key.typ && c.key.level == key.level)
		c.key, c.made = key, true
	}
	return c.w
}

type packed = cached[*gemm.Weights]

// matrix returns the packed form of X seen as [n, k] for products on t.
func (p *Param) matrix(t *grad.Tape, c *packed, v gemm.View, n, k int) *gemm.Weights {
	return c.get(p.key(t.Type), func(old *gemm.Weights, same bool) *gemm.Weights {
		if !same {
			return gemm.Pack(t.Pool, t.Type, v, n, k)
		}
		old.Repack(t.Pool, v)
		return old
	})
}

// forward returns the packed X [out, in], backward its transpose.
func (p *Param) forward(t *grad.Tape, out, in int) *gemm.Weights {
	return p.matrix(t, &p.fwd, gemm.View{P: p.X, Row: in, K: 1}, out, in)
}

func (p *Param) backward(t *grad.Tape, out, in int) *gemm.Weights {
	return p.matrix(t, &p.t, gemm.View{P: p.X, Row: 1, K: in}, in, out)
}
