package weight

import (
	"encoding/binary"
	"fmt"

	"kuai/kernel/gemm"
	"kuai/kernel/qgemm"
	"kuai/kernel/quant"
	"kuai/mem"
	"kuai/par"
	"kuai/text/checkpoint"
)

// Packer makes matrices of stored rows: first all are planned, then memory is
// reserved for them, then they are packed, in the same order.
type Packer struct {
	pool  *par.Pool
	want  string
	arena *mem.Arena
	used  int    // bytes of the arena that are planned
	plan  []byte // what is packed there, and how
	ready bool   // the arena holds the packed weights already
}

// NewPacker returns a Packer that keeps weights as stored (""), or has them as
// "f32", "bf16", "q8" or "q4".
func NewPacker(p *par.Pool, want string) (*Packer, error) {
	switch want {
	case "", "f32", "bf16", "q8", "q4":
		return &Packer{pool: p, want: want}, nil
	}
	return nil, fmt.Errorf("text: weights as %q, want f32, bf16, q8 or q4", want)
}

// Plan returns what makes a matrix of rows, in the given order unless it is nil.
func (k *Packer) Plan(r checkpoint.Rows, order []int) func() Matrix {
	typ, bytes := k.form(r)
	n, size := r.N, 0
	if order != nil {
		n = len(order)
	}
	switch {
	case bytes:
		size = qgemm.PackedBytes(typ, n, r.K)
	case typ == quant.F16:
		size = 2 * halfValues(n, r.K)
	}
	if size > 0 {
		k.used = (k.used+mem.Align-1)&^(mem.Align-1) + size
		k.plan = fmt.Appendf(k.plan, "%s %v %d %d", r.Tensor.Name, typ, n, r.K)
		for _, i := range order {
			k.plan = binary.AppendVarint(k.plan, int64(i))
		}
	}
	return func() Matrix {
		switch {
		case k.ready && bytes:
			return quantised{qgemm.Packed(k.arena, typ, n, r.K)}
		case k.ready && typ == quant.F16:
			return &halves{n: n, k: r.K, buf: mem.Make[uint16](k.arena, halfValues(n, r.K))}
		case order != nil:
			r = r.Pick(order)
		}
		switch {
		case bytes:
			return k.bytes(r, typ)
		case typ == quant.F16:
			return packHalves(k.pool, k.arena, r)
		}
		return packFloats(k.pool, r, typ)
	}
}

// Reserve makes room for what is planned, outside the Go heap, and takes it from
// the cache if that has it; a nil cache has nothing. The arena is the caller's,
// nil where nothing is to lie in one.
func (k *Packer) Reserve(c *Cache) (arena *mem.Arena, cached bool) {
	if k.used == 0 {
		return nil, false
	}
	k.arena = mem.NewArena(k.used)
	if c != nil && k.used >= c.least {
		mark := k.arena.Mark()
		k.ready = c.Load(k.pool, mem.Make[byte](k.arena, k.used)) == nil
		k.arena.Release(mark)
	}
	return k.arena, k.ready
}

// Store writes what was packed to a cache, unless it is little. Nothing of it
// may change meanwhile.
func (k *Packer) Store(c *Cache) error {
	if k.used < c.least {
		return nil
	}
	k.arena.Release(0)
	return c.Store(mem.Make[byte](k.arena, k.used))
}

// form says in which type a matrix is packed, and whether for kernel/qgemm, by
// the options and its own type. What is float32, bfloat16 or half precision
// stays that.
func (k *Packer) form(r checkpoint.Rows) (typ quant.Type, bytes bool) {
	typ = r.Tensor.Type
	switch k.want {
	case "f32":
		return quant.F32, false
	case "bf16":
		return quant.BF16, false
	case "q8":
		if isFloat(typ) {
			typ = quant.Q8_0
		}
	case "q4":
		if _, size := typ.Block(); isFloat(typ) || typ.Bytes(256) > quant.Q4_1.Bytes(256) && size > 0 {
			typ = quant.Q4_0
		}
	}
	switch {
	case typ == quant.BF16 || typ == quant.F16:
		return typ, false
	case isFloat(typ) || r.K%Block != 0:
		return quant.F32, false
	}
	return typ, true
}

func isFloat(t quant.Type) bool { return t == quant.F32 || t == quant.F16 || t == quant.BF16 }

// bytes packs rows for kernel/qgemm, quantised first if they are of another
// type.
func (k *Packer) bytes(r checkpoint.Rows, typ quant.Type) Matrix {
	if r.Tensor.Type != typ {
		out := make([]byte, typ.Bytes(r.N*r.K))
		size := typ.Bytes(r.K)
		eachRow(k.pool, r, func(i int, x []float32) { quant.Quantize(out[i*size:(i+1)*size], typ, x) })
		r.Data = out
	}
	return quantised{qgemm.Pack(k.pool, k.arena, typ, r.Data, r.N, r.K)}
}

// Floats makes a matrix in float32, whatever the rows are.
func Floats(p *par.Pool, r checkpoint.Rows) Matrix { return packFloats(p, r, quant.F32) }

// packFloats packs rows for kernel/gemm.
func packFloats(p *par.Pool, r checkpoint.Rows, typ quant.Type) Matrix {
	as := gemm.F32
	if typ == quant.BF16 {
		as = gemm.BF16
	}
	x, ok := r.View()
	if !ok {
		x = make([]float32, r.N*r.K)
		eachRow(p, r, func(i int, row []float32) { copy(x[i*r.K:], row) })
	}
	return FromFloats(p, as, x, r.N, r.K)
}

// FromFloats packs x [n, k].
func FromFloats(p *par.Pool, as gemm.Type, x []float32, n, k int) Matrix {
	return floats{gemm.Pack(p, as, gemm.View{P: x, Row: k, K: 1}, n, k), as}
}

// eachRow calls f with every row as float32, from several workers.
func eachRow(p *par.Pool, r checkpoint.Rows, f func(i int, x []float32)) {
	const block = 64
	p.Do((r.N+block-1)/block, func(task, _ int) {
		x := make([]float32, r.K)
		for i := task * block; i < min((task+1)*block, r.N); i++ {
			r.Row(x, i)
			f(i, x)
		}
	})
}
