package reader

import (
	"fmt"
	"math/rand/v2"

	"kuai/companion/fact"
	"kuai/grad"
	"kuai/nn"
)

// Config is the shape of a reader. Predicates are those it was trained on, in
// the order of its outputs.
type Config struct {
	Width      int      `json:"width"`
	Layers     int      `json:"layers"`
	Heads      int      `json:"heads"`
	Predicates []string `json:"predicates"`
}

// Default is the shape of the built-in reader.
func Default() Config {
	c := Config{Width: 192, Layers: 5, Heads: 6}
	for _, p := range fact.Predicates() {
		c.Predicates = append(c.Predicates, p.Name)
	}
	return c
}

// Limits of what a config may ask for.
const (
	maxWidth  = 2048
	maxLayers = 64
	ropeBase  = 1000
)

func (c Config) check() error {
	switch {
	case c.Width < 1 || c.Width > maxWidth || c.Layers < 1 || c.Layers > maxLayers || c.Heads < 1 || c.Width%(2*c.Heads) != 0:
		return fmt.Errorf("reader: width %d, %d layers, %d heads", c.Width, c.Layers, c.Heads)
	case len(c.Predicates) == 0 || len(c.Predicates) > len(fact.Predicates()):
		return fmt.Errorf("reader: %d predicates", len(c.Predicates))
	}
	for _, name := range c.Predicates {
		if _, ok := fact.Find(name); !ok {
			return fmt.Errorf("reader: unknown predicate %q", name)
		}
	}
	return nil
}

// Kind is what a turn does.
type Kind int32

// Kinds of turns.
const (
	Nothing    Kind = iota
	Tells           // one fact or more
	AsksValue       // of a predicate, about somebody
	AsksDay         // of an event
	AsksOnDay       // what was on a day
	AsksBefore      // what was on the day before an event
	kinds
)

// Tags of units.
const (
	outside int32 = iota
	begins
	goesOn
	tags
)

// Model reads turns. Weights are read only: any number of goroutines may use
// it, each with its own tape.
type Model struct {
	Words     *nn.Embedding `name:"words"`
	Pieces    *nn.Embedding `name:"pieces"`
	Layers    []*layer      `name:"layers"`
	Norm      *nn.RMSNorm   `name:"norm"`
	Kind      *nn.Linear    `name:"kind"`
	Tag       *nn.Linear    `name:"tag"`
	Predicate *nn.Linear    `name:"predicate"`
	First     *nn.Linear    `name:"first"` // queries of the pointers
	Last      *nn.Linear    `name:"last"`
	FirstKey  *nn.Linear    `name:"first_key"`
	LastKey   *nn.Linear    `name:"last_key"`

	Config Config
}

type layer struct {
	Norm1 *nn.RMSNorm `name:"norm1"`
	QKV   *nn.Linear  `name:"qkv"`
	Out   *nn.Linear  `name:"out"`
	Norm2 *nn.RMSNorm `name:"norm2"`
	Up    *nn.Linear  `name:"up"`
	Down  *nn.Linear  `name:"down"`
}

// New returns a model with random weights, or says what is wrong with its
// shape.
func New(c Config, seed uint64) (*Model, error) {
	if err := c.check(); err != nil {
		return nil, err
	}
	r := rand.New(rand.NewPCG(seed, 0x5EAD))
	d, p := c.Width, c.Width/2
	m := &Model{
		Words: nn.NewEmbedding(r, wordRows, d), Pieces: nn.NewEmbedding(r, pieceRows, d), Norm: nn.NewRMSNorm(d),
		Kind: nn.NewLinear(r, d, int(kinds), true), Tag: nn.NewLinear(r, d, int(tags), true),
		Predicate: nn.NewLinear(r, d, len(c.Predicates), true),
		First:     nn.NewLinear(r, d, p, true), Last: nn.NewLinear(r, d, p, true),
		FirstKey: nn.NewLinear(r, d, p, false), LastKey: nn.NewLinear(r, d, p, false),
		Config: c,
	}
	for range c.Layers {
		m.Layers = append(m.Layers, &layer{
			Norm1: nn.NewRMSNorm(d), QKV: nn.NewLinear(r, d, 3*d, false), Out: nn.NewLinear(r, d, d, false),
			Norm2: nn.NewRMSNorm(d), Up: nn.NewLinear(r, d, 4*d, false), Down: nn.NewLinear(r, 2*d, d, false),
		})
	}
	return m, nil
}

// Batch is turns cut into units and padded to the longest.
type Batch struct {
	B, N    int
	Lens    []int32 // units of each, with unit 0
	words   []int32 // [B·N]
	pieces  []int32
	offsets []int32 // [B·N+1], of pieces
}

// NewBatch makes a batch of turns and their units.
func NewBatch(turns []string, units [][]Unit) *Batch {
	b := &Batch{B: len(turns), N: 1, Lens: make([]int32, len(turns))}
	for i, u := range units {
		b.Lens[i] = int32(len(u) + 1)
		b.N = max(b.N, len(u)+1)
	}
	none := int32(WordRow(edge))
	for i, us := range units {
		all := append([]Unit{{Word: whole}}, us...)
		for j := range b.N {
			b.offsets = append(b.offsets, int32(len(b.pieces)))
			if j >= len(all) {
				b.words = append(b.words, none)
				continue
			}
			before, after := edge, edge
			if j > 0 {
				before = all[j-1].Word
			}
			if j+1 < len(all) {
				after = all[j+1].Word
			}
			var word int32
			word, b.pieces = features(b.pieces, turns[i], all[j], before, after)
			b.words = append(b.words, word)
		}
	}
	b.offsets = append(b.offsets, int32(len(b.pieces)))
	return b
}

// Forward returns the units' vectors [B, N, D].
func (m *Model) Forward(t *grad.Tape, b *Batch) *grad.Var {
	d := m.Config.Width
	x := nn.Reshape(t, m.Pieces.Bag(t, b.pieces, b.offsets), b.B, b.N, d)
	x = nn.Add(t, x, m.Words.Forward(t, b.words, b.B, b.N))
	rope := nn.NewRope(b.N, d/m.Config.Heads, ropeBase)
	for _, l := range m.Layers {
		x = l.forward(t, x, b.Lens, m.Config.Heads, rope)
	}
	return m.Norm.Forward(t, x)
}

func (l *layer) forward(t *grad.Tape, x *grad.Var, lens []int32, heads int, rope *nn.Rope) *grad.Var {
	batch, n, d := x.Dim(0), x.Dim(1), x.Dim(2)
	qkv := nn.Split(t, l.QKV.Forward(t, l.Norm1.Forward(t, x)), d, d, d)
	for i := range qkv {
		qkv[i] = nn.Reshape(t, qkv[i], batch, n, heads, d/heads)
	}
	h := nn.SoftmaxAttention(t, rope.Apply(t, qkv[0]), rope.Apply(t, qkv[1]), qkv[2], lens)
	x = nn.Add(t, x, l.Out.Forward(t, nn.Reshape(t, h, batch, n, d)))
	h = nn.SwiGLU(t, l.Up.Forward(t, l.Norm2.Forward(t, x)))
	return nn.Add(t, x, l.Down.Forward(t, h))
}

// turns returns the scores that need no places: kinds and tags.
func (m *Model) turns(t *grad.Tape, b *Batch, h *grad.Var) (kind, tag *grad.Var) {
	zero := make([]int32, b.B)
	for i := range zero {
		zero[i] = int32(i * b.N)
	}
	flat := nn.Reshape(t, h, b.B*b.N, m.Config.Width)
	return m.Kind.Forward(t, nn.Rows(t, flat, zero)), m.Tag.Forward(t, flat)
}

// places returns the scores of what stands at some units of the batch, by
// their rows in [B·N].
func (m *Model) places(t *grad.Tape, b *Batch, h *grad.Var, at []int32) (predicate, first, last *grad.Var) {
	flat := nn.Reshape(t, h, b.B*b.N, m.Config.Width)
	rows := nn.Rows(t, flat, at)
	batch := make([]int32, len(at))
	for i, r := range at {
		batch[i] = r / int32(b.N)
	}
	first = nn.Point(t, m.First.Forward(t, rows), m.FirstKey.Forward(t, h), batch, b.Lens)
	last = nn.Point(t, m.Last.Forward(t, rows), m.LastKey.Forward(t, h), batch, b.Lens)
	return m.Predicate.Forward(t, rows), first, last
}
