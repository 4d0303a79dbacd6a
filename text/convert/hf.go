package convert

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"

	"kuai/format/atomicfile"
	"kuai/format/gguf"
	"kuai/format/safetensors"
	"kuai/kernel/quant"
	"kuai/par"
	"kuai/text/checkpoint"
	"kuai/token"
)

// shardBytes is the size of a weight file, as transformers has it.
const shardBytes = 5_000_000_000

// hfTypes are the formats that safetensors have.
var hfTypes = map[quant.Type]safetensors.DType{quant.F32: safetensors.F32, quant.F16: safetensors.F16, quant.BF16: safetensors.BF16}

// ToHF writes the model of a GGUF file as a Hugging Face directory, in F32, F16
// or BF16. A directory that has weights already is refused. It ends with the
// cause of ctx.
func ToHF(ctx context.Context, p *par.Pool, in, dir string, t quant.Type, progress func(Progress)) error {
	return checkpoint.Reading(in, func() error { return toDirectory(ctx, p, in, dir, t, progress) })
}

func toDirectory(ctx context.Context, p *par.Pool, in, dir string, t quant.Type, progress func(Progress)) error {
	dtype, ok := hfTypes[t]
	if !ok {
		return fmt.Errorf("convert: a directory cannot have %v, want F32, F16 or BF16", t)
	}
	s, err := checkpoint.Open(in)
	if err != nil {
		return err
	}
	defer s.Close() //nolint:errcheck // was only read
	if !s.GGUF {
		return fmt.Errorf("convert: %s is a directory already", in)
	}
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return fmt.Errorf("convert: %w", err)
	}
	w := &toHF{
		pool: p, config: s.Config, dtype: dtype, typ: t, progress: progress,
		stopped: func() error { return context.Cause(ctx) }, tied: true,
	}
	for _, x := range s.Tensors {
		w.total += int64(len(x.Data))
		w.tied = w.tied && x.Name != "output.weight"
		if err := w.tensor(x); err != nil {
			return err
		}
	}
	if err := safetensors.WriteDir(dir, w.out, map[string]string{"format": "pt"}, shardBytes); err != nil {
		return err
	}
	if err := w.configFile(dir); err != nil {
		return err
	}
	return vocabularyFiles(in, dir)
}

// toHF renames, reorders and takes tensors apart.
type toHF struct {
	pool     *par.Pool
	config   checkpoint.Config
	dtype    safetensors.DType
	typ      quant.Type
	progress func(Progress)
	stopped  func() error

	tied        bool // the output is the embedding
	done, total int64
	out         []safetensors.Source
}

// add makes rows of a tensor a tensor of the directory: from one on, or those
// that order says, counted from there. They are widened and rounded when their
// turn comes.
func (w *toHF) add(name string, shape []int, x checkpoint.Tensor, from int, order []int) {
	k := x.Shape[len(x.Shape)-1]
	rows := 1
	for _, s := range shape[:len(shape)-1] {
		rows *= s
	}
	a, b := x.Type.Bytes(k), w.typ.Bytes(k)
	w.out = append(w.out, safetensors.Source{Name: name, DType: w.dtype, Shape: shape, Write: func(out io.Writer) error {
		step := max(1, valuesAtOnce/max(k, 1))
		buf := make([]byte, min(step, rows)*b)
		for at := 0; at < rows; at += step {
			if err := w.stopped(); err != nil {
				return err
			}
			n := min(step, rows-at)
			w.pool.Do(n, func(i, _ int) {
				r := from + at + i
				if order != nil {
					r = from + order[at+i]
				}
				v := make([]float32, k)
				quant.Dequantize(v, x.Type, x.Data[r*a:(r+1)*a])
				quant.Quantize(buf[i*b:(i+1)*b], w.typ, v)
			})
			if _, err := out.Write(buf[:n*b]); err != nil {
				return err
			}
		}
		w.done += int64(rows * a)
		if w.progress != nil {
			w.progress(Progress{x.Name, w.done, w.total})
		}
		return nil
	}})
}

func (w *toHF) tensor(x checkpoint.Tensor) error {
	if x.Name == "rope_freqs.weight" {
		return errors.New("convert: the file tells its rotary scaling only as factors, which config.json cannot say; use the original directory")
	}
	if len(x.Shape) == 0 {
		return fmt.Errorf("convert: tensor %s has no shape", x.Name)
	}
	name, part, layer := w.name(x.Name)
	if name == "" {
		return fmt.Errorf("convert: tensor %s has no place in a directory", x.Name)
	}
	k := x.Shape[len(x.Shape)-1]
	rows := 1
	for _, s := range x.Shape[:len(x.Shape)-1] {
		rows *= s
	}
	expert, ok := map[string]string{"ffn_gate_exps": "w1", "ffn_up_exps": "w3", "ffn_down_exps": "w2"}[part]
	if !ok {
		w.add(name, x.Shape, x, 0, w.order(part, rows))
		return nil
	}
	if len(x.Shape) != 3 {
		return fmt.Errorf("convert: tensor %s has shape %v, want three sides", x.Name, x.Shape)
	}
	n := x.Shape[1]
	for e := range x.Shape[0] {
		w.add(fmt.Sprintf("model.layers.%s.block_sparse_moe.experts.%d.%s.weight", layer, e, expert), []int{n, k}, x, e*n, nil)
	}
	return nil
}

// order undoes llama.cpp's order of the rows of queries and keys.
func (w *toHF) order(part string, rows int) []int {
	if w.config.Arch != "llama" || part != "attn_q" && part != "attn_k" {
		return nil
	}
	order := make([]int, rows)
	for to, from := range neighbours(rows/w.config.HeadDim, w.config.HeadDim) {
		order[from] = to
	}
	return order
}

// hfParts are the directory's names of GGUF's parts of a layer.
var hfParts = map[string]string{
	"attn_norm": "input_layernorm", "ffn_norm": "post_attention_layernorm",
	"attn_q": "self_attn.q_proj", "attn_k": "self_attn.k_proj", "attn_v": "self_attn.v_proj",
	"attn_qkv": "self_attn.qkv_proj", "attn_gate": "self_attn.output_gate", "attn_norm_2": "self_attn.norm",
	"ffn_gate": "mlp.gate_proj", "ffn_up": "mlp.up_proj", "ffn_down": "mlp.down_proj",
	"ffn_gate_inp": "block_sparse_moe.gate", "ffn_gate_exps": "-", "ffn_up_exps": "-", "ffn_down_exps": "-",
}

// name returns a tensor's name in a directory, with its part and layer; "" for
// what is not known.
func (w *toHF) name(from string) (name, part, layer string) {
	switch from {
	case "token_embd.weight":
		return "model.embed_tokens.weight", "", ""
	case "output_norm.weight":
		return "model.norm.weight", "", ""
	case "output.weight":
		return "lm_head.weight", "", ""
	}
	p := strings.Split(from, ".")
	if len(p) != 4 || p[0] != "blk" || p[3] != "weight" {
		return "", "", ""
	}
	to, ok := hfParts[p[2]]
	if p[2] == "attn_output" {
		to, ok = "self_attn.o_proj", true
		for i, linear := range w.config.Linear() {
			if linear && p[1] == fmt.Sprint(i) {
				to = "self_attn.out_proj"
			}
		}
	}
	if !ok {
		return "", "", ""
	}
	return "model.layers." + p[1] + "." + to + ".weight", p[2], p[1]
}

func writeJSON(path string, v any) error {
	data, err := json.MarshalIndent(v, "", "  ")
	if err != nil {
		return fmt.Errorf("convert: %w", err)
	}
	return atomicfile.WriteBytes(path, append(data, '\n'))
}

// configFile writes config.json.
func (w *toHF) configFile(dir string) error {
	c := w.config
	out := map[string]any{
		"hidden_size": c.Hidden, "intermediate_size": c.FeedForward, "num_hidden_layers": c.Layers,
		"num_attention_heads": c.Heads, "num_key_value_heads": c.KVHeads, "head_dim": c.HeadDim,
		"vocab_size": c.Vocab, "max_position_embeddings": c.Context, "rms_norm_eps": c.NormEps, "rope_theta": c.RopeBase,
		"tie_word_embeddings": w.tied, "hidden_act": "silu",
		"torch_dtype": map[safetensors.DType]string{safetensors.F32: "float32", safetensors.F16: "float16", safetensors.BF16: "bfloat16"}[w.dtype],
	}
	model, class := "llama", "LlamaForCausalLM"
	switch {
	case c.Arch == "minimax-01":
		model, class = "minimax", "MiniMaxForCausalLM"
		alpha, _ := c.ResidualScale()
		var types []string
		for _, linear := range c.Linear() {
			types = append(types, map[bool]string{true: "linear_attention", false: "full_attention"}[linear])
		}
		out["layer_types"] = types
		for _, b := range []string{"full_attn", "linear_attn", "mlp"} {
			out[b+"_alpha_factor"], out[b+"_beta_factor"] = alpha, 1
		}
		out["rotary_dim"] = c.RotaryDim
	case c.Experts > 0:
		model, class = "mixtral", "MixtralForCausalLM"
	}
	if c.Experts > 0 {
		out["num_local_experts"], out["num_experts_per_tok"] = c.Experts, c.ExpertsUsed
	}
	out["model_type"], out["architectures"] = model, []string{class}
	return writeJSON(filepath.Join(dir, "config.json"), out)
}

// vocabularyFiles writes tokenizer.json and tokenizer_config.json.
func vocabularyFiles(in, dir string) error {
	f, err := gguf.Open(in)
	if err != nil {
		return err
	}
	defer f.Close() //nolint:errcheck // was only read
	if _, ok := f.String("tokenizer.ggml.model"); !ok {
		return nil
	}
	data, conf, err := token.ToJSON(f)
	if err != nil {
		return err
	}
	if template, ok := f.String("tokenizer.chat_template"); ok {
		if err := atomicfile.WriteBytes(filepath.Join(dir, "chat_template.jinja"), []byte(template)); err != nil {
			return err
		}
	}
	if err := atomicfile.WriteBytes(filepath.Join(dir, "tokenizer.json"), data); err != nil {
		return err
	}
	return atomicfile.WriteBytes(filepath.Join(dir, "tokenizer_config.json"), conf)
}
