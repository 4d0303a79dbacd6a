// Package convert rewrites language models: other quantisation, and between
// Hugging Face directories and GGUF files. It streams a tensor at a time.
package convert

import (
	"context"
	"fmt"
	"io"
	"slices"
	"strings"

	"kuai/format/gguf"
	"kuai/kernel/quant"
	"kuai/par"
	"kuai/text/checkpoint"
)

// Progress tells how far a conversion is.
type Progress struct {
	Tensor      string
	Done, Total int64 // bytes of the source
}

// fileTypes are llama.cpp's numbers of what most of a file's tensors are.
var fileTypes = map[quant.Type]uint32{
	quant.F32: 0, quant.F16: 1, quant.BF16: 32, quant.Q8_0: 7, quant.Q4_0: 2, quant.Q4_1: 3, quant.Q5_0: 8, quant.Q5_1: 9,
	quant.Q4_K: 15, quant.Q5_K: 17, quant.Q6_K: 18, // 15 and 17 are the mixtures Q4_K_M and Q5_K_M
}

// Types lists the formats that can be written.
func Types() []string {
	var out []string
	for t := range fileTypes {
		out = append(out, t.String())
	}
	slices.Sort(out)
	return out
}

// ParseType reads a format's name, in any case; Q4_K_M is another name of Q4_K,
// which is written as that mixture.
func ParseType(name string) (quant.Type, bool) {
	name = strings.ToUpper(name)
	if short, ok := strings.CutSuffix(name, "_K_M"); ok {
		name = short + "_K"
	}
	t, ok := quant.Parse(name)
	_, known := fileTypes[t]
	return t, ok && known
}

// Quantize writes the model of a GGUF file with its matrices in another format.
// Vectors and routers become F32; embedding and output keep more bits, and so do
// with Q4_K and Q5_K some matrices that need them, as in llama.cpp's mixtures.
// It ends between tensors' pieces with the cause of ctx.
func Quantize(ctx context.Context, p *par.Pool, in, out string, t quant.Type, progress func(Progress)) error {
	return checkpoint.Reading(in, func() error { return requantize(ctx, p, in, out, t, progress) })
}

func requantize(ctx context.Context, p *par.Pool, in, out string, t quant.Type, progress func(Progress)) error {
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
	w := writer{pool: p, progress: progress, stopped: func() error { return context.Cause(ctx) }}
	if arch, ok := f.String("general.architecture"); ok {
		n, _ := f.Int(arch + ".block_count")
		w.layers = int(min(max(n, 0), 1<<20))
	}
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
	stopped     func() error
	layers      int // of the model
	done, total int64
}

// narrow is what is written where rows are no whole blocks of 256.
var narrow = map[quant.Type]quant.Type{quant.Q4_K: quant.Q5_0, quant.Q5_K: quant.Q5_1, quant.Q6_K: quant.Q8_0}

// target is the format in which a tensor is written.
func target(name string, shape []int, t quant.Type, layers int) quant.Type {
	last := shape[len(shape)-1]
	if len(shape) < 2 || strings.Contains(name, "ffn_gate_inp") {
		return quant.F32
	}
	block, size := t.Block()
	switch {
	case name == "token_embd.weight" || name == "output.weight":
		switch {
		case block > 32:
			t = quant.Q6_K
		case block == 32 && size < 34:
			t = quant.Q8_0
		}
	case t == quant.Q4_K || t == quant.Q5_K:
		t = mixed(name, t, layers)
	}
	if block, _ = t.Block(); last%block != 0 && narrow[t] != 0 {
		t = narrow[t]
	}
	if block, _ = t.Block(); last%block != 0 {
		return quant.F16
	}
	return t
}

// mixed gives six bits to values and down projections of the first and last
// eighth of the layers and of every third one between, and one more bit to
// queries, keys and values that are one matrix.
func mixed(name string, t quant.Type, layers int) quant.Type {
	var i int
	var part string
	if _, err := fmt.Sscanf(name, "blk.%d.%s", &i, &part); err != nil {
		return t
	}
	eighth := layers / 8
	switch part {
	case "attn_v.weight", "ffn_down.weight", "ffn_down_exps.weight":
		if i < eighth || i >= 7*layers/8 || (i-eighth)%3 == 2 {
			return quant.Q6_K
		}
	case "attn_qkv.weight":
		if t == quant.Q4_K {
			return quant.Q5_K
		}
		return quant.Q6_K
	}
	return t
}

// valuesAtOnce bounds what is in memory of a tensor.
const valuesAtOnce = 4 << 20

// source converts a tensor when its turn comes.
func (w *writer) source(m matrix, t quant.Type) gguf.Source {
	to := m.from
	if len(m.shape) > 0 {
		to = target(m.name, m.shape, t, w.layers)
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
			if err := w.stopped(); err != nil {
				return err
			}
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
