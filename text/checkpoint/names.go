package checkpoint

import (
	"fmt"
	"slices"
)

// hfNames are the names in safetensors files of what GGUF calls by the key.
var hfNames = map[string][]string{
	"token_embd":     {"model.embed_tokens.weight"},
	"output_norm":    {"model.norm.weight"},
	"output":         {"lm_head.weight"},
	"attn_norm":      {"input_layernorm.weight"},
	"ffn_norm":       {"post_attention_layernorm.weight"},
	"attn_q":         {"self_attn.q_proj.weight"},
	"attn_k":         {"self_attn.k_proj.weight"},
	"attn_v":         {"self_attn.v_proj.weight"},
	"attn_output":    {"self_attn.o_proj.weight", "self_attn.out_proj.weight"},
	"attn_qkv":       {"self_attn.qkv_proj.weight"},
	"attn_gate":      {"self_attn.output_gate.weight", "self_attn.g_proj.weight"},
	"attn_norm_2":    {"self_attn.norm.weight"},
	"attn_conv":      {"self_attn.conv.weight"},
	"attn_q_norm":    {"self_attn.q_norm.weight"},
	"attn_k_norm":    {"self_attn.k_norm.weight"},
	"value_embd":     {"self_attn.value_embed.weight"},
	"bigram_embd":    {"model.embed_bigrams.weight"},
	"ffn_gate_up":    {"mlp.gate_up_proj.weight"},
	"shared_gate_up": {"shared_mlp.gate_up_proj.weight"},
	"shared_down":    {"shared_mlp.down_proj.weight"},
	"router_bias":    {"block_sparse_moe.e_score_correction_bias"},
	"gate_up_exp_n":  {"block_sparse_moe.experts.%d.gate_up_proj.weight"},
	"down_exp_n":     {"block_sparse_moe.experts.%d.down_proj.weight"},
	"ffn_gate":       {"mlp.gate_proj.weight"},
	"ffn_up":         {"mlp.up_proj.weight"},
	"ffn_down":       {"mlp.down_proj.weight"},
	"ffn_gate_inp":   {"block_sparse_moe.gate.weight", "mlp.gate.weight"},
	"gate_up_exps":   {"mlp.experts.gate_up_proj", "block_sparse_moe.experts.gate_up_proj"},
	"down_exps":      {"mlp.experts.down_proj", "block_sparse_moe.experts.down_proj"},
	"ffn_gate_exp_n": {"block_sparse_moe.experts.%d.w1.weight", "mlp.experts.%d.w1.weight", "mlp.experts.%d.gate_proj.weight"},
	"ffn_up_exp_n":   {"block_sparse_moe.experts.%d.w3.weight", "mlp.experts.%d.w3.weight", "mlp.experts.%d.up_proj.weight"},
	"ffn_down_exp_n": {"block_sparse_moe.experts.%d.w2.weight", "mlp.experts.%d.w2.weight", "mlp.experts.%d.down_proj.weight"},
}

// names returns what a part of layer i, or of the whole for -1, may be called;
// x numbers an expert.
func (c *Checkpoint) names(part string, i, x int) []string {
	if c.GGUF {
		if i < 0 {
			return []string{part + ".weight"}
		}
		return []string{fmt.Sprintf("blk.%d.%s.weight", i, part)}
	}
	var out []string
	for _, n := range hfNames[part] {
		if x >= 0 {
			n = fmt.Sprintf(n, x)
		}
		if i >= 0 {
			n = fmt.Sprintf("model.layers.%d.%s", i, n)
		}
		out = append(out, n)
	}
	return out
}

// Part finds the tensor of a part, by what GGUF calls it, of layer i, or of the
// whole for -1; x numbers an expert where each has a tensor of its own.
func (c *Checkpoint) Part(part string, i, x int) (Tensor, bool) {
	for _, n := range c.names(part, i, x) {
		if t, ok := c.Tensor(n); ok {
			return t, true
		}
	}
	return Tensor{}, false
}

// Rows returns a part as rows and checks its shape.
func (c *Checkpoint) Rows(part string, i, x int, shape ...int) (Rows, error) {
	t, ok := c.Part(part, i, x)
	if !ok {
		return Rows{}, fmt.Errorf("text: %s: tensor %q is missing", c.Path, c.names(part, i, x)[0])
	}
	return t.Shaped(shape...)
}

// Shaped views a tensor as rows, as Matrix, once its shape is the wanted one.
func (t Tensor) Shaped(shape ...int) (Rows, error) {
	if !slices.Equal(t.Shape, shape) {
		return Rows{}, t.errorf("shape %v, want %v", t.Shape, shape)
	}
	return t.Matrix()
}
