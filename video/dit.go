package video

import (
	"math/rand/v2"

	"kuai/grad"
	"kuai/nn"
)

// TransformerType is the model_type of a transformer's config.json.
const TransformerType = "kuai_video_transformer"

const (
	softmaxEvery   = 4   // blocks 4, 8, ... attend by softmax, the others linearly
	modulations    = 6   // scale, shift and gate for attention and for Mix-FFN
	timeFeatures   = 128 // sinusoids of the timestep
	spatialKernel  = 3
	temporalKernel = 3
)

// TransformerConfig is the shape of the text-to-video transformer, stored as
// config.json beside its weights.
type TransformerConfig struct {
	ModelType      string       `json:"model_type"` // TransformerType
	LatentChannels int          `json:"latent_channels"`
	Patch          int          `json:"patch_size"` // latent rows and columns of one token
	Width          int          `json:"width"`      // D
	Layers         int          `json:"layers"`     //
	Heads          int          `json:"heads"`      // NH
	FFNWidth       int          `json:"ffn_width"`  // after the gate
	Text           TextConfig   `json:"text"`
	Slots          []SlotConfig `json:"slots"` // what the text encoder's heads tell
	Size           int          `json:"size"`  // pixels on a side of the clips it was trained on
	Frames         int          `json:"frames"`
	FPS            int          `json:"fps"`
	TimestepShift  float32      `json:"timestep_shift"` // towards noise, in training and sampling
	TrainClips     int          `json:"train_clips"`    // distinct ones that it learned from
	Words          []string     `json:"words"`          // seen in training; others are unknown
}

// Transformer predicts the velocity of noisy latents under a prompt: linear
// attention with softmax in every fourth block, cross-attention to the words,
// and a Mix-FFN whose depthwise convolutions see the neighbours in space and
// time.
//
// Sources: SANA (arXiv:2410.10629) for linear attention and Mix-FFN,
// SANA-Video (arXiv:2509.24695) for rotary linear attention and the temporal
// convolution, PixArt (arXiv:2310.00426) for adaLN-single.
type Transformer struct {
	Config TransformerConfig
	Text   *TextEncoder `name:"text"`

	PatchIn  *nn.Linear  `name:"patch_in"`
	Time1    *nn.Linear  `name:"time1"`
	Time2    *nn.Linear  `name:"time2"`
	Pooled   *nn.Linear  `name:"pooled"`
	Modulate *nn.Linear  `name:"modulate"`
	Blocks   []*ditBlock `name:"blocks"`
	FinalMod *nn.Linear  `name:"final_mod"`
	PatchOut *nn.Linear  `name:"patch_out"`
	plain    *nn.RMSNorm // without weights
	ropes    map[[3]int]*nn.Rope
}

type ditBlock struct {
	Table     *nn.Embedding     `name:"table"` // [6, D], added to the shared modulation
	QKV       *nn.Linear        `name:"qkv"`
	QNorm     *nn.RMSNorm       `name:"q_norm"`
	KNorm     *nn.RMSNorm       `name:"k_norm"`
	Out       *nn.Linear        `name:"out"`
	CrossNorm *nn.RMSNorm       `name:"cross_norm"`
	CrossQ    *nn.Linear        `name:"cross_q"`
	CrossKV   *nn.Linear        `name:"cross_kv"`
	CrossOut  *nn.Linear        `name:"cross_out"`
	Up        *nn.Linear        `name:"up"`
	Space     *nn.DepthwiseConv `name:"space"`
	Time      *nn.DepthwiseConv `name:"time"`
	Down      *nn.Linear        `name:"down"`

	softmax bool
}

// NewTransformer returns a transformer with fresh weights whose blocks all
// begin as the identity.
func NewTransformer(r *rand.Rand, c TransformerConfig) *Transformer {
	d := c.Width
	token := c.Patch * c.Patch * c.LatentChannels
	m := &Transformer{
		Config:   c,
		Text:     newTextEncoder(r, c.Text, c.Slots),
		PatchIn:  nn.NewLinear(r, token, d, true),
		Time1:    nn.NewLinear(r, timeFeatures, d, true),
		Time2:    nn.NewLinear(r, d, d, true),
		Pooled:   nn.NewLinear(r, c.Text.Width, d, true),
		Modulate: nn.NewLinear(r, d, modulations*d, true),
		FinalMod: nn.NewLinear(r, d, 2*d, true),
		PatchOut: nn.NewLinear(r, d, token, true),
		plain:    nn.NewRMSNorm(0),
		ropes:    map[[3]int]*nn.Rope{},
	}
	for i := range c.Layers {
		m.Blocks = append(m.Blocks, newDitBlock(r, c, (i+1)%softmaxEvery == 0))
	}
	for _, l := range []*nn.Linear{m.Modulate, m.FinalMod, m.PatchOut} {
		clear(l.W.X)
	}
	return m
}

func newDitBlock(r *rand.Rand, c TransformerConfig, softmax bool) *ditBlock {
	d, f := c.Width, c.FFNWidth
	b := &ditBlock{
		Table:     nn.NewEmbedding(r, 1, modulations*d),
		QKV:       nn.NewLinear(r, d, 3*d, false),
		QNorm:     nn.NewRMSNorm(d / c.Heads),
		KNorm:     nn.NewRMSNorm(d / c.Heads),
		Out:       nn.NewLinear(r, d, d, false),
		CrossNorm: nn.NewRMSNorm(d),
		CrossQ:    nn.NewLinear(r, d, d, false),
		CrossKV:   nn.NewLinear(r, c.Text.Width, 2*d, false),
		CrossOut:  nn.NewLinear(r, d, d, false),
		Up:        nn.NewLinear(r, d, 2*f, false),
		Space:     nn.NewDepthwiseConv(r, 2*f, 1, spatialKernel, spatialKernel),
		Time:      nn.NewDepthwiseConv(r, f, temporalKernel, 1, 1),
		Down:      nn.NewLinear(r, f, d, false),
		softmax:   softmax,
	}
	clear(b.Table.W.X)
	clear(b.Time.W.X)
	clear(b.CrossOut.W.X)
	return b
}

// Forward predicts the velocity, noise minus clean, of latents x
// [B, T, H, W, C] at timesteps time [B] in [0, 1] under the encoded prompts.
func (m *Transformer) Forward(t *grad.Tape, x *grad.Var, time []float32, text Encoded) *grad.Var {
	patch := m.Config.Patch
	batch, frames, rows, cols := x.Dim(0), x.Dim(1), x.Dim(2)/patch, x.Dim(3)/patch
	n, d := frames*rows*cols, m.Config.Width

	x = nn.Reshape(t, nn.Unshuffle(t, x, 1, patch), batch, n, m.PatchIn.W.Dim(1))
	x = m.PatchIn.Forward(t, x) // [B, N, D]

	sinusoids := t.Const(nn.TimeEmbedding(time, timeFeatures), batch, timeFeatures)
	cond := m.Time2.Forward(t, nn.SiLU(t, m.Time1.Forward(t, sinusoids)))
	cond = nn.SiLU(t, nn.Add(t, cond, m.Pooled.Forward(t, text.Pooled))) // [B, D]
	shared := nn.Reshape(t, m.Modulate.Forward(t, cond), batch, 1, modulations*d)

	grid := [3]int{frames, rows, cols}
	for _, b := range m.Blocks {
		x = b.forward(t, x, shared, text, m.rope(grid), grid, m)
	}
	mod := nn.Split(t, m.FinalMod.Forward(t, cond), d, d)
	x = nn.Modulate(t, m.plain.Forward(t, x), mod[0], mod[1])
	x = m.PatchOut.Forward(t, x)
	x = nn.Reshape(t, x, batch, frames, rows, cols, x.Dim(2))
	return nn.Shuffle(t, x, 1, patch)
}

func (b *ditBlock) forward(t *grad.Tape, x, shared *grad.Var, text Encoded, rope *nn.Rope, grid [3]int, m *Transformer) *grad.Var {
	batch, n, d := x.Dim(0), x.Dim(1), x.Dim(2)
	all := nn.AddRow(t, shared, b.Table.Forward(t, []int32{0}, 1)) // [B, 1, 6D]
	mod := nn.Split(t, nn.Reshape(t, all, batch, modulations*d), d, d, d, d, d, d)

	h := b.attention(t, nn.Modulate(t, m.plain.Forward(t, x), mod[0], mod[1]), rope, m.Config.Heads)
	x = nn.GateAdd(t, x, h, mod[2])
	x = nn.Add(t, x, b.cross(t, b.CrossNorm.Forward(t, x), text, m.Config.Heads))

	h = nn.Modulate(t, m.plain.Forward(t, x), mod[3], mod[4])
	h = nn.Reshape(t, b.Up.Forward(t, h), batch, grid[0], grid[1], grid[2], 2*m.Config.FFNWidth)
	h = nn.SwiGLU(t, nn.Add(t, h, b.Space.Forward(t, h)))
	h = nn.Add(t, h, b.Time.Forward(t, h))
	h = b.Down.Forward(t, nn.Reshape(t, h, batch, n, m.Config.FFNWidth))
	return nn.GateAdd(t, x, h, mod[5])
}

func (b *ditBlock) attention(t *grad.Tape, x *grad.Var, rope *nn.Rope, heads int) *grad.Var {
	batch, n, d := x.Dim(0), x.Dim(1), x.Dim(2)
	qkv := nn.Split(t, b.QKV.Forward(t, x), d, d, d)
	for i := range qkv {
		qkv[i] = nn.Reshape(t, qkv[i], batch, n, heads, d/heads)
	}
	q, k, v := b.QNorm.Forward(t, qkv[0]), b.KNorm.Forward(t, qkv[1]), qkv[2]
	var o *grad.Var
	if b.softmax {
		o = nn.SoftmaxAttention(t, rope.Apply(t, q), rope.Apply(t, k), v, nil)
	} else {
		o = nn.LinearAttention(t, q, k, v, rope)
	}
	return b.Out.Forward(t, nn.Reshape(t, o, batch, n, d))
}

func (b *ditBlock) cross(t *grad.Tape, x *grad.Var, text Encoded, heads int) *grad.Var {
	batch, n, d := x.Dim(0), x.Dim(1), x.Dim(2)
	words := text.Tokens.Dim(1)
	q := nn.Reshape(t, b.CrossQ.Forward(t, x), batch, n, heads, d/heads)
	kv := nn.Split(t, b.CrossKV.Forward(t, text.Tokens), d, d)
	k := nn.Reshape(t, kv[0], batch, words, heads, d/heads)
	v := nn.Reshape(t, kv[1], batch, words, heads, d/heads)
	o := nn.SoftmaxAttention(t, q, k, v, text.Lens)
	return b.CrossOut.Forward(t, nn.Reshape(t, o, batch, n, d))
}

// rope returns the rotary table of a grid, made once.
func (m *Transformer) rope(grid [3]int) *nn.Rope {
	r, ok := m.ropes[grid]
	if !ok {
		r = nn.NewRope3(grid[0], grid[1], grid[2], m.Config.Width/m.Config.Heads)
		m.ropes[grid] = r
	}
	return r
}
