package reader

import (
	"kuai/grad"
	"kuai/nn"
)

// Losses of a batch, in nats, and what of it was right.
type Losses struct {
	Sum                                 *grad.Var
	Kind, Tag, Predicate, Subject       float64
	KindRight, PredicateRight, Subjects float64 // shares
}

// Loss is the cross entropy of everything that labels say. There is one for
// each turn of the batch.
func (m *Model) Loss(t *grad.Tape, b *Batch, labels []Labels) Losses {
	h := m.Forward(t, b)
	kind, tag := m.turns(t, b, h)
	kindOf, tagOf := make([]int32, b.B), make([]int32, b.B*b.N)
	var at, predicate, first, last []int32
	for i, l := range labels {
		kindOf[i] = int32(l.Kind)
		for j := range b.N {
			tagOf[i*b.N+j] = -1
			if j > 0 && j <= len(l.Tags) {
				tagOf[i*b.N+j] = l.Tags[j-1]
			}
		}
		for _, p := range l.Places {
			at = append(at, int32(i*b.N+p.Unit))
			first, last = append(first, p.First), append(last, p.Last)
			if l.Kind == AsksOnDay {
				p.Predicate = -1
			}
			predicate = append(predicate, p.Predicate)
		}
	}
	out := Losses{KindRight: right(kind, kindOf)}
	lk, lt := nn.CrossEntropy(t, kind, kindOf), nn.CrossEntropy(t, tag, tagOf)
	out.Kind, out.Tag = float64(lk.X[0]), float64(lt.X[0])
	out.Sum = nn.Add(t, lk, nn.Scale(t, lt, tagWeight))
	if len(at) == 0 {
		return out
	}
	sp, sf, sl := m.places(t, b, h, at)
	out.PredicateRight, out.Subjects = right(sp, predicate), right(sf, first)
	lp, lf, ll := nn.CrossEntropy(t, sp, predicate), nn.CrossEntropy(t, sf, first), nn.CrossEntropy(t, sl, last)
	out.Predicate, out.Subject = float64(lp.X[0]), float64(lf.X[0])
	out.Sum = nn.Add(t, out.Sum, nn.Add(t, lp, nn.Add(t, lf, ll)))
	return out
}

// tagWeight makes up for most units being outside of any value.
const tagWeight = 5

// right is the share of the rows whose highest score is the label's.
func right(scores *grad.Var, labels []int32) float64 {
	c, n, ok := scores.Dim(-1), 0, 0
	for i, l := range labels {
		if l >= 0 {
			n++
			if best(scores.X[i*c:(i+1)*c]) == int(l) {
				ok++
			}
		}
	}
	return float64(ok) / float64(max(n, 1))
}
