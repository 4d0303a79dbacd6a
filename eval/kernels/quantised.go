package kernels

import (
	"fmt"
	"math"

	"kuai/kernel/qgemm"
	"kuai/kernel/quant"
	"kuai/mem"
	"kuai/par"
)

// roundBytes of weights are read in turns where few rows are multiplied, so
// that they come from memory and not from a cache.
const roundBytes = 128 << 20

// quantised are the rooms of products with weights of eight and four bits. The
// time includes rounding the rows to bytes. Prefill is in shares of the rate of
// byte products, decode, a row or a few, in shares of the rate of reading.
func quantised() []room {
	eight, four, super := quant.Q8_0, quant.Q4_0, quant.Q4_K
	return []room{
		blocks("gemm_q8_512", int8Limit, eight, 512, 1024, 1024, 1, 0.7),
		blocks("gemm_q4_512", int8Limit, four, 512, 1024, 1024, 1, 0),
		blocks("gemm_q4k_512", int8Limit, super, 512, 1024, 1024, 1, 0),
		blocks("gemm_q8_64", int8Limit, eight, 64, 1024, 1024, 1, 0),
		blocks("gemm_q8_8", int8Limit, eight, 8, 4096, 4096, 1, 0),
		blocks("gemv_q8", readLimit, eight, 1, 4096, 4096, 1, 0.9),
		blocks("gemv_q4", readLimit, four, 1, 4096, 4096, 1, 0.9),
		blocks("gemv_q8_1024", readLimit, eight, 1, 1024, 1024, 1, 0),
		// The gates and ups of the eight experts that a token chose.
		blocks("experts_q8_1", readLimit, eight, 1, 512, 1024, 16, 0),
		blocks("experts_q4_1", readLimit, four, 1, 512, 1024, 16, 0),
	}
}

// blocks is a room of qgemm: many products of m rows in one go.
func blocks(name string, l limit, typ quant.Type, m, n, k, many int, bar float64) room {
	work := 2 * float64(m*n*k*many)
	if l == readLimit {
		work = float64(qgemm.PackedBytes(typ, n, k) * many)
	}
	return room{name, l, work, bar, func(p *par.Pool, arena *mem.Arena) (func(), func() error) {
		a, values := random(arena, m*k), random(arena, n*k)
		data := make([]byte, typ.Bytes(n*k))
		store(typ, data, values)
		count := many
		if m < 16 {
			count = (roundBytes/qgemm.PackedBytes(typ, n, k) + many) / many * many
		}
		weights := make([]*qgemm.Weights, count)
		for i := range weights {
			weights[i] = qgemm.Pack(p, arena, typ, data, n, k)
		}
		c := mem.Make[float32](arena, many*m*n)
		x, jobs, at := &qgemm.Activations{}, make([]qgemm.Job, many), 0
		run := func() {
			x.Quantize(p, a, k, m, k)
			for i := range jobs {
				jobs[i] = qgemm.Job{C: c[i*m*n:], Ldc: n, X: x, W: weights[(at+i)%count]}
			}
			qgemm.MulMany(p, jobs)
			at = (at + many) % count
		}
		return run, func() error { return checkBlocks(c, many*m, m, n, k, a, values) }
	}}
}

// store rounds values to blocks of a format and puts into values what these
// say. A super-block, which is not written here, gets what bits may come.
func store(typ quant.Type, data []byte, values []float32) {
	if typ.Writable() {
		quant.Quantize(data, typ, values)
	} else {
		_, size := typ.Block()
		for i := range data {
			data[i] = byte(math.Float32bits(values[i]) >> 3)
		}
		for b := 0; b < len(data); b += size { // scale and minimum in half precision
			data[b], data[b+1], data[b+2], data[b+3] = 0, 0x10, 0, 0x18
		}
	}
	quant.Dequantize(values, typ, data)
}

// checkBlocks compares some elements with sums in float64, within what rows
// rounded to bytes allow.
func checkBlocks(c []float32, rows, m, n, k int, a, w []float32) error {
	for s := range 16 {
		i, j := s*(rows-1)/15, (15-s)*(n-1)/15
		var want, size float64
		for x := range k {
			v := float64(a[i%m*k+x]) * float64(w[j*k+x])
			want += v
			size += v * v
		}
		if got := float64(c[i*n+j]); !(math.Abs(got-want) < 0.1*math.Sqrt(size)) {
			return fmt.Errorf("element (%d, %d) is %v, want %v", i, j, got, want)
		}
	}
	return nil
}
