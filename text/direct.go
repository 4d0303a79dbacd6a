package text

import (
	"kuai/kernel/attn"
	"kuai/kernel/vec"
)

// The products below take keys and values as the cache keeps them: for a few
// rows it costs more to turn a page into float32 than to use it.

// directScores computes x = q kᵀ for the first m positions of a page.
//
//	q    rows of D values
//	x    rows of scores, attnKeys+attnPad apart, written in whole panels
//	tmp  [rows, 32]
func (l layout) directScores(tmp, x, q []float32, p *page, layer, head, rows, m int) {
	const ldx = attnKeys + attnPad
	keys, _ := l.at(p, layer, head)
	if l.typ == cacheF16 {
		for c := 0; c < m; c += lanes {
			attn.HalfTile(x[c:], ldx, q, l.d, as[uint16](keys)[c*l.d:], rows, l.d, false)
		}
		return
	}
	scale, _ := l.scalesAt(p, layer, head)
	for c := 0; c < m; c += lanes {
		for d := 0; d < l.d; d += lanes {
			attn.ByteTile(tmp, lanes, q[d:], l.d, as[int8](keys)[c*l.d+d*lanes:], rows, min(lanes, l.d-d), false)
			s := scale[d/lanes*pageLen+c:][:lanes]
			for r := range rows {
				if out := x[r*ldx+c:][:lanes]; d == 0 {
					vec.Mul(out, tmp[r*lanes:][:lanes], s)
				} else {
					vec.MulAdd(out, tmp[r*lanes:][:lanes], s)
				}
			}
		}
	}
}

// directValues computes o (+)= x v for the first m positions of a page.
//
//	x    rows of weights, attnKeys+attnPad apart
//	o    rows of outputs, D padded
//	tmp  [rows, pageLen]
func (l layout) directValues(tmp, o, x []float32, p *page, layer, head, rows, m int, acc bool) {
	const ldx = attnKeys + attnPad
	_, values := l.at(p, layer, head)
	ldo := lanes * l.blocks
	if l.typ == cacheF16 {
		for c := 0; c < l.d; c += lanes {
			attn.HalfTile(o[c:], ldo, x, ldx, as[uint16](values)[c*pageLen:], rows, m, acc)
		}
		return
	}
	_, scale := l.scalesAt(p, layer, head)
	for c := 0; c < l.d; c += lanes {
		s := scale[c/lanes*pageLen:][:m]
		for r := range rows {
			vec.Mul(tmp[r*pageLen:][:m], x[r*ldx:][:m], s)
		}
		attn.ByteTile(o[c:], ldo, tmp, pageLen, as[int8](values)[c*pageLen:], rows, m, acc)
	}
}
