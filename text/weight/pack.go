package weight

import (
	"fmt"

	"kuai/kernel/gemm"
	"kuai/kernel/qgemm"
	"kuai/kernel/quant"
	"kuai/mem"
	"kuai/par"
	"kuai/text/checkpoint"
)

// Packer makes matrices of stored rows.
type Packer struct {
	Pool  *par.Pool
	Arena *mem.Arena // of what Room has asked for

	want string
}

// NewPacker returns a Packer that keeps weights as stored (""), or has them as
// "f32", "bf16", "q8" or "q4". Its arena is to be set before the first Pack.
func NewPacker(p *par.Pool, want string) (Packer, error) {
	switch want {
	case "", "f32", "bf16", "q8", "q4":
		return Packer{Pool: p, want: want}, nil
	}
	return Packer{}, fmt.Errorf("text: weights as %q, want f32, bf16, q8 or q4", want)
}

// Room returns the bytes of the arena that a matrix takes.
func (k *Packer) Room(r checkpoint.Rows) int {
	typ, bytes := k.form(r)
	switch {
	case bytes:
		return qgemm.PackedBytes(typ, r.N, r.K) + mem.Align
	case typ == quant.F16:
		return 2*halfValues(r.N, r.K) + mem.Align
	}
	return 0
}

// Pack makes a matrix of rows, in the given order unless it is nil.
func (k *Packer) Pack(r checkpoint.Rows, order []int) Matrix {
	if order != nil {
		r = r.Pick(order)
	}
	typ, bytes := k.form(r)
	switch {
	case bytes:
		return k.bytes(r, typ)
	case typ == quant.F16:
		return packHalves(k.Pool, k.Arena, r)
	}
	return packFloats(k.Pool, r, typ)
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
		eachRow(k.Pool, r, func(i int, x []float32) { quant.Quantize(out[i*size:(i+1)*size], typ, x) })
		r.Data = out
	}
	return quantised{qgemm.Pack(k.Pool, k.Arena, typ, r.Data, r.N, r.K)}
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
