package checkpoint

import (
	"fmt"
	"math"
)

// Limits of what a configuration may say. They bound what is allocated before
// a tensor's own shape has confirmed it.
const (
	maxLayers  = 1 << 10
	maxWidth   = 1 << 18
	maxHeads   = 1 << 10
	MaxHeadDim = 1 << 10
	maxVocab   = 1 << 22
	maxExperts = 1 << 12
	MaxContext = 1 << 30
)

// Config is the shape of a model.
type Config struct {
	Arch         string // the name in GGUF: minimax-01, llama
	Name         string // what the file calls itself
	Layers       int
	LinearLayers int // layers whose state does not grow
	Hidden       int
	Heads        int
	KVHeads      int
	HeadDim      int
	RotaryDim    int // leading values of a head that the position turns
	FeedForward  int // width of an expert, or of the whole
	Vocab        int
	Context      int // tokens that a session may hold
	Experts      int // 0: dense
	ExpertsUsed  int
	NormEps      float32
	RopeBase     float64
	Tied         bool // the head is the embedding

	Parameters  int64
	Active      int64 // parameters that one token meets
	WeightBytes int64 // of the packed weights
	ActiveBytes int64 // of those that one token meets
	StateBytes  int64 // constant state of a session
	KVBytes     int64 // cache of a token

	Kinds    []Kind    // of each layer
	PostNorm bool      // the residual is the normalised input
	Residual [3]Scales // by branch
	Suppress int       // token ids from here on never come; 0: none

	Companion Companion

	ropeScale ropeScale
}

// Kind is what mixes a layer's positions.
type Kind uint8

// The kinds.
const (
	Softmax   Kind = iota // attention over all keys before
	Lightning             // linear attention with a constant decay
	Windowed              // attention over the last positions, with a rotary embedding
	Global                // attention over all keys before, without positions
)

// The branches of a layer, by which its residual is scaled.
const (
	FullBranch = iota
	LinearBranch
	MLPBranch
)

// Scales are the factors of a residual: alpha of the stream, beta of the
// branch.
type Scales struct{ Alpha, Beta float32 }

// ropeScale stretches the rotary frequencies. The zero value leaves them.
type ropeScale struct {
	kind      string // "", "linear", "llama3"
	factor    float64
	low, high float64 // llama3: factors of the frequencies' borders
	original  float64 // llama3: context of the pre-training
	factors   []float32
}

// between is a field with the bounds it must keep.
type between struct {
	name       string
	value      int
	least, top int
}

// Check says what is impossible in a configuration.
func (c *Config) Check() error {
	for _, f := range []between{
		{"layers", c.Layers, 1, maxLayers},
		{"width", c.Hidden, 1, maxWidth},
		{"attention heads", c.Heads, 1, maxHeads},
		{"key-value heads", c.KVHeads, 1, c.Heads},
		{"width of a head", c.HeadDim, 2, MaxHeadDim},
		{"rotary dimensions", c.RotaryDim, 0, c.HeadDim},
		{"width of the feed-forward", c.FeedForward, 1, maxWidth},
		{"vocabulary", c.Vocab, 1, maxVocab},
		{"context", c.Context, 1, MaxContext},
		{"experts", c.Experts, 0, maxExperts},
		{"experts used", c.ExpertsUsed, min(c.Experts, 1), c.Experts},
	} {
		if f.value < f.least || f.value > f.top {
			return fmt.Errorf("%s: %d, want %d to %d", f.name, f.value, f.least, f.top)
		}
	}
	switch {
	case c.Heads%c.KVHeads != 0:
		return fmt.Errorf("%d attention heads for %d key-value heads, want a multiple", c.Heads, c.KVHeads)
	case c.HeadDim%2 != 0 || c.RotaryDim%2 != 0:
		return fmt.Errorf("width of a head %d, rotary dimensions %d: want even numbers", c.HeadDim, c.RotaryDim)
	case !(c.NormEps >= 0 && c.NormEps < 1):
		return fmt.Errorf("norm epsilon %v, want 0 to 1", c.NormEps)
	case !(c.RopeBase > 0) || math.IsInf(c.RopeBase, 0):
		return fmt.Errorf("rope base %v, want a positive number", c.RopeBase)
	case len(c.Kinds) != c.Layers:
		return fmt.Errorf("kinds of %d layers, want %d", len(c.Kinds), c.Layers)
	}
	for _, s := range c.Residual {
		if !finite(s.Alpha) || !finite(s.Beta) {
			return fmt.Errorf("residual scales %v, %v", s.Alpha, s.Beta)
		}
	}
	return c.ropeScale.check(c.RotaryDim)
}

func finite(x float32) bool { return !math.IsNaN(float64(x)) && !math.IsInf(float64(x), 0) }

func (r ropeScale) check(rotary int) error {
	switch r.kind {
	case "":
	case "linear", "llama3":
		if !(r.factor > 0) {
			return fmt.Errorf("rope scaling by %v, want a positive factor", r.factor)
		}
		if r.kind == "llama3" && (!(r.low > 0) || !(r.high > r.low) || !(r.original > 0)) {
			return fmt.Errorf("rope scaling: frequency factors %v and %v, context %v", r.low, r.high, r.original)
		}
	default:
		return fmt.Errorf("rope scaling of type %q is not supported, only linear and llama3", r.kind)
	}
	if r.factors != nil && len(r.factors) != rotary/2 {
		return fmt.Errorf("%d rope factors for %d rotary dimensions", len(r.factors), rotary)
	}
	return nil
}

// Plain sets the residual scales of an ordinary transformer.
func (c *Config) Plain() {
	c.Residual = [3]Scales{{1, 1}, {1, 1}, {1, 1}}
}

// Frequencies returns the angle per position of each rotary pair.
//
// Source of llama3: the Llama 3.1 reference code; the pairs with a long wave
// are slowed down by the factor, those with a short one are left, between them
// a straight line.
func (c *Config) Frequencies() []float64 {
	r := c.ropeScale
	out := make([]float64, c.RotaryDim/2)
	for i := range out {
		f := math.Pow(c.RopeBase, -2*float64(i)/float64(c.RotaryDim))
		switch r.kind {
		case "linear":
			f /= r.factor
		case "llama3":
			wave := 2 * math.Pi / f
			switch {
			case wave > r.original/r.low:
				f /= r.factor
			case wave >= r.original/r.high:
				s := (r.original/wave - r.low) / (r.high - r.low)
				f = (1-s)*f/r.factor + s*f
			}
		}
		if r.factors != nil {
			f /= float64(r.factors[i])
		}
		out[i] = f
	}
	return out
}

// Linear says of each layer whether its state has a constant size.
func (c *Config) Linear() []bool {
	out := make([]bool, len(c.Kinds))
	for i, k := range c.Kinds {
		out[i] = k == Lightning
	}
	return out
}

// CountLinear counts the layers whose state has a constant size.
func (c *Config) CountLinear() int {
	n := 0
	for _, linear := range c.Linear() {
		if linear {
			n++
		}
	}
	return n
}

// ResidualScale returns the factor of the residual stream, if it is one for
// all branches and those have none: all that GGUF can say.
func (c *Config) ResidualScale() (alpha float32, ok bool) {
	first := c.Residual[0]
	if first == (Scales{}) {
		return 1, true
	}
	for _, s := range c.Residual {
		if s.Alpha != first.Alpha || s.Beta != 1 {
			return 0, false
		}
	}
	return first.Alpha, true
}

// RopeFactors returns by how much each rotary frequency is slowed down, nil for
// no scaling.
func (c *Config) RopeFactors() []float32 {
	if c.ropeScale.kind == "" {
		return nil
	}
	f := c.Frequencies()
	out := make([]float32, len(f))
	for i, v := range f {
		out[i] = float32(math.Pow(c.RopeBase, -2*float64(i)/float64(c.RotaryDim)) / v)
	}
	return out
}
