package attention

import (
	"kuai/kernel/attn"
	"kuai/kernel/vec"
)

// The products below take keys and values as the cache keeps them: for a few
// rows it costs more to turn a page into float32 than to use it.

// directScores computes x = q kᵀ for the first m positions of a page.
//
//	q    rows of D values
//	x    rows of scores, tileKeys+tilePad apart, written in whole panels
//	tmp  [rows, 32]
func (l Layout) directScores(tmp, x, q []float32, p *Page, layer, head, rows, m int) {
	const ldx = tileKeys + tilePad
	keys, _ := l.at(p, layer, head)
	if l.Type == F16 {
		for c := 0; c < m; c += lanes {
			attn.HalfTile(x[c:], ldx, q, l.D, as[uint16](keys)[c*l.D:], rows, l.D, false)
		}
		return
	}
	scale, _ := l.scalesAt(p, layer, head)
	for c := 0; c < m; c += lanes {
		for d := 0; d < l.D; d += lanes {
			attn.ByteTile(tmp, lanes, q[d:], l.D, as[int8](keys)[c*l.D+d*lanes:], rows, min(lanes, l.D-d), false)
			s := scale[d/lanes*PageLen+c:][:lanes]
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
//	x    rows of weights, tileKeys+tilePad apart
//	o    rows of outputs, D padded
//	tmp  [rows, PageLen]
func (l Layout) directValues(tmp, o, x []float32, p *Page, layer, head, rows, m int, acc bool) {
	const ldx = tileKeys + tilePad
	_, values := l.at(p, layer, head)
	ldo := lanes * l.blocks
	if l.Type == F16 {
		for c := 0; c < l.D; c += lanes {
			attn.HalfTile(o[c:], ldo, x, ldx, as[uint16](values)[c*PageLen:], rows, m, acc)
		}
		return
	}
	_, scale := l.scalesAt(p, layer, head)
	for c := 0; c < l.D; c += lanes {
		s := scale[c/lanes*PageLen:][:m]
		for r := range rows {
			vec.Mul(tmp[r*PageLen:][:m], x[r*ldx:][:m], s)
		}
		attn.ByteTile(o[c:], ldo, tmp, PageLen, as[int8](values)[c*PageLen:], rows, m, acc)
	}
}
