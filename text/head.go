package text

import (
	"math"

	"kuai/kernel/vec"
)

// headRows is how many rows meet the vocabulary at a time when their logits go
// to different places.
const headRows = 64

// heads is the rows whose logits are wanted.
type heads struct {
	x   []float32 // [headRows, E]
	row []int32   // of the pass
	dst [][]float32
}

// wanted collects the rows whose logits are wanted, in ascending order, each
// once.
func (p *pass) wanted() {
	h := &p.head
	h.row, h.dst = h.row[:0], h.dst[:0]
	v := p.m.config.Vocab
	for i := range p.parts {
		pt := &p.parts[i]
		from, to := pt.wanted()
		for r := from; r < to; r++ {
			dst := pt.logits
			if pt.all != nil {
				dst = pt.all[(r-pt.frozen)*v:][:v]
			}
			h.row, h.dst = append(h.row, int32(pt.row+r)), append(h.dst, dst)
		}
	}
}

// outputs computes the wanted logits.
func (p *pass) outputs() {
	h := &p.head
	for i := 0; i < len(h.row); i += headRows {
		end := min(i+headRows, len(h.row))
		p.headBlock(h.row[i:end], h.dst[i:end])
	}
	clear(h.dst) // they belong to the caller
	for i := range p.parts {
		if pt := &p.parts[i]; pt.all != nil && pt.logits != nil {
			copy(pt.logits, pt.all[len(pt.all)-p.m.config.Vocab:])
		}
	}
}

// headBlock computes the logits of some rows.
func (p *pass) headBlock(rows []int32, dst [][]float32) {
	c := &p.m.config
	e, v := c.Hidden, c.Vocab
	for i, r := range rows {
		vec.RMSNorm(p.head.x[i*e:][:e], nil, p.x[int(r)*e:][:e], p.m.norm, 1, e, c.NormEps)
	}
	out := p.logits
	if len(rows) == 1 {
		out = dst[0]
	}
	p.want(out, v, p.m.head)
	p.multiply(p.head.x, len(rows), e)
	for i, d := range dst {
		if len(rows) > 1 {
			copy(d, out[i*v:][:v])
		}
		if limit := c.Companion.SoftCap; limit > 0 {
			vec.Scale(d, d, 1/limit)
			vec.Tanh(d, d)
			vec.Scale(d, d, limit)
		}
		if c.Suppress > 0 {
			for j := c.Suppress; j < v; j++ {
				d[j] = float32(math.Inf(-1))
			}
		}
	}
}
