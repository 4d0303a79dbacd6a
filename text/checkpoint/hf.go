package checkpoint

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
)

// maxConfigBytes is the largest config.json that is read.
const maxConfigBytes = 1 << 20

// readLimited reads a small file.
func readLimited(path string, limit int64) ([]byte, error) {
	info, err := os.Stat(path)
	if err != nil {
		return nil, fmt.Errorf("text: %w", err)
	}
	if info.Size() > limit {
		return nil, fmt.Errorf("text: %s: %d bytes, at most %d", path, info.Size(), limit)
	}
	data, err := os.ReadFile(path)
	if err != nil {
		return nil, fmt.Errorf("text: %w", err)
	}
	return data, nil
}

// hfConfig is what is read of config.json.
type hfConfig struct {
	ModelType     string   `json:"model_type"`
	Layers        int      `json:"num_hidden_layers"`
	Hidden        int      `json:"hidden_size"`
	Heads         int      `json:"num_attention_heads"`
	KVHeads       *int     `json:"num_key_value_heads"`
	HeadDim       *int     `json:"head_dim"`
	RotaryDim     *int     `json:"rotary_dim"`
	PartialRotary *float64 `json:"partial_rotary_factor"`
	FeedForward   int      `json:"intermediate_size"`
	Vocab         int      `json:"vocab_size"`
	Context       int      `json:"max_position_embeddings"`
	Experts       int      `json:"num_local_experts"`
	ExpertsUsed   int      `json:"num_experts_per_tok"`
	Shared        int      `json:"shared_intermediate_size"`
	Eps           float64  `json:"rms_norm_eps"`
	RopeTheta     *float64 `json:"rope_theta"`
	RopeScaling   *hfRope  `json:"rope_scaling"`
	RopeParams    *hfRope  `json:"rope_parameters"`
	Tied          bool     `json:"tie_word_embeddings"`
	Activation    string   `json:"hidden_act"`
	AttnBias      bool     `json:"attention_bias"`
	MLPBias       bool     `json:"mlp_bias"`
	Window        *int     `json:"sliding_window"`

	LogLength   int     `json:"log_length"`
	Conv        int     `json:"short_conv_kernel"`
	Bigrams     int     `json:"bigram_vocab_size"`
	Dense       int     `json:"first_k_dense_replace"`
	ExpertWidth int     `json:"moe_intermediate_size"`
	SoftCap     float64 `json:"final_logit_softcapping"`
	ValueLayers []int   `json:"value_embedding_layers"`
	Ablation    string  `json:"ablation"`

	Rates [][]float64 `json:"lightning_rates"`

	LayerTypes []string `json:"layer_types"`
	AttnTypes  []int    `json:"attn_type_list"` // the original's: 0 lightning, 1 softmax
	PostNorm   *bool    `json:"postnorm"`

	FullAlpha   *float64 `json:"full_attn_alpha_factor"`
	FullBeta    *float64 `json:"full_attn_beta_factor"`
	LinearAlpha *float64 `json:"linear_attn_alpha_factor"`
	LinearBeta  *float64 `json:"linear_attn_beta_factor"`
	MLPAlpha    *float64 `json:"mlp_alpha_factor"`
	MLPBeta     *float64 `json:"mlp_beta_factor"`

	OldFullAlpha   *float64 `json:"layernorm_full_attention_alpha"`
	OldFullBeta    *float64 `json:"layernorm_full_attention_beta"`
	OldLinearAlpha *float64 `json:"layernorm_linear_attention_alpha"`
	OldLinearBeta  *float64 `json:"layernorm_linear_attention_beta"`
	OldMLPAlpha    *float64 `json:"layernorm_mlp_alpha"`
	OldMLPBeta     *float64 `json:"layernorm_mlp_beta"`
}

// hfRope is rope_scaling, or rope_parameters of transformers 5.
type hfRope struct {
	Type     string   `json:"rope_type"`
	OldType  string   `json:"type"`
	Theta    *float64 `json:"rope_theta"`
	Factor   float64  `json:"factor"`
	Low      float64  `json:"low_freq_factor"`
	High     float64  `json:"high_freq_factor"`
	Original float64  `json:"original_max_position_embeddings"`
	Partial  *float64 `json:"partial_rotary_factor"`
}

// first returns the first number that is given, or def.
func first(def float64, all ...*float64) float64 {
	for _, v := range all {
		if v != nil {
			return *v
		}
	}
	return def
}

// readHF turns config.json into a Config.
func readHF(path string) (Config, *architecture, error) {
	data, err := readLimited(path, maxConfigBytes)
	if err != nil {
		return Config{}, nil, err
	}
	var h hfConfig
	if err := json.Unmarshal(data, &h); err != nil {
		return Config{}, nil, fmt.Errorf("text: %s: %w", path, err)
	}
	a := byModelType(h.ModelType)
	if a == nil {
		return Config{}, nil, fmt.Errorf("text: %s: model type %q is not supported, only %s", path, h.ModelType, supported())
	}
	c := Config{
		Arch: a.name, Name: filepath.Base(filepath.Dir(path)), Layers: h.Layers, Hidden: h.Hidden, Heads: h.Heads, KVHeads: h.Heads,
		FeedForward: h.FeedForward, Vocab: h.Vocab, Context: h.Context, Experts: h.Experts, ExpertsUsed: h.ExpertsUsed,
		NormEps: float32(h.Eps), Tied: h.Tied,
	}
	if h.KVHeads != nil {
		c.KVHeads = *h.KVHeads
	}
	c.Plain()
	h.rope(&c)
	err = a.hf(&h, &c)
	if err == nil {
		err = c.Check()
	}
	if err != nil {
		return Config{}, nil, fmt.Errorf("text: %s: %w", path, err)
	}
	return c, a, nil
}

// rope reads the width of a head and its rotation.
func (h *hfConfig) rope(c *Config) {
	if h.HeadDim != nil {
		c.HeadDim = *h.HeadDim
	} else if c.Heads > 0 {
		c.HeadDim = c.Hidden / c.Heads
	}
	c.RotaryDim, c.RopeBase = c.HeadDim, first(10000, h.RopeTheta)
	if h.PartialRotary != nil {
		c.RotaryDim = int(*h.PartialRotary * float64(c.HeadDim))
	}
	if h.RotaryDim != nil {
		c.RotaryDim = *h.RotaryDim
	}
	for _, r := range []*hfRope{h.RopeScaling, h.RopeParams} {
		if r == nil {
			continue
		}
		c.RopeBase = first(c.RopeBase, r.Theta)
		if r.Partial != nil && h.RotaryDim == nil {
			c.RotaryDim = int(*r.Partial * float64(c.HeadDim))
		}
		if kind := r.Type + r.OldType; kind != "" && r.Type != "default" && r.OldType != "default" {
			if r.Type != "" {
				kind = r.Type
			}
			c.ropeScale = ropeScale{kind: kind, factor: r.Factor, low: r.Low, high: r.High, original: r.Original}
		}
	}
}
