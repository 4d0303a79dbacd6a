package convert

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"kuai/format/gguf"
	"kuai/kernel/quant"
	"kuai/par"
	"kuai/text/checkpoint"
	"kuai/token"
)

// ToGGUF writes the model of a Hugging Face directory as a GGUF file, its
// matrices in a format, as llama.cpp wants it. It ends with the cause of ctx.
func ToGGUF(ctx context.Context, p *par.Pool, dir, out string, t quant.Type, progress func(Progress)) error {
	return checkpoint.Reading(dir, func() error { return toFile(ctx, p, dir, out, t, progress) })
}

func toFile(ctx context.Context, p *par.Pool, dir, out string, t quant.Type, progress func(Progress)) error {
	number, ok := fileTypes[t]
	if !ok {
		return fmt.Errorf("convert: %v cannot be written, want one of %s", t, strings.Join(Types(), " "))
	}
	s, err := checkpoint.Open(dir)
	if err != nil {
		return err
	}
	defer s.Close() //nolint:errcheck // was only read
	if s.GGUF {
		return fmt.Errorf("convert: %s is a GGUF file already; use kuai quantize", dir)
	}
	keys, err := modelKeys(s.Config)
	if err != nil {
		return err
	}
	words, err := vocabularyKeys(dir, s.Config.Vocab)
	if err != nil {
		return err
	}
	keys = append(append(keys, words...), gguf.Key{Name: "general.file_type", Value: number}, gguf.Key{Name: "general.quantization_version", Value: uint32(2)})
	w := &toGGUF{writer: writer{pool: p, progress: progress, layers: s.Config.Layers, stopped: func() error { return context.Cause(ctx) }}, config: s.Config, typ: t, byName: map[string]checkpoint.Tensor{}}
	for _, x := range s.Tensors {
		w.byName[x.Name] = x
		w.total += int64(len(x.Data))
	}
	list, err := w.list()
	if err != nil {
		return err
	}
	return gguf.Write(out, keys, list)
}

// modelKeys says the shape.
func modelKeys(c checkpoint.Config) ([]gguf.Key, error) {
	keys := []gguf.Key{{Name: "general.architecture", Value: c.Arch}, {Name: "general.name", Value: c.Name}}
	add := func(name string, v any) { keys = append(keys, gguf.Key{Name: c.Arch + "." + name, Value: v}) }
	for _, n := range []struct {
		name string
		v    int
	}{
		{"block_count", c.Layers},
		{"context_length", c.Context},
		{"embedding_length", c.Hidden},
		{"feed_forward_length", c.FeedForward},
		{"attention.head_count", c.Heads},
		{"attention.head_count_kv", c.KVHeads},
		{"attention.key_length", c.HeadDim},
		{"attention.value_length", c.HeadDim},
		{"rope.dimension_count", c.RotaryDim},
		{"vocab_size", c.Vocab},
	} {
		add(n.name, uint32(n.v))
	}
	add("attention.layer_norm_rms_epsilon", c.NormEps)
	add("rope.freq_base", float32(c.RopeBase))
	if c.Experts > 0 {
		add("expert_count", uint32(c.Experts))
		add("expert_used_count", uint32(c.ExpertsUsed))
	}
	if c.Arch == "minimax-01" {
		alpha, ok := c.ResidualScale()
		if !ok {
			return nil, errors.New("convert: the residual has several factors; GGUF knows one for all layers")
		}
		add("residual_scale", alpha)
		add("attention.recurrent_layers", c.Linear())
	}
	return keys, nil
}

// vocabularyKeys reads tokenizer.json, and pads to the size of the embedding.
func vocabularyKeys(dir string, size int) ([]gguf.Key, error) {
	data, err := os.ReadFile(filepath.Join(dir, "tokenizer.json"))
	if err != nil {
		return nil, fmt.Errorf("convert: %w", err)
	}
	conf, err := os.ReadFile(filepath.Join(dir, "tokenizer_config.json"))
	if err != nil && !errors.Is(err, os.ErrNotExist) {
		return nil, fmt.Errorf("convert: %w", err)
	}
	template, err := os.ReadFile(filepath.Join(dir, "chat_template.jinja"))
	if err != nil && !errors.Is(err, os.ErrNotExist) {
		return nil, fmt.Errorf("convert: %w", err)
	}
	keys, err := token.ToGGUF(data, conf, size)
	if err == nil && len(template) > 0 {
		keys = slices.DeleteFunc(keys, func(k gguf.Key) bool { return k.Name == "tokenizer.chat_template" })
		keys = append(keys, gguf.Key{Name: "tokenizer.chat_template", Value: string(template)})
	}
	return keys, err
}

// toGGUF renames, reorders and stacks tensors.
type toGGUF struct {
	writer
	config checkpoint.Config
	typ    quant.Type
	byName map[string]checkpoint.Tensor
	out    []gguf.Source
}

func (w *toGGUF) find(names ...string) (checkpoint.Tensor, bool) {
	for _, n := range names {
		if t, ok := w.byName[n]; ok {
			return t, true
		}
	}
	return checkpoint.Tensor{}, false
}

// list makes the tensors of a file.
func (w *toGGUF) list() ([]gguf.Source, error) {
	c := w.config
	if err := w.plain("token_embd.weight", nil, "model.embed_tokens.weight"); err != nil {
		return nil, err
	}
	if err := w.plain("output_norm.weight", nil, "model.norm.weight"); err != nil {
		return nil, err
	}
	if _, ok := w.find("lm_head.weight"); ok && !c.Tied {
		if err := w.plain("output.weight", nil, "lm_head.weight"); err != nil {
			return nil, err
		}
	}
	if f := c.RopeFactors(); f != nil {
		w.out = append(w.out, gguf.Source{Name: "rope_freqs.weight", Shape: []int{len(f)}, Type: quant.F32, Write: func(out io.Writer) error {
			b := make([]byte, 4*len(f))
			quant.Quantize(b, quant.F32, f)
			_, err := out.Write(b)
			return err
		}})
	}
	for i, linear := range c.Linear() {
		if err := w.layer(i, linear); err != nil {
			return nil, err
		}
	}
	return w.out, nil
}

func (w *toGGUF) layer(i int, linear bool) error {
	c := w.config
	hf := func(parts ...string) (names []string) {
		for _, p := range parts {
			names = append(names, fmt.Sprintf("model.layers.%d.%s.weight", i, p))
		}
		return names
	}
	to := func(part string) string { return fmt.Sprintf("blk.%d.%s.weight", i, part) }
	type part struct {
		to    string
		order []int
		from  []string
	}
	list := []part{{"attn_norm", nil, hf("input_layernorm")}, {"ffn_norm", nil, hf("post_attention_layernorm")}}
	if linear {
		list = append(list, part{"attn_norm_2", nil, hf("self_attn.norm")}, part{"attn_qkv", nil, hf("self_attn.qkv_proj")},
			part{"attn_gate", nil, hf("self_attn.output_gate")}, part{"attn_output", nil, hf("self_attn.out_proj")})
	} else {
		var q, k []int
		if c.Arch == "llama" { // its rotation takes neighbours
			q, k = neighbours(c.Heads, c.HeadDim), neighbours(c.KVHeads, c.HeadDim)
		}
		list = append(list, part{"attn_q", q, hf("self_attn.q_proj")}, part{"attn_k", k, hf("self_attn.k_proj")},
			part{"attn_v", nil, hf("self_attn.v_proj")}, part{"attn_output", nil, hf("self_attn.o_proj")})
	}
	if c.Experts == 0 {
		list = append(list, part{"ffn_gate", nil, hf("mlp.gate_proj")}, part{"ffn_up", nil, hf("mlp.up_proj")}, part{"ffn_down", nil, hf("mlp.down_proj")})
	} else {
		list = append(list, part{"ffn_gate_inp", nil, hf("block_sparse_moe.gate", "mlp.gate")})
	}
	for _, p := range list {
		if err := w.plain(to(p.to), p.order, p.from...); err != nil {
			return err
		}
	}
	if c.Experts == 0 {
		return nil
	}
	return w.experts(i, to)
}

// neighbours is where llama.cpp keeps the rows of a head: those that a
// rotation turns together lie beside each other.
func neighbours(heads, d int) []int {
	order := make([]int, heads*d)
	for h := range heads {
		for j := range d {
			order[h*d+j] = h*d + j/2 + j%2*(d/2)
		}
	}
	return order
}

// plain adds a tensor under another name, its rows in another order if one is
// given.
func (w *toGGUF) plain(name string, order []int, from ...string) error {
	t, ok := w.find(from...)
	if !ok {
		return fmt.Errorf("convert: there is no tensor %s", strings.Join(from, " or "))
	}
	if len(t.Shape) == 0 || order != nil && len(order) != t.Shape[0] {
		return fmt.Errorf("convert: tensor %s has shape %v", t.Name, t.Shape)
	}
	size := t.Type.Bytes(t.Shape[len(t.Shape)-1])
	rows := func(at, n int) []byte { return t.Data[at*size : (at+n)*size] }
	if order != nil {
		rows = func(at, n int) []byte {
			out := make([]byte, 0, n*size)
			for _, r := range order[at : at+n] {
				out = append(out, t.Data[r*size:(r+1)*size]...)
			}
			return out
		}
	}
	w.out = append(w.out, w.source(matrix{name, t.Shape, t.Type, int64(len(t.Data)), rows}, w.typ))
	return nil
}

// experts stacks the matrices of all experts, or takes them apart where the
// gate's and the other lie in one.
func (w *toGGUF) experts(i int, to func(string) string) error {
	c := w.config
	if both, ok := w.find(fmt.Sprintf("model.layers.%d.mlp.experts.gate_up_proj", i), fmt.Sprintf("model.layers.%d.block_sparse_moe.experts.gate_up_proj", i)); ok {
		size := both.Type.Bytes(c.Hidden)
		for k, part := range []string{"ffn_gate_exps", "ffn_up_exps"} {
			w.out = append(w.out, w.source(matrix{to(part), []int{c.Experts, c.FeedForward, c.Hidden}, both.Type, int64(len(both.Data)) / 2, func(at, n int) []byte {
				out := make([]byte, 0, n*size)
				for r := at; r < at+n; r++ {
					from := (r/c.FeedForward*2+k)*c.FeedForward + r%c.FeedForward
					out = append(out, both.Data[from*size:(from+1)*size]...)
				}
				return out
			}}, w.typ))
		}
		return w.plain(to("ffn_down_exps"), nil, fmt.Sprintf("model.layers.%d.mlp.experts.down_proj", i), fmt.Sprintf("model.layers.%d.block_sparse_moe.experts.down_proj", i))
	}
	for _, p := range []struct {
		to   string
		from []string
		n, k int
	}{
		{"ffn_gate_exps", []string{"w1", "gate_proj"}, c.FeedForward, c.Hidden},
		{"ffn_up_exps", []string{"w3", "up_proj"}, c.FeedForward, c.Hidden},
		{"ffn_down_exps", []string{"w2", "down_proj"}, c.Hidden, c.FeedForward},
	} {
		if err := w.stack(i, to(p.to), p.from, p.n, p.k); err != nil {
			return err
		}
	}
	return nil
}

// stack joins one matrix [n, k] of each expert.
func (w *toGGUF) stack(i int, name string, from []string, n, k int) error {
	all := make([]checkpoint.Tensor, w.config.Experts)
	bytes := int64(0)
	for x := range all {
		var names []string
		for _, f := range from {
			names = append(names, fmt.Sprintf("model.layers.%d.block_sparse_moe.experts.%d.%s.weight", i, x, f), fmt.Sprintf("model.layers.%d.mlp.experts.%d.%s.weight", i, x, f))
		}
		t, ok := w.find(names...)
		if !ok || !slices.Equal(t.Shape, []int{n, k}) || x > 0 && t.Type != all[0].Type {
			return fmt.Errorf("convert: tensor %s: shape %v of %v, want [%d %d]", names[0], t.Shape, t.Type, n, k)
		}
		all[x] = t
		bytes += int64(len(t.Data))
	}
	size := all[0].Type.Bytes(k)
	rows := func(at, count int) []byte {
		out := make([]byte, 0, count*size)
		for r := at; r < at+count; {
			m := min(n-r%n, at+count-r)
			out = append(out, all[r/n].Data[r%n*size:(r%n+m)*size]...)
			r += m
		}
		return out
	}
	w.out = append(w.out, w.source(matrix{name, []int{len(all), n, k}, all[0].Type, bytes, rows}, w.typ))
	return nil
}
