package checkpoint

import (
	"fmt"

	"kuai/format/gguf"
)

// keys reads the keys of an architecture and keeps the first error.
type keys struct {
	f      *gguf.File
	prefix string
	err    error
}

// number returns a number that must be there.
func (k *keys) number(name string) int {
	v, ok := k.f.Int(k.prefix + name)
	if !ok && k.err == nil {
		k.err = fmt.Errorf("key %s%s is missing, or no whole number", k.prefix, name)
	}
	return clampInt(v)
}

// optional returns a number, or def.
func (k *keys) optional(name string, def int) int {
	if v, ok := k.f.Int(k.prefix + name); ok {
		return clampInt(v)
	}
	return def
}

// clampInt keeps what int cannot hold out of every range that is allowed.
func clampInt(v int64) int {
	if v != int64(int(v)) {
		return -1
	}
	return int(v)
}

func (k *keys) float(name string, def float64) float64 {
	if v, ok := k.f.Float(k.prefix + name); ok {
		return v
	}
	return def
}

// readGGUF turns the keys of a GGUF file into a Config.
func readGGUF(f *gguf.File, path string) (Config, *architecture, error) {
	name, _ := f.String("general.architecture")
	a := byName(name)
	if a == nil {
		return Config{}, nil, fmt.Errorf("text: %s: architecture %q is not supported, only %s", path, name, supported())
	}
	k := &keys{f: f, prefix: a.name + "."}
	c := Config{
		Arch: a.name, Layers: k.number("block_count"), Hidden: k.number("embedding_length"), Heads: k.number("attention.head_count"),
		FeedForward: k.number("feed_forward_length"), Context: k.number("context_length"),
		Experts: k.optional("expert_count", 0), ExpertsUsed: k.optional("expert_used_count", 0),
		NormEps: float32(k.float("attention.layer_norm_rms_epsilon", 1e-5)), RopeBase: k.float("rope.freq_base", 10000),
	}
	c.Name, _ = f.String("general.name")
	c.KVHeads = k.optional("attention.head_count_kv", c.Heads)
	if c.Heads > 0 {
		c.HeadDim = c.Hidden / c.Heads
	}
	c.HeadDim = k.optional("attention.key_length", c.HeadDim)
	c.RotaryDim = k.optional("rope.dimension_count", c.HeadDim)
	if t, ok := f.Tensor("token_embd.weight"); ok && len(t.Shape) == 2 {
		c.Vocab = t.Shape[0]
	}
	c.Plain()
	err := k.err
	if v := k.optional("attention.value_length", c.HeadDim); err == nil && v != c.HeadDim {
		err = fmt.Errorf("keys of width %d and values of %d are not supported", c.HeadDim, v)
	}
	if err == nil {
		err = k.rope(&c)
	}
	if err == nil {
		err = a.gguf(k, &c)
	}
	if err == nil {
		err = c.Check()
	}
	if err != nil {
		return Config{}, nil, fmt.Errorf("text: %s: %w", path, err)
	}
	return c, a, nil
}

// rope reads how the rotary frequencies are stretched.
func (k *keys) rope(c *Config) error {
	kind, _ := k.f.String(k.prefix + "rope.scaling.type")
	factor := k.float("rope.scaling.factor", k.float("rope.scale_linear", 1))
	switch {
	case kind == "" && factor != 1, kind == "linear":
		c.ropeScale = ropeScale{kind: "linear", factor: factor}
	case kind != "" && kind != "none":
		c.ropeScale.kind = kind // refused by check
	}
	t, ok := k.f.Tensor("rope_freqs.weight")
	if !ok {
		return nil
	}
	if len(t.Shape) != 1 || t.Shape[0] > MaxHeadDim {
		return fmt.Errorf("tensor %q: shape %v, want a vector", t.Name, t.Shape)
	}
	r, err := Tensor{Name: t.Name, Shape: t.Shape, Type: t.Type, Data: t.Data}.Matrix()
	if err != nil {
		return err
	}
	c.ropeScale.factors = r.Floats()
	for _, f := range c.ropeScale.factors {
		if !finite(f) || f <= 0 {
			return fmt.Errorf("tensor %q: factor %v", t.Name, f)
		}
	}
	return nil
}
