package video

import (
	"math/rand/v2"

	"kuai/grad"
	"kuai/nn"
)

// SlotConfig names one thing that a prompt may say, such as the motion, and
// its possible values in both languages.
type SlotConfig struct {
	Kind string   `json:"kind"`
	En   []string `json:"en"`
	Zh   []string `json:"zh"`
}

// TextConfig is the shape of the text encoder.
type TextConfig struct {
	Rows   int `json:"rows"`   // of the hashed embedding
	Width  int `json:"width"`  // D
	Layers int `json:"layers"` //
	Heads  int `json:"heads"`  // NH
}

// TextEncoder reads English and Chinese prompts. It is trained together with
// the transformer; its slot heads tell which words were understood.
type TextEncoder struct {
	Embed    *nn.Embedding `name:"embed"`
	Position *nn.Embedding `name:"position"`
	Layers   []*textLayer  `name:"layers"`
	Norm     *nn.RMSNorm   `name:"norm"`
	Slots    []*nn.Linear  `name:"slots"` // one a slot; value 0 means "not said"

	config TextConfig
}

type textLayer struct {
	Norm1 *nn.RMSNorm `name:"norm1"`
	QKV   *nn.Linear  `name:"qkv"`
	Out   *nn.Linear  `name:"out"`
	Norm2 *nn.RMSNorm `name:"norm2"`
	Up    *nn.Linear  `name:"up"`
	Down  *nn.Linear  `name:"down"`
}

func newTextEncoder(r *rand.Rand, c TextConfig, slots []SlotConfig) *TextEncoder {
	e := &TextEncoder{
		Embed:    nn.NewEmbedding(r, c.Rows, c.Width),
		Position: nn.NewEmbedding(r, MaxPromptTokens, c.Width),
		Norm:     nn.NewRMSNorm(c.Width),
		config:   c,
	}
	for range c.Layers {
		e.Layers = append(e.Layers, &textLayer{
			Norm1: nn.NewRMSNorm(c.Width),
			QKV:   nn.NewLinear(r, c.Width, 3*c.Width, false),
			Out:   nn.NewLinear(r, c.Width, c.Width, false),
			Norm2: nn.NewRMSNorm(c.Width),
			Up:    nn.NewLinear(r, c.Width, 4*c.Width, false),
			Down:  nn.NewLinear(r, 2*c.Width, c.Width, false),
		})
	}
	for _, s := range slots {
		e.Slots = append(e.Slots, nn.NewLinear(r, c.Width, len(s.En)+1, true))
	}
	return e
}

// Encoded is what the transformer sees of a batch of prompts.
type Encoded struct {
	Tokens *grad.Var   // [B, L, D]
	Pooled *grad.Var   // [B, D]
	Lens   []int32     // words of each prompt, at most L
	Slots  []*grad.Var // per slot, the logits [B, values+1]
}

// Forward encodes a batch of prompts, padded to the longest.
func (e *TextEncoder) Forward(t *grad.Tape, prompts []Prompt) Encoded {
	batch, longest := len(prompts), 1
	for _, p := range prompts {
		longest = max(longest, len(p.Rows))
	}
	var rows []int32
	offsets := make([]int32, 0, batch*longest+1)
	positions := make([]int32, longest)
	lens := make([]int32, batch)
	for b, p := range prompts {
		lens[b] = int32(len(p.Rows))
		for i := range longest {
			offsets = append(offsets, int32(len(rows)))
			if i < len(p.Rows) {
				rows = append(rows, p.Rows[i]...)
			}
		}
	}
	offsets = append(offsets, int32(len(rows)))
	for i := range positions {
		positions[i] = int32(i)
	}

	d := e.config.Width
	x := nn.Reshape(t, e.Embed.Bag(t, rows, offsets), batch, longest, d)
	x = nn.AddRow(t, x, e.Position.Forward(t, positions, longest)) // [B, L, D]
	for _, l := range e.Layers {
		x = l.forward(t, x, lens, e.config.Heads)
	}
	x = e.Norm.Forward(t, x)
	out := Encoded{Tokens: x, Pooled: nn.MeanPool(t, x, lens), Lens: lens}
	for _, s := range e.Slots {
		out.Slots = append(out.Slots, s.Forward(t, out.Pooled))
	}
	return out
}

func (l *textLayer) forward(t *grad.Tape, x *grad.Var, lens []int32, heads int) *grad.Var {
	batch, n, d := x.Dim(0), x.Dim(1), x.Dim(2)
	qkv := nn.Split(t, l.QKV.Forward(t, l.Norm1.Forward(t, x)), d, d, d)
	for i := range qkv {
		qkv[i] = nn.Reshape(t, qkv[i], batch, n, heads, d/heads)
	}
	h := nn.SoftmaxAttention(t, qkv[0], qkv[1], qkv[2], lens)
	x = nn.Add(t, x, l.Out.Forward(t, nn.Reshape(t, h, batch, n, d)))
	h = nn.SwiGLU(t, l.Up.Forward(t, l.Norm2.Forward(t, x)))
	return nn.Add(t, x, l.Down.Forward(t, h))
}
