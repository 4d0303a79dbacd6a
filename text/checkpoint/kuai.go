package checkpoint

import (
	"fmt"
	"math"
)

// Companion is what the kuai architecture has beside others. Other
// architectures leave it zero.
type Companion struct {
	Window     int   // positions that a Windowed layer sees
	LogLength  int   // length at which a Global layer's scores are not scaled
	Conv       int   // taps of the convolutions before mixing
	Bigrams    int   // rows of the table of pairs of tokens
	Dense      int   // first layers without experts
	DenseWidth int   // of their feed-forward
	Experts    int   // width of an expert
	Shared     int   // width of the expert that all tokens pass
	Values     []int // layers whose values get a table of their own
	SoftCap    float32
	Rates      [][]float64 // by which the heads of each Lightning layer forget, see KuaiRates
}

// kuai is our own: lightning attention, one softmax layer over a window and one
// over everything without positions, short convolutions, experts chosen by
// sigmoids.
var kuai = architecture{
	name:       "kuai",
	modelTypes: []string{"kuai"},
	hf: func(h *hfConfig, c *Config) error {
		if h.Ablation != "" {
			return fmt.Errorf("a model of an ablation (%s) is measured by its training alone", h.Ablation)
		}
		k := Companion{
			LogLength: h.LogLength, Conv: h.Conv, Bigrams: h.Bigrams, Dense: h.Dense, DenseWidth: h.FeedForward,
			Experts: h.ExpertWidth, Shared: h.Shared, Values: h.ValueLayers, SoftCap: float32(h.SoftCap), Rates: h.Rates,
		}
		if h.Window != nil {
			k.Window = *h.Window
		}
		c.Companion = k
		c.FeedForward = max(k.DenseWidth, k.Experts, k.Shared)
		for _, t := range h.LayerTypes {
			switch t {
			case "linear_attention":
				c.Kinds = append(c.Kinds, Lightning)
			case "sliding_attention":
				c.Kinds = append(c.Kinds, Windowed)
			case "full_attention":
				c.Kinds = append(c.Kinds, Global)
			default:
				return fmt.Errorf("layer type %q is not supported", t)
			}
		}
		return k.check(c)
	},
	gguf: func(_ *keys, _ *Config) error {
		return fmt.Errorf("the kuai architecture is read from safetensors only")
	},
	neighbours: true,
}

// maxRate forgets all but a hundredth of a thousandth with each position.
const maxRate = 12.0

func (k *Companion) check(c *Config) error {
	for _, f := range []between{
		{"window", k.Window, 1, MaxContext},
		{"log length", k.LogLength, 2, MaxContext},
		{"taps of the convolution", k.Conv, 1, 64},
		{"rows of the table of pairs", k.Bigrams, 0, maxVocab},
		{"dense layers", k.Dense, 0, maxLayers},
		{"width of an expert", k.Experts, min(c.Experts, 1), maxWidth},
		{"width of the shared expert", k.Shared, 0, maxWidth},
	} {
		if f.value < f.least || f.value > f.top {
			return fmt.Errorf("%s: %d, want %d to %d", f.name, f.value, f.least, f.top)
		}
	}
	if (k.Dense > 0 || c.Experts == 0) && k.DenseWidth < 1 {
		return fmt.Errorf("feed-forward of width %d", k.DenseWidth)
	}
	if k.Rates != nil && len(k.Rates) != c.CountLinear() {
		return fmt.Errorf("lightning_rates of %d layers, there are %d", len(k.Rates), c.CountLinear())
	}
	for _, layer := range k.Rates {
		if len(layer) != c.Heads {
			return fmt.Errorf("lightning_rates of %d heads, there are %d", len(layer), c.Heads)
		}
		for _, r := range layer {
			if !(r >= 0 && r <= maxRate) {
				return fmt.Errorf("lightning_rates: %v, want 0 to %v", r, maxRate)
			}
		}
	}
	if !(k.SoftCap >= 0) || math.IsInf(float64(k.SoftCap), 0) {
		return fmt.Errorf("soft cap of %v", k.SoftCap)
	}
	return nil
}

// LogScale is what a Global layer multiplies the scores of the query at a
// position by, so that attention stays as sharp over millions of keys as over
// the thousand that it was trained on.
//
// Source: Su, 2021 (kexue.fm/archives/8823); Nakanishi, arXiv:2501.19399.
func LogScale(position, length int) float32 {
	return float32(math.Log(float64(position+2)) / math.Log(float64(length)))
}

// BigramRow is the row of a pair, a token and the one before it (-1 for none),
// in a table of n rows.
func BigramRow(before, token int32, n int) int32 {
	h := uint32(before+1)*0x9E3779B1 ^ uint32(token+1)*0x85EBCA6B
	h ^= h >> 15
	h *= 0x2C1B3C6D
	h ^= h >> 13
	return int32(h % uint32(n))
}

// KuaiRates returns how fast each head of each lightning layer forgets, a
// position, unless a model has rates of its own: from 1 to nearly 0 on a
// logarithmic scale that the layers share, and 0 for the last head.
func KuaiRates(heads, layers int) [][]float64 {
	const slowest = 1e-4
	all := make([][]float64, layers)
	for i := range all {
		all[i] = make([]float64, heads)
		for h := range heads - 1 {
			at := (float64(h) + float64(i)/float64(layers)) / float64(heads-1)
			all[i][h] = math.Pow(slowest, at)
		}
	}
	return all
}

// KuaiDecays returns the factors by which heads of such rates forget: e^-rate.
func KuaiDecays(rates []float64) []float32 {
	d := make([]float32, len(rates))
	for h, r := range rates {
		d[h] = float32(math.Exp(-r))
	}
	return d
}

// LightningRates are those by which the heads of each Lightning layer forget.
func (k *Companion) LightningRates(c *Config) [][]float64 {
	if k.Rates != nil {
		return k.Rates
	}
	return KuaiRates(c.Heads, c.CountLinear())
}
