// Package chattest makes tiny models for tests: whole files as the engine
// reads them, with random weights.
package chattest

import (
	"encoding/binary"
	"fmt"
	"io"
	"math"
	"math/rand/v2"
	"path/filepath"
	"testing"

	"kuai/format/gguf"
	"kuai/kernel/quant"
)

// The shape of the model: minimax-01 with a lightning and a softmax layer.
const (
	Context = 4096
	vocab   = 260
	hidden  = 32
	heads   = 2
	width   = 16 // of a head
	ff      = 32
	experts = 2
)

// Hybrid writes a model into the test's directory and returns its path. It
// speaks bytes, and knows the marks of ChatML.
func Hybrid(tb testing.TB) string {
	tb.Helper()
	path := filepath.Join(tb.TempDir(), "tiny.gguf")
	if err := Write(path); err != nil {
		tb.Fatal(err)
	}
	return path
}

// Write writes the model to a file.
func Write(path string) error {
	const p = "minimax-01."
	tokens, types := vocabulary()
	keys := []gguf.Key{
		{Name: "general.architecture", Value: "minimax-01"},
		{Name: p + "block_count", Value: uint32(2)},
		{Name: p + "context_length", Value: uint32(Context)},
		{Name: p + "embedding_length", Value: uint32(hidden)},
		{Name: p + "feed_forward_length", Value: uint32(ff)},
		{Name: p + "attention.head_count", Value: uint32(heads)},
		{Name: p + "attention.head_count_kv", Value: uint32(1)},
		{Name: p + "attention.key_length", Value: uint32(width)},
		{Name: p + "attention.value_length", Value: uint32(width)},
		{Name: p + "attention.layer_norm_rms_epsilon", Value: float32(1e-5)},
		{Name: p + "rope.freq_base", Value: float32(10000)},
		{Name: p + "rope.dimension_count", Value: uint32(width)},
		{Name: p + "expert_count", Value: uint32(experts)},
		{Name: p + "expert_used_count", Value: uint32(1)},
		{Name: p + "residual_scale", Value: float32(1)},
		{Name: p + "full_attention_interval", Value: uint32(2)},
		{Name: "tokenizer.ggml.model", Value: "gpt2"},
		{Name: "tokenizer.ggml.pre", Value: "gpt-2"},
		{Name: "tokenizer.ggml.tokens", Value: tokens},
		{Name: "tokenizer.ggml.token_type", Value: types},
		{Name: "tokenizer.ggml.merges", Value: []string{}},
		{Name: "tokenizer.ggml.eos_token_id", Value: uint32(257)},
	}
	w := writer{rng: rand.New(rand.NewPCG(1, 2))}
	w.random("token_embd.weight", 1, vocab, hidden)
	w.ones("output_norm.weight")
	for i := range 2 {
		b := fmt.Sprintf("blk.%d.", i)
		w.ones(b + "attn_norm.weight")
		w.ones(b + "ffn_norm.weight")
		if i == 0 {
			w.random(b+"attn_qkv.weight", 0.3, 3*heads*width, hidden)
			w.random(b+"attn_gate.weight", 0.3, heads*width, hidden)
			w.ones(b + "attn_norm_2.weight") // heads*width is hidden
		} else {
			w.random(b+"attn_q.weight", 0.3, heads*width, hidden)
			w.random(b+"attn_k.weight", 0.3, width, hidden)
			w.random(b+"attn_v.weight", 0.3, width, hidden)
		}
		w.random(b+"attn_output.weight", 0.3, hidden, heads*width)
		w.random(b+"ffn_gate_inp.weight", 0.3, experts, hidden)
		w.random(b+"ffn_gate_exps.weight", 0.3, experts, ff, hidden)
		w.random(b+"ffn_up_exps.weight", 0.3, experts, ff, hidden)
		w.random(b+"ffn_down_exps.weight", 0.3, experts, hidden, ff)
	}
	return gguf.Write(path, keys, w.tensors)
}

// vocabulary is the bytes as GPT-2's vocabulary writes them, and the marks.
func vocabulary() (tokens []string, types []int32) {
	next := rune(256)
	for b := range rune(256) {
		r := b
		if (b < '!' || b > '~') && (b < 0xa1 || b > 0xac) && b < 0xae {
			r = next
			next++
		}
		tokens, types = append(tokens, string(r)), append(types, 1)
	}
	for _, mark := range []string{"<|im_start|>", "<|im_end|>", "<|endoftext|>", "<|pad|>"} {
		tokens, types = append(tokens, mark), append(types, 3)
	}
	return tokens, types
}

// writer gathers tensors.
type writer struct {
	rng     *rand.Rand
	tensors []gguf.Source
}

func (w *writer) random(name string, spread float64, shape ...int) {
	w.add(name, func() float32 { return float32(w.rng.NormFloat64() * spread) }, shape)
}

func (w *writer) ones(name string) { w.add(name, func() float32 { return 1 }, []int{hidden}) }

func (w *writer) add(name string, value func() float32, shape []int) {
	n := 1
	for _, d := range shape {
		n *= d
	}
	data := make([]byte, 0, 4*n)
	for range n {
		data = binary.LittleEndian.AppendUint32(data, math.Float32bits(value()))
	}
	w.tensors = append(w.tensors, gguf.Source{Name: name, Shape: shape, Type: quant.F32, Write: func(out io.Writer) error {
		_, err := out.Write(data)
		return err
	}})
}
