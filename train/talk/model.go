package talk

import (
	"math/rand/v2"
	"strconv"

	"kuai/grad"
	"kuai/nn"
	"kuai/text/checkpoint"
)

// Model is a language model in training.
type Model struct {
	Config Config

	Embed  *nn.Embedding `name:"model.embed_tokens"` // [V, D], and the output layer
	Bigram *nn.Embedding `name:"model.embed_bigrams"`
	Layers []*Layer      `name:"model.layers"`
	Norm   *nn.RMSNorm   `name:"model.norm"`

	tables map[int]*tables // by length
}

// Layer is a block: x += mix(norm(x)), x += feed(norm(x)).
type Layer struct {
	MixNorm  *nn.RMSNorm     `name:"input_layernorm"`
	Mix      *Mixer          `name:"self_attn"`
	FeedNorm *nn.RMSNorm     `name:"post_attention_layernorm"`
	Dense    *nn.FeedForward `name:"mlp"`
	Shared   *nn.FeedForward `name:"shared_mlp"`
	Experts  *nn.Experts     `name:"block_sparse_moe"`
}

// Mixer is the part that mixes positions, of any kind.
type Mixer struct {
	QKV    *nn.Linear    `name:"qkv_proj"`    // [(H+2·KV)·hd, D], KV = H where linear
	Conv   *nn.ShortConv `name:"conv"`        // over all of q, k and v
	Values *nn.Embedding `name:"value_embed"` // [V, KV·hd], or nil
	QNorm  *nn.RMSNorm   `name:"q_norm"`      // [hd], softmax layers
	KNorm  *nn.RMSNorm   `name:"k_norm"`
	ONorm  *nn.RMSNorm   `name:"norm"` // [hd], linear layers
	Gate   *nn.Linear    `name:"g_proj"`
	Out    *nn.Linear    `name:"o_proj"`

	kind              string
	ablation          string
	heads, kvHeads, d int
	window            int
	decay             []float32
}

// tables are what depends on the length of rows alone.
type tables struct {
	rope *nn.Rope
	logs []float32 // [T]: log(n)/log(LogLength) for the n positions that one sees
}

// New returns a fresh model.
func New(c Config, seed uint64) (*Model, error) {
	if err := c.check(); err != nil {
		return nil, err
	}
	r := rand.New(rand.NewPCG(seed, 0))
	m := &Model{Config: c, Embed: nn.NewEmbedding(r, c.VocabSize, c.HiddenSize), Norm: nn.NewRMSNorm(c.HiddenSize), tables: map[int]*tables{}}
	if c.BigramRows > 0 {
		m.Bigram = nn.NewEmbedding(r, c.BigramRows, c.HiddenSize)
	}
	for i := range c.Layers {
		m.Layers = append(m.Layers, c.layer(r, i))
	}
	for _, i := range c.ValueEmbedding {
		if i >= 0 && i < c.Layers {
			x := m.Layers[i].Mix
			x.Values = nn.NewEmbedding(r, c.VocabSize, x.kvHeads*x.d)
		}
	}
	return m, nil
}

func (c *Config) layer(r *rand.Rand, i int) *Layer {
	d, kind := c.HiddenSize, c.LayerTypes[i]
	x := &Mixer{kind: kind, ablation: c.Ablation, heads: c.Heads, kvHeads: c.KeyValueHeads, d: c.HeadDim}
	switch kind {
	case Linear:
		x.kvHeads, x.decay = c.Heads, checkpoint.KuaiDecays(c.rates()[c.linear(i)])
		x.ONorm = nn.NewRMSNorm(c.HeadDim)
	case Sliding:
		x.window = c.SlidingWindow
	}
	if kind != Linear {
		x.QNorm, x.KNorm = nn.NewRMSNorm(c.HeadDim), nn.NewRMSNorm(c.HeadDim)
	}
	hd := c.Heads * c.HeadDim
	width := hd + 2*x.kvHeads*x.d
	x.QKV = nn.NewLinear(r, d, width, false)
	if c.ConvKernel > 1 {
		x.Conv = nn.NewShortConv(r, c.ConvKernel, width)
	}
	x.Gate = nn.NewLinear(r, d, hd, false)
	x.Out = nn.NewLinear(r, hd, d, false)
	clear(x.Out.W.X)
	l := &Layer{MixNorm: nn.NewRMSNorm(d), Mix: x, FeedNorm: nn.NewRMSNorm(d)}
	if i < c.DenseLayers || c.Experts == 0 {
		l.Dense = nn.NewFeedForward(r, d, c.FeedForward)
		return l
	}
	l.Experts = nn.NewExperts(r, d, c.ExpertWidth, c.Experts, c.ExpertsUsed)
	if c.SharedWidth > 0 {
		l.Shared = nn.NewFeedForward(r, d, c.SharedWidth)
	}
	return l
}

// length returns the tables for rows of t positions.
func (m *Model) length(t int) *tables {
	if have := m.tables[t]; have != nil {
		return have
	}
	n := &tables{rope: nn.NewRope(t, m.Config.HeadDim, m.Config.RopeTheta), logs: make([]float32, t)}
	for i := range n.logs {
		n.logs[i] = checkpoint.LogScale(i, m.Config.LogLength)
	}
	m.tables[t] = n
	return n
}

// Forward returns the last hidden states [B, T, D], normalised, of rows of
// tokens [B, T].
func (m *Model) Forward(t *grad.Tape, ids []int32, rows, length int) *grad.Var {
	x := m.Embed.Forward(t, ids, rows, length)
	if m.Bigram != nil {
		pairs := make([]int32, len(ids))
		for i, id := range ids {
			before := int32(-1)
			if i%length > 0 {
				before = ids[i-1]
			}
			pairs[i] = checkpoint.BigramRow(before, id, m.Config.BigramRows)
		}
		x = nn.Add(t, x, m.Bigram.Forward(t, pairs, rows, length))
	}
	x = nn.NewRMSNorm(0).Forward(t, x)
	tab := m.length(length)
	for _, l := range m.Layers {
		x = nn.Add(t, x, l.Mix.Forward(t, l.MixNorm.Forward(t, x), ids, tab))
		x = nn.Add(t, x, l.feed(t, l.FeedNorm.Forward(t, x)))
	}
	return m.Norm.Forward(t, x)
}

func (l *Layer) feed(t *grad.Tape, x *grad.Var) *grad.Var {
	if l.Dense != nil {
		return l.Dense.Forward(t, x)
	}
	y := l.Experts.Forward(t, x)
	if l.Shared != nil {
		y = nn.Add(t, y, l.Shared.Forward(t, x))
	}
	return y
}

// Forward maps x [B, T, D] to the same shape; ids are its tokens.
func (x *Mixer) Forward(t *grad.Tape, in *grad.Var, ids []int32, tab *tables) *grad.Var {
	b, n := in.Dim(0), in.Dim(1)
	qkv := x.QKV.Forward(t, in)
	if x.Conv != nil {
		qkv = x.Conv.Forward(t, qkv)
	}
	if x.kind == Linear {
		qkv = nn.SiLU(t, qkv)
	}
	hd, kv := x.heads*x.d, x.kvHeads*x.d
	parts := nn.Split(t, qkv, hd, kv, kv)
	if x.Values != nil {
		parts[2] = nn.Add(t, parts[2], x.Values.Forward(t, ids, b, n))
	}
	q := nn.Reshape(t, parts[0], b, n, x.heads, x.d)
	k := nn.Reshape(t, parts[1], b, n, x.kvHeads, x.d)
	v := nn.Reshape(t, parts[2], b, n, x.kvHeads, x.d)
	var o *grad.Var
	if x.kind == Linear {
		o = x.ONorm.Forward(t, nn.LightningAttention(t, q, k, v, x.decay))
	} else {
		o = x.softmax(t, q, k, v, tab)
	}
	o = nn.SigmoidGate(t, nn.Reshape(t, o, b, n, hd), x.Gate.Forward(t, in))
	return x.Out.Forward(t, o)
}

// softmax attends within the window or over everything.
func (x *Mixer) softmax(t *grad.Tape, q, k, v *grad.Var, tab *tables) *grad.Var {
	q, k = x.QNorm.Forward(t, q), x.KNorm.Forward(t, k)
	group := x.heads / x.kvHeads
	if x.kind == Sliding {
		q, k = tab.rope.Apply(t, q), tab.rope.Apply(t, k)
		return nn.WindowAttention(t, q, nn.RepeatHeads(t, k, group), nn.RepeatHeads(t, v, group), x.window)
	}
	switch x.ablation {
	case rotaryFull:
		q, k = tab.rope.Apply(t, q), tab.rope.Apply(t, k)
	case noLog:
	default:
		q = nn.ScalePositions(t, q, tab.logs)
	}
	return nn.CausalAttention(t, q, nn.RepeatHeads(t, k, group), nn.RepeatHeads(t, v, group))
}

// String tells the shape in a line.
func (m *Model) String() string {
	return strconv.Itoa(nn.Count(nn.Params(m))) + " weights, " + strconv.Itoa(m.Config.Active()) + " active"
}
