package reader

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"reflect"

	"kuai/companion/fact"
	"kuai/grad"
	"kuai/nn"
	"kuai/reader/sense"
)

// Config is the shape of a reader. Predicates are those it was trained on, in
// the order of its outputs.
type Config struct {
	Width      int      `json:"width"`
	Layers     int      `json:"layers"`
	Heads      int      `json:"heads"`
	Senses     int      `json:"senses,omitempty"` // rows for what dictionaries know of words; 0 is none
	Predicates []string `json:"predicates"`
}

// Default is the shape of the built-in reader.
func Default() Config {
	c := Config{Width: 192, Layers: 7, Heads: 6, Senses: 8192}
	for _, p := range fact.Predicates() {
		c.Predicates = append(c.Predicates, p.Name)
	}
	return c
}

// Limits of what a config may ask for.
const (
	maxWidth  = 2048
	maxLayers = 64
	maxSenses = 1 << 20
	ropeBase  = 1000
)

func (c Config) check() error {
	switch {
	case c.Width < 1 || c.Width > maxWidth || c.Layers < 1 || c.Layers > maxLayers || c.Heads < 1 || c.Width%(2*c.Heads) != 0:
		return fmt.Errorf("reader: width %d, %d layers, %d heads", c.Width, c.Layers, c.Heads)
	case c.Senses < 0 || c.Senses > maxSenses:
		return fmt.Errorf("reader: %d rows for senses", c.Senses)
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

// Grown returns a model of a shape with more layers, or rows for senses, that
// reads as another does: what is new adds nothing until it is trained.
func (m *Model) Grown(to Config, seed uint64) (*Model, error) {
	same := m.Config
	same.Layers, same.Senses = to.Layers, to.Senses
	if !reflect.DeepEqual(same, to) || to.Layers < m.Config.Layers || m.Config.Senses > 0 && to.Senses != m.Config.Senses {
		return nil, errors.New("reader: only layers and senses can be added to a reader, whose predicates stay")
	}
	out, err := New(to, seed)
	if err != nil {
		return nil, err
	}
	for _, l := range out.Layers[m.Config.Layers:] {
		clear(l.Out.W.X)
		clear(l.Down.W.X)
	}
	if out.Senses != nil {
		clear(out.Senses.W.X)
	}
	from := map[string]*nn.Param{}
	for _, p := range nn.Params(m) {
		from[p.Name] = p.P
	}
	for _, p := range nn.Params(out) {
		if old := from[p.Name]; old != nil {
			copy(p.P.X, old.X)
		}
		p.P.Changed()
	}
	return out, nil
}

// Average returns a model whose weights are the mean of those of models of one
// shape that were trained from the same one: it reads wordings that none of them
// was trained on better than each ("Model soups", arXiv:2203.05482).
func Average(models ...*Model) (*Model, error) {
	if len(models) == 0 {
		return nil, errors.New("reader: an average of no readers")
	}
	out, err := New(models[0].Config, 0)
	if err != nil {
		return nil, err
	}
	sum := nn.Params(out)
	for _, p := range sum {
		clear(p.P.X)
	}
	share := 1 / float32(len(models))
	for i, m := range models {
		if !reflect.DeepEqual(m.Config, out.Config) {
			return nil, fmt.Errorf("reader: reader %d has another shape than the first; only readers of one shape have an average", i+1)
		}
		for j, p := range nn.Params(m) {
			for k, x := range p.P.X {
				sum[j].P.X[k] += share * x
			}
		}
	}
	for _, p := range sum {
		p.P.Changed()
	}
	return out, nil
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
	Senses    *nn.Embedding `name:"senses"` // nil without any
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
	if c.Senses > 0 {
		m.Senses = nn.NewEmbedding(r, c.Senses, d)
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
	Drop Drop // in training

	B, N    int
	Lens    []int32 // units of each, with unit 0
	words   []int32 // [B·N]
	pieces  []int32
	offsets []int32 // [B·N+1], of pieces
	senses  []int32
	known   []int32 // [B·N+1], of senses
}

// Drop is how many of the values that the embeddings and each part of a layer
// yield are dropped, and what decides which ones.
type Drop struct {
	Rate float32
	Seed uint64
}

// next drops values; every call drops others.
func (d *Drop) next(t *grad.Tape, x *grad.Var) *grad.Var {
	d.Seed++
	return nn.Dropout(t, x, d.Rate, d.Seed)
}

// Batch makes a batch of turns and their units.
func (c Config) Batch(turns []string, units [][]Unit) *Batch {
	b := &Batch{B: len(turns), N: 1, Lens: make([]int32, len(turns))}
	for i, u := range units {
		b.Lens[i] = int32(len(u) + 1)
		b.N = max(b.N, len(u)+1)
	}
	none := int32(WordRow(edge))
	for i, us := range units {
		all := append([]Unit{{Word: whole}}, us...)
		senses := c.senses(turns[i], us)
		for j := range b.N {
			b.offsets, b.known = append(b.offsets, int32(len(b.pieces))), append(b.known, int32(len(b.senses)))
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
			if j > 0 && len(senses) > 0 {
				for _, x := range senses[j-1] {
					b.senses = append(b.senses, int32(x%uint32(c.Senses)))
				}
			}
		}
	}
	b.offsets, b.known = append(b.offsets, int32(len(b.pieces))), append(b.known, int32(len(b.senses)))
	return b
}

// senses is what dictionaries know of a turn's units, nil for none.
func (c Config) senses(turn string, units []Unit) [][]uint32 {
	if c.Senses == 0 {
		return nil
	}
	words := make([]string, len(units))
	for i, u := range units {
		if words[i] = lower(turn[u.From:u.To]); u.Blank {
			words[i] = Hidden
		}
	}
	return sense.Of(words)
}

// Forward returns the units' vectors [B, N, D].
func (m *Model) Forward(t *grad.Tape, b *Batch) *grad.Var {
	d := m.Config.Width
	x := nn.Reshape(t, m.Pieces.Bag(t, b.pieces, b.offsets), b.B, b.N, d)
	x = nn.Add(t, x, m.Words.Forward(t, b.words, b.B, b.N))
	if m.Senses != nil {
		x = nn.Add(t, x, nn.Reshape(t, m.Senses.Bag(t, b.senses, b.known), b.B, b.N, d))
	}
	drop, rope := b.Drop, nn.NewRope(b.N, d/m.Config.Heads, ropeBase)
	x = drop.next(t, x)
	for _, l := range m.Layers {
		x = l.forward(t, x, b.Lens, m.Config.Heads, rope, &drop)
	}
	return m.Norm.Forward(t, x)
}

func (l *layer) forward(t *grad.Tape, x *grad.Var, lens []int32, heads int, rope *nn.Rope, drop *Drop) *grad.Var {
	batch, n, d := x.Dim(0), x.Dim(1), x.Dim(2)
	qkv := nn.Split(t, l.QKV.Forward(t, l.Norm1.Forward(t, x)), d, d, d)
	for i := range qkv {
		qkv[i] = nn.Reshape(t, qkv[i], batch, n, heads, d/heads)
	}
	h := nn.SoftmaxAttention(t, rope.Apply(t, qkv[0]), rope.Apply(t, qkv[1]), qkv[2], lens)
	x = nn.Add(t, x, drop.next(t, l.Out.Forward(t, nn.Reshape(t, h, batch, n, d))))
	h = nn.SwiGLU(t, l.Up.Forward(t, l.Norm2.Forward(t, x)))
	return nn.Add(t, x, drop.next(t, l.Down.Forward(t, h)))
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
