package grad

import (
	"kuai/internal/check"
	"kuai/kernel/gemm"
	"kuai/kernel/vec"
	"kuai/mem"
	"kuai/par"
)

// Tape holds one step's tensors and the way back through it. It belongs to one
// goroutine at a time.
type Tape struct {
	Pool  *par.Pool
	Arena *mem.Arena // nil: the Go heap
	Type  gemm.Type  // of the products, forward and backward

	begin  mem.Mark // of the arena, where the tape's own part begins
	back   []func()
	silent int // above zero nothing is recorded
	depth  int // of nested checkpoints being replayed
}

// New returns a tape that records and takes its memory from the arena from
// here on.
func New(pool *par.Pool, arena *mem.Arena, typ gemm.Type) *Tape {
	t := &Tape{Pool: pool, Arena: arena, Type: typ}
	t.begin = t.mark()
	return t
}

// NewForward returns a tape that never records, for inference.
func NewForward(pool *par.Pool, arena *mem.Arena, typ gemm.Type) *Tape {
	t := New(pool, arena, typ)
	t.silent = 1
	return t
}

// Recording says whether Then keeps what it is given.
func (t *Tape) Recording() bool { return t.silent == 0 }

// NoGrad runs f without recording. What f makes takes no gradient later.
func (t *Tape) NoGrad(f func()) {
	t.silent++
	defer func() { t.silent-- }()
	f()
}

// New returns a tensor of the arena, whose values are not set. It takes a
// gradient if the tape is recording.
func (t *Tape) New(shape ...int) *Var {
	n := size(shape)
	return &Var{Shape: shape, X: t.Make(n), needs: t.Recording(), depth: t.depth}
}

// Like returns a tensor for a function of v alone: of v's shape, with a
// gradient if v has one.
func (t *Tape) Like(v *Var) *Var { return t.From([]*Var{v}, v.Shape...) }

// From is New for a function of the inputs: it takes a gradient only if one of
// them does.
func (t *Tape) From(inputs []*Var, shape ...int) *Var {
	v := t.New(shape...)
	if v.needs {
		v.needs = false
		for _, in := range inputs {
			v.needs = v.needs || in.Needs()
		}
	}
	return v
}

// Const returns a tensor without gradient over the caller's values.
func (t *Tape) Const(x []float32, shape ...int) *Var {
	check.True(len(x) == size(shape), "grad: %d values for shape %v", len(x), shape)
	return &Var{Shape: shape, X: x, depth: t.depth}
}

// View returns v under another shape of the same size. Values and gradient are
// shared.
func (t *Tape) View(v *Var, shape ...int) *Var {
	check.True(v.Len() == size(shape), "grad: shape %v viewed as %v", v.Shape, shape)
	return &Var{Shape: shape, X: v.X, base: v.root()}
}

// Make returns memory of the arena that lasts until Reset, not zeroed.
func (t *Tape) Make(n int) []float32 { return mem.Make[float32](t.Arena, n) }

// Then records the way back of what was just computed; back runs once, after
// everything recorded later.
func (t *Tape) Then(back func()) {
	if t.Recording() {
		t.back = append(t.back, back)
	}
}

// Backward seeds the gradient of loss with ones and runs everything recorded,
// last first. Parameters add what arrives to their gradients.
func (t *Tape) Backward(loss *Var) {
	check.True(t.Recording(), "grad: backward on a tape that does not record")
	g, _ := t.Fresh(loss)
	t.Chunks(len(g), func(i, j int) { vec.Fill(g[i:j], 1) })
	t.unwind()
}

// unwind runs what is recorded and forgets it.
func (t *Tape) unwind() {
	for i := len(t.back) - 1; i >= 0; i-- {
		t.back[i]()
		t.back[i] = nil
	}
	t.back = t.back[:0]
}

// Reset forgets what was recorded and empties the tape's part of the arena for
// the next step. Every tensor of the tape is gone; parameters stay.
func (t *Tape) Reset() {
	clear(t.back)
	t.back = t.back[:0]
	t.release(t.begin)
}

func (t *Tape) mark() mem.Mark {
	if t.Arena == nil {
		return 0
	}
	return t.Arena.Mark()
}

func (t *Tape) release(m mem.Mark) {
	if t.Arena != nil {
		t.Arena.Release(m)
	}
}

// Temp runs f and gives back what it made in the arena. f must not make a
// gradient.
func (t *Tape) Temp(f func()) {
	mark := t.mark()
	f()
	t.release(mark)
}
