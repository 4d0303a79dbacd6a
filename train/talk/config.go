package talk

import (
	"fmt"
	"slices"

	"kuai/text/checkpoint"
)

// ModelType is the architecture's name in config.json.
const ModelType = "kuai"

// Kinds of layers, as config.json names them.
const (
	Linear  = "linear_attention"  // lightning attention, a decay a head
	Sliding = "sliding_attention" // softmax over a window, rotary positions
	Full    = "full_attention"    // softmax over everything, no positions, scores times log n
)

// Config holds the shape of a model; the keys are those of config.json.
type Config struct {
	Architectures []string `json:"architectures"`
	ModelType     string   `json:"model_type"`

	VocabSize      int      `json:"vocab_size"`
	HiddenSize     int      `json:"hidden_size"`
	Layers         int      `json:"num_hidden_layers"`
	LayerTypes     []string `json:"layer_types"`
	Heads          int      `json:"num_attention_heads"`
	KeyValueHeads  int      `json:"num_key_value_heads"` // of the softmax layers
	HeadDim        int      `json:"head_dim"`
	SlidingWindow  int      `json:"sliding_window"`
	RopeTheta      float64  `json:"rope_theta"`
	LogLength      int      `json:"log_length"` // length at which the full layer's scores are not scaled
	ConvKernel     int      `json:"short_conv_kernel"`
	BigramRows     int      `json:"bigram_vocab_size"` // rows that pairs of tokens share by a hash; 0 for none
	DenseLayers    int      `json:"first_k_dense_replace"`
	FeedForward    int      `json:"intermediate_size"`        // of the dense layers
	ExpertWidth    int      `json:"moe_intermediate_size"`    // of an expert
	SharedWidth    int      `json:"shared_intermediate_size"` // of the expert that all tokens pass
	Experts        int      `json:"num_local_experts"`
	ExpertsUsed    int      `json:"num_experts_per_tok"`
	SoftCap        float64  `json:"final_logit_softcapping"`
	NormEps        float64  `json:"rms_norm_eps"`
	Context        int      `json:"max_position_embeddings"`
	TieEmbeddings  bool     `json:"tie_word_embeddings"`
	BeginToken     int      `json:"bos_token_id"`
	EndToken       int      `json:"eos_token_id"`
	TorchDType     string   `json:"torch_dtype"`
	ValueEmbedding []int    `json:"value_embedding_layers"` // layers whose values get a table of their own
	// Rates are those by which the heads of each linear layer forget, where they
	// are not checkpoint.KuaiRates.
	Rates [][]float64 `json:"lightning_rates,omitempty"`
	// Ablation leaves out something of the full layer; no engine reads such a model.
	Ablation string `json:"ablation,omitempty"`
}

// What a full layer is without in an ablation.
const (
	rotaryFull = "rotary" // has rotary positions, and no log n
	noLog      = "no log" // scores are not multiplied by log n
)

// Sizes are the shapes that have a name.
func Sizes() []string { return []string{"pico", "nano", "s5"} }

// Size returns the shape of a name of Sizes for a vocabulary.
func Size(name string, vocabulary int) (Config, error) {
	c := Config{
		Architectures: []string{"KuaiForCausalLM"}, ModelType: ModelType,
		VocabSize: vocabulary, HeadDim: 64, KeyValueHeads: 1, SlidingWindow: 512, RopeTheta: 10_000, LogLength: 1024,
		ConvKernel: 4, DenseLayers: 1, Experts: 8, ExpertsUsed: 2, SoftCap: 15, NormEps: 1e-6,
		Context: 1 << 22, TieEmbeddings: true, TorchDType: "float32",
	}
	switch name {
	case "pico": // for ablations: learns to copy within minutes
		c.HiddenSize, c.Heads, c.ExpertWidth, c.FeedForward = 128, 2, 128, 384
		c.LayerTypes = []string{Linear, Sliding, Linear, Full}
		c.SlidingWindow, c.LogLength = 128, 512
		c.BigramRows = 2 * vocabulary
	case "nano":
		c.HiddenSize, c.Heads, c.ExpertWidth, c.FeedForward = 192, 3, 192, 512
		c.LayerTypes = []string{Linear, Linear, Sliding, Linear, Linear, Full}
		c.BigramRows = 2 * vocabulary
	case "s5":
		c.HiddenSize, c.Heads, c.ExpertWidth, c.SharedWidth, c.FeedForward = 256, 4, 256, 256, 768
		c.LayerTypes = []string{Linear, Linear, Linear, Sliding, Linear, Linear, Linear, Full}
		c.BigramRows = 2 * vocabulary
	default:
		return Config{}, fmt.Errorf("talk: no size %q, want one of %v", name, Sizes())
	}
	c.Layers = len(c.LayerTypes)
	return c, nil
}

// rates returns those by which the heads of each linear layer forget.
func (c *Config) rates() [][]float64 {
	if c.Rates != nil {
		return c.Rates
	}
	return checkpoint.KuaiRates(c.Heads, c.linear(c.Layers))
}

// linear counts the linear layers before a layer.
func (c *Config) linear(layer int) (n int) {
	for _, kind := range c.LayerTypes[:layer] {
		if kind == Linear {
			n++
		}
	}
	return n
}

// check says what makes a configuration impossible.
func (c *Config) check() error {
	switch {
	case c.ModelType != ModelType:
		return fmt.Errorf("talk: model_type is %q, want %q", c.ModelType, ModelType)
	case c.VocabSize <= 0 || c.HiddenSize <= 0 || c.Heads <= 0 || c.HeadDim <= 0 || c.KeyValueHeads <= 0 || c.Heads%c.KeyValueHeads != 0:
		return fmt.Errorf("talk: %d tokens, width %d, %d heads of %d, %d for keys and values", c.VocabSize, c.HiddenSize, c.Heads, c.HeadDim, c.KeyValueHeads)
	case len(c.LayerTypes) != c.Layers || c.Layers == 0:
		return fmt.Errorf("talk: %d kinds of layers for %d layers", len(c.LayerTypes), c.Layers)
	case c.HeadDim%2 != 0 || c.ConvKernel < 0 || c.SlidingWindow <= 0 || c.LogLength < 2:
		return fmt.Errorf("talk: heads of %d, %d taps, a window of %d, log length %d", c.HeadDim, c.ConvKernel, c.SlidingWindow, c.LogLength)
	case c.Experts > 0 && (c.ExpertsUsed <= 0 || c.ExpertsUsed > c.Experts || c.ExpertWidth <= 0):
		return fmt.Errorf("talk: %d of %d experts of width %d", c.ExpertsUsed, c.Experts, c.ExpertWidth)
	case (c.DenseLayers > 0 || c.Experts == 0) && c.FeedForward <= 0:
		return fmt.Errorf("talk: feed-forward of width %d", c.FeedForward)
	}
	if c.Rates != nil && (len(c.Rates) != c.linear(c.Layers) || slices.ContainsFunc(c.Rates, func(layer []float64) bool { return len(layer) != c.Heads })) {
		return fmt.Errorf("talk: lightning_rates are not of %d layers and %d heads", c.linear(c.Layers), c.Heads)
	}
	for _, kind := range c.LayerTypes {
		if kind != Linear && kind != Sliding && kind != Full {
			return fmt.Errorf("talk: kind of layer %q", kind)
		}
	}
	return nil
}

// Active returns the weights that a token passes, without the embedding but
// with the output layer: six times as many operations train on it.
func (c *Config) Active() int {
	d, hd, kv := c.HiddenSize, c.Heads*c.HeadDim, c.KeyValueHeads*c.HeadDim
	n := d * c.VocabSize
	for i, kind := range c.LayerTypes {
		n += 2 * d * hd // gate and output
		if kind == Linear {
			n += 3 * d * hd
		} else {
			n += d * (hd + 2*kv)
		}
		if i < c.DenseLayers || c.Experts == 0 {
			n += 3 * d * c.FeedForward
		} else {
			n += 3*d*(c.ExpertsUsed*c.ExpertWidth+c.SharedWidth) + d*c.Experts
		}
	}
	return n
}

// flops returns the operations of training on a token of rows of length t.
func (c *Config) flops(t int) float64 {
	f := 6 * float64(c.Active())
	hd := c.Heads * c.HeadDim
	for _, kind := range c.LayerTypes {
		switch kind {
		case Linear:
			const chunk = 64
			f += 3 * 4 * float64(hd) * float64(c.HeadDim+chunk/2)
		case Sliding:
			f += 3 * 4 * float64(hd) * float64(min(c.SlidingWindow, t/2))
		case Full:
			f += 3 * 4 * float64(hd) * float64(t/2)
		}
	}
	return f
}
