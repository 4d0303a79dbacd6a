package checkpoint

import (
	"fmt"
	"slices"
	"strings"
)

// architecture is a row of the table of what can be run: where its
// configuration stands.
type architecture struct {
	name       string   // general.architecture, and the prefix of its keys
	modelTypes []string // model_type in config.json

	hf   func(h *hfConfig, c *Config) error
	gguf func(k *keys, c *Config) error

	// neighbours says that the rows of W_q and W_k in GGUF are already in the
	// order in which pairs that turn together are neighbours; elsewhere they are
	// half the rotary dimensions apart.
	neighbours bool
}

// architectures is the table.
var architectures = []*architecture{&minimax, &llama, &kuai}

// byModelType finds an architecture by its name in config.json, byName by that
// in GGUF.
func byModelType(name string) *architecture {
	for _, a := range architectures {
		if slices.Contains(a.modelTypes, name) {
			return a
		}
	}
	return nil
}

func byName(name string) *architecture {
	for _, a := range architectures {
		if a.name == name {
			return a
		}
	}
	return nil
}

// supported lists what can be run.
func supported() string {
	var names []string
	for _, a := range architectures {
		names = append(names, a.name)
	}
	return strings.Join(names, ", ")
}

// llama is an ordinary transformer with rotary embedding, dense or, as
// Mixtral, with experts.
var llama = architecture{
	name:       "llama",
	modelTypes: []string{"llama", "mistral", "mixtral"},
	hf: func(h *hfConfig, c *Config) error {
		c.Kinds = make([]Kind, max(0, min(c.Layers, maxLayers)))
		switch {
		case h.AttnBias || h.MLPBias:
			return fmt.Errorf("biases are not supported")
		case h.Activation != "" && h.Activation != "silu":
			return fmt.Errorf("activation %q, want silu", h.Activation)
		case h.Window != nil && *h.Window < c.Context:
			c.Context = *h.Window // attention over all that is there is the same until then
		}
		return nil
	},
	gguf: func(_ *keys, c *Config) error {
		c.Kinds = make([]Kind, max(0, min(c.Layers, maxLayers)))
		return nil
	},
	neighbours: true,
}

// firstSuppressed is where MiniMax's vocabulary ends: the rows of the embedding
// from here on are zeros that were never trained, and llama.cpp never picks
// them.
const firstSuppressed = 200032

// minimax is MiniMax-01: lightning attention with a softmax layer in every
// eighth place, experts, and a residual that is the normalised input.
var minimax = architecture{
	name:       "minimax-01",
	modelTypes: []string{"minimax", "minimax_text_01", "MiniMaxText01", "minimax_m1", "MiniMaxM1"},
	hf: func(h *hfConfig, c *Config) error {
		switch {
		case h.Activation != "" && h.Activation != "silu":
			return fmt.Errorf("activation %q, want silu", h.Activation)
		case h.PostNorm != nil && !*h.PostNorm:
			return fmt.Errorf("postnorm false is not supported")
		case h.Shared != 0:
			return fmt.Errorf("shared experts of width %d are not supported", h.Shared)
		}
		c.PostNorm = true
		c.Residual[FullBranch] = Scales{float32(first(1, h.FullAlpha, h.OldFullAlpha)), float32(first(1, h.FullBeta, h.OldFullBeta))}
		c.Residual[LinearBranch] = Scales{float32(first(1, h.LinearAlpha, h.OldLinearAlpha)), float32(first(1, h.LinearBeta, h.OldLinearBeta))}
		c.Residual[MLPBranch] = Scales{float32(first(1, h.MLPAlpha, h.OldMLPAlpha)), float32(first(1, h.MLPBeta, h.OldMLPBeta))}
		c.suppressFrom(firstSuppressed)
		return h.minimaxKinds(c)
	},
	gguf: func(k *keys, c *Config) error {
		alpha := float32(k.float("residual_scale", 1))
		c.PostNorm = true
		c.Residual = [3]Scales{{alpha, 1}, {alpha, 1}, {alpha, 1}}
		c.suppressFrom(firstSuppressed)
		return k.minimaxKinds(c)
	},
}

// suppressFrom hides the ids from n on, if the vocabulary goes that far.
func (c *Config) suppressFrom(n int) {
	if c.Vocab > n {
		c.Suppress = n
	}
}

// minimaxKinds reads which layers are softmax attention.
func (h *hfConfig) minimaxKinds(c *Config) error {
	switch {
	case h.LayerTypes != nil:
		for _, t := range h.LayerTypes {
			switch t {
			case "full_attention":
				c.Kinds = append(c.Kinds, Softmax)
			case "linear_attention":
				c.Kinds = append(c.Kinds, Lightning)
			default:
				return fmt.Errorf("layer type %q is not supported", t)
			}
		}
	case h.AttnTypes != nil:
		for _, t := range h.AttnTypes {
			k := Lightning
			if t == 1 {
				k = Softmax
			}
			c.Kinds = append(c.Kinds, k)
		}
	default:
		return fmt.Errorf("neither layer_types nor attn_type_list")
	}
	return nil
}

// minimaxKinds reads which layers are softmax attention.
func (k *keys) minimaxKinds(c *Config) error {
	linear, ok := k.f.Bools(k.prefix + "attention.recurrent_layers")
	if !ok {
		n := k.optional("full_attention_interval", 8)
		if n < 1 {
			return fmt.Errorf("full attention in every layer of %d", n)
		}
		c.everyNth(n)
		return nil
	}
	for _, is := range linear {
		kind := Softmax
		if is {
			kind = Lightning
		}
		c.Kinds = append(c.Kinds, kind)
	}
	return nil
}

// everyNth makes each n-th layer softmax attention and the others lightning.
func (c *Config) everyNth(n int) {
	for i := range min(c.Layers, maxLayers) {
		k := Lightning
		if (i+1)%n == 0 {
			k = Softmax
		}
		c.Kinds = append(c.Kinds, k)
	}
}
