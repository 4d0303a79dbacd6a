package convert

import (
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"kuai/format/atomicfile"
	"kuai/format/gguf"
	"kuai/format/safetensors"
	"kuai/kernel/quant"
	"kuai/par"
	"kuai/text"
	"kuai/token"
)

// shardBytes is the size of a weight file: one is in memory while it is
// written.
const shardBytes = 2 << 30

// hfTypes are the formats that safetensors have.
var hfTypes = map[quant.Type]safetensors.DType{quant.F32: safetensors.F32, quant.F16: safetensors.F16, quant.BF16: safetensors.BF16}

// ToHF writes the model of a GGUF file as a Hugging Face directory, in F32, F16
// or BF16.
func ToHF(p *par.Pool, in, dir string, t quant.Type, progress func(Progress)) error {
	dtype, ok := hfTypes[t]
	if !ok {
		return fmt.Errorf("convert: a directory cannot have %v, want F32, F16 or BF16", t)
	}
	s, err := text.OpenStored(in)
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
	w := &toHF{pool: p, config: s.Config, dtype: dtype, typ: t, dir: dir, progress: progress, limit: shardBytes}
	w.tied = true
	for _, x := range s.Tensors {
		w.total += int64(len(x.Data))
		w.tied = w.tied && x.Name != "output.weight"
	}
	for _, x := range s.Tensors {
		if err := w.tensor(x); err != nil {
			return err
		}
	}
	if err := w.finish(); err != nil {
		return err
	}
	if err := w.configFile(dtype); err != nil {
		return err
	}
	return vocabularyFiles(in, dir)
}

// toHF renames, reorders and takes tensors apart.
type toHF struct {
	pool     *par.Pool
	config   text.Config
	dtype    safetensors.DType
	typ      quant.Type
	dir      string
	progress func(Progress)

	done, total int64
	limit, held int
	shard       []safetensors.Tensor
	files       [][]string // names of the tensors of each file
	tied        bool       // the output is the embedding
}

// values widens and rounds rows of a tensor.
func (w *toHF) values(x text.Tensor, k, from, rows int, order []int) []byte {
	a, b := x.Type.Bytes(k), w.typ.Bytes(k)
	out := make([]byte, rows*b)
	w.pool.Do(rows, func(i, _ int) {
		r := from + i
		if order != nil {
			r = from + order[i]
		}
		v := make([]float32, k)
		quant.Dequantize(v, x.Type, x.Data[r*a:(r+1)*a])
		quant.Quantize(out[i*b:(i+1)*b], w.typ, v)
	})
	return out
}

func (w *toHF) tensor(x text.Tensor) error {
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
	var err error
	if expert, ok := map[string]string{"ffn_gate_exps": "w1", "ffn_up_exps": "w3", "ffn_down_exps": "w2"}[part]; ok && len(x.Shape) == 3 {
		n := x.Shape[1]
		for e := range x.Shape[0] {
			to := fmt.Sprintf("model.layers.%s.block_sparse_moe.experts.%d.%s.weight", layer, e, expert)
			if err = w.add(to, []int{n, k}, w.values(x, k, e*n, n, nil)); err != nil {
				return err
			}
		}
	} else {
		err = w.add(name, x.Shape, w.values(x, k, 0, rows, w.order(part, rows)))
	}
	w.done += int64(len(x.Data))
	if w.progress != nil {
		w.progress(Progress{x.Name, w.done, w.total})
	}
	return err
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
		for i, linear := range w.config.Lightning() {
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

// add puts a tensor into the file at hand.
func (w *toHF) add(name string, shape []int, data []byte) error {
	if w.held > 0 && w.held+len(data) > w.limit {
		if err := w.flush(); err != nil {
			return err
		}
	}
	w.shard = append(w.shard, safetensors.Tensor{Name: name, DType: w.dtype, Shape: shape, Data: data})
	w.held += len(data)
	return nil
}

// flush writes the file at hand under a name that finish changes.
func (w *toHF) flush() error {
	var names []string
	for _, t := range w.shard {
		names = append(names, t.Name)
	}
	err := safetensors.Write(w.part(len(w.files)), w.shard, map[string]string{"format": "pt"})
	w.files = append(w.files, names)
	w.shard, w.held = nil, 0
	return err
}

func (w *toHF) part(i int) string {
	return filepath.Join(w.dir, fmt.Sprintf("model-part-%05d.safetensors", i+1))
}

// finish writes the last file, and the index where there are several.
func (w *toHF) finish() error {
	if err := w.flush(); err != nil {
		return err
	}
	if len(w.files) == 1 {
		return os.Rename(w.part(0), filepath.Join(w.dir, "model.safetensors"))
	}
	index := map[string]string{}
	for i, names := range w.files {
		file := fmt.Sprintf("model-%05d-of-%05d.safetensors", i+1, len(w.files))
		if err := os.Rename(w.part(i), filepath.Join(w.dir, file)); err != nil {
			return fmt.Errorf("convert: %w", err)
		}
		for _, n := range names {
			index[n] = file
		}
	}
	return writeJSON(filepath.Join(w.dir, "model.safetensors.index.json"), map[string]any{"metadata": map[string]any{}, "weight_map": index})
}

func writeJSON(path string, v any) error {
	data, err := json.MarshalIndent(v, "", "  ")
	if err != nil {
		return fmt.Errorf("convert: %w", err)
	}
	return atomicfile.WriteBytes(path, append(data, '\n'))
}

// configFile writes config.json.
func (w *toHF) configFile(dtype safetensors.DType) error {
	c := w.config
	out := map[string]any{
		"hidden_size": c.Hidden, "intermediate_size": c.FeedForward, "num_hidden_layers": c.Layers,
		"num_attention_heads": c.Heads, "num_key_value_heads": c.KVHeads, "head_dim": c.HeadDim,
		"vocab_size": c.Vocab, "max_position_embeddings": c.Context, "rms_norm_eps": c.NormEps, "rope_theta": c.RopeBase,
		"tie_word_embeddings": w.tied, "hidden_act": "silu",
		"torch_dtype": map[safetensors.DType]string{safetensors.F32: "float32", safetensors.F16: "float16", safetensors.BF16: "bfloat16"}[dtype],
	}
	model, class := "llama", "LlamaForCausalLM"
	switch {
	case c.Arch == "minimax-01":
		model, class = "minimax", "MiniMaxForCausalLM"
		alpha, _ := c.ResidualScale()
		var types []string
		for _, linear := range c.Lightning() {
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
	return writeJSON(filepath.Join(w.dir, "config.json"), out)
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
