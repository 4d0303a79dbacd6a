// Package convert rewrites language models: other quantisation, and between
// Hugging Face directories and GGUF files. It streams a tensor at a time.
package convert

import (
	"fmt"
	"io"
	"slices"
	"strings"

	"kuai/format/gguf"
	"kuai/kernel/quant"
	"kuai/par"
)

// Progress tells how far a conversion is.
type Progress struct {
	Tensor      string
	Done, Total int64 // bytes of the source
}

// fileTypes are llama.cpp's numbers of what most of a file's tensors are.
var fileTypes = map[quant.Type]uint32{quant.F32: 0, quant.F16: 1, quant.Q4_0: 2, quant.Q8_0: 7, quant.BF16: 32}

// Types lists the formats that can be written.
func Types() []string {
	var out []string
	for t := range fileTypes {
		out = append(out, t.String())
	}
	slices.Sort(out)
	return out
}

// Quantize writes the model of a GGUF file with its matrices in another format.
// Vectors and routers become F32; embedding and output stay at eight bits or
// more.
func Quantize(p *par.Pool, in, out string, t quant.Type, progress func(Progress)) error {
	number, ok := fileTypes[t]
	if !ok {
		return fmt.Errorf("convert: %v cannot be written, want one of %s", t, strings.Join(Types(), " "))
	}
	f, err := gguf.Open(in)
	if err != nil {
		return err
	}
	defer f.Close() //nolint:errcheck // was only read
	keys := slices.DeleteFunc(f.Pairs(), func(k gguf.Key) bool {
		return k.Name == "general.file_type" || k.Name == "general.quantization_version" || k.Name == "general.alignment"
	})
	keys = append(keys, gguf.Key{Name: "general.file_type", Value: number}, gguf.Key{Name: "general.quantization_version", Value: uint32(2)})
	w := writer{pool: p, progress: progress}
	var list []gguf.Source
	for _, x := range f.Tensors() {
		w.total += int64(len(x.Data))
		list = append(list, w.source(matrix{
			name: x.Name, shape: x.Shape, from: x.Type, bytes: int64(len(x.Data)),
			rows: func(at, n int) []byte {
				size := x.Type.Bytes(x.Shape[len(x.Shape)-1])
				return x.Data[at*size : (at+n)*size]
			},
		}, t))
	}
	return gguf.Write(out, keys, list)
}

// matrix is a tensor of the source: rows of blocks.
type matrix struct {
	name  string
	shape []int
	from  quant.Type
	bytes int64
	rows  func(at, n int) []byte // n rows from one on, in order of the target
}

// writer makes the sources of a file.
type writer struct {
	pool        *par.Pool
	progress    func(Progress)
	done, total int64
}

// target is the format in which a tensor is written.
func target(name string, shape []int, t quant.Type) quant.Type {
	last := shape[len(shape)-1]
	switch {
	case len(shape) < 2 || strings.Contains(name, "ffn_gate_inp"):
		return quant.F32
	case t == quant.Q4_0 && (name == "token_embd.weight" || name == "output.weight"):
		t = quant.Q8_0
	}
	if block, _ := t.Block(); last%block != 0 {
		return quant.F16
	}
	return t
}

// rowsAtOnce bounds what is in memory of a tensor.
const valuesAtOnce = 4 << 20

// source converts a tensor when its turn comes.
func (w *writer) source(m matrix, t quant.Type) gguf.Source {
	to := m.from
	if len(m.shape) > 0 {
		to = target(m.name, m.shape, t)
	}
	return gguf.Source{Name: m.name, Shape: m.shape, Type: to, Write: func(out io.Writer) error {
		k := m.shape[len(m.shape)-1]
		n := 1
		for _, s := range m.shape[:len(m.shape)-1] {
			n *= s
		}
		step := max(1, valuesAtOnce/max(k, 1))
		buf := make([]byte, to.Bytes(k)*min(step, n))
		for at := 0; at < n; at += step {
			rows := min(step, n-at)
			data := m.rows(at, rows)
			if to != m.from {
				data = convertRows(w.pool, buf[:to.Bytes(k)*rows], data, m.from, to, k)
			}
			if _, err := out.Write(data); err != nil {
				return err
			}
		}
		w.done += m.bytes
		if w.progress != nil {
			w.progress(Progress{m.name, w.done, w.total})
		}
		return nil
	}}
}

// convertRows rounds rows of k values from one format to another.
func convertRows(p *par.Pool, dst, src []byte, from, to quant.Type, k int) []byte {
	a, b := from.Bytes(k), to.Bytes(k)
	p.Do(len(dst)/b, func(i, _ int) {
		row := make([]float32, k)
		quant.Dequantize(row, from, src[i*a:(i+1)*a])
		quant.Quantize(dst[i*b:(i+1)*b], to, row)
	})
	return dst
}
