// Package text measures the text engine: what a token costs at depth, for a
// hybrid of lightning and softmax attention, its softmax twin and a dense
// Transformer, in one run.
package text

import (
	"fmt"
	"io"
	"math"
	"math/rand/v2"

	"kuai/format/gguf"
	"kuai/kernel/quant"
	"kuai/par"
)

// Shape is a model with random weights: speed depends on shapes alone.
type Shape struct {
	Arch               string // minimax-01 or llama
	Layers, Hidden     int
	Heads, KVHeads     int
	HeadDim, FF, Vocab int
	Experts, Used      int // 0: dense
	Every              int // minimax-01: every so many layers attend by softmax
	Context            int
}

// The models that are compared: 547 million weights each, but 510 for the
// twin, which has no gates.
var (
	// Hybrid has 14 lightning layers and 2 of softmax attention.
	Hybrid = Shape{"minimax-01", 16, 1024, 8, 2, 128, 1024, 32000, 8, 2, 8, 1 << 20}
	// Twin attends by softmax in all 16 layers, four queries to a key.
	Twin = Shape{"llama", 16, 1024, 8, 2, 128, 1024, 32000, 8, 2, 0, 1 << 20}
	// Dense is a general Transformer of as many weights: softmax attention
	// with a key for each query, one wide feed-forward layer.
	Dense = Shape{"llama", 16, 1024, 8, 8, 128, 8448, 32000, 0, 0, 0, 1 << 20}
)

// Write writes a GGUF file of the shape, its matrices in a format.
func (s Shape) Write(p *par.Pool, path string, t quant.Type) error {
	key := func(name string, v any) gguf.Key { return gguf.Key{Name: s.Arch + "." + name, Value: v} }
	number := func(name string, v int) gguf.Key { return key(name, uint32(v)) }
	keys := []gguf.Key{
		{Name: "general.architecture", Value: s.Arch},
		{Name: "general.name", Value: "synthetic"},
		number("block_count", s.Layers), number("context_length", s.Context), number("embedding_length", s.Hidden),
		number("feed_forward_length", s.FF), number("attention.head_count", s.Heads), number("attention.head_count_kv", s.KVHeads),
		number("attention.key_length", s.HeadDim), number("attention.value_length", s.HeadDim), number("vocab_size", s.Vocab),
		key("attention.layer_norm_rms_epsilon", float32(1e-5)), key("rope.freq_base", float32(1e7)),
	}
	rotary := s.HeadDim
	if s.Arch == "minimax-01" {
		rotary /= 2
		keys = append(keys, key("residual_scale", float32(3.5565588200778455)), number("full_attention_interval", s.Every))
	}
	keys = append(keys, number("rope.dimension_count", rotary))
	if s.Experts > 0 {
		keys = append(keys, number("expert_count", s.Experts), number("expert_used_count", s.Used))
	}
	return gguf.Write(path, append(keys, s.vocabulary()...), s.tensors(p, t))
}

// vocabulary is byte-level, with words that never occur.
func (s Shape) vocabulary() []gguf.Key {
	tokens, types := make([]string, s.Vocab), make([]int32, s.Vocab)
	next := rune(256)
	for i := range tokens {
		types[i] = 1
		if i >= 256 {
			tokens[i] = fmt.Sprintf("tok%d", i)
			continue
		}
		r := rune(i)
		if r < '!' || r > '~' && r < '¡' || r == 0xad {
			r = next
			next++
		}
		tokens[i] = string(r)
	}
	return []gguf.Key{
		{Name: "tokenizer.ggml.model", Value: "gpt2"},
		{Name: "tokenizer.ggml.pre", Value: "gpt-2"},
		{Name: "tokenizer.ggml.tokens", Value: tokens},
		{Name: "tokenizer.ggml.token_type", Value: types},
		{Name: "tokenizer.ggml.merges", Value: []string{"a b"}},
		{Name: "tokenizer.ggml.bos_token_id", Value: uint32(0)},
		{Name: "tokenizer.ggml.eos_token_id", Value: uint32(1)},
	}
}

// tensors lists the weights in llama.cpp's names.
func (s Shape) tensors(p *par.Pool, t quant.Type) []gguf.Source {
	var list []gguf.Source
	seed := uint64(0)
	matrix := func(name string, t quant.Type, shape ...int) {
		seed++
		list = append(list, gguf.Source{Name: name, Shape: shape, Type: t, Write: random(p, seed, t, shape)})
	}
	ones := func(name string, n int) {
		list = append(list, gguf.Source{Name: name, Shape: []int{n}, Type: quant.F32, Write: func(w io.Writer) error {
			x, out := make([]float32, n), make([]byte, 4*n)
			for i := range x {
				x[i] = 1
			}
			quant.Quantize(out, quant.F32, x)
			_, err := w.Write(out)
			return err
		}})
	}
	e, hd, kd, f := s.Hidden, s.Heads*s.HeadDim, s.KVHeads*s.HeadDim, s.FF
	matrix("token_embd.weight", t, s.Vocab, e)
	ones("output_norm.weight", e)
	matrix("output.weight", t, s.Vocab, e)
	for i := range s.Layers {
		name := func(part string) string { return fmt.Sprintf("blk.%d.%s.weight", i, part) }
		ones(name("attn_norm"), e)
		ones(name("ffn_norm"), e)
		if s.Every > 0 && (i+1)%s.Every != 0 {
			ones(name("attn_norm_2"), hd)
			matrix(name("attn_qkv"), t, 3*hd, e)
			matrix(name("attn_gate"), t, hd, e)
		} else {
			matrix(name("attn_q"), t, hd, e)
			matrix(name("attn_k"), t, kd, e)
			matrix(name("attn_v"), t, kd, e)
		}
		matrix(name("attn_output"), t, e, hd)
		if s.Experts == 0 {
			matrix(name("ffn_gate"), t, f, e)
			matrix(name("ffn_up"), t, f, e)
			matrix(name("ffn_down"), t, e, f)
			continue
		}
		matrix(name("ffn_gate_inp"), quant.F32, s.Experts, e)
		matrix(name("ffn_gate_exps"), t, s.Experts, f, e)
		matrix(name("ffn_up_exps"), t, s.Experts, f, e)
		matrix(name("ffn_down_exps"), t, s.Experts, e, f)
	}
	return list
}

// random writes normal values of deviation 0.5 / √inputs, a row a task.
func random(p *par.Pool, seed uint64, t quant.Type, shape []int) func(io.Writer) error {
	return func(w io.Writer) error {
		k, rows := shape[len(shape)-1], 1
		for _, s := range shape[:len(shape)-1] {
			rows *= s
		}
		size := t.Bytes(k)
		scale := float32(0.5 / math.Sqrt(float64(k)))
		const most = 4096 // rows at a time
		buf := make([]byte, size*min(rows, most))
		for from := 0; from < rows; from += most {
			n := min(most, rows-from)
			p.Do(n, func(i, _ int) {
				r := rand.New(rand.NewPCG(seed, uint64(from+i)))
				x := make([]float32, k)
				for j := range x {
					x[j] = scale * float32(r.NormFloat64())
				}
				quant.Quantize(buf[i*size:(i+1)*size], t, x)
			})
			if _, err := w.Write(buf[:n*size]); err != nil {
				return err
			}
		}
		return nil
	}
}
