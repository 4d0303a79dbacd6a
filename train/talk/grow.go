package talk

import (
	"errors"
	"fmt"
	"math"
	"reflect"
	"slices"

	"kuai/nn"
	"kuai/text/checkpoint"
)

// Grown returns a model of a larger shape that says what a smaller one says:
// what is new in width, heads, experts' width and layers adds nothing until it is
// trained. The larger shape has the smaller one's kinds of layers in their order,
// as many experts, the same vocabulary, and the rates of heirs.
//
// A norm over more features, of which the new ones are zero, makes the others
// larger by √(D'/D); the residual stream is kept so much larger and the norms'
// weights so much smaller.
//
// Sources: Chen et al., "Net2Net", arXiv:1511.05641; Gong et al., "Efficient
// Training of BERT by Progressively Stacking", ICML 2019.
func (m *Model) Grown(to Config, seed uint64) (*Model, error) {
	from := m.Config
	at, err := from.places(to)
	if err != nil {
		return nil, err
	}
	out, err := New(to, seed)
	if err != nil {
		return nil, err
	}
	d, larger := from.HiddenSize, to.HiddenSize
	scale := float32(math.Sqrt(float64(larger) / float64(d)))
	wide := []int{d, larger} // one block of features
	keep := func(dst, src *nn.Embedding) {
		clear(dst.W.X)
		copyBlocks(dst.W.X, src.W.X, []int{src.W.Dim(0), dst.W.Dim(0)}, wide, 1)
	}
	norm := func(dst, src *nn.RMSNorm) { copyBlocks(dst.W.X, src.W.X, []int{1, 1}, wide, 1/scale) }
	// into puts a matrix into another: blocks of rows and of columns. The rest of
	// those that write into the stream is zero.
	into := func(dst, src *nn.Linear, rows, columns []int) { copyBlocks(dst.W.X, src.W.X, rows, columns, 1) }
	feed := func(dst, src *nn.FeedForward, f, f2 int) {
		into(dst.GateUp, src.GateUp, []int{f, f2, f, f2}, wide)
		copyBlocks(dst.Down.W.X, src.Down.W.X, wide, []int{f, f2}, scale) // zero beside, as NewFeedForward left it
	}

	keep(out.Embed, m.Embed)
	if m.Bigram != nil {
		keep(out.Bigram, m.Bigram)
	}
	norm(out.Norm, m.Norm)
	for i, l := range m.Layers {
		n := out.Layers[at[i]]
		norm(n.MixNorm, l.MixNorm)
		norm(n.FeedNorm, l.FeedNorm)
		a, b := l.Mix, n.Mix
		for _, pair := range [][2]*nn.RMSNorm{{a.QNorm, b.QNorm}, {a.KNorm, b.KNorm}, {a.ONorm, b.ONorm}} {
			if pair[0] != nil {
				copy(pair[1].W.X, pair[0].W.X)
			}
		}
		// The last head is the last of the larger too: there it is what forgets
		// nothing. New ones stand before it.
		heads := func(h, h2 int) []int { return []int{(h - 1) * a.d, (h2 - 1) * a.d, a.d, a.d} }
		qkv := slices.Concat(heads(a.heads, b.heads), heads(a.kvHeads, b.kvHeads), heads(a.kvHeads, b.kvHeads))
		into(b.QKV, a.QKV, qkv, wide)
		if a.Conv != nil {
			copyBlocks(b.Conv.W.X, a.Conv.W.X, []int{from.ConvKernel, to.ConvKernel}, qkv, 1)
		}
		into(b.Gate, a.Gate, heads(a.heads, b.heads), wide)
		copyBlocks(b.Out.W.X, a.Out.W.X, wide, heads(a.heads, b.heads), scale)
		if l.Dense != nil {
			feed(n.Dense, l.Dense, from.FeedForward, to.FeedForward)
			continue
		}
		clear(n.Experts.Router.W.X)
		into(n.Experts.Router, l.Experts.Router, []int{from.Experts, from.Experts}, wide)
		copy(n.Experts.Bias.X, l.Experts.Bias.X)
		for j, e := range l.Experts.Experts {
			feed(n.Experts.Experts[j], e, from.ExpertWidth, to.ExpertWidth)
		}
		if l.Shared != nil {
			feed(n.Shared, l.Shared, from.SharedWidth, to.SharedWidth)
		}
	}
	for _, p := range nn.Params(out) {
		p.P.Changed()
	}
	return out, nil
}

// copyBlocks copies a matrix times a factor into a larger one. Rows and columns
// are pairs of sizes, here and there, of blocks that begin alike.
func copyBlocks(dst, src []float32, rows, columns []int, factor float32) {
	width, width2 := 0, 0
	for i := 0; i < len(columns); i += 2 {
		width, width2 = width+columns[i], width2+columns[i+1]
	}
	for b, r, r2 := 0, 0, 0; b < len(rows); b += 2 {
		for j := range rows[b] {
			x, y := src[(r+j)*width:][:width], dst[(r2+j)*width2:][:width2]
			for i := 0; i < len(columns); i += 2 {
				for k, v := range x[:columns[i]] {
					y[k] = factor * v
				}
				x, y = x[columns[i]:], y[columns[i+1]:]
			}
		}
		r, r2 = r+rows[b], r2+rows[b+1]
	}
}

// places returns which layer of a larger shape each layer becomes, or says why
// it cannot become that shape.
func (c *Config) places(to Config) ([]int, error) {
	switch {
	case to.VocabSize != c.VocabSize || to.BigramRows != c.BigramRows:
		return nil, errors.New("talk: a model that grows keeps its vocabulary and its table of pairs")
	case to.HeadDim != c.HeadDim || to.KeyValueHeads != c.KeyValueHeads || to.Experts != c.Experts || to.ExpertsUsed != c.ExpertsUsed ||
		to.ConvKernel != c.ConvKernel || to.DenseLayers != c.DenseLayers || to.SlidingWindow != c.SlidingWindow || to.LogLength != c.LogLength ||
		to.RopeTheta != c.RopeTheta || to.SoftCap != c.SoftCap || to.Ablation != c.Ablation || len(c.ValueEmbedding)+len(to.ValueEmbedding) > 0:
		return nil, errors.New("talk: a model grows in width, heads, layers, and width of experts alone")
	case to.HiddenSize < c.HiddenSize || to.Heads < c.Heads || to.FeedForward < c.FeedForward || to.ExpertWidth < c.ExpertWidth || to.SharedWidth < c.SharedWidth:
		return nil, errors.New("talk: a model that grows gets no smaller")
	}
	at := make([]int, 0, c.Layers)
	next := 0
	for i, kind := range c.LayerTypes {
		for next < to.Layers && to.LayerTypes[next] != kind {
			next++
		}
		if next >= to.Layers || (i < c.DenseLayers) != (next < to.DenseLayers) {
			return nil, fmt.Errorf("talk: the layers %v are not among %v in this order", c.LayerTypes, to.LayerTypes)
		}
		at = append(at, next)
		next++
	}
	return at, nil
}

// heirs sets the rates by which a larger shape's heads forget so that those
// which come from a smaller one forget as before.
func (c *Config) heirs(from Config) error {
	at, err := from.places(*c)
	if err != nil {
		return err
	}
	c.Rates = nil
	rates, old := c.rates(), from.rates()
	for i, kind := range from.LayerTypes {
		if kind == Linear {
			// All but the last, which forgets nothing in both.
			copy(rates[c.linear(at[i])], old[from.linear(i)][:from.Heads-1])
		}
	}
	if c.Rates = rates; reflect.DeepEqual(rates, checkpoint.KuaiRates(c.Heads, len(rates))) {
		c.Rates = nil
	}
	return nil
}
